/** The entry of the worker: the function that answers requests, and the one that a timer calls. */
import { HttpApp } from "@effect/platform"
import { Effect, Scheduler } from "effect"
import * as Registry from "./registry.js"

/**
 * Runs an effect with a scheduler of its own. A worker cannot use the I/O of one request in another one, and Effect's
 * default scheduler runs the fibers of all requests of an isolate.
 */
const alone = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.suspend(() => Effect.withScheduler(effect, new Scheduler.MixedScheduler(2048)))

declare const FixedLengthStream: new(length: number) => TransformStream<Uint8Array, Uint8Array>

/** Lets the runtime send `Content-Length`, which it does only for a stream that promises its length. */
const withLength = (response: Response): Response => {
  const length = response.headers.get("content-length")
  if (response.body === null || length === null) return response
  return new Response(response.body.pipeThrough(new FixedLengthStream(Number(length))), response)
}

export default {
  fetch: async (request: Request, bindings: Registry.Bindings): Promise<Response> => {
    const runtime = Effect.runSync(alone(Effect.runtime<never>()))
    return withLength(await HttpApp.toWebHandlerRuntime(runtime)(Registry.app(bindings))(request))
  },

  scheduled: (_event: unknown, bindings: Registry.Bindings): Promise<void> =>
    Effect.runPromise(
      alone(Effect.flatMap(Registry.collect(bindings), (report) => Effect.logInfo("collected", report)))
    )
}
