import { AuthScope, RequestScope } from "@effect-oci/core"
import * as Transport from "@effect-oci/transport/Transport"
import * as HttpBody from "@effect/platform/HttpBody"
import type * as HttpClient from "@effect/platform/HttpClient"
import { describe, expect, it } from "@effect/vitest"
import { Duration, Effect, Layer, Logger, LogLevel, Stream, TestClock } from "effect"
import * as Credential from "../src/Credential.js"
import * as Credentials from "../src/Credentials.js"
import {
  authenticated,
  basic,
  errorOf,
  fakeNetwork,
  guarded,
  guardedNetwork,
  host,
  realm,
  registry,
  slow,
  tokenServer
} from "./fakeServers.js"

const alice = Credential.basic("alice", "CANARY")
const withCredentials = (entry: Credential.Credential | Credential.Entry) => Credentials.layerStatic({ [host]: entry })

const requiring = (...scope: ReadonlyArray<string>) =>
  Effect.provideService(RequestScope.required, AuthScope.parse(scope.join(" ")))

const pull = (client: HttpClient.HttpClient, path = "team/app/manifests/v1") =>
  Effect.flatMap(client.get(`${registry}/v2/${path}`), (response) => Effect.as(response.text, response.status))

describe("Auth.transport with a registry that requires tokens", () => {
  it.effect("sends one request without a token for an image of three layers, then one request for each manifest and blob", () =>
    Effect.gen(function*() {
      const server = tokenServer()
      const { client, lines } = guardedNetwork(server)
      const http = yield* authenticated(client)
      expect(yield* pull(http)).toBe(200)
      for (const layer of ["a", "b", "c"]) expect(yield* pull(http, `team/app/blobs/sha256:${layer}`)).toBe(200)
      expect(lines()).toEqual([
        `GET ${registry}/v2/team/app/manifests/v1`,
        `GET ${realm}`,
        `GET ${registry}/v2/team/app/manifests/v1 Bearer token-1`,
        `GET ${registry}/v2/team/app/blobs/sha256:a Bearer token-1`,
        `GET ${registry}/v2/team/app/blobs/sha256:b Bearer token-1`,
        `GET ${registry}/v2/team/app/blobs/sha256:c Bearer token-1`
      ])
      expect(server.tokenRequests).toMatchObject([
        { authorization: undefined, service: host, account: null, scopes: ["repository:team/app:pull"] }
      ])
    }))

  it.effect("requests a token before the request, once the challenge is known", () =>
    Effect.gen(function*() {
      const server = tokenServer()
      const { client, lines } = guardedNetwork(server)
      const http = yield* authenticated(client)
      yield* pull(http)
      yield* pull(http, "other/manifests/v1")
      expect(lines().slice(3)).toEqual([`GET ${realm}`, `GET ${registry}/v2/other/manifests/v1 Bearer token-2`])
    }))

  it.effect("requests one token for two repositories if the caller's hint names both", () =>
    Effect.gen(function*() {
      const server = tokenServer()
      const { client } = guardedNetwork(server)
      const http = yield* authenticated(client)
      const hint = AuthScope.parse("repository:other:pull repository:team/app:pull")
      yield* Effect.zip(pull(http), pull(http, "other/manifests/v1")).pipe(
        Effect.provideService(RequestScope.hint, hint)
      )
      expect(server.tokenRequests.map(({ scopes }) => scopes)).toEqual([[
        "repository:other:pull",
        "repository:team/app:pull"
      ]])
    }))

  it.effect("requests one token for a hundred concurrent pulls", () =>
    Effect.gen(function*() {
      const server = tokenServer()
      const slowly = slow(server.respond)
      const { client } = fakeNetwork({
        [registry]: guarded(server.granted),
        "https://auth.example.com": slowly.server
      })
      const http = yield* authenticated(client)
      const pulls = yield* Effect.fork(
        Effect.forEach(Array.from({ length: 100 }), () => pull(http), { concurrency: "unbounded" })
      )
      yield* slowly.received
      yield* TestClock.adjust("1 second")
      expect(new Set(yield* pulls)).toEqual(new Set([200]))
      expect(server.tokenRequests).toHaveLength(1)
    }))

  it.effect("requests a new token before the old token expires", () =>
    Effect.gen(function*() {
      const server = tokenServer(() => ({ expires_in: 300 }))
      const { client, lines } = guardedNetwork(server)
      const http = yield* authenticated(client)
      for (let minute = 0; minute < 20; minute++) {
        yield* pull(http, `team/app/blobs/sha256:${minute}`)
        yield* TestClock.adjust(Duration.minutes(1))
      }
      expect(server.tokenRequests).toHaveLength(4)
      // One 401 at the beginning, and no other.
      expect(lines()).toHaveLength(1 + 20 + 4)
    }))

  it.effect("requests one new token if the registry no longer accepts the old token", () =>
    Effect.gen(function*() {
      const server = tokenServer()
      const { client, lines } = guardedNetwork(server)
      const http = yield* authenticated(client)
      yield* pull(http)
      server.granted.clear()
      expect(yield* pull(http)).toBe(200)
      expect(lines().slice(3)).toEqual([
        `GET ${registry}/v2/team/app/manifests/v1 Bearer token-1`,
        `GET ${realm}`,
        `GET ${registry}/v2/team/app/manifests/v1 Bearer token-2`
      ])
    }))

  const refusals: ReadonlyArray<
    readonly [name: string, error: string | undefined, tag: "OciDenied" | "OciUnauthorized", requests: number]
  > = [
    ["without an error code", undefined, "OciDenied", 2],
    ["with invalid_token", "invalid_token", "OciUnauthorized", 2],
    ["with insufficient_scope", "insufficient_scope", "OciUnauthorized", 2]
  ]
  it.effect.each(refusals)(
    "fails if the registry refuses a new token %s",
    ([, error, tag, requests]) =>
      Effect.gen(function*() {
        const server = tokenServer()
        const challenge = `Bearer realm="${realm}"${error === undefined ? "" : `,error="${error}"`}`
        const { received, client } = fakeNetwork({
          [registry]: () => ({
            status: 401,
            headers: { "www-authenticate": challenge },
            body: { errors: [{ code: "DENIED", message: "not you" }] }
          }),
          "https://auth.example.com": server.respond
        })
        const http = yield* authenticated(client, withCredentials(alice))
        const failure = errorOf(yield* Effect.flip(pull(http)))
        expect(failure._tag).toBe(tag)
        expect(failure.reason).toBe(
          `${registry} refuses the token that ${realm} issued for "repository:team/app:pull" and a user and a password ` +
            "(not you): log in again, or check what they are allowed"
        )
        expect(failure).toMatchObject({ status: 401, diagnostics: [{ code: "DENIED", message: "not you" }] })
        expect(received.filter(({ url }) => url.origin === registry)).toHaveLength(requests)
      })
  )

  it.effect("fails if the registry changes its challenge each time", () =>
    Effect.gen(function*() {
      const server = tokenServer()
      let count = 0
      const { received, client } = fakeNetwork({
        [registry]: () => ({
          status: 401,
          headers: { "www-authenticate": `Bearer realm="${realm}",service="${count++}",error="insufficient_scope"` }
        }),
        "https://auth.example.com": server.respond
      })
      const http = yield* authenticated(client)
      expect(errorOf(yield* Effect.flip(pull(http)))._tag).toBe("OciUnauthorized")
      expect(received.length).toBeLessThan(8)
      expect(errorOf(yield* Effect.flip(pull(http)))._tag).toBe("OciUnauthorized")
      expect(received.length).toBeLessThan(16)
    }))

  it.effect("fails after four requests if the registry alternates between Basic and Bearer", () =>
    Effect.gen(function*() {
      const server = tokenServer()
      let count = 0
      const { received, client } = fakeNetwork({
        [registry]: () => ({
          status: 401,
          headers: { "www-authenticate": count++ % 2 === 0 ? `Basic realm="x"` : `Bearer realm="${realm}"` }
        }),
        "https://auth.example.com": server.respond
      })
      const http = yield* authenticated(client, withCredentials([Credential.registryToken("CANARY"), alice]))
      expect(errorOf(yield* Effect.flip(pull(http)))._tag).toBe("OciUnauthorized")
      expect(received.filter(({ url }) => url.origin === registry)).toHaveLength(4)
    }))

  it.effect("never requests an unlimited token, even if the hint is unlimited", () =>
    Effect.gen(function*() {
      const server = tokenServer()
      const { client } = guardedNetwork(server)
      const http = yield* authenticated(client)
      yield* pull(http).pipe(
        Effect.provideService(RequestScope.hint, AuthScope.unlimited),
        Effect.provideService(RequestScope.required, AuthScope.unlimited)
      )
      expect(server.tokenRequests.map(({ scopes }) => scopes)).toEqual([["repository:team/app:pull"]])
    }))

  it.effect("requests only the scopes of a challenge that are for the operation's own repositories", () =>
    Effect.gen(function*() {
      const server = tokenServer()
      const { client } = fakeNetwork({
        [registry]: guarded(server.granted, {
          scope: (needed) => `${needed},x repository:secrets:pull,push registry:catalog:* everything`
        }),
        "https://auth.example.com": server.respond
      })
      const http = yield* authenticated(client, withCredentials(alice))
      yield* pull(http)
      expect(server.tokenRequests.map(({ scopes }) => scopes)).toEqual([["repository:team/app:pull,x"]])
    }))

  it.effect("requests the scope as the challenge spells it, if that scope is sufficient", () =>
    Effect.gen(function*() {
      const server = tokenServer()
      const { client } = fakeNetwork({
        [registry]: guarded(server.granted, { scope: () => "repository:team/app:push,pull" }),
        "https://auth.example.com": server.respond
      })
      const http = yield* authenticated(client, withCredentials(alice))
      yield* pull(http)
      expect(server.tokenRequests[0]?.scopes).toEqual(["repository:team/app:push,pull"])
    }))

  it.effect("requests less if the token server refuses: no hint, and no source of a mount", () =>
    Effect.gen(function*() {
      const server = tokenServer(({ scopes }) => scopes.length > 1 ? { status: 403 } : {})
      const { client } = guardedNetwork(server)
      const http = yield* authenticated(client, withCredentials(alice))
      const mount = http.post(`${registry}/v2/team/app/blobs/uploads/?mount=sha256:a&from=other`, {
        body: HttpBody.empty
      })
      const response = yield* mount.pipe(requiring("repository:team/app:pull,push", "repository:other:pull"))
      expect(response.status).toBe(200)
      const hint = AuthScope.parse("repository:third:pull")
      yield* pull(http, "more/manifests/v1").pipe(Effect.provideService(RequestScope.hint, hint))
      expect(server.tokenRequests.map(({ scopes }) => scopes)).toEqual([
        ["repository:team/app:pull,push", "repository:other:pull"],
        ["repository:team/app:pull,push"],
        ["repository:more:pull", "repository:third:pull"],
        ["repository:more:pull"]
      ])
    }))

  it.effect("requests the scope of the challenge if a new token is insufficient", () =>
    Effect.gen(function*() {
      // The token server does not support `delete`, and silently grants less than was requested.
      const server = tokenServer()
      const { client } = fakeNetwork({
        [registry]: ({ authorization }) => {
          const tokenRequest = server.tokenRequests[Number(authorization?.slice("Bearer token-".length)) - 1]
          return tokenRequest?.scopes.join() === "repository:team/app:*" ? { status: 202 } : {
            status: 401,
            headers: {
              "www-authenticate": `Bearer realm="${realm}",scope="repository:team/app:*"${
                tokenRequest === undefined ? "" : `,error="insufficient_scope"`
              }`
            }
          }
        },
        "https://auth.example.com": server.respond
      })
      const http = yield* authenticated(client, withCredentials(alice))
      const hint = AuthScope.parse("repository:third:pull")
      const response = yield* http.del(`${registry}/v2/team/app/manifests/v1`).pipe(
        requiring("repository:team/app:delete"),
        Effect.provideService(RequestScope.hint, hint)
      )
      expect(response.status).toBe(202)
      expect(server.tokenRequests.map(({ scopes }) => scopes)).toEqual([
        ["repository:team/app:*", "repository:third:pull"],
        ["repository:team/app:*"]
      ])
    }))

  it.effect("uses a known token in the first request", () =>
    Effect.gen(function*() {
      const server = tokenServer()
      const scope = AuthScope.parse("repository:team/app:pull")
      server.granted.set("handed-over", scope)
      const { client, lines } = guardedNetwork(server)
      const http = yield* authenticated(client, undefined, {
        origin: registry,
        known: { challenge: `Bearer realm="${realm}"`, token: { value: "handed-over", scope } }
      })
      yield* pull(http)
      yield* pull(http, "other/manifests/v1")
      expect(lines()).toEqual([
        `GET ${registry}/v2/team/app/manifests/v1 Bearer handed-over`,
        `GET ${realm}`,
        `GET ${registry}/v2/other/manifests/v1 Bearer token-1`
      ])
    }))

  it.effect("sends a request with its own Authorization header unchanged", () =>
    Effect.gen(function*() {
      const { client, lines } = fakeNetwork({
        [registry]: () => ({ status: 401, headers: { "www-authenticate": "Basic" } })
      })
      const http = yield* authenticated(client, withCredentials(alice))
      const response = yield* http.get(`${registry}/v2/`, { headers: { authorization: "Mine" } })
      expect(response.status).toBe(401)
      expect(lines()).toEqual([`GET ${registry}/v2/ Mine`])
    }))
})

