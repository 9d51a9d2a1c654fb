/** Tests that credentials go to no other origin, wherever a registry redirects. */
import * as Transport from "@effect-oci/transport/Transport"
import * as HttpBody from "@effect/platform/HttpBody"
import type * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { afterEach, describe, expect, it } from "@effect/vitest"
import { Cause, Effect, Logger, Stream } from "effect"
import * as Auth from "../src/Auth.js"
import * as Credential from "../src/Credential.js"
import * as Credentials from "../src/Credentials.js"
import { basic, errorOf, fakeNetwork, guarded, realm, registry, tokenServer } from "./fakeServers.js"
import type { FakeServer, ReceivedRequest } from "./fakeServers.js"

const otherOrigin = "https://evil.example"
const secret = basic("alice", "CANARY")
const credentials = Credentials.layerStatic({
  "registry.example.com": Credential.basic("alice", "CANARY"),
  "evil.example": Credential.basic("alice", "CANARY"),
  "auth.example.com": Credential.basic("alice", "CANARY")
})

/** Follows redirects, and removes secrets on other origins, as the transport of the client does. */
const redirecting: Transport.Transport = Transport.make((request, send) => {
  const follow = (request: HttpClientRequest.HttpClientRequest): ReturnType<Transport.Send> =>
    Effect.flatMap(send(request), (response: HttpClientResponse.HttpClientResponse) => {
      const { location } = response.headers
      return location === undefined ? Effect.succeed(response) : follow(HttpClientRequest.get(location))
    })
  return follow(request)
})

let received: ReadonlyArray<ReceivedRequest> = []
let texts: Array<string> = []

const run = <A, E>(
  servers: { readonly [origin: string]: FakeServer },
  use: (client: HttpClient.HttpClient) => Effect.Effect<A, E>,
  options: Auth.Options = { origin: registry }
) => {
  const { received: all, client } = fakeNetwork(servers)
  received = all
  const log = Logger.make(({ cause, message }) => {
    texts.push(JSON.stringify(message), Cause.pretty(cause))
  })
  return Effect.flatMap(
    Effect.provide(Auth.transport(options), credentials),
    (auth) => use(auth(redirecting(client), client))
  ).pipe(
    Effect.tapError((error) =>
      Effect.sync(() => {
        texts.push(String(error), JSON.stringify(error), Cause.pretty(Cause.fail(error)))
      })
    ),
    Effect.provide(Logger.replace(Logger.defaultLogger, log))
  )
}

/** Checks that only the registry and its own token server received secrets, and that no text contains a secret. */
afterEach(() => {
  for (const { authorization, body, url } of received) {
    if (/example\.com\.?$/.test(url.hostname) && url.protocol === "https:") continue
    expect(`${authorization} ${body} ${url}`).not.toMatch(/CANARY|Basic|token-own/)
  }
  for (const text of texts) expect(text).not.toMatch(/CANARY|Q0FOQVJZ/)
  texts = []
})

const get = (client: HttpClient.HttpClient) => client.get(`${registry}/v2/team/app/blobs/sha256:a`)

const redirectingTo = (location: string): FakeServer => ({ authorization }) =>
  authorization === secret
    ? { status: 307, headers: { location } }
    : { status: 401, headers: { "www-authenticate": `Basic realm="x"` } }

