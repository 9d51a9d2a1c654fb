import { NodeHttpClient } from "@effect/platform-node"
import { Agent, request } from "@effect/platform-node/Undici"
import * as HttpClient from "@effect/platform/HttpClient"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Layer, Tracer } from "effect"
import * as EvilRegistry from "../src/EvilRegistry.js"
import * as NodeEvilRegistry from "../src/NodeEvilRegistry.js"

type Evil = EvilRegistry.Watched

/** Sends what a test says to a site. */
const send = (
  evil: Evil,
  site: EvilRegistry.Site,
  options: { readonly path?: string; readonly headers?: Record<string, string>; readonly body?: string } = {}
) =>
  Effect.acquireUseRelease(
    Effect.sync(() => new Agent({ connect: { lookup: NodeEvilRegistry.lookup(evil), ca: evil.certificate } })),
    (dispatcher) =>
      Effect.promise(async () => {
        const { path = "/", ...rest } = options
        const method = rest.body === undefined ? "GET" : "PUT"
        const { body, statusCode } = await request(`${site.origin}${path}`, { dispatcher, method, ...rest })
        return `${statusCode} ${await body.text()}`
      }),
    (dispatcher) => Effect.promise(() => dispatcher.close())
  )

const ok: EvilRegistry.Script = () => ({ status: 200, body: "here" })

/** An owner who gets his secret, and another. */
const world = (evil: Evil, options?: { readonly unsent?: string }) =>
  Effect.gen(function*() {
    const owner = yield* evil.site({ host: "registry.example" }, ok)
    const other = yield* evil.site({ host: "evil.example", tls: true }, ok)
    const secret = evil.secret(options)
    evil.belongs(secret, owner)
    const deliver = evil.ask(send(evil, owner, { headers: { authorization: `Bearer ${secret}` } }))
    return { owner, other, secret, deliver }
  })

type World = Effect.Effect.Success<ReturnType<typeof world>>

const leaks = (
  test: (world: World, evil: Evil) => Effect.Effect<unknown, unknown>,
  options?: { readonly unsent?: string }
) =>
  EvilRegistry.EvilRegistry.pipe(
    Effect.flatMap((evil) => Effect.flatMap(world(evil, options), (world) => Effect.exit(test(world, evil)))),
    EvilRegistry.watched,
    Effect.match({ onFailure: ({ leaks }) => leaks, onSuccess: () => [] }),
    Effect.provide(NodeEvilRegistry.layer)
  )

it.scopedLive("a secret that comes to its owner, and to nobody else, is kept", () =>
  Effect.gen(function*() {
    expect(yield* leaks(({ deliver, other }, evil) => Effect.zipRight(deliver, send(evil, other)))).toEqual([])
  }))

const base64 = (text: string) => Buffer.from(text).toString("base64")

describe("the watch tells of a secret", () => {
  const sent: ReadonlyArray<
    readonly [name: string, what: (secret: string) => Parameters<typeof send>[2], place: string]
  > = [
    [
      "in a header",
      (secret) => ({ headers: { authorization: `Bearer ${secret}` } }),
      "the header authorization of GET /"
    ],
    ["in base64", (secret) => ({ headers: { "x-a": `Basic ${base64(`a:${secret}`)}` } }), "the header x-a of GET /"],
    ["in base64, further on", (secret) => ({ headers: { "x-a": base64(`ab:${secret}`) } }), "the header x-a of GET /"],
    [
      "in base64, from the start",
      (secret) => ({ headers: { "x-a": base64(`abc${secret};`) } }),
      "the header x-a of GET /"
    ],
    ["in hex", (secret) => ({ headers: { "x-a": Buffer.from(secret).toString("hex") } }), "the header x-a of GET /"],
    ["in a query", (secret) => ({ path: `/?token=${secret}` }), "the URL of GET /?token="],
    ["in a body", (secret) => ({ body: `password=${secret}` }), "the body of PUT /"]
  ]
  it.scopedLive.each(sent)("that was sent to another, %s", ([, what, place]) =>
    Effect.gen(function*() {
      const found = yield* leaks(({ deliver, other, secret }, evil) =>
        Effect.zipRight(deliver, send(evil, other, what(secret)))
      )
      expect(found.length).toBe(1)
      expect(found[0]).toMatch(/^secret 1 was sent to https:\/\/evil\.example:\d+, which is not its owner: /)
      expect(found[0]).toContain(place)
    }))

  const told: ReadonlyArray<
    readonly [name: string, tell: (secret: string, evil: Evil) => Effect.Effect<unknown, unknown>, place: string]
  > = [
    ["a line of the log", (secret) => Effect.logTrace(`got ${secret}`), "the log"],
    ["an annotation of the log", (secret) => Effect.annotateLogs(Effect.logDebug("got"), "token", secret), "the log"],
    ["a cause in the log", (secret) => Effect.logError("failed", new Error(secret)), "the log"],
    ["an object in the log", (secret) => Effect.logInfo({ deep: { in: [base64(secret)] } }), "the log"],
    ["the name of a span", (secret) => Effect.withSpan(Effect.void, `GET ${secret}`), "the name of a span"],
    [
      "an attribute of a span",
      (secret) => Effect.withSpan(Effect.void, "s", { attributes: { "url.full": `https://a/?${secret}` } }),
      "the attribute url.full of the span s"
    ],
    [
      "an event of a span",
      (secret) =>
        Effect.withSpan(
          Effect.flatMap(Effect.currentSpan, (span) => Effect.sync(() => span.event("e", 0n, { secret }))),
          "s"
        ),
      "an event of the span s"
    ],
    [
      "a link of a span",
      (secret) =>
        Effect.withSpan(
          Effect.linkSpanCurrent(Tracer.externalSpan({ spanId: "1", traceId: "1" }), { secret }),
          "s"
        ),
      "a link of the span s"
    ],
    ["the end of a span", (secret) => Effect.withSpan(Effect.fail(new Error(secret)), "s"), "the end of the span"],
    ["the message of an error", (secret, evil) => evil.ask(Effect.fail(new Error(`no ${secret}`))), "an error"],
    [
      "the cause of an error",
      (secret, evil) => evil.ask(Effect.fail(new Error("no", { cause: { headers: { authorization: secret } } }))),
      "an error"
    ],
    ["a defect", (secret, evil) => evil.ask(Effect.die(Object.assign(new Error("no"), { secret }))), "an error"],
    ["a result", (secret, evil) => evil.ask(Effect.succeed({ toJSON: () => secret })), "a result"],
    ["the inside of a result", (secret, evil) => evil.ask(Effect.succeed(new Map([["a", { secret }]]))), "a result"]
  ]
  it.scopedLive.each(told)("in %s", ([, tell, place]) =>
    Effect.gen(function*() {
      const found = yield* leaks(({ deliver, secret }, evil) => Effect.zipRight(deliver, tell(secret, evil)))
      expect(found.length).toBeGreaterThan(0)
      for (const leak of found) expect(leak).toContain("secret 1 is told by ")
      expect(found.join("\n")).toContain(`told by ${place}`)
    }))
})

