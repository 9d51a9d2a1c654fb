/**
 * Limits how fast requests are sent to each host.
 *
 * @since 0.1.0
 */
import * as RetryAfter from "@effect-oci/protocol/RetryAfter"
import type { HttpClientResponse } from "@effect/platform/HttpClientResponse"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { HostQueue } from "./internal/hostQueue.js"
import * as Transport from "./Transport.js"

/**
 * Options for how fast requests may be sent to a host.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** How many requests may wait for an answer of one host at a time. Default: unlimited. */
  readonly concurrency?: number | undefined
  /**
   * How many requests may be sent to one host per interval. That many may be sent at once; after that they are spread
   * over the interval. Default: unlimited.
   */
  readonly rate?: { readonly limit: number; readonly interval: Duration.DurationInput } | undefined
  /** The longest time for which nothing is sent to a host because of its `Retry-After`. Default: 60 seconds. */
  readonly maxHold?: Duration.DurationInput | undefined
}

const pausingStatuses = new Set([429, 503])

/**
 * Creates a transport that limits the requests to each host:
 *
 * - After a status of 429 or 503 with a `Retry-After`, it sends nothing to that host until the time has passed.
 * - It limits how many requests wait for an answer of one host (`concurrency`), and how many are sent per interval
 *   (`rate`).
 * - Waiting requests are sent in the order in which they were made.
 *
 * A request counts until the head of its answer arrives. Content that is still being read does not block other
 * requests. So a program that reads from a host and writes to the same host does not block itself.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options?: Options): Transport.Transport => {
  const maxHold = Duration.toMillis(options?.maxHold ?? "60 seconds")
  const { interval, limit } = options?.rate ?? { interval: 0, limit: 1 }
  const gap = Duration.toMillis(interval) / limit
  const speed = { concurrency: options?.concurrency ?? Number.POSITIVE_INFINITY, gap, burst: gap * (limit - 1) }
  const isUnlimited = gap === 0 && speed.concurrency === Number.POSITIVE_INFINITY
  const hosts = new Map<string, HostQueue>()

  /** Returns the queue of a host. Removes idle queues when it adds a new one. */
  const queueOf = (host: string, now: number): HostQueue => {
    const known = hosts.get(host)
    if (known !== undefined) return known
    for (const [host, queue] of hosts) {
      if (queue.isIdle(now)) hosts.delete(host)
    }
    const queue = new HostQueue(speed)
    hosts.set(host, queue)
    return queue
  }

  const pauseHost = (response: HttpClientResponse): Effect.Effect<HttpClientResponse> =>
    Effect.map(Clock.currentTimeMillis, (now) => {
      const wait = RetryAfter.parse(response.headers, now) ?? 0
      if (wait > 0) queueOf(hostOf(response.request.url), now).pause(now + Math.min(wait, maxHold))
      return response
    })

  const observe = (response: HttpClientResponse): Effect.Effect<HttpClientResponse> =>
    pausingStatuses.has(response.status) ? pauseHost(response) : Effect.succeed(response)

  return Transport.makeIn((request, within, send) =>
    Effect.suspend(() => {
      const answer = Effect.flatMap(send(request, within), observe)
      if (isUnlimited && hosts.size === 0) return answer
      const host = hostOf(request.url)
      return isUnlimited && !hosts.has(host)
        ? answer
        : Effect.flatMap(Clock.currentTimeMillis, (now) => queueOf(host, now).run(answer))
    })
  )
}

const hostOf = (url: string): string => URL.canParse(url) ? new URL(url).host : ""
