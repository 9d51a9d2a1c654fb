import * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Option, Stream } from "effect"
import * as Origin from "../src/Origin.js"
import * as Transport from "../src/Transport.js"

const echo = HttpClient.make((request) =>
  Effect.succeed(HttpClientResponse.fromWeb(request, new Response(request.headers["x-trail"])))
)

const adding = (name: string): Transport.Transport =>
  Transport.make((request, send) =>
    send(HttpClientRequest.setHeader(request, "x-trail", `${request.headers["x-trail"] ?? ""}${name}`))
  )

const trail = (client: HttpClient.HttpClient) =>
  Effect.flatMap(client.get("https://registry.example/"), (response) => response.text)

describe("transports", () => {
  it.effect("are composed as in a pipe, the last outermost", () =>
    Effect.gen(function*() {
      expect(yield* trail(Transport.compose(adding("a"), adding("b"), adding("c"))(echo))).toBe("cba")
      expect(yield* trail(Transport.compose()(echo))).toBe("")
    }))

  it.effect("get requests with what the client below adds to them, and send them as they are", () =>
    Effect.gen(function*() {
      const below = HttpClient.mapRequest(echo, HttpClientRequest.setHeader("x-trail", "below "))
      expect(yield* trail(adding("mine")(below))).toBe("below mine")
    }))

  it.effect("keep what the client below adds to one origin", () =>
    Effect.gen(function*() {
      const below = HttpClient.mapRequest(echo, HttpClientRequest.setHeader("x-trail", "below"))
      const client = Transport.homebound(Option.getOrThrow(Origin.parse("https://registry.example")))(below)
      const asked = [
        "https://registry.example/",
        "https://REGISTRY.example.:443/",
        "https://registry.example:444/",
        "http://registry.example/",
        "https://registry.example@evil.example/",
        "https://registry.example.evil.example/",
        "/"
      ]
      const trails = yield* Effect.forEach(asked, (url) =>
        Effect.flatMap(client.execute(HttpClientRequest.get(url)), (response) =>
          response.text).pipe(
            Effect.orElseSucceed(() => "")
          ))
      expect(trails).toEqual(["below", "below", "", "", "", "", ""])
    }))

  it.effect("wrap a client of another make too", () =>
    Effect.gen(function*() {
      const parts = new Set<string | symbol>(["preprocess", "postprocess"])
      const other = new Proxy(echo, { has: (client, name) => !parts.has(name) && name in client })
      expect(yield* trail(adding("mine")(other))).toBe("mine")
    }))
})

describe("a body", () => {
  const stream = () => HttpBody.stream(Stream.empty)
  const cases: ReadonlyArray<readonly [name: string, body: HttpBody.HttpBody, replayable: boolean]> = [
    ["that is empty", HttpBody.empty, true],
    ["in hand", HttpBody.text("content"), true],
    ["that is a stream", stream(), false],
    ["that is a stream of which it is said", Transport.markReplayable(stream()), true],
    ["of any other kind", HttpBody.raw("content"), false]
  ]
  it.each(cases)("%s can be sent again: %#", (_, body, replayable) => {
    expect(Transport.isReplayable(body)).toBe(replayable)
  })
})
