/** Where credentials do not go, wherever a registry leads. */
import * as HttpBody from "@effect/platform/HttpBody"
import type * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { afterEach, describe, expect, it } from "@effect/vitest"
import { Cause, Effect, Logger, Stream } from "effect"
import * as Auth from "../src/Auth.js"
import * as Credential from "../src/Credential.js"
import * as Credentials from "../src/Credentials.js"
import * as Transport from "../src/Transport.js"
import { basic, errorOf, guarded, realm, registry, tokenServer, world } from "./scripted.js"
import type { Asked, Place } from "./scripted.js"

const evil = "https://evil.example"
const secret = basic("alice", "CANARY")
const everywhere = Credentials.layerStatic({
  "registry.example.com": Credential.basic("alice", "CANARY"),
  "evil.example": Credential.basic("alice", "CANARY"),
  "auth.example.com": Credential.basic("alice", "CANARY")
})

/** Follows redirects, and takes what is secret away where they lead elsewhere: as the client's transport does. */
const redirecting: Transport.Transport = Transport.make((request, send) => {
  const follow = (request: HttpClientRequest.HttpClientRequest): ReturnType<Transport.Send> =>
    Effect.flatMap(send(request), (response: HttpClientResponse.HttpClientResponse) => {
      const { location } = response.headers
      return location === undefined ? Effect.succeed(response) : follow(HttpClientRequest.get(location))
    })
  return follow(request)
})

let asked: ReadonlyArray<Asked> = []
let told: Array<string> = []

const run = <A, E>(
  places: { readonly [origin: string]: Place },
  use: (client: HttpClient.HttpClient) => Effect.Effect<A, E>,
  options: Auth.Options = { origin: registry }
) => {
  const { asked: all, client } = world(places)
  asked = all
  const log = Logger.make(({ cause, message }) => {
    told.push(JSON.stringify(message), Cause.pretty(cause))
  })
  return Effect.flatMap(
    Effect.provide(Auth.transport(options), everywhere),
    (auth) => use(auth(redirecting(client), client))
  ).pipe(
    Effect.tapError((error) =>
      Effect.sync(() => {
        told.push(String(error), JSON.stringify(error), Cause.pretty(Cause.fail(error)))
      })
    ),
    Effect.provide(Logger.replace(Logger.defaultLogger, log))
  )
}

/** Secrets are at the registry and its own token server alone, and in no text. */
afterEach(() => {
  for (const { authorization, body, url } of asked) {
    if (/example\.com\.?$/.test(url.hostname) && url.protocol === "https:") continue
    expect(`${authorization} ${body} ${url}`).not.toMatch(/CANARY|Basic|token-own/)
  }
  for (const text of told) expect(text).not.toMatch(/CANARY|Q0FOQVJZ/)
  told = []
})

const get = (client: HttpClient.HttpClient) => client.get(`${registry}/v2/team/app/blobs/sha256:a`)

const leading = (location: string): Place => ({ authorization }) =>
  authorization === secret
    ? { status: 307, headers: { location } }
    : { status: 401, headers: { "www-authenticate": `Basic realm="x"` } }

