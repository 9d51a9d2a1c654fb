import { encode } from "@effect-oci/testing/Samples"
import * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { describe, expect, it } from "@effect/vitest"
import { Cause, Chunk, Duration, Effect, Fiber, Option, Stream, TestClock } from "effect"
import * as Idle from "../src/Idle.js"

const url = "https://registry.example/"

/** A client that reads the body piece by piece, and answers after a delay. */
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

/** Runs an effect for some time, and returns whether it has ended. */
const after = <A, E>(time: Duration.DurationInput, effect: Effect.Effect<A, E>) =>
  Effect.gen(function*() {
    const fiber = yield* Effect.fork(effect)
    yield* TestClock.adjust(time)
    return { fiber, ended: Option.isSome(yield* Fiber.poll(fiber)) }
  })

describe("a request", () => {
  it.effect("succeeds if it is answered in time", () =>
    Effect.gen(function*() {
      const { http } = slow("50 seconds")
      const { fiber } = yield* after("50 seconds", (yield* Idle.make())(http).get(url))
      expect((yield* Fiber.join(fiber)).status).toBe(200)
    }))

  it.effect("fails and is interrupted if it is not answered in time", () =>
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

  it.effect("is interrupted with its caller", () =>
    Effect.gen(function*() {
      const { http, seen } = slow("50 seconds")
      const { fiber } = yield* after("1 second", (yield* Idle.make())(http).get(url))
      yield* Fiber.interrupt(fiber)
      expect(seen.interrupted).toBe(1)
    }))

  it.effect("may take any time if idle is infinite", () =>
    Effect.gen(function*() {
      const { http } = slow("10 days")
      const { fiber } = yield* after("10 days", (yield* Idle.make(Duration.infinity))(http).get(url))
      expect((yield* Fiber.join(fiber)).status).toBe(200)
    }))

  const pieces = (count: number, wait: Duration.DurationInput) =>
    HttpBody.stream(
      Stream.repeatEffectChunk(Effect.delay(Effect.succeed(Chunk.of(encode("piece"))), wait)).pipe(Stream.take(count))
    )

  it.effect("does not time out while its body is sent slowly", () =>
    Effect.gen(function*() {
      const { http } = slow("50 seconds", "50 seconds")
      const put = (yield* Idle.make())(http).put(url, { body: pieces(5, 0) })
      const { ended, fiber } = yield* after(0, put)
      expect(ended).toBe(false)
      for (let i = 0; i < 6; i++) yield* TestClock.adjust("50 seconds")
      expect((yield* Fiber.join(fiber)).status).toBe(200)
    }))

  it.effect("does not time out while its body is produced slowly", () =>
    Effect.gen(function*() {
      const { http } = slow("1 second")
      const put = (yield* Idle.make())(http).put(url, { body: pieces(3, "10 minutes") })
      const { fiber } = yield* after(0, put)
      for (let i = 0; i < 4; i++) yield* TestClock.adjust("10 minutes")
      expect((yield* Fiber.join(fiber)).status).toBe(200)
    }))

  it.effect("fails if its body is no longer sent", () =>
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
    ["an upload is completed", "PUT", HttpBody.empty],
    ["a manifest is sent", "PUT", HttpBody.uint8Array(encode("{}"), "application/json")]
  ]
  it.effect.each(bodies)("may take at most ten minutes after %s", ([, method, body]) =>
    Effect.gen(function*() {
      const request = HttpClientRequest.make(method)(url).pipe(HttpClientRequest.setBody(body))
      const patient = yield* after("590 seconds", (yield* Idle.make())(slow("590 seconds").http).execute(request))
      expect((yield* Fiber.join(patient.fiber)).status).toBe(200)
      const { ended, fiber } = yield* after("599 seconds", (yield* Idle.make())(slow("1 day").http).execute(request))
      expect(ended).toBe(false)
      yield* TestClock.adjust("2 seconds")
      expect(yield* Effect.flip(Fiber.join(fiber))).toMatchObject({ description: "no answer for 10m" })
    }))

  it.effect("may take only the idle time if nothing is committed", () =>
    Effect.gen(function*() {
      const { ended } = yield* after("61 seconds", (yield* Idle.make())(slow("1 day").http).post(url))
      expect(ended).toBe(true)
    }))

  it.effect("may take the idle time if it is longer than the commit time", () =>
    Effect.gen(function*() {
      const idle = yield* Idle.make("20 minutes", "1 minute")
      const { fiber } = yield* after("19 minutes", idle(slow("19 minutes").http).put(url))
      expect((yield* Fiber.join(fiber)).status).toBe(200)
    }))

  it.effect("keeps its headers and body", () =>
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
