import { AuthScope } from "@effect-oci/core"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber, Option, Redacted, TestClock, Tracer } from "effect"
import * as Credential from "../src/Credential.js"
import * as Origin from "../src/Origin.js"
import * as TokenExchange from "../src/TokenExchange.js"
import { basic, realm, registry, world } from "./scripted.js"
import type { Answer, Asked, Place } from "./scripted.js"

const alice = Credential.basic("alice", "CANARY")
const identity = Credential.identityToken("CANARY")
const server = "https://auth.example.com"
const scope = AuthScope.parse("repository:team/app:pull,push repository:other:pull")

const ask = (place: Place, entry: Credential.Entry = [], options?: TokenExchange.Options, at: string = realm) => {
  const { asked, client } = world({
    [server]: place,
    "https://other.example.com": place,
    "http://auth.example.com": place
  })
  const exchange = TokenExchange.make(client, options)
  const origin = Option.getOrThrow(Origin.parse(registry))
  return {
    asked,
    token: exchange({ origin, realm: new URL(at), service: "registry.example.com", scope, entry })
  }
}

const giving = (body: unknown): Place => () => ({ status: 200, body })

const formOf = ({ body }: Asked) => Object.fromEntries(new URLSearchParams(body))

/** The failure of an exchange, which tells nothing secret. */
const failureOf = (exchange: ReturnType<typeof ask>) =>
  Effect.map(Effect.flip(exchange.token), (error) => {
    for (const text of [String(error), JSON.stringify(error)]) expect(text).not.toMatch(/CANARY|Q0FOQVJZ/)
    return error
  })

