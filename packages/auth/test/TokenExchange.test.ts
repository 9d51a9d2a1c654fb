import { AuthScope } from "@effect-oci/core"
import * as Origin from "@effect-oci/transport/Origin"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber, Option, Redacted, TestClock, Tracer } from "effect"
import * as Credential from "../src/Credential.js"
import * as TokenExchange from "../src/TokenExchange.js"
import { basic, fakeNetwork, realm, registry } from "./fakeServers.js"
import type { FakeResponse, FakeServer, ReceivedRequest } from "./fakeServers.js"

const alice = Credential.basic("alice", "CANARY")
const identity = Credential.identityToken("CANARY")
const server = "https://auth.example.com"
const scope = AuthScope.parse("repository:team/app:pull,push repository:other:pull")

const request = (
  respond: FakeServer,
  entry: Credential.Entry = [],
  options?: TokenExchange.Options,
  realmUrl: string = realm
) => {
  const { received, client } = fakeNetwork({
    [server]: respond,
    "https://other.example.com": respond,
    "http://auth.example.com": respond
  })
  const exchange = TokenExchange.make(client, options)
  const origin = Origin.parse(registry)!
  return {
    received,
    token: exchange({ origin, realm: new URL(realmUrl), service: "registry.example.com", scope, entry })
  }
}

const returning = (body: unknown): FakeServer => () => ({ status: 200, body })

const formOf = ({ body }: ReceivedRequest) => Object.fromEntries(new URLSearchParams(body))

/** Returns the failure of an exchange, and checks that the failure contains no secret. */
const failureOf = (exchange: ReturnType<typeof request>) =>
  Effect.map(Effect.flip(exchange.token), (error) => {
    for (const text of [String(error), JSON.stringify(error)]) expect(text).not.toMatch(/CANARY|Q0FOQVJZ/)
    return error
  })

