import { RegistryError } from "@effect-oci/core"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Exit, HashMap, Logger, LogLevel, TestClock } from "effect"
import * as WireLog from "../src/WireLog.js"

/** A client that answers with these headers after 7 ms. */
const answering = (headers: Record<string, string> = {}, status = 200) =>
  HttpClient.make((request) =>
    Effect.as(
      TestClock.adjust("7 millis"),
      HttpClientResponse.fromWeb(request, new Response(null, { status, headers }))
    )
  )

/** Returns the log lines of a request. */
const lines = (
  request: HttpClientRequest.HttpClientRequest,
  http: HttpClient.HttpClient = answering(),
  level: LogLevel.LogLevel = LogLevel.Debug,
  options?: WireLog.Options
) =>
  Effect.gen(function*() {
    const written: Array<unknown> = []
    const logger = Logger.make(({ annotations, logLevel, message }) => {
      written.push({
        level: logLevel.label,
        message: String(message),
        ...Object.fromEntries(HashMap.toEntries(annotations))
      })
    })
    yield* WireLog.make(options)(http).execute(request).pipe(
      Effect.exit,
      Effect.provide(Logger.replace(Logger.defaultLogger, logger)),
      Logger.withMinimumLogLevel(level)
    )
    return written
  })

const get = (url: string, headers?: Record<string, string>) =>
  HttpClientRequest.get(url, headers === undefined ? undefined : { headers })

it.effect("logs one line for a request and one for its answer", () =>
  Effect.gen(function*() {
    const request = get("https://registry.example/v2/team/app/tags/list?n=10", { accept: "application/json" })
    const message = "GET https://registry.example/v2/team/app/tags/list?n=10"
    const headers = { "content-type": "application/json" }
    expect(yield* lines(request, answering(headers))).toEqual([
      { level: "DEBUG", message, headers: { accept: "application/json" } },
      { level: "DEBUG", message: `${message}: 200`, status: 200, durationMillis: 7, headers }
    ])
    expect(yield* lines(request, answering(headers), LogLevel.Info)).toEqual([])
    expect((yield* lines(request, answering(headers), LogLevel.Info, { level: LogLevel.Info })).length).toBe(2)
  }))

describe("does not log", () => {
  const secretHeaders = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "x-registry-auth",
    "x-amz-security-token"
  ]
  it.effect.each(secretHeaders)("the value of the request header %s", (name) =>
    Effect.gen(function*() {
      const [request] = yield* lines(get("https://registry.example/v2/", { [name]: "CANARY" }))
      expect(request).toMatchObject({ headers: { [name]: "…" } })
    }))

  it.effect.each(["location", "link", "www-authenticate", "proxy-authenticate", "docker-upload-uuid", "x-state"])(
    "the value of the response header %s",
    (name) =>
      Effect.gen(function*() {
        const all = yield* lines(get("https://registry.example/v2/"), answering({ [name]: "https://CANARY/" }, 401))
        expect(all[1]).toMatchObject({ status: 401, headers: { [name]: "…" } })
        expect(JSON.stringify(all)).not.toContain("CANARY")
      })
  )

  const urls: ReadonlyArray<readonly [url: string, shown: string]> = [
    ["https://registry.example/v2/a/blobs/uploads/CANARY", "https://registry.example/v2/a/blobs/uploads/…"],
    [
      "https://registry.example/v2/a/blobs/uploads/CANARY?_state=CANARY&digest=sha256:00",
      "https://registry.example/v2/a/blobs/uploads/…?…&digest=sha256:00"
    ],
    ["https://user:CANARY@registry.example/v2/", "https://registry.example/v2/"],
    ["https://cdn.example/bucket/CANARY?X-Amz-Signature=CANARY&X-Amz-Date=1", "https://cdn.example/…?…&…"],
    [
      "https://registry.example/v2/a/blobs/uploads/?mount=sha256:00&from=b&token=CANARY",
      "https://registry.example/v2/a/blobs/uploads/?mount=sha256:00&from=b&…"
    ],
    [
      "https://registry.example/v2/a/tags/list?n=1&last=v1#CANARY",
      "https://registry.example/v2/a/tags/list?n=1&last=v1"
    ],
    ["https://auth.example/token?service=s&scope=x&CANARY=y", "https://auth.example/…?service=s&scope=x&…"],
    ["CANARY", "…"]
  ]
  it.effect.each(urls)("the secret in %s", ([url, shown]) =>
    Effect.gen(function*() {
      expect((yield* lines(get(url)))[0]).toMatchObject({ message: `GET ${shown}` })
    }))
})

it.effect("text from the registry is escaped and shortened for a terminal", () =>
  Effect.gen(function*() {
    const headers = { "content-type": `\u001b[2Ja\r\nb${"c".repeat(10_000)}` }
    const http = HttpClient.make((request) => {
      const response = HttpClientResponse.fromWeb(request, new Response())
      return Effect.succeed(Object.create(response, { headers: { value: headers } }) as typeof response)
    })
    const text = JSON.stringify(yield* lines(get("https://registry.example/v2/"), http))
    expect(text).toContain("\\\\u001b[2Ja\\\\u000d\\\\u000ab")
    expect(text.length).toBeLessThan(1000)
  }))

describe("logs one line for a request without an answer", () => {
  const failing = (cause: unknown) =>
    HttpClient.make((request) => Effect.fail(new HttpClientError.RequestError({ request, reason: "Transport", cause })))
  const refused = new RegistryError.Refused({ by: "AddressGuard", reason: "the registry directs the client astray" })
  const cases: ReadonlyArray<readonly [name: string, http: HttpClient.HttpClient, error: string]> = [
    ["after ECONNRESET", failing(Object.assign(new Error("CANARY"), { code: "ECONNRESET" })), "connection reset"],
    ["with an error of a registry", failing(refused), refused.message],
    ["with a defect", HttpClient.make(() => Effect.die("CANARY")), "defect"],
    ["that was interrupted", HttpClient.make(() => Effect.interrupt), "interrupted"]
  ]
  it.effect.each(cases)("%s", ([, http, error]) =>
    Effect.gen(function*() {
      expect((yield* lines(get("https://registry.example/v2/"), http))[1]).toEqual({
        level: "DEBUG",
        message: "GET https://registry.example/v2/: no answer",
        durationMillis: 0,
        error
      })
    }))
})

it.effect("does not change the answer", () =>
  Effect.gen(function*() {
    const exit = yield* Effect.exit(WireLog.make()(answering({ a: "b" }, 404)).get("https://registry.example/v2/"))
    expect(Exit.isSuccess(exit) && exit.value.headers).toMatchObject({ a: "b" })
  }))