describe("a token server", () => {
  it.effect("is asked by nobody with GET, a scope a resource, and its own query", () =>
    Effect.gen(function*() {
      const { asked, token } = ask(
        giving({ token: "t" }),
        [],
        { headers: { "X-Mine": "1" } },
        `${realm}?tenant=a&scope=b`
      )
      expect(Redacted.value((yield* token).value)).toBe("t")
      expect(asked).toHaveLength(1)
      expect(asked[0]).toMatchObject({ method: "GET", authorization: undefined, headers: { "x-mine": "1" } })
      expect([...asked[0]!.url.searchParams]).toEqual([
        ["tenant", "a"],
        ["scope", "b"],
        ["service", "registry.example.com"],
        ["scope", "repository:team/app:pull,push"],
        ["scope", "repository:other:pull"]
      ])
    }))

  it.effect("is shown a user and a password with Basic, and the name of the account", () =>
    Effect.gen(function*() {
      const { asked, token } = ask(giving({ access_token: "t" }), [alice])
      expect(Redacted.value((yield* token).value)).toBe("t")
      expect(asked[0]?.authorization).toBe(basic("alice", "CANARY"))
      expect(asked[0]?.url.searchParams.get("account")).toBe("alice")
      expect(String(asked[0]?.url)).not.toMatch(/CANARY|offline/)
    }))

  it.effect("is shown an identity token in a form", () =>
    Effect.gen(function*() {
      const { asked, token } = ask(giving({ access_token: "t", refresh_token: "CANARY-2" }), [alice, identity])
      expect(Option.fromNullable((yield* token).refreshToken)).toEqual(Option.some(Redacted.make("CANARY-2")))
      expect(asked).toMatchObject([{ method: "POST", authorization: undefined }])
      expect(asked[0]?.headers["content-type"]).toBe("application/x-www-form-urlencoded")
      expect(asked[0]?.url.search).toBe("")
      expect(formOf(asked[0]!)).toEqual({
        grant_type: "refresh_token",
        refresh_token: "CANARY",
        service: "registry.example.com",
        scope: "repository:team/app:pull,push repository:other:pull",
        client_id: "effect-oci"
      })
    }))

  it.effect("is shown a password in a form, where that is wanted", () =>
    Effect.gen(function*() {
      const { asked, token } = ask(giving({ token: "t", refresh_token: "no" }), [alice], {
        oauth2: true,
        clientId: "mine"
      })
      expect((yield* token).refreshToken).toBeUndefined()
      expect(asked.map(formOf)).toEqual([{
        grant_type: "password",
        username: "alice",
        password: "CANARY",
        service: "registry.example.com",
        scope: "repository:team/app:pull,push repository:other:pull",
        client_id: "mine"
      }])
    }))

  const unsupported: ReadonlyArray<Answer> = [
    { status: 404 },
    { status: 405, body: "<html>" },
    { status: 400, body: { error: "unsupported_grant_type" } }
  ]
  it.effect.each(unsupported)("that knows no OAuth2 is asked with GET: $status", (answer) =>
    Effect.gen(function*() {
      const place: Place = ({ method }) => method === "POST" ? answer : { status: 200, body: { token: "t" } }
      const { asked, token } = ask(place, [identity, alice])
      expect(Redacted.value((yield* token).value)).toBe("t")
      expect(asked[1]?.authorization).toBe(basic("alice", "CANARY"))
      // Without a password to go on with, nobody is asked in its place.
      const alone = ask(place, [identity])
      expect((yield* failureOf(alone)).message).toMatch(/does not accept identity tokens/)
      expect(alone.asked).toHaveLength(1)
    }))

  const refusals: ReadonlyArray<readonly [answer: Answer, tag: string, told: string]> = [
    [{ status: 401 }, "Unauthorized", "answers with status 401: log in again, or check what they are allowed"],
    [
      { status: 403, body: { errors: [{ code: "DENIED", message: "no\u001b[2J" }] } },
      "Denied",
      "answers with status 403 (no\\u001b[2J): log in again, or check what they are allowed"
    ],
    [{ status: 400, body: { error: "invalid_grant" } }, "Unauthorized", "answers with status 400 (invalid_grant)"],
    [{ status: 400, body: { error: "invalid_scope" } }, "Denied", "answers with status 400 (invalid_scope)"],
    [{ status: 400 }, "ResponseInvalid", "answers with status 400"],
    [{ status: 429, headers: { "retry-after": "7" } }, "TooManyRequests", "answers with status 429"],
    [{ status: 500 }, "Unavailable", "answers with status 500"],
    [{ status: 503, body: "x".repeat(100_000) }, "Unavailable", "answers with status 503"],
    [{ status: 204 }, "ResponseInvalid", "answers with status 204"]
  ]
  it.effect.each(refusals)(
    "that refuses makes an error that says what was tried: %j",
    ([answer, tag, told]) =>
      Effect.gen(function*() {
        const error = yield* failureOf(ask(() => answer, [alice]))
        expect(error._tag).toBe(tag)
        expect(error.message).toBe(
          `the token server ${realm} of ${registry}, asked for "repository:team/app:pull,push repository:other:pull" with ` +
            `a user and a password, ${told}`
        )
        if (tag === "TooManyRequests") expect(error).toMatchObject({ retryAfter: 7000 })
      })
  )

  const rubbish: ReadonlyArray<unknown> = [
    "",
    "<html>",
    "null",
    "[]",
    "{}",
    { token: "" },
    { token: 1 },
    { token: "a\r\nx: y" },
    { token: "a b" },
    { token: "é" },
    { token: "t", filler: "x".repeat(64 * 1024) }
  ]
  it.effect.each(rubbish)("that answers rubbish is an error: %j", (body) =>
    Effect.gen(function*() {
      const error = yield* failureOf(ask(giving(body), [alice]))
      expect(error._tag).toBe("ResponseInvalid")
      expect(error.message.length).toBeLessThan(200)
    }))

  it.effect("that does not answer is given up", () =>
    Effect.gen(function*() {
      const { token } = ask(() => Effect.never, [alice])
      const fiber = yield* Effect.fork(Effect.flip(token))
      yield* TestClock.adjust("1 minute")
      expect((yield* Fiber.join(fiber)).message).toBe(
        `the token server ${realm} of ${registry} did not answer within 1m`
      )
    }))

  it.effect("that cannot be reached fails without what it would have been shown", () =>
    Effect.gen(function*() {
      for (const entry of [[alice], [identity]]) {
        const { token } = ask(() => Effect.fail({ code: "ECONNREFUSED" }), entry)
        const error = yield* Effect.flip(token)
        expect(error).toMatchObject({ _tag: "RequestError", request: { headers: {}, body: { _tag: "Empty" } } })
        expect("request" in error && error.request.headers["authorization"]).toBeUndefined()
      }
    }))
})

describe("what a program says besides", () => {
  const secretsOf = (entry: Credential.Entry, at: string, isTrusted?: boolean, place: Place = giving({ token: "t" })) =>
    Effect.gen(function*() {
      const { asked, client } = world({ [server]: place, "https://other.example.com": place, [registry]: place })
      const adding = HttpClient.mapRequest(client, HttpClientRequest.setHeader("x-registry", "CANARY"))
      const exchange = TokenExchange.make(adding, { headers: { "x-server": "CANARY" } })
      const origin = Option.getOrThrow(Origin.parse(registry))
      yield* exchange({ origin, realm: new URL(at), isTrusted, service: undefined, scope, entry })
      return asked.map(({ headers, url }) =>
        [url.origin, ...Object.keys(headers).filter((name) => name.startsWith("x-"))].join(" ")
      )
    })

  it.effect("to every place that it asks goes to the registry's own origin", () =>
    Effect.gen(function*() {
      for (const entry of [[], [alice], [identity]]) {
        expect(yield* secretsOf(entry, realm)).toEqual([`${server} x-server`])
        expect(yield* secretsOf(entry, `${registry}/token`)).toEqual([`${registry} x-server x-registry`])
      }
    }))

  it.effect("to token servers goes to none that is not trusted", () =>
    Effect.gen(function*() {
      expect(yield* secretsOf([], realm, false)).toEqual([server])
    }))

  it.effect("goes to none that a token server leads to", () =>
    Effect.gen(function*() {
      const place: Place = ({ url }) =>
        url.pathname === "/token"
          ? { status: 302, headers: { location: "https://other.example.com/there" } }
          : { status: 200, body: { token: "t" } }
      expect(yield* secretsOf([], realm, true, place)).toEqual([`${server} x-server`, "https://other.example.com"])
    }))
})

