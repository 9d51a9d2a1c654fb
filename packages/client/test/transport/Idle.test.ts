import * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { describe, expect, it } from "@effect/vitest"
import { Cause, Chunk, Duration, Effect, Fiber, Option, Stream, TestClock } from "effect"
import * as Idle from "../../src/transport/Idle.js"
import { encode } from "../samples.js"

const url = "https://registry.example/"

/** A client that answers after a while, once it has read the body, of which it takes a piece at a time. */
const slow = (answer: Duration.DurationInput, piece: Duration.DurationInput = 0) => {
  const seen = { interrupted: 0 }
  const http = HttpClient.make((request) =>
    (request.body._tag === "Stream"
      ? Stream.runForEach(Stream.orDie(request.body.stream), () => Effect.sleep(piece))
      : Effect.void).pipe(
        Effect.zipRight(Effect.sleep(answer)),
        Effect.as(HttpClientResponse.fromWeb(request, new Response("here"))),
        Effect.onInterrupt(() =>
          Effect.sync(() => {
            seen.interrupted++
          })
        )
      )
  )
  return { http, seen }
}

/** Whether a request has come to an end, and which, after a while. */
const after = <A, E>(time: Duration.DurationInput, effect: Effect.Effect<A, E>) =>
  Effect.gen(function*() {
    const fiber = yield* Effect.fork(effect)
    yield* TestClock.adjust(time)
    return { fiber, ended: Option.isSome(yield* Fiber.poll(fiber)) }
  })

describe("a request", () => {
  it.effect("that is answered in time is answered", () =>
    Effect.gen(function*() {
      const { http } = slow("50 seconds")
      const { fiber } = yield* after("50 seconds", (yield* Idle.make())(http).get(url))
      expect((yield* Fiber.join(fiber)).status).toBe(200)
    }))

  it.effect("that is not fails, and is interrupted", () =>
    Effect.gen(function*() {
      const { http, seen } = slow("10 minutes")
      const { ended, fiber } = yield* after("59 seconds", (yield* Idle.make())(http).get(url))
      expect(ended).toBe(false)
      yield* TestClock.adjust("2 seconds")
      const error = yield* Effect.flip(Fiber.join(fiber))
      expect(error).toMatchObject({ _tag: "RequestError", reason: "Transport", description: "no answer for 1m" })
      expect(Cause.isTimeoutException(error.cause)).toBe(true)
      expect(seen.interrupted).toBe(1)
    }))

  it.effect("is interrupted with whoever sent it", () =>
    Effect.gen(function*() {
      const { http, seen } = slow("50 seconds")
      const { fiber } = yield* after("1 second", (yield* Idle.make())(http).get(url))
      yield* Fiber.interrupt(fiber)
      expect(seen.interrupted).toBe(1)
    }))

  it.effect("may take for ever where that is said", () =>
    Effect.gen(function*() {
      const { http } = slow("10 days")
      const { fiber } = yield* after("10 days", (yield* Idle.make(Duration.infinity))(http).get(url))
      expect((yield* Fiber.join(fiber)).status).toBe(200)
    }))

  const pieces = (count: number, wait: Duration.DurationInput) =>
    HttpBody.stream(
      Stream.repeatEffectChunk(Effect.delay(Effect.succeed(Chunk.of(encode("piece"))), wait)).pipe(Stream.take(count))
    )

  it.effect("whose body goes out slowly, but goes, is waited for", () =>
    Effect.gen(function*() {
      const { http } = slow("50 seconds", "50 seconds")
      const put = (yield* Idle.make())(http).put(url, { body: pieces(5, 0) })
      const { ended, fiber } = yield* after(0, put)
      expect(ended).toBe(false)
      for (let i = 0; i < 6; i++) yield* TestClock.adjust("50 seconds")
      expect((yield* Fiber.join(fiber)).status).toBe(200)
    }))

  it.effect("whose body comes slowly is waited for", () =>
    Effect.gen(function*() {
      const { http } = slow("1 second")
      const put = (yield* Idle.make())(http).put(url, { body: pieces(3, "10 minutes") })
      const { fiber } = yield* after(0, put)
      for (let i = 0; i < 4; i++) yield* TestClock.adjust("10 minutes")
      expect((yield* Fiber.join(fiber)).status).toBe(200)
    }))

  it.effect("whose body is not taken any more fails", () =>
    Effect.gen(function*() {
      const { http, seen } = slow("1 second", "10 minutes")
      const { fiber } = yield* after("70 seconds", (yield* Idle.make())(http).put(url, { body: pieces(3, 0) }))
      expect((yield* Effect.flip(Fiber.join(fiber)))._tag).toBe("RequestError")
      expect(seen.interrupted).toBe(1)
    }))

  const bodies: ReadonlyArray<readonly [name: string, method: "PUT" | "PATCH" | "POST", body: HttpBody.HttpBody]> = [
    ["an upload's stream is sent", "PUT", pieces(3, 0)],
    ["a chunk is sent", "PATCH", HttpBody.uint8Array(encode("chunk"))],
    ["a blob is sent in one request", "POST", HttpBody.uint8Array(encode("blob"), "application/octet-stream")],
    ["an upload is ended", "PUT", HttpBody.empty],
    ["a manifest is sent", "PUT", HttpBody.uint8Array(encode("{}"), "application/json")]
  ]
  it.effect.each(bodies)("may take ten minutes after %s, and no longer", ([, method, body]) =>
    Effect.gen(function*() {
      const request = HttpClientRequest.make(method)(url).pipe(HttpClientRequest.setBody(body))
      const patient = yield* after("590 seconds", (yield* Idle.make())(slow("590 seconds").http).execute(request))
      expect((yield* Fiber.join(patient.fiber)).status).toBe(200)
      const { ended, fiber } = yield* after("599 seconds", (yield* Idle.make())(slow("1 day").http).execute(request))
      expect(ended).toBe(false)
      yield* TestClock.adjust("2 seconds")
      expect(yield* Effect.flip(Fiber.join(fiber))).toMatchObject({ description: "no answer for 10m" })
    }))

  it.effect("may take no longer than others where nothing is committed", () =>
    Effect.gen(function*() {
      const { ended } = yield* after("61 seconds", (yield* Idle.make())(slow("1 day").http).post(url))
      expect(ended).toBe(true)
    }))

  it.effect("may take as long as others where that is longer", () =>
    Effect.gen(function*() {
      const idle = yield* Idle.make("20 minutes", "1 minute")
      const { fiber } = yield* after("19 minutes", idle(slow("19 minutes").http).put(url))
      expect((yield* Fiber.join(fiber)).status).toBe(200)
    }))

  it.effect("keeps what it is sent with", () =>
    Effect.gen(function*() {
      const echo = HttpClient.make((request) =>
        Effect.map(
          request.body._tag === "Stream" ? Stream.runCount(Stream.orDie(request.body.stream)) : Effect.succeed(0),
          (pieces) => HttpClientResponse.fromWeb(request, Response.json({ headers: request.headers, pieces }))
        )
      )
      const body = HttpBody.stream(Stream.make(encode("a"), encode("b")), "text/plain", 2)
      const response = yield* (yield* Idle.make())(echo).put(url, { body, headers: { "x-mine": "yes" } })
      expect(yield* response.json).toMatchObject({
        headers: { "x-mine": "yes", "content-type": "text/plain", "content-length": "2" },
        pieces: 2
      })
    }))
})
