/** Which credentials are shown, to whom, and how often they are looked up. */
import { AuthScope } from "@effect-oci/core"
import { CredentialError } from "@effect-oci/core/RegistryError"
import * as HttpClient from "@effect/platform/HttpClient"
import { describe, expect, it } from "@effect/vitest"
import { Cause, Effect, Fiber, Layer, TestClock } from "effect"
import * as fc from "fast-check"
import * as Auth from "../src/Auth.js"
import * as Credential from "../src/Credential.js"
import * as Credentials from "../src/Credentials.js"
import { basic, errorOf, guarded, realm, registry, tokenServer, world } from "./scripted.js"
import type { Place } from "./scripted.js"

const host = "registry.example.com"
const authenticated = (client: HttpClient.HttpClient, credentials: Layer.Layer<Credentials.Credentials>) =>
  Effect.map(Effect.provide(Auth.transport(), credentials), (wrap) => wrap(client))

const pull = (client: HttpClient.HttpClient, repository = "team/app", origin = registry) =>
  Effect.map(client.get(`${origin}/v2/${repository}/manifests/v1`), ({ status }) => status)

describe("an identity token", () => {
  it.effect("is replaced by the one that its token server gives", () =>
    Effect.gen(function*() {
      const server = tokenServer((_, count) => ({ refresh_token: `CANARY-${count + 1}` }))
      const { client } = world({ [registry]: guarded(server.granted), "https://auth.example.com": server.place })
      const http = yield* authenticated(
        client,
        Credentials.layerStatic({ [host]: Credential.identityToken("CANARY-1") })
      )
      for (const repository of ["a", "b", "c"]) yield* pull(http, repository)
      expect(server.wishes.map(({ form }) => form["refresh_token"])).toEqual(["CANARY-1", "CANARY-2", "CANARY-3"])
    }))

  it.effect("is taken from its place again where the new one is refused", () =>
    Effect.gen(function*() {
      const server = tokenServer(({ form }) =>
        form["refresh_token"] === "CANARY-1" ? { refresh_token: "CANARY-2" } : { status: 401 }
      )
      const { client } = world({ [registry]: guarded(server.granted), "https://auth.example.com": server.place })
      const http = yield* authenticated(
        client,
        Credentials.layerStatic({ [host]: Credential.identityToken("CANARY-1") })
      )
      expect(yield* pull(http, "a")).toBe(200)
      expect(errorOf(yield* Effect.flip(pull(http, "b")))._tag).toBe("Unauthorized")
      expect(yield* pull(http, "b")).toBe(200)
    }))
})