describe("a redirect of a token server", () => {
  const to = (location: string, status = 307): Place => ({ url }) =>
    url.pathname === "/token" && url.origin === server
      ? { status, headers: { location } }
      : { status: 200, body: { token: "t" } }

  const cases: ReadonlyArray<
    readonly [location: string, status: number, entry: Credential.Entry, outcome: string | undefined]
  > = [
    ["/there", 302, [], undefined],
    ["/there", 307, [alice], undefined],
    ["/there", 308, [identity], undefined],
    ["/there", 302, [identity], "ResponseInvalid"],
    ["https://other.example.com/there", 301, [], undefined],
    ["https://other.example.com/there", 302, [alice], "RealmRefused"],
    ["https://other.example.com/there", 307, [identity], "RealmRefused"],
    ["https://auth.example.com:444/there", 307, [alice], "RealmRefused"],
    ["http://auth.example.com/there", 302, [], "ResponseInvalid"],
    ["http://auth.example.com/there", 307, [alice], "ResponseInvalid"],
    ["http://[", 302, [], "ResponseInvalid"],
    ["/token", 302, [], "ResponseInvalid"]
  ]
  it.effect.each(cases)("to %s, with %d: %#", ([location, status, entry, outcome]) =>
    Effect.gen(function*() {
      const exchange = ask(to(location, status), entry)
      const answer = yield* Effect.either(exchange.token)
      expect(answer._tag === "Left" ? answer.left._tag : undefined).toBe(outcome)
      expect(exchange.asked.length).toBeLessThan(8)
      for (const { authorization, body, url } of exchange.asked.slice(1)) {
        if (url.origin !== server) expect(`${authorization} ${body}`).not.toMatch(/CANARY|Basic/)
      }
      if (outcome !== undefined) yield* failureOf(ask(to(location, status), entry))
    }))
})

describe("a token", () => {
  const now = Date.parse("2026-01-01T00:00:00Z")
  const date = new Date(now + 3_600_000).toUTCString()
  const ago = (seconds: number, from: number) => new Date(from - seconds * 1000).toISOString()
  const cases: ReadonlyArray<
    readonly [name: string, said: object, headers: Record<string, string> | undefined, seconds: number]
  > = [
    ["that says nothing", {}, undefined, 60],
    ["that says less than a minute", { expires_in: 5 }, undefined, 60],
    ["that says rubbish", { expires_in: "x", issued_at: "y" }, undefined, 60],
    ["that is negative", { expires_in: -1 }, undefined, 60],
    ["of five minutes", { expires_in: 300 }, undefined, 300],
    ["as text", { expires_in: "300" }, undefined, 300],
    ["of some age", { expires_in: 300, issued_at: ago(100, now) }, undefined, 200],
    ["of a great age", { expires_in: 300, issued_at: ago(299, now) }, undefined, 60],
    ["of the future", { expires_in: 300, issued_at: ago(-1000, now) }, undefined, 300],
    ["by a clock that is an hour ahead", { expires_in: 300, issued_at: ago(100, now + 3_600_000) }, { date }, 200],
    [
      "by a clock that is an hour ahead, just now",
      { expires_in: 300, issued_at: ago(0, now + 3_600_000) },
      { date },
      300
    ],
    ["whose issue is not said", { expires_in: 300 }, { date }, 300]
  ]
  it.effect.each(cases)("is good for a time: %s", ([, said, headers, seconds]) =>
    Effect.gen(function*() {
      yield* TestClock.setTime(now)
      const { token } = ask(() => ({ status: 200, headers, body: { token: "t", ...said } }))
      expect((yield* token).expiresAt - now).toBe(seconds * 1000)
    }))

  it.effect("shows in no text", () =>
    Effect.gen(function*() {
      const { token } = ask(giving({ token: "CANARY", refresh_token: "CANARY" }), [identity])
      expect(JSON.stringify(yield* token)).not.toMatch(/CANARY/)
    }))
})

describe("an exchange", () => {
  it.effect("has no span, which would say its URL and its headers", () =>
    Effect.gen(function*() {
      const names: Array<string> = []
      const tracer = yield* Effect.tracer
      const recording = Tracer.make({
        span: (...args) => {
          names.push(args[0])
          return tracer.span(...args)
        },
        context: (f, fiber) => tracer.context(f, fiber)
      })
      const { client } = world({ [server]: giving({ token: "t" }) })
      const origin = Option.getOrThrow(Origin.parse(registry))
      const exchange = TokenExchange.make(client)({
        origin,
        realm: new URL(realm),
        service: undefined,
        scope,
        entry: []
      })
      yield* Effect.withTracer(exchange, recording)
      expect(names).toEqual([])
      yield* Effect.withTracer(client.get(realm), recording)
      expect(names).toEqual(["http.client GET"])
    }))
})
