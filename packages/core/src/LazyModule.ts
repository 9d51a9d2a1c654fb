/**
 * Modules that are loaded when they are first needed. A bundler for a browser puts them in files of their own.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { TransportError } from "./RegistryError.js"
import { succeed } from "./Settled.js"

/**
 * Returns an effect that loads a module when it first runs. Concurrent runs share one load, and an interrupted run does not
 * cancel it. Once the module is loaded, a run needs no promise. Fails with a `TransportError` if the module cannot be
 * loaded. The next run then tries again.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { LazyModule } from "@effect-oci/core"
 * import { Effect } from "effect"
 *
 * const zlib = LazyModule.make(() => import("node:zlib"))
 * const compress = (text: string) => Effect.map(zlib, ({ gzipSync }) => gzipSync(text))
 * ```
 */
export const make = <A>(load: () => Promise<A>): Effect.Effect<A, TransportError> => {
  let loading: Promise<void> | undefined
  let loaded: Effect.Effect<A, TransportError> | undefined
  const start = () =>
    loading ??= load().then(
      (module) => {
        loaded = succeed(module)
      },
      (cause: unknown) => {
        loading = undefined
        throw cause
      }
    )
  return Effect.suspend(() =>
    loaded ?? Effect.flatMap(Effect.tryPromise({ try: start, catch: failure }), () => loaded!)
  )
}

const failure = (cause: unknown): TransportError =>
  new TransportError({
    reason: "a file of the program cannot be loaded: check that the server of the program has it, and try again",
    cause
  })
