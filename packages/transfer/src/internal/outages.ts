import { Answer, Operation, Registry } from "@effect-oci/core"
import type { Handler, RegistryError } from "@effect-oci/core"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { retrying } from "./retrying.js"

type Failure = RegistryError.RegistryError
type List = Stream.Stream<unknown, Failure>

const maxDelay = Duration.seconds(5)

/** Returns whether a registry is away: it did not answer, or a proxy reports that the registry does not answer. */
const isAway = (error: Failure): boolean =>
  error._tag === "OciTransportError" || (error._tag === "OciUnavailable" && error.status !== undefined)

/**
 * Wraps a registry so that operations wait for the end of an outage. An operation that may be repeated is retried for
 * `retryTime`, with growing delays, while the registry is away. If the registry has never answered, its address may be
 * wrong, and the operation fails at once. Operations that send a body are not retried here: their callers retry them.
 */
export const retryOutages = (registry: Registry["Type"], retryTime: Duration.DurationInput): Registry["Type"] => {
  let hasAnswered = false
  const noteFailure = (error: Failure) => {
    if (error._tag !== "OciTransportError") hasAnswered = true
    return error
  }
  const noteResult = <A>(result: A) => {
    hasAnswered = true
    return result
  }
  const mayRetry = (error: Failure) => hasAnswered && isAway(error)
  const schedule = Schedule.exponential("200 millis").pipe(
    Schedule.modifyDelay((_, delay) => Duration.min(delay, maxDelay)),
    Schedule.jittered,
    Schedule.upTo(retryTime)
  )
  const retry = retrying(mayRetry, { schedule })
  const call = Answer.defer(registry.handle)
  const handle: Handler.Handler = (operation) => {
    const answer = Effect.mapBoth(call(operation), {
      onFailure: noteFailure,
      onSuccess: (result) => noteResult(result)
    })
    // A retried list starts from its beginning. Repeated items do no harm: the copy finds each item once.
    if (Operation.shape(operation) === "list") {
      const list: unknown = answer
      return Answer.succeed(
        Stream.retry(Stream.unwrap(list as Effect.Effect<List, Failure>), Schedule.whileInput(schedule, mayRetry))
      ) as never
    }
    return Operation.isRepeatable(operation) ? retry(answer) : answer
  }
  return Registry.fromHandler(handle)
}
