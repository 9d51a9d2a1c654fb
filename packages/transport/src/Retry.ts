/**
 * Retries of requests.
 *
 * @since 0.1.0
 */
import * as Descriptor from "@effect-oci/core/Descriptor"
import * as RetryBudget from "@effect-oci/core/RetryBudget"
import * as RetryAfter from "@effect-oci/protocol/RetryAfter"
import type { HttpClientError } from "@effect/platform/HttpClientError"
import type { HttpClientRequest } from "@effect/platform/HttpClientRequest"
import type { HttpClientResponse } from "@effect/platform/HttpClientResponse"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import { faultOf } from "./HttpFailure.js"
import * as RequestContext from "./RequestContext.js"
import * as ResponseBody from "./ResponseBody.js"
import * as Transport from "./Transport.js"

/**
 * Options for retries.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** How often a request is sent again. 0 turns retries off. Default: 3. */
  readonly retries?: number | undefined
  /** The delay before the first retry. It doubles with each retry. Default: 200 milliseconds. */
  readonly delay?: Duration.DurationInput | undefined
  /**
   * The longest delay. If the `Retry-After` of a registry is longer, the request is not sent again, and its answer is
   * returned. Default: 60 seconds.
   */
  readonly maxDelay?: Duration.DurationInput | undefined
}

const transient = new Set([408, 429, 500, 502, 503, 504])

/** The statuses of requests that the registry did not process. RFC 6585, section 4; RFC 9110, section 15.6.4. */
const untouched = new Set([429, 503])

/** What may have happened to a request: not sent, not processed by the registry, or unknown. */
type Fate = "unsent" | "untouched" | "unknown"

/** A request, and how often it was sent before. */
interface Attempt {
  readonly request: HttpClientRequest
  readonly within: RequestContext.RequestContext
  readonly send: Transport.SendIn
  readonly count: number
}

/**
 * Creates a transport that sends a request again after a status of 408, 429, 500, 502, 503 or 504, and after a
 * connection error. It does not retry an error that will not change, such as a certificate or a name that does not
 * exist. It does not retry a timeout (`Idle`). When no retries are left, it returns the last answer or fails with the
 * last error.
 *
 * - A request is not sent again if its body cannot be sent again (`Transport.isReplayable`).
 * - A PATCH or PUT to an upload, and a PUT with a condition (`If-None-Match`), is sent again only if no connection was
 *   made. Otherwise the registry may have processed it.
 * - A DELETE, and a PUT without content that completes an upload, is sent again also after 429 and 503. After any other
 *   status it may have succeeded, and the retry would be answered with 404. `Retry` of `@effect-oci/middleware` handles
 *   that case.
 * - The delay is the `Retry-After` of the answer (seconds, or a date). Without one it grows with each retry, and is a
 *   random time between half of that and all of it.
 * - Each retry also takes from the `RetryBudget` of the operation, if it has one.
 *
 * It handles requests until the head of an answer arrives. It does not resume a body whose connection breaks.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options?: Options): Transport.Transport => {
  const retries = options?.retries ?? 3
  const delay = Duration.toMillis(options?.delay ?? "200 millis")
  const maxDelay = Duration.toMillis(options?.maxDelay ?? "60 seconds")

  /** Returns how long to wait before the next attempt, in milliseconds, or `undefined` if that is too long. */
  const wait = (count: number, response: HttpClientResponse | undefined): Effect.Effect<number | undefined> =>
    Effect.zipWith(Clock.currentTimeMillis, Random.next, (now, random) => {
      const grown = Math.min(delay * 2 ** count, maxDelay)
      const retryAfter = response && RetryAfter.parse(response.headers, now)
      if (retryAfter === undefined) return grown * (1 + random) / 2
      // The random part spreads requests that were refused at the same time.
      return retryAfter > maxDelay ? undefined : retryAfter + delay * random
    })

  /** Sends the request once more, unless that is too late or too often. Otherwise returns the outcome of this attempt. */
  const next = (
    { count, request, send, within }: Attempt,
    outcome: Effect.Effect<HttpClientResponse, HttpClientError>,
    response?: HttpClientResponse
  ) =>
    Effect.flatMap(wait(count, response), (millis) => {
      const budget = RequestContext.get(within, RetryBudget.RetryBudget)
      if (millis === undefined || count >= retries || budget?.take() === false) return outcome
      const again = Effect.flatMap(Effect.sleep(millis), () => run({ request, within, send, count: count + 1 }))
      return response === undefined
        ? again
        : Effect.zipRight(ResponseBody.dismiss(ResponseBody.fromResponse(response)), again)
    })

  const run = (attempt: Attempt): Effect.Effect<HttpClientResponse, HttpClientError> =>
    Effect.matchEffect(attempt.send(attempt.request, attempt.within), {
      onSuccess: (response) =>
        transient.has(response.status) &&
          isRepeatable(attempt.request, untouched.has(response.status) ? "untouched" : "unknown")
          ? next(attempt, Effect.succeed(response), response)
          : Effect.succeed(response),
      onFailure: (error) => {
        const fault = faultOf(error)
        return fault !== "lasting" && isRepeatable(attempt.request, fault === "broken" ? "unknown" : "unsent")
          ? next(attempt, error)
          : error
      }
    })

  return Transport.makeIn((request, within, send) => run({ request, within, send, count: 0 }))
}

/** Returns whether a request may be sent again, given what may have happened to it. */
const isRepeatable = ({ body, headers, method }: HttpClientRequest, fate: Fate): boolean => {
  if (!Transport.isReplayable(body)) return false
  if (fate === "unsent") return true
  switch (method) {
    case "PATCH":
      return false
    case "DELETE":
      return fate === "untouched"
    case "PUT":
      // A PUT without a body completes an upload.
      return body._tag === "Empty" ? fate === "untouched" : !isConditional(headers) && !isUpload(body)
    default:
      return true
  }
}

/** If a request was executed and its answer was lost, its own effect makes the same condition fail. */
const isConditional = (headers: HttpClientRequest["headers"]): boolean =>
  headers["if-none-match"] !== undefined || headers["if-match"] !== undefined

const isUpload = (body: HttpClientRequest["body"]): boolean => body.contentType === Descriptor.octetStream
