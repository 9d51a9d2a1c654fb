import { AuthScope } from "@effect-oci/core"
import * as HttpBody from "@effect/platform/HttpBody"
import type * as HttpClient from "@effect/platform/HttpClient"
import { describe, expect, it } from "@effect/vitest"
import { Duration, Effect, Layer, Logger, LogLevel, Stream, TestClock } from "effect"
import * as Auth from "../src/Auth.js"
import * as Credential from "../src/Credential.js"
import * as Credentials from "../src/Credentials.js"
import * as Transport from "../src/Transport.js"
import { basic, errorOf, guarded, realm, registry, tokenServer, world } from "./scripted.js"

const alice = Credential.basic("alice", "CANARY")
const host = "registry.example.com"

const authenticated = (
  client: HttpClient.HttpClient,
  credentials: Layer.Layer<Credentials.Credentials> = Credentials.layerAnonymous,
  options?: Auth.Options
) => Effect.map(Effect.provide(Auth.transport(options), credentials), (wrap) => wrap(client))

const known = (entry: Credential.Credential | Credential.Entry) => Credentials.layerStatic({ [host]: entry })

const needing = (...scope: ReadonlyArray<string>) =>
  Effect.provideService(AuthScope.required, AuthScope.parse(scope.join(" ")))

const pull = (client: HttpClient.HttpClient, path = "team/app/manifests/v1") =>
  Effect.flatMap(client.get(`${registry}/v2/${path}`), (response) => Effect.as(response.text, response.status))

