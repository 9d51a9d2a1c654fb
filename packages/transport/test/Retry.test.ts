import { RetryBudget } from "@effect-oci/core"
import { platforms, serve, serveRaw } from "@effect-oci/testing/NodeScripted"
import { encode } from "@effect-oci/testing/Samples"
import * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { describe, expect, it } from "@effect/vitest"
import { Cause, Duration, Effect, Exit, Fiber, Random, Stream, TestClock } from "effect"
import * as Retry from "../src/Retry.js"
import * as Transport from "../src/Transport.js"

const url = "https://registry.example/v2/"

/** A status with headers, or the code of a connection error. */
type Step = readonly [status: number, headers?: Record<string, string>] | string

/**
 * A client that returns these answers one after another, and repeats the last one. It records the time of each request
 * in milliseconds.
 */
const scripted = (...steps: ReadonlyArray<Step>) => {
  const sentAt: Array<number> = []
  const http = HttpClient.make((request) =>
    Effect.flatMap(Effect.clock, (clock) => {
      sentAt.push(clock.unsafeCurrentTimeMillis())
      const step = steps[Math.min(sentAt.length, steps.length) - 1]!
      if (typeof step !== "string") {
        return Effect.succeed(
          HttpClientResponse.fromWeb(request, new Response("", { status: step[0], headers: step[1] ?? {} }))
        )
      }
      const cause = step === "timeout" ? new Cause.TimeoutException() : Object.assign(new Error(step), { code: step })
      return Effect.fail(new HttpClientError.RequestError({ request, reason: "Transport", cause }))
    })
  )
  return { sentAt, http }
}

/** Sends a request, and waits until it has ended. */
const send = (
  http: HttpClient.HttpClient,
  options?: Retry.Options,
  request: HttpClientRequest.HttpClientRequest = HttpClientRequest.get(url)
) =>
  Effect.gen(function*() {
    const fiber = yield* Effect.fork(Effect.exit(Retry.make(options)(http).execute(request)))
    yield* TestClock.adjust("10 minutes")
    return yield* Fiber.join(fiber)
  }).pipe(Effect.withRandom(Random.fixed([0.5])))

const outcome = (exit: Exit.Exit<HttpClientResponse.HttpClientResponse, HttpClientError.HttpClientError>) =>
  Exit.match(exit, {
    onSuccess: ({ status }) => status,
    onFailure: (cause) => {
      const error = Cause.squash(cause) as HttpClientError.RequestError
      return (error.cause as { readonly code?: string }).code ?? "no code"
    }
  })

describe("an answer", () => {
  it.effect.each([408, 429, 500, 502, 503, 504])("with status %i is retried", (status) =>
    Effect.gen(function*() {
      const { sentAt, http } = scripted([status], [status], [200])
      expect(outcome(yield* send(http))).toBe(200)
      expect(sentAt.length).toBe(3)
    }))

  it.effect.each([200, 202, 206, 301, 304, 400, 401, 403, 404, 409, 416, 501, 505])(
    "with status %i is not retried",
    (status) =>
      Effect.gen(function*() {
        const { sentAt, http } = scripted([status], [200])
        expect(outcome(yield* send(http))).toBe(status)
        expect(sentAt.length).toBe(1)
      }).pipe(Effect.when(() => status !== 304), Effect.asVoid)
  )

  it.effect("that does not change is returned when no retries are left", () =>
    Effect.gen(function*() {
      const { sentAt, http } = scripted([503])
      expect(outcome(yield* send(http))).toBe(503)
      expect(sentAt.length).toBe(4)
      const never = scripted([503])
      expect(outcome(yield* send(never.http, { retries: 0 }))).toBe(503)
      expect(never.sentAt.length).toBe(1)
    }))
})

