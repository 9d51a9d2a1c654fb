/** Tests which credentials the transport sends, to which servers, and how often it looks them up. */
import { AuthScope, RequestScope } from "@effect-oci/core"
import { CredentialError } from "@effect-oci/core/RegistryError"
import * as RequestContext from "@effect-oci/transport/RequestContext"
import * as Transport from "@effect-oci/transport/Transport"
import * as HttpClient from "@effect/platform/HttpClient"
import type { HttpClientError } from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type { HttpClientResponse } from "@effect/platform/HttpClientResponse"
import { describe, expect, it } from "@effect/vitest"
import { Cause, Effect, Fiber, Layer, TestClock } from "effect"
import * as fc from "fast-check"
import * as Auth from "../src/Auth.js"
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
import type { FakeServer } from "./fakeServers.js"

const pull = (client: HttpClient.HttpClient, repository = "team/app", origin = registry) =>
  Effect.map(client.get(`${origin}/v2/${repository}/manifests/v1`), ({ status }) => status)

describe("Auth.transport with an identity token", () => {
  it.effect("uses the new identity token that the token server returns", () =>
    Effect.gen(function*() {
      const server = tokenServer((_, count) => ({ refresh_token: `CANARY-${count + 1}` }))
      const { client } = guardedNetwork(server)
      const http = yield* authenticated(
        client,
        Credentials.layerStatic({ [host]: Credential.identityToken("CANARY-1") })
      )
      for (const repository of ["a", "b", "c"]) yield* pull(http, repository)
      expect(server.tokenRequests.map(({ form }) => form["refresh_token"])).toEqual([
        "CANARY-1",
        "CANARY-2",
        "CANARY-3"
      ])
    }))

  it.effect("looks up the identity token again if the new one is refused", () =>
    Effect.gen(function*() {
      const server = tokenServer(({ form }) =>
        form["refresh_token"] === "CANARY-1" ? { refresh_token: "CANARY-2" } : { status: 401 }
      )
      const { client } = guardedNetwork(server)
      const http = yield* authenticated(
        client,
        Credentials.layerStatic({ [host]: Credential.identityToken("CANARY-1") })
      )
      expect(yield* pull(http, "a")).toBe(200)
      expect(errorOf(yield* Effect.flip(pull(http, "b")))._tag).toBe("OciUnauthorized")
      expect(yield* pull(http, "b")).toBe(200)
    }))
})