describe("Auth.transport with a request body", () => {
  const singleUse = () => HttpBody.stream(Stream.make(new TextEncoder().encode("content")))
  const upload = `${registry}/v2/team/app/blobs/uploads/1`

  it.effect("sends a replayable body again after a challenge", () =>
    Effect.gen(function*() {
      const server = tokenServer()
      const { received, client } = guardedNetwork(server)
      const http = yield* authenticated(client)
      for (const body of [HttpBody.text("content"), Transport.markReplayable(singleUse())]) {
        server.granted.clear()
        expect((yield* http.put(upload, { body })).status).toBe(200)
        expect(received.at(-1)?.body).toBe("content")
      }
    }))

  it.effect("gets a token before it sends a body that cannot be replayed", () =>
    Effect.gen(function*() {
      const server = tokenServer()
      const { client, lines } = guardedNetwork(server)
      const http = yield* authenticated(client, withCredentials(alice))
      expect((yield* http.put(upload, { body: singleUse() })).status).toBe(200)
      expect(lines()).toEqual([
        `GET ${registry}/v2/`,
        `GET ${realm} ${basic("alice", "CANARY")}`,
        `PUT ${upload} Bearer token-1`
      ])
    }))

  it.effect("fails if the registry refuses after a body that cannot be replayed was sent", () =>
    Effect.gen(function*() {
      const server = tokenServer()
      const { client, lines } = fakeNetwork({
        [registry]: (received) => received.method === "GET" ? { status: 200 } : guarded(server.granted)(received),
        "https://auth.example.com": server.respond
      })
      const http = yield* authenticated(client, withCredentials(alice))
      const failure = errorOf(yield* Effect.flip(http.put(upload, { body: singleUse() })))
      expect(failure._tag).toBe("OciUnauthorized")
      expect(failure.reason).toMatch(
        /required credentials after the body was sent, and the body cannot be sent again/
      )
      expect(lines()).toEqual([`GET ${registry}/v2/`, `PUT ${upload}`])
      // The challenge of the failed request is used for the next request.
      expect((yield* http.put(upload, { body: singleUse() })).status).toBe(200)
    }))
})

