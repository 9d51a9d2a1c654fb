import * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { describe, expect, it } from "@effect/vitest"
import { Context, Effect, Stream } from "effect"
import * as Origin from "../src/Origin.js"
import * as RequestContext from "../src/RequestContext.js"
import * as Transport from "../src/Transport.js"

class Place extends Context.Reference<Place>()("transport/test/Place", { defaultValue: () => "nowhere" }) {}

const place = Effect.withFiberRuntime<string>((fiber) => Effect.succeed(Context.get(fiber.currentContext, Place)))

const echo = HttpClient.make((request) =>
  Effect.succeed(HttpClientResponse.fromWeb(request, new Response(request.headers["x-trail"])))
)

const adding = (name: string): Transport.Transport =>
  Transport.make((request, send) =>
    send(HttpClientRequest.setHeader(request, "x-trail", `${request.headers["x-trail"] ?? ""}${name}`))
  )

const trail = (client: HttpClient.HttpClient) =>
  Effect.flatMap(client.get("https://registry.example/"), (response) => response.text)

describe("Transport", () => {
  it.effect("composes transports as in a pipe, the last outermost", () =>
    Effect.gen(function*() {
      expect(yield* trail(Transport.compose(adding("a"), adding("b"), adding("c"))(echo))).toBe("cba")
      expect(yield* trail(Transport.compose()(echo))).toBe("")
    }))

  it.effect("passes requests with the additions of the inner client, and sends them unchanged", () =>
    Effect.gen(function*() {
      const below = HttpClient.mapRequest(echo, HttpClientRequest.setHeader("x-trail", "below "))
      expect(yield* trail(adding("mine")(below))).toBe("below mine")
    }))

  it.effect("restricts the additions of the inner client to one origin", () =>
    Effect.gen(function*() {
      const below = HttpClient.mapRequest(echo, HttpClientRequest.setHeader("x-trail", "below"))
      const client = Transport.sameOrigin(Origin.parse("https://registry.example")!)(below)
      const urls = [
        "https://registry.example/",
        "https://REGISTRY.example.:443/",
        "https://registry.example:444/",
        "http://registry.example/",
        "https://registry.example@evil.example/",
        "https://registry.example.evil.example/",
        "/"
      ]
      const trails = yield* Effect.forEach(urls, (url) =>
        Effect.flatMap(client.execute(HttpClientRequest.get(url)), (response) =>
          response.text).pipe(
            Effect.orElseSucceed(() => "")
          ))
      expect(trails).toEqual(["below", "below", "", "", "", "", ""])
    }))

  it.effect("wraps a client of another implementation", () =>
    Effect.gen(function*() {
      const parts = new Set<string | symbol>(["preprocess", "postprocess"])
      const other = new Proxy(echo, { has: (client, name) => !parts.has(name) && name in client })
      expect(yield* trail(adding("mine")(other))).toBe("mine")
    }))
})

describe("the context of a request", () => {
  const here = Transport.make((request, send) =>
    Effect.flatMap(place, (name) => send(HttpClientRequest.setHeader(request, "x-trail", name)))
  )
  const moving = Transport.makeIn((request, within, send) =>
    send(request, RequestContext.add(within, Place, "elsewhere"))
  )

  it.effect("is that of the caller, and reaches every client inside the transport that changes it", () =>
    Effect.gen(function*() {
      expect(yield* trail(here(echo))).toBe("nowhere")
      expect(yield* trail(here(moving(echo)))).toBe("nowhere")
      expect(yield* trail(moving(here(echo)))).toBe("elsewhere")
      expect(yield* trail(moving(HttpClient.transformResponse(here(echo), Effect.orDie)))).toBe("elsewhere")
      expect(yield* place).toBe("nowhere")
    }))

  it.effect("is also that of what the inner client does to a request before it is sent", () =>
    Effect.gen(function*() {
      const client = HttpClient.mapRequestEffect(
        echo,
        (request) => Effect.map(place, (name) => HttpClientRequest.setHeader(request, "x-trail", name))
      )
      const within = yield* Effect.withFiberRuntime<RequestContext.RequestContext>((fiber) =>
        Effect.succeed(RequestContext.add(RequestContext.of(fiber), Place, "elsewhere"))
      )
      const sent = Transport.executeIn(client)(HttpClientRequest.get("https://registry.example/"), within)
      expect(yield* Effect.flatMap(sent, ({ text }) => text)).toBe("elsewhere")
      expect(yield* trail(client)).toBe("nowhere")
    }))
})

describe("Transport.isReplayable", () => {
  const stream = () => HttpBody.stream(Stream.empty)
  const cases: ReadonlyArray<readonly [name: string, body: HttpBody.HttpBody, replayable: boolean]> = [
    ["an empty body", HttpBody.empty, true],
    ["bytes", HttpBody.text("content"), true],
    ["a stream", stream(), false],
    ["a stream that is marked replayable", Transport.markReplayable(stream()), true],
    ["any other body", HttpBody.raw("content"), false]
  ]
  it.each(cases)("returns whether %s can be sent again: %#", (_, body, replayable) => {
    expect(Transport.isReplayable(body)).toBe(replayable)
  })
})