describe("a connection error", () => {
  const cases: ReadonlyArray<readonly [code: string, attempts: number]> = [
    ["ECONNREFUSED", 4],
    ["ECONNRESET", 4],
    ["EPIPE", 4],
    ["EAI_AGAIN", 4],
    ["ETIMEDOUT", 4],
    ["UND_ERR_SOCKET", 4],
    ["UND_ERR_CONNECT_TIMEOUT", 4],
    ["unknown code", 4],
    ["ENOTFOUND", 1],
    ["CERT_HAS_EXPIRED", 1],
    ["DEPTH_ZERO_SELF_SIGNED_CERT", 1],
    ["SELF_SIGNED_CERT_IN_CHAIN", 1],
    ["UNABLE_TO_VERIFY_LEAF_SIGNATURE", 1],
    ["ERR_TLS_CERT_ALTNAME_INVALID", 1],
    ["EPROTO", 1],
    ["HPE_INVALID_CONSTANT", 1],
    ["timeout", 1]
  ]
  it.effect.each(cases)("%s: a GET is sent %i times", ([code, times]) =>
    Effect.gen(function*() {
      const { sentAt, http } = scripted(code)
      expect(Exit.isFailure(yield* send(http))).toBe(true)
      expect(sentAt.length).toBe(times)
    }))
})

describe("a request", () => {
  const bytes = HttpBody.uint8Array(encode("content"), "application/octet-stream")
  const manifest = HttpBody.uint8Array(encode("{}"), "application/vnd.oci.image.manifest.v1+json")
  const stream = HttpBody.stream(Stream.make(encode("content")), "application/octet-stream", 7)
  const replayable = Transport.markReplayable(
    HttpBody.stream(Stream.make(encode("content")), "application/octet-stream", 7)
  )
  const cases: ReadonlyArray<
    readonly [
      name: string,
      request: HttpClientRequest.HttpClientRequest,
      untouched: boolean,
      unknown: boolean,
      unsent: boolean
    ]
  > = [
    ["GET", HttpClientRequest.get(url), true, true, true],
    ["HEAD", HttpClientRequest.head(url), true, true, true],
    ["DELETE", HttpClientRequest.del(url), true, false, true],
    ["POST that opens an upload", HttpClientRequest.post(url), true, true, true],
    ["POST of a blob in memory", HttpClientRequest.post(url, { body: bytes }), true, true, true],
    ["POST of a blob that is read once", HttpClientRequest.post(url, { body: stream }), false, false, false],
    ["PATCH of a chunk", HttpClientRequest.patch(url, { body: bytes }), false, false, true],
    [
      "PATCH of a stream that can be read again",
      HttpClientRequest.patch(url, { body: replayable }),
      false,
      false,
      true
    ],
    ["PATCH of a stream that is read once", HttpClientRequest.patch(url, { body: stream }), false, false, false],
    ["PUT that ends an upload with its bytes", HttpClientRequest.put(url, { body: bytes }), false, false, true],
    ["PUT that ends an upload", HttpClientRequest.put(url), true, false, true],
    ["PUT of a manifest", HttpClientRequest.put(url, { body: manifest }), true, true, true],
    [
      "PUT of a manifest with If-None-Match",
      HttpClientRequest.put(url, { body: manifest, headers: { "if-none-match": "*" } }),
      false,
      false,
      true
    ],
    [
      "PUT of a manifest with If-Match",
      HttpClientRequest.put(url, { body: manifest, headers: { "if-match": `"sha256:${"0".repeat(64)}"` } }),
      false,
      false,
      true
    ]
  ]
  it.effect.each(cases)(
    "%s is sent again only if that is safe",
    ([, request, untouched, unknown, unsent]) =>
      Effect.gen(function*() {
        for (
          const [step, again] of [
            [[503], untouched],
            [[429], untouched],
            [[500], unknown],
            [[504], unknown],
            ["ECONNRESET", unknown],
            ["ECONNREFUSED", unsent]
          ] satisfies ReadonlyArray<readonly [Step, boolean]>
        ) {
          const { sentAt, http } = scripted(step, [201])
          yield* send(http, undefined, request)
          expect([step, sentAt.length]).toEqual([step, again ? 2 : 1])
        }
      })
  )

  it.scoped("is sent with its whole body each time, over every client", () =>
    Effect.gen(function*() {
      for (const platform of [platforms.undici, platforms.node, platforms.fetch]) {
        const server = yield* serve((_, count) => ({ status: count < 2 ? 500 : 201 }))
        const body = Transport.markReplayable(
          HttpBody.stream(Stream.make(encode("con"), encode("tent")), "text/plain", 7)
        )
        const response = yield* Effect.flatMap(HttpClient.HttpClient, (http) =>
          Retry.make({ delay: 0 })(http).post(server.origin, { body })).pipe(
            Effect.provide(platform)
          )
        expect(response.status).toBe(201)
        expect(server.requests.map(({ body }) =>
          body.toString()
        )).toEqual(["content", "content", "content"])
      }
    }))

  it.scoped("is sent again on the same connection, or on a new one if that broke", () =>
    Effect.gen(function*() {
      const server = yield* serveRaw((request, response, count) => {
        if (count === 0) return void request.socket.destroy()
        response.statusCode = count === 1 ? 502 : 200
        response.end("here")
      })
      const response = yield* Effect.flatMap(
        HttpClient.HttpClient,
        (http) => Retry.make({ delay: 0 })(http).get(server.origin)
      ).pipe(Effect.provide(platforms.undici))
      expect(yield* response.text).toBe("here")
      expect(server.requests.length).toBe(3)
    }))
})

