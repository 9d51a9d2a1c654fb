/**
 * Runs a module in `workerd`, the runtime of Cloudflare's workers, on this machine.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { Miniflare } from "miniflare"
import { bundle } from "./NodeBundle.js"

/** A worker, whose type depends on the types of Cloudflare that are installed. */
interface Scheduled {
  readonly scheduled: (options: { readonly cron: string }) => Promise<{ readonly outcome: string }>
}

/** The version of the runtime's behaviour. */
const compatibility = { compatibilityDate: "2026-04-01", compatibilityFlags: ["nodejs_compat"] }

/**
 * Options for {@link make}.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** The file of the module. */
  readonly entry: string
  /** The names of the bindings of databases. */
  readonly databases?: ReadonlyArray<string>
  /** The names of the bindings of buckets. */
  readonly buckets?: ReadonlyArray<string>
  /** Texts that the worker receives as bindings. */
  readonly texts?: Readonly<Record<string, string>>
  /**
   * How many isolates run the worker. All of them share the databases and the buckets.
   *
   * @default 1
   */
  readonly isolates?: number
}

/**
 * A worker that runs.
 *
 * @since 0.1.0
 * @category models
 */
export interface Running {
  /** The URL of each isolate, on 127.0.0.1, without a slash at its end. */
  readonly urls: ReadonlyArray<string>
  /** Calls the function of the worker that a timer calls. Fails if that function fails. */
  readonly tick: Effect.Effect<void, Error>
}

/** Names each binding by itself, so that equal names of several isolates are one storage. */
const shared = (names: ReadonlyArray<string> = []): Record<string, string> =>
  Object.fromEntries(names.map((name) => [name, name]))

/**
 * Starts a worker. Its storage is in memory. The end of the scope stops the worker.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: Options): Effect.Effect<Running, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.promise(async () => {
        const script = await bundle(options.entry, { platform: "browser" })
        const names = Array.from({ length: options.isolates ?? 1 }, (_, index) => `isolate-${index}`)
        const runtime = new Miniflare({
          host: "127.0.0.1",
          workers: names.map((name) => ({
            ...compatibility,
            name,
            modules: true,
            script,
            d1Databases: shared(options.databases),
            r2Buckets: shared(options.buckets),
            bindings: { ...options.texts },
            unsafeDirectSockets: [{ host: "127.0.0.1", port: 0 }]
          }))
        })
        const urls = await Promise.all(names.map((name) => runtime.unsafeGetDirectURL(name)))
        return { runtime, urls: urls.map(({ origin }) => origin) }
      }),
      // A worker that has locked itself up does not end by itself, and a test must.
      ({ runtime }) => Effect.ignore(Effect.timeout(Effect.promise(() => runtime.dispose()), "10 seconds"))
    ),
    ({ runtime, urls }) => ({
      urls,
      tick: Effect.tryPromise({
        try: async () => {
          const worker = (await runtime.getWorker()) as unknown as Scheduled
          const { outcome } = await worker.scheduled({ cron: "* * * * *" })
          if (outcome !== "ok") throw new Error(outcome)
        },
        catch: (cause) => new Error("the function that a timer calls failed", { cause })
      })
    })
  )