describe("credentials", () => {
  const counted = (entry: (repository: string | undefined) => Credential.Entry) => {
    const looked: Array<string | undefined> = []
    const layer = Layer.succeed(Credentials.Credentials, {
      get: (_, repository) =>
        Effect.sync(() => {
          looked.push(repository)
          return entry(repository)
        })
    })
    return { looked, layer }
  }

  it.effect("are looked up once in five minutes for each repository", () =>
    Effect.gen(function*() {
      const { layer, looked } = counted(() => [])
      const http = yield* authenticated(world({ [registry]: () => ({ status: 200 }) }).client, layer)
      const both = Effect.all([pull(http, "a"), pull(http, "a"), pull(http, "b")], { concurrency: "unbounded" })
      yield* both
      yield* TestClock.adjust("4 minutes")
      yield* both
      expect(looked).toEqual(["a", "b"])
      yield* TestClock.adjust("1 minute")
      yield* both
      expect(looked).toEqual(["a", "b", "a", "b"])
    }))

  it.effect("are those of the repository: that which is written to, where there are two", () =>
    Effect.gen(function*() {
      const { layer, looked } = counted(() => [])
      const http = yield* authenticated(world({ [registry]: () => ({ status: 200 }) }).client, layer)
      const needing = (scope: string) =>
        http.get(`${registry}/any`).pipe(Effect.provideService(AuthScope.required, AuthScope.parse(scope)))
      yield* needing("repository:a:pull repository:b:pull,push")
      yield* needing("repository:c:pull")
      yield* needing("repository:d:delete")
      yield* needing("registry:catalog:*")
      expect(looked).toEqual(["b", "c", "d", undefined])
    }))

  it.effect("that cannot be had are an error, and nobody is asked in their place", () =>
    Effect.gen(function*() {
      const { asked, client } = world({ [registry]: () => ({ status: 200 }) })
      const http = yield* authenticated(
        client,
        Layer.succeed(Credentials.Credentials, {
          get: () => Effect.fail(new CredentialError({ reason: "the helper is broken" }))
        })
      )
      expect(errorOf(yield* Effect.flip(pull(http)))).toMatchObject({
        _tag: "CredentialError",
        message: "the helper is broken"
      })
      expect(asked).toEqual([])
    }))

  it.effect.each(["CANARY\n", "CANARY\nx", "CANARY\u0000", "CANARY \u2014", "Bearer CANARY", ""])(
    "that are no token are not sent, where a client would tell them in its error: %j",
    (token) =>
      Effect.gen(function*() {
        const { asked, client } = world({ [registry]: () => ({ status: 401 }) })
        const http = yield* authenticated(client, Credentials.layerStatic({ [host]: Credential.registryToken(token) }))
        const known = {
          origin: registry,
          known: { challenge: `Bearer realm="${realm}"`, token: { value: token, scope: AuthScope.unlimited } }
        }
        for (const each of [http, (yield* Auth.transport(known))(client)]) {
          const failure = yield* Effect.flip(pull(each))
          expect(errorOf(failure)).toMatchObject({
            _tag: "CredentialError",
            message:
              `the token for ${registry} contains a character that a token cannot contain, such as a space or a line break: correct it`
          })
          expect(Cause.pretty(Cause.fail(failure), { renderErrorCause: true })).not.toContain("CANARY")
        }
        expect(asked).toEqual([])
      })
  )

  it.effect("that are the strongest are shown, as far as the challenge takes them", () =>
    Effect.gen(function*() {
      const server = tokenServer()
      const { client } = world({ [registry]: guarded(server.granted), "https://auth.example.com": server.place })
      const entry = [Credential.basic("alice", "CANARY"), Credential.identityToken("CANARY")]
      yield* pull(yield* authenticated(client, Credentials.layerStatic({ [host]: entry })))
      expect(server.wishes).toMatchObject([{ method: "POST", form: { grant_type: "refresh_token" } }])
      const plain: Place = ({ authorization }) =>
        authorization === basic("alice", "CANARY")
          ? { status: 200 }
          : { status: 401, headers: { "www-authenticate": "Basic" } }
      const other = yield* authenticated(
        world({ [registry]: plain }).client,
        Credentials.layerStatic({ [host]: entry })
      )
      expect(yield* pull(other)).toBe(200)
    }))

  it.effect("of nobody on purpose may ask any token server", () =>
    Effect.gen(function*() {
      const server = tokenServer()
      const { client } = world({
        [registry]: guarded(server.granted, { realm: "https://other.example/token" }),
        "https://other.example": server.place
      })
      expect(yield* pull(yield* authenticated(client, Credentials.layerStatic({ [host]: Credential.anonymous })))).toBe(
        200
      )
    }))

  it.effect("that a token server refuses are not tried a second time, and its challenge is heard anew", () =>
    Effect.gen(function*() {
      let password = "old"
      const server = tokenServer(({ authorization }) => authorization === basic("alice", "new") ? {} : { status: 401 })
      const { client } = world({ [registry]: guarded(server.granted), "https://auth.example.com": server.place })
      const http = yield* authenticated(
        client,
        Layer.succeed(Credentials.Credentials, { get: () => Effect.sync(() => [Credential.basic("alice", password)]) })
      )
      expect(errorOf(yield* Effect.flip(pull(http)))._tag).toBe("Unauthorized")
      expect(server.wishes).toHaveLength(1)
      password = "new"
      expect(yield* pull(http)).toBe(200)
    }))

  it("are shown only where they belong, whoever asks for what", async () => {
    const hosts = ["a.example", "b.example"]
    const users = ["alice", "bob"]
    const pulls = fc.array(
      fc.record({
        user: fc.constantFrom(...users),
        host: fc.constantFrom(...hosts),
        repository: fc.constantFrom("x", "y", "x/z")
      }),
      { maxLength: 12 }
    )
    const one = (asks: ReadonlyArray<{ readonly user: string; readonly host: string; readonly repository: string }>) =>
      Effect.gen(function*() {
        const issued = new Map<string, string>()
        const place = (host: string): Place => ({ authorization, url }) => {
          if (url.pathname === "/token") {
            const token = `token-${issued.size}`
            issued.set(token, [host, authorization, ...url.searchParams.getAll("scope")].join(" "))
            return { status: 200, body: { token } }
          }
          const [, repository] = /^\/v2\/(.*)\/manifests/.exec(url.pathname)!
          const held = issued.get(authorization?.slice("Bearer ".length) ?? "")
          if (held !== undefined) {
            expect(held.startsWith(`${host} Basic `)).toBe(true)
            if (held.endsWith(` repository:${repository}:pull`)) return { status: 200, body: held.split(" ")[2] }
          }
          return {
            status: 401,
            headers: {
              "www-authenticate": `Bearer realm="https://${host}/token",scope="repository:${repository}:pull"`
            }
          }
        }
        const { client } = world(Object.fromEntries(hosts.map((host) => [`https://${host}`, place(host)])))
        const clients = new Map<string, HttpClient.HttpClient>()
        for (const user of users) {
          const own = Object.fromEntries(hosts.map((host) => [host, Credential.basic(user, host)]))
          clients.set(user, yield* authenticated(client, Credentials.layerStatic(own)))
        }
        for (const { host, repository, user } of asks) {
          const response = yield* clients.get(user)!.get(`https://${host}/v2/${repository}/manifests/v1`)
          expect(response.status).toBe(200)
          expect(`Basic ${yield* response.text}`).toBe(basic(user, host))
        }
      })
    await fc.assert(fc.asyncProperty(pulls, (asks) => Effect.runPromise(one(asks))), { numRuns: 20 })
  })
})

