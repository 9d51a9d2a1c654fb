/**
 * How fast requests go to each host.
 *
 * @since 0.1.0
 */
import * as Transport from "@effect-oci/auth/Transport"
import * as RetryAfter from "@effect-oci/protocol/RetryAfter"
import type { HttpClientResponse } from "@effect/platform/HttpClientResponse"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { Lane } from "../internal/lane.js"

/**
 * How fast requests may go to a host.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** How many requests wait for an answer of one host at a time: any number if not given. */
  readonly concurrency?: number | undefined
  /** How many requests go to one host in a time, after as many as that at once: any number if not given. */
  readonly rate?: { readonly limit: number; readonly interval: Duration.DurationInput } | undefined
  /** The longest that a host is left alone because it says so (`Retry-After`): 60 seconds if not given. */
  readonly maxHold?: Duration.DurationInput | undefined
}

const held = new Set([429, 503])

/**
 * Leaves a host alone that asks for it, by a status of 429 or 503 with a `Retry-After`: until then no request goes
 * there. Besides that at most so many requests wait for an answer of one host, and at most so many go there in a time.
 * Those that wait go in the order in which they came.
 *
 * It ends with the head of an answer: content that is being read holds up nobody, so that whoever reads from a host what
 * he writes to it does not wait for himself.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options?: Options): Transport.Transport => {
  const maxHold = Duration.toMillis(options?.maxHold ?? "60 seconds")
  const { interval, limit } = options?.rate ?? { interval: 0, limit: 1 }
  const gap = Duration.toMillis(interval) / limit
  const speed = { concurrency: options?.concurrency ?? Number.POSITIVE_INFINITY, gap, burst: gap * (limit - 1) }
  const isFree = gap === 0 && speed.concurrency === Number.POSITIVE_INFINITY
  const hosts = new Map<string, Lane>()

  /** Hosts of which there is nothing to know any more are forgotten when a new one comes. */
  const laneOf = (host: string, now: number): Lane => {
    const known = hosts.get(host)
    if (known !== undefined) return known
    for (const [host, lane] of hosts) {
      if (lane.isIdle(now)) hosts.delete(host)
    }
    const lane = new Lane(speed)
    hosts.set(host, lane)
    return lane
  }

  const heed = (response: HttpClientResponse): Effect.Effect<HttpClientResponse> =>
    Effect.map(Clock.currentTimeMillis, (now) => {
      const wait = RetryAfter.parse(response.headers, now) ?? 0
      if (wait > 0) laneOf(hostOf(response.request.url), now).hold(now + Math.min(wait, maxHold))
      return response
    })

  return Transport.make((request, send) => {
    const answer = Effect.flatMap(
      send(request),
      (response) => held.has(response.status) ? heed(response) : Effect.succeed(response)
    )
    if (isFree && hosts.size === 0) return answer
    const host = hostOf(request.url)
    return isFree && !hosts.has(host)
      ? answer
      : Effect.flatMap(Clock.currentTimeMillis, (now) => laneOf(host, now).through(answer))
  })
}

const hostOf = (url: string): string => URL.canParse(url) ? new URL(url).host : ""