describe("Auth.transport with a registry without authentication", () => {
  it.effect("sends no further requests, and no credentials", () =>
    Effect.gen(function*() {
      const { received, client } = fakeNetwork({ [registry]: () => ({ status: 200 }) })
      const http = yield* authenticated(client, withCredentials(alice))
      const body = () => HttpBody.stream(Stream.make(new Uint8Array(1)))
      yield* http.post(`${registry}/v2/team/app/blobs/uploads/`)
      yield* http.put(`${registry}/v2/team/app/blobs/uploads/1`, { body: body() })
      expect(received.map(({ authorization, method }) => [method, authorization])).toEqual([
        ["POST", undefined],
        ["PUT", undefined]
      ])
    }))

  it.effect("sends no probe for an anonymous request, whatever the body", () =>
    Effect.gen(function*() {
      const { received, client } = fakeNetwork({ [registry]: () => ({ status: 200 }) })
      const http = yield* authenticated(client)
      yield* http.put(`${registry}/v2/team/app/blobs/uploads/1`, { body: HttpBody.stream(Stream.empty) })
      expect(received).toHaveLength(1)
    }))
})

describe("Auth.transport with a registry that requires a user and a password", () => {
  const respond = ({ authorization }: { readonly authorization: string | undefined }) =>
    authorization === basic("alice", "CANARY")
      ? { status: 200 }
      : { status: 401, headers: { "www-authenticate": `Digest x=y, Basic realm="here"` } }

  it.effect("sends them with every request except the first", () =>
    Effect.gen(function*() {
      const { client, lines } = fakeNetwork({ [registry]: respond })
      const http = yield* authenticated(client, withCredentials(alice))
      expect(yield* pull(http)).toBe(200)
      expect(yield* pull(http)).toBe(200)
      const line = `GET ${registry}/v2/team/app/manifests/v1`
      const withPassword = `${line} ${basic("alice", "CANARY")}`
      expect(lines()).toEqual([line, withPassword, withPassword])
    }))

  it.effect("logs the authentication schemes that it does not support", () =>
    Effect.gen(function*() {
      const logged: Array<unknown> = []
      const log = Logger.make(({ message }) => {
        logged.push(message)
      })
      const { client } = fakeNetwork({ [registry]: respond })
      yield* Effect.flatMap(authenticated(client, withCredentials(alice)), pull).pipe(
        Effect.provide(Logger.replace(Logger.defaultLogger, log)),
        Logger.withMinimumLogLevel(LogLevel.Debug)
      )
      expect(logged).toEqual([[
        `${registry} also offers authentication schemes that this client does not support: digest`
      ]])
    }))

  it.effect("encodes a user and a password in UTF-8", () =>
    Effect.gen(function*() {
      const { received, client } = fakeNetwork({ [registry]: respond })
      const http = yield* authenticated(client, withCredentials(Credential.basic("zoë", "пароль")))
      yield* Effect.flip(pull(http))
      expect(received.at(-1)?.authorization).toBe(basic("zoë", "пароль"))
    }))

  it.effect("returns the 401 if there are no credentials", () =>
    Effect.gen(function*() {
      const { client, lines } = fakeNetwork({ [registry]: respond })
      for (const credentials of [Credentials.layerAnonymous, withCredentials(Credential.identityToken("CANARY"))]) {
        expect(yield* pull(yield* authenticated(client, credentials))).toBe(401)
      }
      expect(lines()).toHaveLength(2)
    }))

  it.effect("does not retry refused credentials, and looks them up again for the next request", () =>
    Effect.gen(function*() {
      let password = "old"
      const { client, lines } = fakeNetwork({ [registry]: respond })
      const http = yield* authenticated(
        client,
        Layer.succeed(Credentials.Credentials, {
          get: () => Effect.sync(() => [Credential.basic("alice", password)])
        })
      )
      const failure = errorOf(yield* Effect.flip(pull(http)))
      expect(failure).toMatchObject({
        _tag: "OciUnauthorized",
        reason: `${registry} refuses a user and a password: log in again, or check what they are allowed`
      })
      expect(lines()).toHaveLength(2)
      password = "CANARY"
      expect(yield* pull(http)).toBe(200)
      expect(lines()).toHaveLength(3)
    }))
})

describe("Auth.transport with a registry token", () => {
  it.effect("sends the token in the first request", () =>
    Effect.gen(function*() {
      const { client, lines } = fakeNetwork({ [registry]: () => ({ status: 200 }) })
      yield* pull(yield* authenticated(client, withCredentials([alice, Credential.registryToken("CANARY")])))
      expect(lines()).toEqual([`GET ${registry}/v2/team/app/manifests/v1 Bearer CANARY`])
    }))

  it.effect("tries other credentials if the registry refuses the token", () =>
    Effect.gen(function*() {
      const server = tokenServer()
      const { client } = guardedNetwork(server)
      const token = Credential.registryToken("CANARY")
      expect(yield* pull(yield* authenticated(client, withCredentials([token, alice])))).toBe(200)
      expect(server.tokenRequests).toMatchObject([{ authorization: basic("alice", "CANARY") }])
      const failure = errorOf(yield* Effect.flip(pull(yield* authenticated(client, withCredentials(token)))))
      expect(failure._tag).toBe("OciUnauthorized")
      expect(failure.reason).toMatch(/refuses a registry token/)
    }))
})
