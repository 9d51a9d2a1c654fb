import * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { describe, expect, it } from "@effect/vitest"
import { Context, Effect, FiberRef, Stream } from "effect"
import * as Origin from "../src/Origin.js"
import * as Transport from "../src/Transport.js"

class Place extends Context.Reference<Place>()("transport/test/Place", { defaultValue: () => "nowhere" }) {}

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

describe("Transport.mapContext", () => {
  const place = Effect.withFiberRuntime<string>((fiber) => Effect.succeed(Context.get(fiber.currentContext, Place)))
  const within = <A, E>(effect: Effect.Effect<A, E>, name: string) =>
    Transport.mapContext(effect, (context) => Context.add(context, Place, name))

  it.effect("changes the context for the effect, also in its fibers, and puts it back however the effect ends", () =>
    Effect.gen(function*() {
      const trace: Array<string> = []
      const note = Effect.tap(place, (name) => Effect.sync(() => trace.push(name)))
      const nested = note.pipe(
        Effect.zipRight(within(Effect.zipRight(note, Effect.all([note, note], { concurrency: 2 })), "inner")),
        Effect.zipRight(note)
      )
      yield* within(nested, "outer")
      expect(trace).toEqual(["outer", "inner", "inner", "inner", "outer"])
      for (const end of [Effect.fail("broken"), Effect.die("defect"), Effect.interrupt]) {
        yield* Effect.exit(within(Effect.zipRight(place, end), "outer"))
        expect(yield* place).toBe("nowhere")
      }
    }))

  it.effect("keeps other references that the effect sets", () =>
    Effect.gen(function*() {
      const level = FiberRef.unsafeMake(0)
      yield* within(within(FiberRef.set(level, 1), "inner"), "outer")
      expect([yield* FiberRef.get(level), yield* place]).toEqual([1, "nowhere"])
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