it.scopedLive("a client that follows redirects as the platform does is found out", () =>
  Effect.gen(function*() {
    const found = yield* Effect.flatMap(EvilRegistry.EvilRegistry, (evil) =>
      Effect.gen(function*() {
        const secret = evil.secret()
        const other = yield* evil.site({ host: "127.0.0.1" }, ok)
        const owner = yield* evil.site({ host: "127.0.0.1" }, () => ({
          status: 307,
          headers: { location: `${other.origin}/there` }
        }))
        evil.belongs(secret, owner)
        const http = HttpClient.followRedirects(yield* HttpClient.HttpClient)
        const answer = http.get(owner.origin, { headers: { authorization: `Bearer ${secret}` } })
        yield* evil.ask(Effect.flatMap(answer, ({ text }) => text))
      })).pipe(
        EvilRegistry.watched,
        Effect.flip,
        Effect.provide([NodeEvilRegistry.layer, NodeHttpClient.layerUndici])
      )
    expect(found.message).toMatch(
      /^secret 1 was sent to http:\/\/127\.0\.0\.1:\d+, .*: the header authorization of GET \/there$/
    )
  }))

describe("a test that shows nothing fails:", () => {
  it.scopedLive("its secret came to nobody, and it does not say why", () =>
    Effect.gen(function*() {
      const nothing = (_: World, evil: Evil) => evil.ask(Effect.void)
      expect(yield* leaks(nothing)).toEqual(["secret 1 came to none of its owners, and nothing says why"])
      expect(yield* leaks(nothing, { unsent: "the realm is refused" })).toEqual([])
    }))

  it.scopedLive("its secret came to its owner, and it says that it would not", () =>
    Effect.gen(function*() {
      expect(yield* leaks(({ deliver }) => deliver, { unsent: "the realm is refused" })).toEqual([
        "secret 1 came to its owner, though: the realm is refused"
      ])
    }))

  it.scopedLive("it asked nothing, or had no secret", () =>
    Effect.gen(function*() {
      expect(yield* leaks(({ owner, secret }, evil) => send(evil, owner, { body: secret }))).toEqual([
        "nothing was asked that could tell one"
      ])
      const empty = yield* Effect.void.pipe(
        EvilRegistry.watched,
        Effect.flip,
        Effect.provide(Layer.fresh(NodeEvilRegistry.layer))
      )
      expect(empty.leaks).toContain("there is no secret to be told")
    }))

  it.scopedLive("it failed by itself, which it says before its leaks", () =>
    Effect.gen(function*() {
      const failed = yield* Effect.fail(new Error("expected 1 to be 2")).pipe(
        EvilRegistry.watched,
        Effect.flip,
        Effect.provide(NodeEvilRegistry.layer)
      )
      expect(failed.message).toContain("expected 1 to be 2")
    }))
})