describe("the delay", () => {
  const start = Date.UTC(2026, 10, 21, 12, 0, 0)
  const waits = (...steps: ReadonlyArray<Step>) =>
    Effect.gen(function*() {
      yield* TestClock.setTime(start)
      const { sentAt, http } = scripted(...steps)
      const exit = yield* send(http, { delay: "1 second", maxDelay: "30 seconds", retries: 8 })
      return { last: outcome(exit), waits: sentAt.slice(1).map((at, i) => at - sentAt[i]!) }
    })

  it.effect("doubles up to maxDelay, and is random between half of that and all", () =>
    Effect.gen(function*() {
      expect((yield* waits([500])).waits).toEqual([750, 1500, 3000, 6000, 12_000, 22_500, 22_500, 22_500])
    }))

  const http = (seconds: number) => new Date(start + seconds * 1000).toUTCString()
  const cases: ReadonlyArray<readonly [retryAfter: string, wait: number | undefined]> = [
    ["0", 0],
    ["7", 7000],
    ["30", 30_000],
    ["31", undefined],
    ["1000000000", undefined],
    ["99999999999999999999999", undefined],
    [http(20), 20_000],
    [http(-3600), 0],
    [http(3600), undefined]
  ]
  it.effect.each(cases)("follows the registry's Retry-After: %s", ([retryAfter, wait]) =>
    Effect.gen(function*() {
      const result = yield* waits([429, { "retry-after": retryAfter }], [200])
      // The random part of the delay is half a second.
      expect(result).toEqual(wait === undefined ? { last: 429, waits: [] } : { last: 200, waits: [wait + 500] })
    }))

  it.effect.each(["1e9", "-1", "soon", "", "1.5"])(
    "ignores an invalid Retry-After: %s",
    (retryAfter) =>
      Effect.gen(function*() {
        expect(yield* waits([503, { "retry-after": retryAfter }], [200])).toEqual({ last: 200, waits: [750] })
      })
  )

  it.effect("ends if the caller is interrupted", () =>
    Effect.gen(function*() {
      const { sentAt, http } = scripted([503])
      const fiber = yield* Effect.fork(Retry.make()(http).get(url))
      yield* TestClock.adjust(1)
      yield* Fiber.interrupt(fiber)
      yield* TestClock.adjust(Duration.minutes(1))
      expect(sentAt.length).toBe(1)
    }))
})

it.effect("each retry takes from the shared budget", () =>
  Effect.gen(function*() {
    const { sentAt, http } = scripted([503])
    const budget = RetryBudget.make(4)
    yield* Effect.all([send(http), send(http)]).pipe(Effect.provideService(RetryBudget.RetryBudget, budget))
    expect(sentAt.length).toBe(2 + 4)
    expect(budget.take()).toBe(false)
  }))
