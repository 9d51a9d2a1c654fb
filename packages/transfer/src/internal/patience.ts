import { Operation, Registry } from "@effect-oci/core"
import type { Handler, RegistryError } from "@effect-oci/core"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"

const maxDelay = Duration.seconds(5)

/** No answer came, or a proxy says that the registry behind it does not answer. */
const isAway = (error: RegistryError.RegistryError): boolean =>
  error._tag === "TransportError" || (error._tag === "Unavailable" && error.status !== undefined)

/**
 * The same registry, which waits for an outage to end: an operation that may be repeated is tried again for `retryTime`,
 * with growing delays, while no answer comes. A registry that has not answered yet is not waited for: its address may be
 * wrong. An operation that sends a body is left to its caller.
 */
export const patient = (registry: Registry["Type"], retryTime: Duration.DurationInput): Registry["Type"] => {
  let answered = false
  const note = (error?: RegistryError.RegistryError) =>
    Effect.sync(() => {
      if (error?._tag !== "TransportError") answered = true
    })
  const policy = Schedule.exponential("200 millis").pipe(
    Schedule.modifyDelay((_, delay) => Duration.min(delay, maxDelay)),
    Schedule.jittered,
    Schedule.upTo(retryTime),
    Schedule.whileInput((error: RegistryError.RegistryError) => answered && isAway(error))
  )
  const handle: Handler.Handler = (operation) => {
    const answer = Effect.tapBoth(Effect.suspend(() => registry.handle(operation)), {
      onFailure: note,
      onSuccess: () => note()
    })
    if (operation._tag === "ListReferrers" || operation._tag === "ListTags") {
      // The items before a break come again: the copy does not count them.
      const list = Stream.unwrap(
        answer as Effect.Effect<unknown, RegistryError.RegistryError> as Effect.Effect<
          Stream.Stream<unknown, RegistryError.RegistryError>,
          RegistryError.RegistryError
        >
      )
      return Effect.succeed(Stream.retry(list, policy)) as never
    }
    return Operation.isRepeatable(operation) ? Effect.retry(answer, policy) : answer
  }
  return Registry.fromHandler(handle)
}
