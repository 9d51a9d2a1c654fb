import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber, TestClock } from "effect"
import * as Pace from "../src/Pace.js"

const url = (path: string, host = "registry.example") => `https://${host}/${path}`

/** A client that answers after a second, and records the time and URL of each request, in seconds. */
const slow = (headers: (url: string, count: number) => Record<string, string> | undefined = () => undefined) => {
  const requests: Array<string> = []
  let running = 0
  let most = 0
  const http = HttpClient.make((request) =>
    Effect.flatMap(Effect.clock, (clock) => {
      requests.push(`${clock.unsafeCurrentTimeMillis() / 1000} ${request.url.replace("https://", "")}`)
      most = Math.max(most, ++running)
      const limitHeaders = headers(request.url, requests.length)
      const response = new Response("content", limitHeaders === undefined ? {} : { status: 429, headers: limitHeaders })
      return Effect.as(Effect.sleep("1 second"), HttpClientResponse.fromWeb(request, response)).pipe(
        Effect.ensuring(Effect.sync(() => {
          running--
        }))
      )
    })
  )
  return { http, requests, most: () => most }
}

const all = (client: HttpClient.HttpClient, urls: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const fiber = yield* Effect.fork(Effect.forEach(urls, (url) => client.get(url), { concurrency: "unbounded" }))
    yield* TestClock.adjust("10 minutes")
    return yield* Fiber.join(fiber)
  })

describe("requests to a host", () => {
  it.effect("are not delayed by default", () =>
    Effect.gen(function*() {
      const { requests, http, most } = slow()
      yield* all(Pace.make()(http), ["a", "b", "c"].map((path) => url(path)))
      expect(requests).toEqual(["0 registry.example/a", "0 registry.example/b", "0 registry.example/c"])
      expect(most()).toBe(3)
    }))

  it.effect("are limited by concurrency, in their order", () =>
    Effect.gen(function*() {
      const { requests, http, most } = slow()
      yield* all(Pace.make({ concurrency: 2 })(http), ["a", "b", "c", "d", "e"].map((path) => url(path)))
      expect(requests).toEqual([
        "0 registry.example/a",
        "0 registry.example/b",
        "1 registry.example/c",
        "1 registry.example/d",
        "2 registry.example/e"
      ])
      expect(most()).toBe(2)
    }))

  it.effect("do not wait for requests to another host", () =>
    Effect.gen(function*() {
      const { requests, http } = slow()
      yield* all(Pace.make({ concurrency: 1 })(http), [url("a"), url("b"), url("c", "other.example")])
      expect(requests).toEqual(["0 registry.example/a", "0 other.example/c", "1 registry.example/b"])
    }))

  it.effect("are limited by rate, after a first burst", () =>
    Effect.gen(function*() {
      const { requests, http } = slow()
      const pace = Pace.make({ rate: { limit: 2, interval: "10 seconds" } })(http)
      yield* all(pace, ["a", "b", "c", "d"].map((path) => url(path)))
      yield* all(pace, ["e", "f", "g"].map((path) => url(path)))
      expect(requests.map((line) => line.replace(" registry.example/", ""))).toEqual([
        "0a",
        "0b",
        "5c",
        "10d",
        "600e",
        "600f",
        "605g"
      ])
    }))

  it.effect("leave the queue when they are interrupted, before and after they are sent", () =>
    Effect.gen(function*() {
      const { requests, http } = slow()
      const client = Pace.make({ concurrency: 1 })(http)
      const [a, b] = yield* Effect.all([Effect.fork(client.get(url("a"))), Effect.fork(client.get(url("b")))])
      const c = yield* Effect.fork(client.get(url("c")))
      yield* TestClock.adjust("500 millis")
      yield* Fiber.interrupt(b)
      yield* Fiber.interrupt(a)
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.join(c)
      expect(requests).toEqual(["0 registry.example/a", "0.5 registry.example/c"])
    }))

  it.effect("leave the queue when they are answered, even if the content is not read", () =>
    Effect.gen(function*() {
      const { requests, http } = slow()
      const client = Pace.make({ concurrency: 1 })(http)
      yield* all(client, [url("a")])
      yield* all(client, [url("b")])
      expect(requests.length).toBe(2)
    }))
})

describe("a host that sends Retry-After", () => {
  /** Returns the requests that were sent after a first request was answered with these headers. */
  const after = (headers: Record<string, string>, options?: Pace.Options, status = 429) =>
    Effect.gen(function*() {
      const { requests, http } = slow((_, count) => count === 1 ? headers : undefined)
      const answering = HttpClient.transformResponse(
        http,
        Effect.map((response) =>
          response.status === 200
            ? response
            : HttpClientResponse.fromWeb(response.request, new Response("", { status, headers }))
        )
      )
      const client = Pace.make(options)(answering)
      const first = yield* Effect.fork(client.get(url("a")))
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(first)
      yield* all(client, [url("b"), url("c"), url("d", "other.example")])
      return requests.slice(1).map((line) => line.replace(".example/", "/"))
    })

  it.effect("is sent no requests until then, and other hosts are not affected", () =>
    Effect.gen(function*() {
      expect(yield* after({ "retry-after": "20" })).toEqual(["1 other/d", "21 registry/b", "21 registry/c"])
    }))

  it.effect("is waited for with 503 as well, and not with another status", () =>
    Effect.gen(function*() {
      expect((yield* after({ "retry-after": "20" }, {}, 503))[1]).toBe("21 registry/b")
      const rest = yield* after({ "retry-after": "20" }, {}, 404)
      expect(rest.every((line) => !line.startsWith("21 "))).toBe(true)
    }))

  const cases: ReadonlyArray<readonly [retryAfter: string, until: number]> = [
    ["1000000000", 61],
    ["99999999999999999999", 61],
    [new Date(21_000).toUTCString(), 21],
    [new Date(0).toUTCString(), 1],
    ["0", 1],
    ["1e9", 1],
    ["soon", 1]
  ]
  it.effect.each(cases)("Retry-After: %s holds requests until %i", ([retryAfter, until]) =>
    Effect.gen(function*() {
      const requests = yield* after({ "retry-after": retryAfter })
      expect(requests.filter((line) => line.includes("registry/b"))).toEqual([`${until} registry/b`])
    }))

  it.effect("is waited for at most maxHold", () =>
    Effect.gen(function*() {
      expect((yield* after({ "retry-after": "20" }, { maxHold: "5 seconds" }))[1]).toBe("6 registry/b")
    }))

  it.effect("may send it again, and then the waiting requests wait longer", () =>
    Effect.gen(function*() {
      const { requests, http } = slow((_, count) => count <= 2 ? { "retry-after": "10" } : undefined)
      yield* all(Pace.make({ concurrency: 1 })(http), ["a", "b", "c"].map((path) => url(path)))
      expect(requests).toEqual(["0 registry.example/a", "11 registry.example/b", "22 registry.example/c"])
    }))
})