describe("TokenExchange.make", () => {
  it.effect("sends an anonymous request by GET, with one parameter for each resource, and keeps the realm's own query", () =>
    Effect.gen(function*() {
      const { received, token } = request(
        returning({ token: "t" }),
        [],
        { headers: { "X-Mine": "1" } },
        `${realm}?tenant=a&scope=b`
      )
      expect(Redacted.value((yield* token).value)).toBe("t")
      expect(received).toHaveLength(1)
      expect(received[0]).toMatchObject({ method: "GET", authorization: undefined, headers: { "x-mine": "1" } })
      expect([...received[0]!.url.searchParams]).toEqual([
        ["tenant", "a"],
        ["scope", "b"],
        ["service", "registry.example.com"],
        ["scope", "repository:team/app:pull,push"],
        ["scope", "repository:other:pull"]
      ])
    }))

  it.effect("sends a user and a password with Basic, and the account name", () =>
    Effect.gen(function*() {
      const { received, token } = request(returning({ access_token: "t" }), [alice])
      expect(Redacted.value((yield* token).value)).toBe("t")
      expect(received[0]?.authorization).toBe(basic("alice", "CANARY"))
      expect(received[0]?.url.searchParams.get("account")).toBe("alice")
      expect(String(received[0]?.url)).not.toMatch(/CANARY|offline/)
    }))

  it.effect("sends an identity token in a form", () =>
    Effect.gen(function*() {
      const { received, token } = request(returning({ access_token: "t", refresh_token: "CANARY-2" }), [
        alice,
        identity
      ])
      expect(Option.fromNullable((yield* token).refreshToken)).toEqual(Option.some(Redacted.make("CANARY-2")))
      expect(received).toMatchObject([{ method: "POST", authorization: undefined }])
      expect(received[0]?.headers["content-type"]).toBe("application/x-www-form-urlencoded")
      expect(received[0]?.url.search).toBe("")
      expect(formOf(received[0]!)).toEqual({
        grant_type: "refresh_token",
        refresh_token: "CANARY",
        service: "registry.example.com",
        scope: "repository:team/app:pull,push repository:other:pull",
        client_id: "effect-oci"
      })
    }))

  it.effect("sends a password in a form with oauth2: true", () =>
    Effect.gen(function*() {
      const { received, token } = request(returning({ token: "t", refresh_token: "no" }), [alice], {
        oauth2: true,
        clientId: "mine"
      })
      expect((yield* token).refreshToken).toBeUndefined()
      expect(received.map(formOf)).toEqual([{
        grant_type: "password",
        username: "alice",
        password: "CANARY",
        service: "registry.example.com",
        scope: "repository:team/app:pull,push repository:other:pull",
        client_id: "mine"
      }])
    }))

  const unsupported: ReadonlyArray<FakeResponse> = [
    { status: 404 },
    { status: 405, body: "<html>" },
    { status: 400, body: { error: "unsupported_grant_type" } }
  ]
  it.effect.each(unsupported)(
    "falls back to GET if the server does not support OAuth2: $status",
    (response) =>
      Effect.gen(function*() {
        const respond: FakeServer = ({ method }) => method === "POST" ? response : { status: 200, body: { token: "t" } }
        const { received, token } = request(respond, [identity, alice])
        expect(Redacted.value((yield* token).value)).toBe("t")
        expect(received[1]?.authorization).toBe(basic("alice", "CANARY"))
        // Without a password, the exchange fails and does not continue anonymously.
        const withoutPassword = request(respond, [identity])
        expect((yield* failureOf(withoutPassword)).message).toMatch(/does not accept identity tokens/)
        expect(withoutPassword.received).toHaveLength(1)
      })
  )

  const loginAdvice = ": log in again, or check what they are allowed"
  const refusals: ReadonlyArray<
    readonly [response: FakeResponse, tag: string, status: string, advice?: string]
  > = [
    [{ status: 401 }, "OciUnauthorized", "status 401", loginAdvice],
    [
      { status: 403, body: { errors: [{ code: "DENIED", message: "no\u001b[2J" }] } },
      "OciDenied",
      "status 403 (no\\u001b[2J)",
      loginAdvice
    ],
    [{ status: 400, body: { error: "invalid_grant" } }, "OciUnauthorized", "status 400 (invalid_grant)"],
    [{ status: 400, body: { error: "invalid_scope" } }, "OciDenied", "status 400 (invalid_scope)"],
    [{ status: 400 }, "OciResponseInvalid", "status 400"],
    [{ status: 429, headers: { "retry-after": "7" } }, "OciTooManyRequests", "status 429"],
    [{ status: 500 }, "OciUnavailable", "status 500"],
    [{ status: 503, body: "x".repeat(100_000) }, "OciUnavailable", "status 503"],
    [{ status: 204 }, "OciResponseInvalid", "status 204"]
  ]
  it.effect.each(refusals)(
    "fails with an error that says what was requested: %j",
    ([response, tag, status, advice = ""]) =>
      Effect.gen(function*() {
        const error = yield* failureOf(request(() => response, [alice]))
        expect(error._tag).toBe(tag)
        expect(error.message).toBe(
          `the token server ${realm} of ${registry} answered with ${status} to a request for ` +
            `"repository:team/app:pull,push repository:other:pull" with a user and a password${advice}`
        )
        if (tag === "OciTooManyRequests") expect(error).toMatchObject({ retryAfter: 7000 })
      })
  )

  const invalidBodies: ReadonlyArray<unknown> = [
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
  it.effect.each(invalidBodies)("fails for an invalid response: %j", (body) =>
    Effect.gen(function*() {
      const error = yield* failureOf(request(returning(body), [alice]))
      expect(error._tag).toBe("OciResponseInvalid")
      expect(error.message.length).toBeLessThan(200)
    }))

  it.effect("fails if the token server does not answer within the timeout", () =>
    Effect.gen(function*() {
      const { token } = request(() => Effect.never, [alice])
      const fiber = yield* Effect.fork(Effect.flip(token))
      yield* TestClock.adjust("1 minute")
      expect((yield* Fiber.join(fiber)).message).toBe(
        `the token server ${realm} of ${registry} did not answer within 1m`
      )
    }))

  it.effect("fails without the secrets of the request if the token server is unreachable", () =>
    Effect.gen(function*() {
      for (const entry of [[alice], [identity]]) {
        const { token } = request(() => Effect.fail({ code: "ECONNREFUSED" }), entry)
        const error = yield* Effect.flip(token)
        expect(error).toMatchObject({ _tag: "RequestError", request: { headers: {}, body: { _tag: "Empty" } } })
        expect("request" in error && error.request.headers["authorization"]).toBeUndefined()
      }
    }))
})

describe("TokenExchange.make, for headers of the program", () => {
  const secretsOf = (
    entry: Credential.Entry,
    realmUrl: string,
    isTrusted?: boolean,
    respond: FakeServer = returning({ token: "t" })
  ) =>
    Effect.gen(function*() {
      const { received, client } = fakeNetwork({
        [server]: respond,
        "https://other.example.com": respond,
        [registry]: respond
      })
      const withHeader = HttpClient.mapRequest(client, HttpClientRequest.setHeader("x-registry", "CANARY"))
      const exchange = TokenExchange.make(withHeader, { headers: { "x-server": "CANARY" } })
      const origin = Origin.parse(registry)!
      yield* exchange({ origin, realm: new URL(realmUrl), isTrusted, service: undefined, scope, entry })
      return received.map(({ headers, url }) =>
        [url.origin, ...Object.keys(headers).filter((name) => name.startsWith("x-"))].join(" ")
      )
    })

  it.effect("sends headers that the client adds to every request to the registry's own origin only", () =>
    Effect.gen(function*() {
      for (const entry of [[], [alice], [identity]]) {
        expect(yield* secretsOf(entry, realm)).toEqual([`${server} x-server`])
        expect(yield* secretsOf(entry, `${registry}/token`)).toEqual([`${registry} x-server x-registry`])
      }
    }))

  it.effect("sends the option headers to no untrusted token server", () =>
    Effect.gen(function*() {
      expect(yield* secretsOf([], realm, false)).toEqual([server])
    }))

  it.effect("sends the option headers to no other origin after a redirect", () =>
    Effect.gen(function*() {
      const respond: FakeServer = ({ url }) =>
        url.pathname === "/token"
          ? { status: 302, headers: { location: "https://other.example.com/there" } }
          : { status: 200, body: { token: "t" } }
      expect(yield* secretsOf([], realm, true, respond)).toEqual([`${server} x-server`, "https://other.example.com"])
    }))
})

describe("TokenExchange.make, for a redirect of the token server", () => {
  const to = (location: string, status = 307): FakeServer => ({ url }) =>
    url.pathname === "/token" && url.origin === server
      ? { status, headers: { location } }
      : { status: 200, body: { token: "t" } }

  const cases: ReadonlyArray<
    readonly [location: string, status: number, entry: Credential.Entry, outcome: string | undefined]
  > = [
    ["/there", 302, [], undefined],
    ["/there", 307, [alice], undefined],
    ["/there", 308, [identity], undefined],
    ["/there", 302, [identity], "OciResponseInvalid"],
    ["https://other.example.com/there", 301, [], undefined],
    ["https://other.example.com/there", 302, [alice], "OciRealmRefused"],
    ["https://other.example.com/there", 307, [identity], "OciRealmRefused"],
    ["https://auth.example.com:444/there", 307, [alice], "OciRealmRefused"],
    ["http://auth.example.com/there", 302, [], "OciResponseInvalid"],
    ["http://auth.example.com/there", 307, [alice], "OciResponseInvalid"],
    ["http://[", 302, [], "OciResponseInvalid"],
    ["/token", 302, [], "OciResponseInvalid"]
  ]
  it.effect.each(cases)(
    "follows or refuses a redirect to %s, with %d: %#",
    ([location, status, entry, outcome]) =>
      Effect.gen(function*() {
        const exchange = request(to(location, status), entry)
        const response = yield* Effect.either(exchange.token)
        expect(response._tag === "Left" ? response.left._tag : undefined).toBe(outcome)
        expect(exchange.received.length).toBeLessThan(8)
        for (const { authorization, body, url } of exchange.received.slice(1)) {
          if (url.origin !== server) expect(`${authorization} ${body}`).not.toMatch(/CANARY|Basic/)
        }
        if (outcome !== undefined) yield* failureOf(request(to(location, status), entry))
      })
  )
})

describe("a token of TokenExchange", () => {
  const now = Date.parse("2026-01-01T00:00:00Z")
  const date = new Date(now + 3_600_000).toUTCString()
  const issuedBefore = (seconds: number, from: number) => new Date(from - seconds * 1000).toISOString()
  const cases: ReadonlyArray<
    readonly [name: string, fields: object, headers: Record<string, string> | undefined, seconds: number]
  > = [
    ["without a lifetime", {}, undefined, 60],
    ["less than a minute", { expires_in: 5 }, undefined, 60],
    ["an invalid lifetime", { expires_in: "x", issued_at: "y" }, undefined, 60],
    ["a negative lifetime", { expires_in: -1 }, undefined, 60],
    ["five minutes", { expires_in: 300 }, undefined, 300],
    ["as a text", { expires_in: "300" }, undefined, 300],
    ["an older token", { expires_in: 300, issued_at: issuedBefore(100, now) }, undefined, 200],
    ["a token about to expire", { expires_in: 300, issued_at: issuedBefore(299, now) }, undefined, 60],
    ["a token from the future", { expires_in: 300, issued_at: issuedBefore(-1000, now) }, undefined, 300],
    ["a server clock that is an hour ahead", { expires_in: 300, issued_at: issuedBefore(100, now + 3_600_000) }, {
      date
    }, 200],
    [
      "a server clock that is an hour ahead, a new token",
      { expires_in: 300, issued_at: issuedBefore(0, now + 3_600_000) },
      { date },
      300
    ],
    ["without issued_at", { expires_in: 300 }, { date }, 300]
  ]
  it.effect.each(cases)("expires at the right time: %s", ([, fields, headers, seconds]) =>
    Effect.gen(function*() {
      yield* TestClock.setTime(now)
      const { token } = request(() => ({ status: 200, headers, body: { token: "t", ...fields } }))
      expect((yield* token).expiresAt - now).toBe(seconds * 1000)
    }))

  it.effect("does not appear in JSON", () =>
    Effect.gen(function*() {
      const { token } = request(returning({ token: "CANARY", refresh_token: "CANARY" }), [identity])
      expect(JSON.stringify(yield* token)).not.toMatch(/CANARY/)
    }))
})

describe("an exchange", () => {
  it.effect("creates no span, which would contain its URL and its headers", () =>
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
      const { client } = fakeNetwork({ [server]: returning({ token: "t" }) })
      const origin = Origin.parse(registry)!
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