describe("a registry that wants tokens", () => {
  it.effect("is asked once without one for an image of three layers: then each thing is one request", () =>
    Effect.gen(function*() {
      const server = tokenServer()
      const { client, lines } = world({ [registry]: guarded(server.granted), "https://auth.example.com": server.place })
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
      expect(server.wishes).toMatchObject([
        { authorization: undefined, service: host, account: null, scopes: ["repository:team/app:pull"] }
      ])
    }))

  it.effect("is asked ahead of its challenge once that is known", () =>
    Effect.gen(function*() {
      const server = tokenServer()
      const { client, lines } = world({ [registry]: guarded(server.granted), "https://auth.example.com": server.place })
      const http = yield* authenticated(client)
      yield* pull(http)
      yield* pull(http, "other/manifests/v1")
      expect(lines().slice(3)).toEqual([`GET ${realm}`, `GET ${registry}/v2/other/manifests/v1 Bearer token-2`])
    }))

  it.effect("is shown one token for two repositories of which the caller has said so", () =>
    Effect.gen(function*() {
      const server = tokenServer()
      const { client } = world({ [registry]: guarded(server.granted), "https://auth.example.com": server.place })
      const http = yield* authenticated(client)
      const hint = AuthScope.parse("repository:other:pull repository:team/app:pull")
      yield* Effect.zip(pull(http), pull(http, "other/manifests/v1")).pipe(Effect.provideService(AuthScope.hint, hint))
      expect(server.wishes.map(({ scopes }) => scopes)).toEqual([["repository:other:pull", "repository:team/app:pull"]])
    }))

  it.effect("is asked for one token by a hundred pulls at once", () =>
    Effect.gen(function*() {
      const server = tokenServer()
      const { client } = world({
        [registry]: guarded(server.granted),
        "https://auth.example.com": (asked) => Effect.delay(Effect.sync(() => server.place(asked)), "1 second") as never
      })
      const http = yield* authenticated(client)
      const pulls = yield* Effect.fork(
        Effect.forEach(Array.from({ length: 100 }), () => pull(http), { concurrency: "unbounded" })
      )
      yield* TestClock.adjust("1 second")
      expect(new Set(yield* pulls)).toEqual(new Set([200]))
      expect(server.wishes).toHaveLength(1)
    }))

  it.effect("is given a new token before the old one ends", () =>
    Effect.gen(function*() {
      const server = tokenServer(() => ({ expires_in: 300 }))
      const { client, lines } = world({ [registry]: guarded(server.granted), "https://auth.example.com": server.place })
      const http = yield* authenticated(client)
      for (let minute = 0; minute < 20; minute++) {
        yield* pull(http, `team/app/blobs/sha256:${minute}`)
        yield* TestClock.adjust(Duration.minutes(1))
      }
      expect(server.wishes).toHaveLength(4)
      // One 401 at the beginning, no other.
      expect(lines()).toHaveLength(1 + 20 + 4)
    }))

  it.effect("that does not know a token any more is given a new one, once", () =>
    Effect.gen(function*() {
      const server = tokenServer()
      const { client, lines } = world({ [registry]: guarded(server.granted), "https://auth.example.com": server.place })
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
    readonly [name: string, error: string | undefined, tag: "Denied" | "Unauthorized", requests: number]
  > = [
    ["without a word", undefined, "Denied", 2],
    ["as unknown", "invalid_token", "Unauthorized", 2],
    ["as not enough", "insufficient_scope", "Unauthorized", 2]
  ]
  it.effect.each(refusals)(
    "that refuses a fresh token, %s, is not asked for ever",
    ([, error, tag, requests]) =>
      Effect.gen(function*() {
        const server = tokenServer()
        const challenge = `Bearer realm="${realm}"${error === undefined ? "" : `,error="${error}"`}`
        const { asked, client } = world({
          [registry]: () => ({
            status: 401,
            headers: { "www-authenticate": challenge },
            body: { errors: [{ code: "DENIED", message: "not you" }] }
          }),
          "https://auth.example.com": server.place
        })
        const http = yield* authenticated(client, known(alice))
        const failure = errorOf(yield* Effect.flip(pull(http)))
        expect(failure._tag).toBe(tag)
        expect(failure.reason).toBe(
          `${registry} refuses the token that ${realm} gave for "repository:team/app:pull" and a user and a password ` +
            "(not you): log in again, or check what they are allowed"
        )
        expect(failure).toMatchObject({ status: 401, diagnostics: [{ code: "DENIED", message: "not you" }] })
        expect(asked.filter(({ url }) => url.origin === registry)).toHaveLength(requests)
      })
  )

  it.effect("that changes its challenge each time is not asked for ever either", () =>
    Effect.gen(function*() {
      const server = tokenServer()
      let count = 0
      const { asked, client } = world({
        [registry]: () => ({
          status: 401,
          headers: { "www-authenticate": `Bearer realm="${realm}",service="${count++}",error="insufficient_scope"` }
        }),
        "https://auth.example.com": server.place
      })
      const http = yield* authenticated(client)
      expect(errorOf(yield* Effect.flip(pull(http)))._tag).toBe("Unauthorized")
      expect(asked.length).toBeLessThan(8)
      expect(errorOf(yield* Effect.flip(pull(http)))._tag).toBe("Unauthorized")
      expect(asked.length).toBeLessThan(16)
    }))

  it.effect("that wants now this and now that is not asked for ever", () =>
    Effect.gen(function*() {
      const server = tokenServer()
      let count = 0
      const { asked, client } = world({
        [registry]: () => ({
          status: 401,
          headers: { "www-authenticate": count++ % 2 === 0 ? `Basic realm="x"` : `Bearer realm="${realm}"` }
        }),
        "https://auth.example.com": server.place
      })
      const http = yield* authenticated(client, known([Credential.registryToken("CANARY"), alice]))
      expect(errorOf(yield* Effect.flip(pull(http)))._tag).toBe("Unauthorized")
      expect(asked.filter(({ url }) => url.origin === registry)).toHaveLength(4)
    }))

  it.effect("is never asked for everything, though a caller hints at it", () =>
    Effect.gen(function*() {
      const server = tokenServer()
      const { client } = world({ [registry]: guarded(server.granted), "https://auth.example.com": server.place })
      const http = yield* authenticated(client)
      yield* pull(http).pipe(
        Effect.provideService(AuthScope.hint, AuthScope.unlimited),
        Effect.provideService(AuthScope.required, AuthScope.unlimited)
      )
      expect(server.wishes.map(({ scopes }) => scopes)).toEqual([["repository:team/app:pull"]])
    }))

  it.effect("that says more than one operation needs is heard of the operation's own repositories", () =>
    Effect.gen(function*() {
      const server = tokenServer()
      const { client } = world({
        [registry]: guarded(server.granted, {
          scope: (needed) => `${needed},x repository:secrets:pull,push registry:catalog:* everything`
        }),
        "https://auth.example.com": server.place
      })
      const http = yield* authenticated(client, known(alice))
      yield* pull(http)
      expect(server.wishes.map(({ scopes }) => scopes)).toEqual([["repository:team/app:pull,x"]])
    }))

  it.effect("is asked in the challenge's own words, where those say enough", () =>
    Effect.gen(function*() {
      const server = tokenServer()
      const { client } = world({
        [registry]: guarded(server.granted, { scope: () => "repository:team/app:push,pull" }),
        "https://auth.example.com": server.place
      })
      const http = yield* authenticated(client, known(alice))
      yield* pull(http)
      expect(server.wishes[0]?.scopes).toEqual(["repository:team/app:push,pull"])
    }))

  it.effect("is asked for less where its token server refuses so much: without a hint, and a mount's source", () =>
    Effect.gen(function*() {
      const server = tokenServer(({ scopes }) => scopes.length > 1 ? { status: 403 } : {})
      const { client } = world({ [registry]: guarded(server.granted), "https://auth.example.com": server.place })
      const http = yield* authenticated(client, known(alice))
      const mount = http.post(`${registry}/v2/team/app/blobs/uploads/?mount=sha256:a&from=other`, {
        body: HttpBody.empty
      })
      const response = yield* mount.pipe(needing("repository:team/app:pull,push", "repository:other:pull"))
      expect(response.status).toBe(200)
      const hint = AuthScope.parse("repository:third:pull")
      yield* pull(http, "more/manifests/v1").pipe(Effect.provideService(AuthScope.hint, hint))
      expect(server.wishes.map(({ scopes }) => scopes)).toEqual([
        ["repository:team/app:pull,push", "repository:other:pull"],
        ["repository:team/app:pull,push"],
        ["repository:more:pull", "repository:third:pull"],
        ["repository:more:pull"]
      ])
    }))

  it.effect("is asked once more for what it says itself, where a fresh token is not enough", () =>
    Effect.gen(function*() {
      // A server that knows no `delete`, and narrows what is asked of it without a word.
      const server = tokenServer()
      const { client } = world({
        [registry]: ({ authorization }) => {
          const held = server.wishes[Number(authorization?.slice("Bearer token-".length)) - 1]
          return held?.scopes.join() === "repository:team/app:*" ? { status: 202 } : {
            status: 401,
            headers: {
              "www-authenticate": `Bearer realm="${realm}",scope="repository:team/app:*"${
                held === undefined ? "" : `,error="insufficient_scope"`
              }`
            }
          }
        },
        "https://auth.example.com": server.place
      })
      const http = yield* authenticated(client, known(alice))
      const hint = AuthScope.parse("repository:third:pull")
      const response = yield* http.del(`${registry}/v2/team/app/manifests/v1`).pipe(
        needing("repository:team/app:delete"),
        Effect.provideService(AuthScope.hint, hint)
      )
      expect(response.status).toBe(202)
      expect(server.wishes.map(({ scopes }) => scopes)).toEqual([
        ["repository:team/app:*", "repository:third:pull"],
        ["repository:team/app:*"]
      ])
    }))

  it.effect("is shown a known token at once", () =>
    Effect.gen(function*() {
      const server = tokenServer()
      const scope = AuthScope.parse("repository:team/app:pull")
      server.granted.set("handed-over", scope)
      const { client, lines } = world({ [registry]: guarded(server.granted), "https://auth.example.com": server.place })
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

  it.effect("is left alone where the request shows who asks itself", () =>
    Effect.gen(function*() {
      const { client, lines } = world({ [registry]: () => ({ status: 401, headers: { "www-authenticate": "Basic" } }) })
      const http = yield* authenticated(client, known(alice))
      const response = yield* http.get(`${registry}/v2/`, { headers: { authorization: "Mine" } })
      expect(response.status).toBe(401)
      expect(lines()).toEqual([`GET ${registry}/v2/ Mine`])
    }))
})

describe("a body", () => {
  const once = () => HttpBody.stream(Stream.make(new TextEncoder().encode("content")))
  const upload = `${registry}/v2/team/app/blobs/uploads/1`

  it.effect("that can be sent again is", () =>
    Effect.gen(function*() {
      const server = tokenServer()
      const { asked, client } = world({ [registry]: guarded(server.granted), "https://auth.example.com": server.place })
      const http = yield* authenticated(client)
      for (const body of [HttpBody.text("content"), Transport.markReplayable(once())]) {
        server.granted.clear()
        expect((yield* http.put(upload, { body })).status).toBe(200)
        expect(asked.at(-1)?.body).toBe("content")
      }
    }))

  it.effect("that cannot be makes sure of a token first", () =>
    Effect.gen(function*() {
      const server = tokenServer()
      const { client, lines } = world({ [registry]: guarded(server.granted), "https://auth.example.com": server.place })
      const http = yield* authenticated(client, known(alice))
      expect((yield* http.put(upload, { body: once() })).status).toBe(200)
      expect(lines()).toEqual([
        `GET ${registry}/v2/`,
        `GET ${realm} ${basic("alice", "CANARY")}`,
        `PUT ${upload} Bearer token-1`
      ])
    }))

  it.effect("that cannot be, and is refused all the same, is said to be gone", () =>
    Effect.gen(function*() {
      const server = tokenServer()
      const { client, lines } = world({
        [registry]: (asked) => asked.method === "GET" ? { status: 200 } : guarded(server.granted)(asked),
        "https://auth.example.com": server.place
      })
      const http = yield* authenticated(client, known(alice))
      const failure = errorOf(yield* Effect.flip(http.put(upload, { body: once() })))
      expect(failure._tag).toBe("Unauthorized")
      expect(failure.reason).toMatch(
        /asked for credentials after the body was sent, and this body cannot be sent again/
      )
      expect(lines()).toEqual([`GET ${registry}/v2/`, `PUT ${upload}`])
      // What was learnt on the way counts for the next.
      expect((yield* http.put(upload, { body: once() })).status).toBe(200)
    }))
})

describe("a registry that asks for nothing", () => {
  it.effect("is asked nothing more, and told nothing", () =>
    Effect.gen(function*() {
      const { asked, client } = world({ [registry]: () => ({ status: 200 }) })
      const http = yield* authenticated(client, known(alice))
      const body = () => HttpBody.stream(Stream.make(new Uint8Array(1)))
      yield* http.post(`${registry}/v2/team/app/blobs/uploads/`)
      yield* http.put(`${registry}/v2/team/app/blobs/uploads/1`, { body: body() })
      expect(asked.map(({ authorization, method }) => [method, authorization])).toEqual([
        ["POST", undefined],
        ["PUT", undefined]
      ])
    }))

  it.effect("is asked nothing more by nobody, whatever the body", () =>
    Effect.gen(function*() {
      const { asked, client } = world({ [registry]: () => ({ status: 200 }) })
      const http = yield* authenticated(client)
      yield* http.put(`${registry}/v2/team/app/blobs/uploads/1`, { body: HttpBody.stream(Stream.empty) })
      expect(asked).toHaveLength(1)
    }))
})

describe("a registry that wants a user and a password", () => {
  const place = ({ authorization }: { readonly authorization: string | undefined }) =>
    authorization === basic("alice", "CANARY")
      ? { status: 200 }
      : { status: 401, headers: { "www-authenticate": `Digest x=y, Basic realm="here"` } }

  it.effect("gets them with every request but the first", () =>
    Effect.gen(function*() {
      const { client, lines } = world({ [registry]: place })
      const http = yield* authenticated(client, known(alice))
      expect(yield* pull(http)).toBe(200)
      expect(yield* pull(http)).toBe(200)
      const line = `GET ${registry}/v2/team/app/manifests/v1`
      const shown = `${line} ${basic("alice", "CANARY")}`
      expect(lines()).toEqual([line, shown, shown])
    }))

  it.effect("is known to want other things too, which are told in the log", () =>
    Effect.gen(function*() {
      const told: Array<unknown> = []
      const log = Logger.make(({ message }) => {
        told.push(message)
      })
      const { client } = world({ [registry]: place })
      yield* Effect.flatMap(authenticated(client, known(alice)), pull).pipe(
        Effect.provide(Logger.replace(Logger.defaultLogger, log)),
        Logger.withMinimumLogLevel(LogLevel.Debug)
      )
      expect(told).toEqual([[
        `${registry} also offers authentication schemes that this client does not support: digest`
      ]])
    }))

  it.effect("gets them in any alphabet", () =>
    Effect.gen(function*() {
      const { asked, client } = world({ [registry]: place })
      const http = yield* authenticated(client, known(Credential.basic("zoë", "пароль")))
      yield* Effect.flip(pull(http))
      expect(asked.at(-1)?.authorization).toBe(basic("zoë", "пароль"))
    }))

  it.effect("keeps its 401 where there are none", () =>
    Effect.gen(function*() {
      const { client, lines } = world({ [registry]: place })
      for (const credentials of [Credentials.layerAnonymous, known(Credential.identityToken("CANARY"))]) {
        expect(yield* pull(yield* authenticated(client, credentials))).toBe(401)
      }
      expect(lines()).toHaveLength(2)
    }))

  it.effect("that refuses them is not asked again, and they are looked up anew the next time", () =>
    Effect.gen(function*() {
      let password = "old"
      const { client, lines } = world({ [registry]: place })
      const http = yield* authenticated(
        client,
        Layer.succeed(Credentials.Credentials, {
          get: () => Effect.sync(() => [Credential.basic("alice", password)])
        })
      )
      const failure = errorOf(yield* Effect.flip(pull(http)))
      expect(failure).toMatchObject({
        _tag: "Unauthorized",
        reason: `${registry} refuses a user and a password: log in again, or check what they are allowed`
      })
      expect(lines()).toHaveLength(2)
      password = "CANARY"
      expect(yield* pull(http)).toBe(200)
      expect(lines()).toHaveLength(3)
    }))
})

describe("a registry token", () => {
  it.effect("is sent at once", () =>
    Effect.gen(function*() {
      const { client, lines } = world({ [registry]: () => ({ status: 200 }) })
      yield* pull(yield* authenticated(client, known([alice, Credential.registryToken("CANARY")])))
      expect(lines()).toEqual([`GET ${registry}/v2/team/app/manifests/v1 Bearer CANARY`])
    }))

  it.effect("that is refused gives way to what else there is", () =>
    Effect.gen(function*() {
      const server = tokenServer()
      const { client } = world({ [registry]: guarded(server.granted), "https://auth.example.com": server.place })
      const token = Credential.registryToken("CANARY")
      expect(yield* pull(yield* authenticated(client, known([token, alice])))).toBe(200)
      expect(server.wishes).toMatchObject([{ authorization: basic("alice", "CANARY") }])
      const failure = errorOf(yield* Effect.flip(pull(yield* authenticated(client, known(token)))))
      expect(failure._tag).toBe("Unauthorized")
      expect(failure.reason).toMatch(/refuses a registry token/)
    }))
})