describe("a place that a registry leads to", () => {
  const wanting = (challenge: string): Place => ({ authorization }) =>
    authorization?.startsWith("Bearer token-") === true
      ? { status: 200 }
      : { status: 401, headers: { "www-authenticate": challenge } }

  it.effect("gets no password, also when it asks for one", () =>
    Effect.gen(function*() {
      const response = yield* run(
        { [registry]: leading(`${evil}/blob`), [evil]: wanting(`Basic realm="registry.example.com"`) },
        get
      )
      expect(response.status).toBe(401)
      expect(asked.at(-1)?.url.origin).toBe(evil)
    }))

  const realms = [`${evil}/token`, "https://other.example/token", realm]
  it.effect.each(realms)("gets a token for nobody, once, from %s", (realm) =>
    Effect.gen(function*() {
      const server = tokenServer()
      const places: { readonly [origin: string]: Place } = {
        [evil]: wanting(`Bearer realm="${realm}",scope="repository:secrets:push repository:x:pull"`),
        [registry]: leading(`${evil}/v2/x/blobs/sha256:a`)
      }
      const response = yield* run(
        {
          ...places,
          [new URL(realm).origin]: (asked) =>
            asked.url.pathname === "/token" ? server.place(asked) : places[asked.url.origin]!(asked)
        },
        (client) => Effect.zipRight(get(client), get(client))
      )
      expect(response.status).toBe(200)
      // Anew for each request: what is not the registry's is not kept.
      expect(server.wishes).toHaveLength(2)
      for (const { authorization, scopes } of server.wishes) {
        expect(authorization).toBeUndefined()
        expect(scopes).toEqual(["repository:x:pull"])
      }
    }))

  it.effect("is left with its 401 where the token does not help", () =>
    Effect.gen(function*() {
      const server = tokenServer()
      const response = yield* run({
        [registry]: leading(`${evil}/v2/x/blobs/sha256:a`),
        [evil]: () => ({ status: 401, headers: { "www-authenticate": `Bearer realm="https://other.example/token"` } }),
        "https://other.example": server.place
      }, get)
      expect(response.status).toBe(401)
      expect(server.wishes).toHaveLength(1)
    }))

  it.effect("is not followed to a realm on http", () =>
    Effect.gen(function*() {
      const failure = yield* Effect.flip(run({
        [registry]: leading(`${evil}/blob`),
        [evil]: wanting(`Bearer realm="http://evil.example/token"`)
      }, get))
      expect(errorOf(failure)).toMatchObject({ _tag: "RealmRefused", realm: "http://evil.example/token" })
    }))

  it.effect("gets a body, and no credentials: those that are known of it neither", () =>
    Effect.gen(function*() {
      const upload = (client: HttpClient.HttpClient) => client.put(`${evil}/upload`, { body: HttpBody.text("content") })
      const response = yield* run({ [evil]: wanting("Basic") }, upload)
      expect(response.status).toBe(401)
      expect(asked).toHaveLength(1)
      const once = HttpBody.stream(Stream.make(new Uint8Array(1)))
      const refused = yield* run(
        { [evil]: wanting(`Bearer realm="https://other.example/token"`) },
        (client) => client.put(`${evil}/upload`, { body: once })
      )
      expect(refused.status).toBe(401)
      expect(asked).toHaveLength(1)
    }))

  it.effect("is known by its origin where no registry's is said", () =>
    Effect.gen(function*() {
      const response = yield* run({ [registry]: leading(`${evil}/blob`), [evil]: wanting("Basic") }, get, {})
      expect(response.status).toBe(401)
    }))
})

describe("another spelling of a registry", () => {
  const same = [
    "https://REGISTRY.example.com/v2/",
    "https://registry.example.com:443/v2/",
    "https://registry.example.com./v2/"
  ]
  it.effect.each(same)("is that registry: %s", (url) =>
    Effect.gen(function*() {
      const place: Place = ({ authorization }) =>
        authorization === secret ? { status: 200 } : { status: 401, headers: { "www-authenticate": "Basic" } }
      const response = yield* run({ [registry]: place, [`${registry}.`]: place }, (client) => client.get(url))
      expect(response.status).toBe(200)
    }))

  const others = [
    "http://registry.example.com/v2/",
    "https://registry.example.com:444/v2/",
    "https://a.registry.example.com/v2/"
  ]
  it.effect.each(others)("is not another place: %s", (url) =>
    Effect.gen(function*() {
      const place: Place = () => ({ status: 401, headers: { "www-authenticate": "Basic" } })
      const response = yield* run({ [new URL(url).origin]: place }, (client) => client.get(url))
      expect(response.status).toBe(401)
      expect(asked.map(({ authorization }) => authorization)).toEqual([undefined])
    }))
})

describe("a token server", () => {
  it.effect("that is not trusted sees no credentials, and is named", () =>
    Effect.gen(function*() {
      const server = tokenServer()
      const places = { [registry]: guarded(server.granted, { realm: `${evil}/token?x=y` }), [evil]: server.place }
      const failure = errorOf(yield* Effect.flip(run(places, get)))
      expect(failure).toMatchObject({ _tag: "RealmRefused", realm: `${evil}/token` })
      expect(failure.reason).toBe(
        `${registry} names ${evil}/token as its token server, which is not trusted with a user and a password: ` +
          `if it is the right one, add "${evil}" to trustedRealms`
      )
      expect(asked).toHaveLength(1)
    }))

  it.effect("that is trusted by name sees them", () =>
    Effect.gen(function*() {
      const server = tokenServer()
      const other = "https://auth.other-example.com"
      const response = yield* run(
        { [registry]: guarded(server.granted, { realm: `${other}/token` }), [other]: server.place },
        get,
        { origin: registry, trustedRealms: [`${other}/token`] }
      )
      expect(response.status).toBe(200)
      expect(server.wishes[0]?.authorization).toBe(secret)
    }))

  it.effect("may be any other on https for whoever has no credentials", () =>
    Effect.gen(function*() {
      const server = tokenServer()
      const { asked, client } = world({
        [registry]: guarded(server.granted, { realm: `${evil}/token` }),
        [evil]: server.place
      })
      const auth = yield* Auth.transport({ origin: registry, headers: { "x-tenant": "a" } })
      expect((yield* get(auth(client))).status).toBe(200)
      // It hears the question, and nothing that was meant for the registry's own.
      expect(server.wishes).toHaveLength(1)
      for (const { headers, url } of asked) expect([url.origin, headers["x-tenant"]]).toEqual([url.origin, undefined])
    }))
})
