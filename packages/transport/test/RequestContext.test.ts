import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import { describe, expect, it } from "@effect/vitest"
import { Context, Deferred, Effect, Exit, Fiber, FiberRef } from "effect"
import * as RequestContext from "../src/RequestContext.js"
import * as Transport from "../src/Transport.js"

class Place extends Context.Reference<Place>()("transport/test/RequestContext/Place", {
  defaultValue: () => "nowhere"
}) {}

const place = Effect.withFiberRuntime<string>((fiber) => Effect.succeed(Context.get(fiber.currentContext, Place)))

const isTraced = Effect.map(
  FiberRef.get(HttpClient.currentTracerDisabledWhen),
  (isDisabled) => !isDisabled(HttpClientRequest.get("https://registry.example/"))
)

const within = <A, E>(effect: Effect.Effect<A, E>, name: string, untraced = false) =>
  Effect.withFiberRuntime<A, E>((fiber) => {
    return RequestContext.provide(
      effect,
      RequestContext.add(RequestContext.make(fiber.currentContext, { untraced }), Place, name)
    )
  })

describe("RequestContext.add", () => {
  it("replaces what was added before, in a new context", () => {
    class Name extends Context.Tag("transport/test/RequestContext/Name")<Name, string>() {}
    const caller = RequestContext.make(Context.add(Context.empty(), Place, "caller") as Context.Context<never>)
    const inner = RequestContext.add(RequestContext.add(RequestContext.add(caller, Place, "a"), Name, "b"), Place, "c")
    const shown = (self: RequestContext.RequestContext) => Object.fromEntries(RequestContext.toContext(self).unsafeMap)
    expect([RequestContext.get(inner, Place), RequestContext.get(inner, Name)]).toEqual(["c", "b"])
    expect([RequestContext.get(caller, Place), RequestContext.get(caller, Name)]).toEqual(["caller", undefined])
    expect(shown(inner)).toEqual({ [Place.key]: "c", [Name.key]: "b" })
    expect(shown(caller)).toEqual({ [Place.key]: "caller" })
  })
})

describe("RequestContext.provide", () => {
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

  it.effect("puts the context back when it is interrupted", () =>
    Effect.gen(function*() {
      const started = yield* Deferred.make<void>()
      const seen: Array<unknown> = []
      const note = Effect.zipWith(place, isTraced, (name, traced) => seen.push(name, traced))
      const fiber = yield* Effect.fork(
        Effect.onExit(
          within(Effect.zipRight(Deferred.succeed(started, undefined), Effect.never), "inner", true),
          () => note
        )
      )
      yield* Deferred.await(started)
      expect(Exit.isInterrupted(yield* Fiber.interrupt(fiber))).toBe(true)
      expect(seen).toEqual(["nowhere", true])
    }))

  it.effect("turns the platform's spans off for an untraced request only", () =>
    Effect.gen(function*() {
      expect(yield* within(isTraced, "outer")).toBe(true)
      expect(yield* within(Effect.zip(isTraced, within(isTraced, "inner")), "outer", true)).toEqual([false, false])
      expect(yield* isTraced).toBe(true)
    }))
})

describe("RequestContext.unsafeFork", () => {
  it.effect("starts a fiber in the context, with the other references of its caller", () =>
    Effect.gen(function*() {
      const level = FiberRef.unsafeMake(0)
      const seen = Effect.all([place, isTraced, FiberRef.get(level)])
      const forked = (untraced: boolean) =>
        Effect.withFiberRuntime<Fiber.RuntimeFiber<unknown>>((fiber, { runtimeFlags }) => {
          const within = RequestContext.add(
            RequestContext.make(fiber.currentContext, { untraced }),
            Place,
            "inner"
          )
          return Effect.succeed(
            RequestContext.unsafeFork((inner) => RequestContext.provide(seen, inner), within, fiber, runtimeFlags)
          )
        })
      const ends = Effect.all([
        Effect.flatMap(forked(true), Fiber.await),
        Effect.flatMap(forked(false), Fiber.await),
        Effect.exit(seen)
      ])
      expect(yield* Effect.locally(ends, level, 1)).toEqual([
        Exit.succeed(["inner", false, 1]),
        Exit.succeed(["inner", true, 1]),
        Exit.succeed(["nowhere", true, 1])
      ])
    }))
})

describe("RequestContext.withPlainFetch", () => {
  it.effect("keeps a request from redirects and from the cache of a browser, and keeps other settings", () =>
    Effect.gen(function*() {
      const settings: Array<RequestInit | undefined> = []
      const fetch: typeof globalThis.fetch = (_, init) => {
        settings.push(init)
        return Promise.resolve(new Response())
      }
      const requests = Effect.gen(function*() {
        const request = (yield* HttpClient.HttpClient).get("https://registry.example/")
        yield* Transport.withPlainFetch(request)
        yield* request
      })
      yield* Effect.provide(requests, FetchHttpClient.layer).pipe(
        Effect.provideService(FetchHttpClient.Fetch, fetch),
        Effect.provideService(FetchHttpClient.RequestInit, { credentials: "omit", redirect: "follow" })
      )
      expect(settings.map((init) => [init?.credentials, init?.redirect, init?.cache])).toEqual([
        ["omit", "manual", "no-store"],
        ["omit", "follow", undefined]
      ])
    }))
})
