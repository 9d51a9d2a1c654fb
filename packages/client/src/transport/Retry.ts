/**
 * Requests that are sent again.
 *
 * @since 0.1.0
 */
import * as Transport from "@effect-oci/auth/Transport"
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
import * as content from "../internal/content.js"
import { faultOf } from "../internal/transportError.js"

/**
 * How often requests are sent again, and when.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** How often a request is sent again: 3 times if not given, 0 for never. */
  readonly retries?: number | undefined
  /** The wait before the first time, which doubles with each: 200 milliseconds if not given. */
  readonly delay?: Duration.DurationInput | undefined
  /**
   * The longest wait: 60 seconds if not given. Where a registry wants to be left alone for longer, its answer is taken
   * as it is.
   */
  readonly maxDelay?: Duration.DurationInput | undefined
}

const transient = new Set([408, 429, 500, 502, 503, 504])

/** Those of them with which nothing was done. RFC 6585, section 4; RFC 9110, section 15.6.4. */
const untouched = new Set([429, 503])

/** What may have become of a request at the registry. */
type Fate = "unsent" | "untouched" | "unknown"

/**
 * Sends a request again where the answer is a status of 408, 429, 500, 502, 503 or 504, or where none came because of a
 * fault of the connection. What does not change by itself, such as a certificate or a name that does not exist, is not
 * tried again, and neither is what took too long (`Idle`). The last answer, or the last fault, is what there is.
 *
 * - A body that cannot be sent again (`Transport.isReplayable`) is not, and neither is the request.
 * - What goes to an upload by PATCH or PUT, and a PUT under a condition (`If-None-Match`), goes a second time only where
 *   no connection was made the first time: the registry may have taken it.
 * - A DELETE, and a PUT that ends an upload without content, go a second time where the status is 429 or 503 too. After
 *   any other it may be done, and would be answered with 404: `Retry` of `@effect-oci/middleware` knows what that means.
 * - The wait is what the registry says (`Retry-After`: seconds, or a date), else it grows, between half of it and all at
 *   random.
 * - Each time is taken from the `RetryBudget` of the operation too, where there is one.
 *
 * It ends with the head of an answer: a body that breaks off is not made whole here.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options?: Options): Transport.Transport => {
  const retries = options?.retries ?? 3
  const delay = Duration.toMillis(options?.delay ?? "200 millis")
  const maxDelay = Duration.toMillis(options?.maxDelay ?? "60 seconds")

  /** How long to wait before the next time, in milliseconds: `undefined` where that is too long. */
  const wait = (count: number, response: HttpClientResponse | undefined): Effect.Effect<number | undefined> =>
    Effect.zipWith(Clock.currentTimeMillis, Random.next, (now, random) => {
      const grown = Math.min(delay * 2 ** count, maxDelay)
      const said = response && RetryAfter.parse(response.headers, now)
      if (said === undefined) return grown * (1 + random) / 2
      // Those who were sent away together do not come back together.
      return said > maxDelay ? undefined : said + delay * random
    })

  return Transport.make((request, send) => {
    const attempt = (count: number): Effect.Effect<HttpClientResponse, HttpClientError> =>
      Effect.matchEffect(send(request), {
        onSuccess: (response) =>
          transient.has(response.status) &&
            isRepeatable(request, untouched.has(response.status) ? "untouched" : "unknown")
            ? next(count, Effect.succeed(response), response)
            : Effect.succeed(response),
        onFailure: (error) => {
          const fault = faultOf(error)
          return fault !== "lasting" && isRepeatable(request, fault === "broken" ? "unknown" : "unsent")
            ? next(count, error)
            : error
        }
      })

    const next = (
      count: number,
      outcome: Effect.Effect<HttpClientResponse, HttpClientError>,
      response?: HttpClientResponse
    ) =>
      Effect.flatMap(Effect.zip(wait(count, response), RetryBudget.RetryBudget), ([millis, budget]) => {
        if (millis === undefined || count >= retries || budget?.take() === false) return outcome
        const again = Effect.zipRight(Effect.sleep(millis), attempt(count + 1))
        return response === undefined ? again : Effect.zipRight(content.dismiss(content.of(response)), again)
      })

    return attempt(0)
  })
}

/** Whether a request may be sent again, of which this may have become. */
const isRepeatable = ({ body, headers, method }: HttpClientRequest, fate: Fate): boolean => {
  if (!Transport.isReplayable(body)) return false
  if (fate === "unsent") return true
  switch (method) {
    case "PATCH":
      return false
    case "DELETE":
      return fate === "untouched"
    case "PUT":
      // One without a body ends an upload.
      return body._tag === "Empty" ? fate === "untouched" : headers["if-none-match"] === undefined && !isUpload(body)
    default:
      return true
  }
}

const isUpload = (body: HttpClientRequest["body"]): boolean => body.contentType === Descriptor.octetStream
