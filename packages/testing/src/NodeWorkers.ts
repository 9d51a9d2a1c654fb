/**
 * Runs a module in `workerd`, the runtime of Cloudflare's workers, on this machine.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { build, type Plugin } from "esbuild"
import { Miniflare, type MiniflareOptions } from "miniflare"
import { fileURLToPath } from "node:url"

const packages = fileURLToPath(new URL("../../", import.meta.url))

/** Resolves the packages of this repository to their sources, so that none has to be built first. */
const sources: Plugin = {
  name: "sources",
  setup: ({ onResolve }) =>
    onResolve({ filter: /^@effect-oci\// }, ({ path }) => {
      const [, name, module = "index"] = path.split("/")
      return { path: `${packages}${name}/src/${module}.ts` }
    })
}

/**
 * Bundles a module and all that it imports to one text, as a worker has it.
 *
 * @since 0.1.0
 * @category running
 */
export const bundle = async (entry: string, options: { readonly minify?: boolean } = {}): Promise<string> => {
  const { outputFiles: [file] } = await build({
    bundle: true,
    conditions: ["workerd", "worker", "browser"],
    entryPoints: [entry],
    external: ["node:*", "cloudflare:*"],
    format: "esm",
    logLevel: "error",
    mainFields: ["module", "main"],
    minify: options.minify ?? false,
    platform: "neutral",
    plugins: [sources],
    target: "es2022",
    write: false
  })
  return file!.text
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
  readonly databases?: Array<string>
  /** The names of the bindings of buckets. */
  readonly buckets?: Array<string>
  /** Texts that the worker receives as bindings. */
  readonly texts?: Record<string, string>
  /**
   * The port on 127.0.0.1.
   *
   * @default any free port
   */
  readonly port?: number
}

/**
 * Starts a worker. Its storage is in memory. The end of the scope stops the worker.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: Options): Effect.Effect<Miniflare, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const script = await bundle(options.entry)
      const workers: MiniflareOptions = {
        ...compatibility,
        modules: true,
        script,
        host: "127.0.0.1",
        ...(options.port === undefined ? {} : { port: options.port }),
        ...(options.databases === undefined ? {} : { d1Databases: options.databases }),
        ...(options.buckets === undefined ? {} : { r2Buckets: options.buckets }),
        ...(options.texts === undefined ? {} : { bindings: options.texts })
      }
      const worker = new Miniflare(workers)
      await worker.ready
      return worker
    }),
    (worker) => Effect.promise(() => worker.dispose())
  )
