import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { expect, it } from "@effect/vitest"
import { Effect } from "effect"
import * as UserAgent from "../src/UserAgent.js"

const echo = HttpClient.make((request) =>
  Effect.succeed(HttpClientResponse.fromWeb(request, new Response(request.headers["user-agent"])))
)

const cases: ReadonlyArray<
  readonly [name: string, userAgent: string | undefined, header: string | undefined, sent: string]
> = [
  ["the default", undefined, undefined, UserAgent.defaultUserAgent],
  ["another", "mirror/7", undefined, "mirror/7"],
  ["that of the request", "mirror/7", "curl/8", "curl/8"]
]

it.effect.each(cases)("sends the right User-Agent: %s", ([, userAgent, header, sent]) =>
  Effect.gen(function*() {
    const headers = header === undefined ? {} : { "User-Agent": header }
    const response = yield* UserAgent.make(userAgent)(echo).get("https://registry.example/", { headers })
    expect(yield* response.text).toBe(sent)
  }))