describe("Auth.transport with credentials", () => {
  const countingLookups = (entry: (repository: string | undefined) => Credential.Entry) => {
    const lookups: Array<string | undefined> = []
    const layer = Layer.succeed(Credentials.Credentials, {
      get: (_, repository) =>
        Effect.sync(() => {
          lookups.push(repository)
          return entry(repository)
        })
    })
    return { lookups, layer }
  }

  it.effect("looks them up once in five minutes for each repository", () =>
    Effect.gen(function*() {
      const { layer, lookups } = countingLookups(() => [])
      const http = yield* authenticated(fakeNetwork({ [registry]: () => ({ status: 200 }) }).client, layer)
      const both = Effect.all([pull(http, "a"), pull(http, "a"), pull(http, "b")], { concurrency: "unbounded" })
      yield* both
      yield* TestClock.adjust("4 minutes")
      yield* both
      expect(lookups).toEqual(["a", "b"])
      yield* TestClock.adjust("1 minute")
      yield* both
      expect(lookups).toEqual(["a", "b", "a", "b"])
    }))

  it.effect("looks them up for the repository that the request writes to, if there are two", () =>
    Effect.gen(function*() {
      const { layer, lookups } = countingLookups(() => [])
      const http = yield* authenticated(fakeNetwork({ [registry]: () => ({ status: 200 }) }).client, layer)
      const pullRequiring = (scope: string) =>
        http.get(`${registry}/any`).pipe(Effect.provideService(RequestScope.required, AuthScope.parse(scope)))
      yield* pullRequiring("repository:a:pull repository:b:pull,push")
      yield* pullRequiring("repository:c:pull")
      yield* pullRequiring("repository:d:delete")
      yield* pullRequiring("registry:catalog:*")
      expect(lookups).toEqual(["b", "c", "d", undefined])
    }))

  it.effect("fails if the lookup fails, and does not continue anonymously", () =>
    Effect.gen(function*() {
      const { received, client } = fakeNetwork({ [registry]: () => ({ status: 200 }) })
      const http = yield* authenticated(
        client,
        Layer.succeed(Credentials.Credentials, {
          get: () => Effect.fail(new CredentialError({ reason: "the helper is broken" }))
        })
      )
      expect(errorOf(yield* Effect.flip(pull(http)))).toMatchObject({
        _tag: "OciCredentialError",
        message: "the helper is broken"
      })
      expect(received).toEqual([])
    }))

  it.effect.each(["CANARY\n", "CANARY\nx", "CANARY\u0000", "CANARY \u2014", "Bearer CANARY", ""])(
    "does not send a token with invalid characters, which the HTTP client would show in its error: %j",
    (token) =>
      Effect.gen(function*() {
        const { received, client } = fakeNetwork({ [registry]: () => ({ status: 401 }) })
        const http = yield* authenticated(client, Credentials.layerStatic({ [host]: Credential.registryToken(token) }))
        const known = {
          origin: registry,
          known: { challenge: `Bearer realm="${realm}"`, token: { value: token, scope: AuthScope.unlimited } }
        }
        for (const each of [http, (yield* Auth.transport(known))(client)]) {
          const failure = yield* Effect.flip(pull(each))
          expect(errorOf(failure)).toMatchObject({
            _tag: "OciCredentialError",
            message:
              `the token for ${registry} contains a character that a token cannot contain, such as a space or a line break: correct it`
          })
          expect(Cause.pretty(Cause.fail(failure), { renderErrorCause: true })).not.toContain("CANARY")
        }
        expect(received).toEqual([])
      })
  )

  it.effect("sends the strongest credentials that the challenge accepts", () =>
    Effect.gen(function*() {
      const server = tokenServer()
      const { client } = guardedNetwork(server)
      const entry = [Credential.basic("alice", "CANARY"), Credential.identityToken("CANARY")]
      yield* pull(yield* authenticated(client, Credentials.layerStatic({ [host]: entry })))
      expect(server.tokenRequests).toMatchObject([{ method: "POST", form: { grant_type: "refresh_token" } }])
      const plain: FakeServer = ({ authorization }) =>
        authorization === basic("alice", "CANARY")
          ? { status: 200 }
          : { status: 401, headers: { "www-authenticate": "Basic" } }
      const other = yield* authenticated(
        fakeNetwork({ [registry]: plain }).client,
        Credentials.layerStatic({ [host]: entry })
      )
      expect(yield* pull(other)).toBe(200)
    }))

  it.effect("requests a token from any token server if the credentials are explicitly anonymous", () =>
    Effect.gen(function*() {
      const server = tokenServer()
      const { client } = fakeNetwork({
        [registry]: guarded(server.granted, { realm: "https://other.example/token" }),
        "https://other.example": server.respond
      })
      expect(yield* pull(yield* authenticated(client, Credentials.layerStatic({ [host]: Credential.anonymous })))).toBe(
        200
      )
    }))

  it.effect("does not retry credentials that a token server refused, and looks them up again for the next request", () =>
    Effect.gen(function*() {
      let password = "old"
      const server = tokenServer(({ authorization }) => authorization === basic("alice", "new") ? {} : { status: 401 })
      const { client } = guardedNetwork(server)
      const http = yield* authenticated(
        client,
        Layer.succeed(Credentials.Credentials, { get: () => Effect.sync(() => [Credential.basic("alice", password)]) })
      )
      expect(errorOf(yield* Effect.flip(pull(http)))._tag).toBe("OciUnauthorized")
      expect(server.tokenRequests).toHaveLength(1)
      password = "new"
      expect(yield* pull(http)).toBe(200)
    }))

  it("sends credentials only to their own origin", async () => {
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
    const run = (
      requests: ReadonlyArray<{ readonly user: string; readonly host: string; readonly repository: string }>
    ) =>
      Effect.gen(function*() {
        const issued = new Map<string, string>()
        const respond = (host: string): FakeServer => ({ authorization, url }) => {
          if (url.pathname === "/token") {
            const token = `token-${issued.size}`
            issued.set(token, [host, authorization, ...url.searchParams.getAll("scope")].join(" "))
            return { status: 200, body: { token } }
          }
          const [, repository] = /^\/v2\/(.*)\/manifests/.exec(url.pathname)!
          const issuedTo = issued.get(authorization?.slice("Bearer ".length) ?? "")
          if (issuedTo !== undefined) {
            expect(issuedTo.startsWith(`${host} Basic `)).toBe(true)
            if (issuedTo.endsWith(` repository:${repository}:pull`)) {
              return { status: 200, body: issuedTo.split(" ")[2] }
            }
          }
          return {
            status: 401,
            headers: {
              "www-authenticate": `Bearer realm="https://${host}/token",scope="repository:${repository}:pull"`
            }
          }
        }
        const { client } = fakeNetwork(Object.fromEntries(hosts.map((host) => [`https://${host}`, respond(host)])))
        const clients = new Map<string, HttpClient.HttpClient>()
        for (const user of users) {
          const credentialsOfUser = Object.fromEntries(hosts.map((host) => [host, Credential.basic(user, host)]))
          clients.set(user, yield* authenticated(client, Credentials.layerStatic(credentialsOfUser)))
        }
        for (const { host, repository, user } of requests) {
          const response = yield* clients.get(user)!.get(`https://${host}/v2/${repository}/manifests/v1`)
          expect(response.status).toBe(200)
          expect(`Basic ${yield* response.text}`).toBe(basic(user, host))
        }
      })
    await fc.assert(fc.asyncProperty(pulls, (requests) => Effect.runPromise(run(requests))), { numRuns: 20 })
  })
})

