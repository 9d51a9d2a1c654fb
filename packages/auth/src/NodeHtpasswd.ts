/**
 * Users of an htpasswd file in Node, Bun and Deno: passwords are compared on other threads.
 *
 * @since 0.1.0
 */
import type { PlatformError } from "@effect/platform/Error"
import type * as FileSystem from "@effect/platform/FileSystem"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { createRequire } from "node:module"
import { availableParallelism } from "node:os"
import { Worker } from "node:worker_threads"
import * as Bcrypt from "./Bcrypt.js"
import * as Htpasswd from "./Htpasswd.js"
import type { Users } from "./Users.js"

/**
 * Options for {@link make}.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options extends Htpasswd.Options {
  /**
   * How many threads compare passwords. This is the most cores that guessing can keep busy.
   *
   * @default half of the cores, at least 1 and at most 4
   */
  readonly threads?: number | undefined
}

/** A program without imports, so that it runs the same from a package and from its sources. */
const program = `
const { parentPort, workerData } = require("node:worker_threads")
const bcrypt = require(workerData)
parentPort.on("message", ({ password, hash }) => parentPort.postMessage(bcrypt.compareSync(password, hash)))
`

/** A thread cannot be started, or has ended. */
class ThreadFailed extends Data.TaggedError("ThreadFailed")<{ readonly cause: unknown }> {}

/** Threads that compare, started when they are first needed. They do not keep the process alive while they are idle. */
const threads = (count: number): Effect.Effect<Bcrypt.Service, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => ({ all: new Set<Worker>(), idle: new Set<Worker>() })),
      ({ all }) => Effect.promise(() => Promise.all(Array.from(all, (worker) => worker.terminate())))
    ),
    ({ all, idle }): Bcrypt.Service => {
      const start = (): Worker => {
        const bcryptjs = createRequire(import.meta.url).resolve("bcryptjs")
        const worker = new Worker(program, { eval: true, execArgv: [], workerData: bcryptjs })
        all.add(worker)
        const remove = () => {
          all.delete(worker)
          idle.delete(worker)
        }
        return worker.on("error", remove).on("exit", remove)
      }

      const onThread = (password: string, hash: string) =>
        Effect.async<boolean, ThreadFailed>((resume) => {
          try {
            const [worker = start()] = idle
            const fail = (cause: unknown) => resume(new ThreadFailed({ cause }))
            idle.delete(worker)
            worker.ref()
            worker.once("error", fail).once("exit", fail).once("message", (isSame: boolean) => {
              worker.off("error", fail).off("exit", fail).unref()
              idle.add(worker)
              resume(Effect.succeed(isSame))
            })
            worker.postMessage({ password, hash }, [])
          } catch (cause) {
            resume(new ThreadFailed({ cause }))
          }
        })

      return {
        concurrency: count,
        // Where threads are not allowed, or bcryptjs was bundled, this thread does it.
        compare: (password, hash) =>
          Effect.catchAll(onThread(password, hash), () => Bcrypt.portable.compare(password, hash))
      }
    }
  )

/**
 * Creates {@link Htpasswd.make | the users of an htpasswd file}, whose passwords are compared on a few worker threads. A
 * server continues to answer while somebody guesses. The threads start with the first comparison and end with the scope.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Guard } from "@effect-oci/auth"
 * import * as NodeHtpasswd from "@effect-oci/auth/NodeHtpasswd"
 * import { Effect } from "effect"
 *
 * const guard = Effect.map(NodeHtpasswd.make({ path: "/etc/registry/htpasswd" }), (users) => Guard.make({ users }))
 * ```
 */
export const make = (
  options: Options
): Effect.Effect<Users, Htpasswd.HtpasswdInvalid | PlatformError, FileSystem.FileSystem | Scope.Scope> => {
  const count = options.threads ?? Math.min(4, Math.max(1, Math.floor(availableParallelism() / 2)))
  return Effect.flatMap(
    threads(Math.max(1, Math.floor(count))),
    (service) => Effect.provideService(Htpasswd.make(options), Bcrypt.Bcrypt, service)
  )
}