describe("another origin that a registry redirects to", () => {
  const challenging = (challenge: string): FakeServer => ({ authorization }) =>
    authorization?.startsWith("Bearer token-") === true
      ? { status: 200 }
      : { status: 401, headers: { "www-authenticate": challenge } }

  it.effect("receives no password, even after a challenge", () =>
    Effect.gen(function*() {
      const response = yield* run(
        {
          [registry]: redirectingTo(`${otherOrigin}/blob`),
          [otherOrigin]: challenging(`Basic realm="registry.example.com"`)
        },
        get
      )
      expect(response.status).toBe(401)
      expect(received.at(-1)?.url.origin).toBe(otherOrigin)
    }))

  const realms = [`${otherOrigin}/token`, "https://other.example/token", realm]
  it.effect.each(realms)("receives an anonymous token, once, from %s", (realm) =>
    Effect.gen(function*() {
      const server = tokenServer()
      const servers: { readonly [origin: string]: FakeServer } = {
        [otherOrigin]: challenging(`Bearer realm="${realm}",scope="repository:secrets:push repository:x:pull"`),
        [registry]: redirectingTo(`${otherOrigin}/v2/x/blobs/sha256:a`)
      }
      const response = yield* run(
        {
          ...servers,
          [new URL(realm).origin]: (received) =>
            received.url.pathname === "/token" ? server.respond(received) : servers[received.url.origin]!(received)
        },
        (client) => Effect.zipRight(get(client), get(client))
      )
      expect(response.status).toBe(200)
      // The token of another origin is not cached: each request gets a new one.
      expect(server.tokenRequests).toHaveLength(2)
      for (const { authorization, scopes } of server.tokenRequests) {
        expect(authorization).toBeUndefined()
        expect(scopes).toEqual(["repository:x:pull"])
      }
    }))

  it.effect("answers with its 401 if the token does not help", () =>
    Effect.gen(function*() {
      const server = tokenServer()
      const response = yield* run({
        [registry]: redirectingTo(`${otherOrigin}/v2/x/blobs/sha256:a`),
        [otherOrigin]: () => ({
          status: 401,
          headers: { "www-authenticate": `Bearer realm="https://other.example/token"` }
        }),
        "https://other.example": server.respond
      }, get)
      expect(response.status).toBe(401)
      expect(server.tokenRequests).toHaveLength(1)
    }))

  it.effect("is not followed to a realm on http", () =>
    Effect.gen(function*() {
      const failure = yield* Effect.flip(run({
        [registry]: redirectingTo(`${otherOrigin}/blob`),
        [otherOrigin]: challenging(`Bearer realm="http://evil.example/token"`)
      }, get))
      expect(errorOf(failure)).toMatchObject({ _tag: "OciRealmRefused", realm: "http://evil.example/token" })
    }))

  it.effect("receives the body, but no credentials, even if credentials are known for it", () =>
    Effect.gen(function*() {
      const upload = (client: HttpClient.HttpClient) =>
        client.put(`${otherOrigin}/upload`, { body: HttpBody.text("content") })
      const response = yield* run({ [otherOrigin]: challenging("Basic") }, upload)
      expect(response.status).toBe(401)
      expect(received).toHaveLength(1)
      const singleUse = HttpBody.stream(Stream.make(new Uint8Array(1)))
      const refused = yield* run(
        { [otherOrigin]: challenging(`Bearer realm="https://other.example/token"`) },
        (client) => client.put(`${otherOrigin}/upload`, { body: singleUse })
      )
      expect(refused.status).toBe(401)
      expect(received).toHaveLength(1)
    }))

  it.effect("counts as a registry of its own if the option `origin` is not set", () =>
    Effect.gen(function*() {
      const response = yield* run(
        { [registry]: redirectingTo(`${otherOrigin}/blob`), [otherOrigin]: challenging("Basic") },
        get,
        {}
      )
      expect(response.status).toBe(401)
    }))
})

describe("another spelling of the registry's origin", () => {
  const same = [
    "https://REGISTRY.example.com/v2/",
    "https://registry.example.com:443/v2/",
    "https://registry.example.com./v2/"
  ]
  it.effect.each(same)("gets the credentials of the registry: %s", (url) =>
    Effect.gen(function*() {
      const respond: FakeServer = ({ authorization }) =>
        authorization === secret ? { status: 200 } : { status: 401, headers: { "www-authenticate": "Basic" } }
      const response = yield* run({ [registry]: respond, [`${registry}.`]: respond }, (client) => client.get(url))
      expect(response.status).toBe(200)
    }))

  const others = [
    "http://registry.example.com/v2/",
    "https://registry.example.com:444/v2/",
    "https://a.registry.example.com/v2/"
  ]
  it.effect.each(others)("is a different origin: %s", (url) =>
    Effect.gen(function*() {
      const respond: FakeServer = () => ({ status: 401, headers: { "www-authenticate": "Basic" } })
      const response = yield* run({ [new URL(url).origin]: respond }, (client) => client.get(url))
      expect(response.status).toBe(401)
      expect(received.map(({ authorization }) => authorization)).toEqual([undefined])
    }))
})

describe("a token server on another domain", () => {
  it.effect("receives no credentials, and the error names it", () =>
    Effect.gen(function*() {
      const server = tokenServer()
      const servers = {
        [registry]: guarded(server.granted, { realm: `${otherOrigin}/token?x=y` }),
        [otherOrigin]: server.respond
      }
      const failure = errorOf(yield* Effect.flip(run(servers, get)))
      expect(failure).toMatchObject({ _tag: "OciRealmRefused", realm: `${otherOrigin}/token` })
      expect(failure.reason).toBe(
        `${registry} names ${otherOrigin}/token as its token server, which is not trusted with a user and a password: ` +
          `if it is the right one, add "${otherOrigin}" to trustedRealms`
      )
      expect(received).toHaveLength(1)
    }))

  it.effect("receives credentials if `trustedRealms` names it", () =>
    Effect.gen(function*() {
      const server = tokenServer()
      const other = "https://auth.other-example.com"
      const response = yield* run(
        { [registry]: guarded(server.granted, { realm: `${other}/token` }), [other]: server.respond },
        get,
        { origin: registry, trustedRealms: [`${other}/token`] }
      )
      expect(response.status).toBe(200)
      expect(server.tokenRequests[0]?.authorization).toBe(secret)
    }))

  it.effect("is contacted anonymously on https if there are no credentials", () =>
    Effect.gen(function*() {
      const server = tokenServer()
      const { received, client } = fakeNetwork({
        [registry]: guarded(server.granted, { realm: `${otherOrigin}/token` }),
        [otherOrigin]: server.respond
      })
      const auth = yield* Auth.transport({ origin: registry, headers: { "x-tenant": "a" } })
      expect((yield* get(auth(client))).status).toBe(200)
      // The token server receives the scope, and no header that was meant for the registry's own token server.
      expect(server.tokenRequests).toHaveLength(1)
      for (const { headers, url } of received) {
        expect([url.origin, headers["x-tenant"]]).toEqual([url.origin, undefined])
      }
    }))
})