describe("Auth.transport, if the token server refuses the scope of the operation", () => {
  it.effect("requests the scope of the challenge", () =>
    Effect.gen(function*() {
      const server = tokenServer(({ scopes }) => scopes.join().includes("delete") ? { status: 403 } : {})
      const { client, lines } = fakeNetwork({
        [registry]: (received) =>
          received.method === "DELETE" && server.granted.get(received.authorization?.slice(7) ?? "") === undefined
            ? { status: 401, headers: { "www-authenticate": `Bearer realm="${realm}",scope="repository:team/app:*"` } }
            : received.method === "DELETE"
            ? { status: 202 }
            : guarded(server.granted)(received),
        "https://auth.example.com": server.respond
      })
      const http = yield* authenticated(client, Credentials.layerAnonymous)
      yield* pull(http)
      const response = yield* http.del(`${registry}/v2/team/app/manifests/v1`)
      expect(response.status).toBe(202)
      expect(server.tokenRequests.slice(1).map(({ scopes }) => scopes.join())).toEqual([
        "repository:team/app:delete",
        "repository:team/app:*"
      ])
      expect(lines().at(-1)).toBe(`DELETE ${registry}/v2/team/app/manifests/v1 Bearer token-3`)
    }))
})

describe("Auth.transport, if a caller is interrupted", () => {
  it.effect("completes the token request for the other callers", () =>
    Effect.gen(function*() {
      const server = tokenServer()
      const slowly = slow(server.respond)
      const { client } = fakeNetwork({
        [registry]: guarded(server.granted),
        "https://auth.example.com": slowly.server
      })
      const http = yield* authenticated(client, Credentials.layerAnonymous)
      const [first, second] = yield* Effect.all([Effect.fork(pull(http)), Effect.fork(pull(http))])
      yield* slowly.received
      yield* TestClock.adjust("500 millis")
      yield* Fiber.interrupt(first)
      yield* TestClock.adjust("500 millis")
      expect(yield* Fiber.join(second)).toBe(200)
      expect(server.tokenRequests).toHaveLength(1)
    }))
})

describe("Auth.transport, for a request with a context of its own", () => {
  it.effect("looks up credentials, and sends all requests, in that context", () =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      const note = (what: string) =>
        Effect.map(RequestScope.required, (required) => void seen.push(`${what} ${AuthScope.format(required)}`))
      const { client } = guardedNetwork(tokenServer())
      const http = yield* authenticated(
        Transport.make((request, send) => Effect.zipRight(note(new URL(request.url).host), send(request)))(client),
        Layer.succeed(Credentials.Credentials, {
          get: () => Effect.as(note("credentials for"), [Credential.basic("alice", "CANARY")])
        })
      )
      const response = yield* Effect.withFiberRuntime<HttpClientResponse, HttpClientError>((fiber) =>
        Transport.executeIn(http)(
          HttpClientRequest.get(`${registry}/v2/team/app/manifests/v1`),
          RequestContext.add(
            RequestContext.of(fiber),
            RequestScope.required,
            AuthScope.repository("team/app", "pull")
          )
        )
      )
      expect(response.status).toBe(200)
      const needed = "repository:team/app:pull"
      expect(seen).toEqual([
        `credentials for ${needed}`,
        `${host} ${needed}`,
        `auth.example.com ${needed}`,
        `${host} ${needed}`
      ])
    }))
})

describe("Auth.layer", () => {
  it.effect("provides an HTTP client that authenticates", () =>
    Effect.gen(function*() {
      const server = tokenServer()
      const { client } = guardedNetwork(server)
      const layer = Auth.layer().pipe(Layer.provide(Layer.succeed(HttpClient.HttpClient, client)))
      const status = yield* Effect.provide(Effect.flatMap(HttpClient.HttpClient, (http) => pull(http)), layer)
      expect(status).toBe(200)
      const wrong = yield* Effect.exit(Auth.transport({ origin: "no origin" }))
      expect(wrong._tag).toBe("Failure")
    }))
})
