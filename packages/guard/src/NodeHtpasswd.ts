/**
 * The users of an htpasswd file in Node, Bun and Deno. Worker threads compare the passwords.
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
   * The number of threads that compare passwords. This is the number of cores that guessing can keep busy.
   *
   * @default half of the cores, at least 1 and at most 4
   */
  readonly threads?: number | undefined
}

/** The program of a thread. It has no imports, so that it runs the same from the built package and from the sources. */
const program = `
const { parentPort, workerData } = require("node:worker_threads")
const bcrypt = require(workerData)
parentPort.on("message", ({ password, hash }) => parentPort.postMessage(bcrypt.compareSync(password, hash)))
`

/** A thread could not be started, or has ended. */
class ThreadFailed extends Data.TaggedError("ThreadFailed")<{ readonly cause: unknown }> {}

/**
 * Creates a pool of threads that compare passwords. A thread starts when it is first needed. An idle thread does not
 * keep the process alive.
 */
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
        // If the platform does not allow threads, or a bundler included bcryptjs, the thread of the caller compares.
        compare: (password, hash) =>
          Effect.catchAll(onThread(password, hash), () => Bcrypt.portable.compare(password, hash))
      }
    }
  )

/**
 * Creates {@link Htpasswd.make | the users of an htpasswd file}. Worker threads compare the passwords, so that a server
 * continues to answer while an attacker guesses passwords. The threads start with the first comparison, and end when
 * the scope closes.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Guard } from "@effect-oci/guard"
 * import * as NodeHtpasswd from "@effect-oci/guard/NodeHtpasswd"
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