describe("a registry whose token server refuses what is asked ahead of a challenge", () => {
  it.effect("is asked what it wants for this", () =>
    Effect.gen(function*() {
      const server = tokenServer(({ scopes }) => scopes.join().includes("delete") ? { status: 403 } : {})
      const { client, lines } = world({
        [registry]: (asked) =>
          asked.method === "DELETE" && server.granted.get(asked.authorization?.slice(7) ?? "") === undefined
            ? { status: 401, headers: { "www-authenticate": `Bearer realm="${realm}",scope="repository:team/app:*"` } }
            : asked.method === "DELETE"
            ? { status: 202 }
            : guarded(server.granted)(asked),
        "https://auth.example.com": server.place
      })
      const http = yield* authenticated(client, Credentials.layerAnonymous)
      yield* pull(http)
      const response = yield* http.del(`${registry}/v2/team/app/manifests/v1`)
      expect(response.status).toBe(202)
      expect(server.wishes.slice(1).map(({ scopes }) => scopes.join())).toEqual([
        "repository:team/app:delete",
        "repository:team/app:*"
      ])
      expect(lines().at(-1)).toBe(`DELETE ${registry}/v2/team/app/manifests/v1 Bearer token-3`)
    }))
})

describe("a caller who is interrupted", () => {
  it.effect("takes the token from no other", () =>
    Effect.gen(function*() {
      const server = tokenServer()
      const { client } = world({
        [registry]: guarded(server.granted),
        "https://auth.example.com": (asked) => Effect.delay(Effect.sync(() => server.place(asked)), "1 second") as never
      })
      const http = yield* authenticated(client, Credentials.layerAnonymous)
      const [first, second] = yield* Effect.all([Effect.fork(pull(http)), Effect.fork(pull(http))])
      yield* TestClock.adjust("500 millis")
      yield* Fiber.interrupt(first)
      yield* TestClock.adjust("500 millis")
      expect(yield* Fiber.join(second)).toBe(200)
      expect(server.wishes).toHaveLength(1)
    }))
})

describe("the layer", () => {
  it.effect("is the HTTP client, authenticated", () =>
    Effect.gen(function*() {
      const server = tokenServer()
      const { client } = world({ [registry]: guarded(server.granted), "https://auth.example.com": server.place })
      const layer = Auth.layer().pipe(Layer.provide(Layer.succeed(HttpClient.HttpClient, client)))
      const status = yield* Effect.provide(Effect.flatMap(HttpClient.HttpClient, (http) => pull(http)), layer)
      expect(status).toBe(200)
      const wrong = yield* Effect.exit(Auth.transport({ origin: "no origin" }))
      expect(wrong._tag).toBe("Failure")
    }))
})
