/** A client of registries that require authentication, over real sockets. */
import { Credential, Credentials } from "@effect-oci/auth"
import { AuthScope, Body, Descriptor, Digest, Registry, RepositoryName, RequestScope, Tag } from "@effect-oci/core"
import { connect, platforms, serve } from "@effect-oci/testing/NodeScripted"
import type { Answer, ReceivedRequest, Server } from "@effect-oci/testing/NodeScripted"
import { describe, expect, it } from "@effect/vitest"
import { Cause, Context, Effect, Either, Layer, Logger, LogLevel, Redacted, Stream } from "effect"
import * as Client from "../src/Client.js"

const repository = RepositoryName.make("team/app")
const tag = Tag.make("v1")
const bytes = new TextEncoder().encode("{}")
const digest = Digest.fromBytes(bytes)
const alice = Credential.basic("alice", Redacted.make("CANARY"))

const ok = (request: ReceivedRequest): Answer => {
  const path = request.target.split("?")[0]!
  if (request.method === "POST") return { status: 202, headers: { location: `${path}1` } }
  if (request.method === "PUT") return { status: 201, headers: { location: path, "docker-content-digest": digest } }
  return {
    status: 200,
    headers: { "docker-content-digest": digest, "content-type": "application/vnd.oci.image.manifest.v1+json" },
    body: path.endsWith("/list") ? `{"name":"team/app","tags":["v1"]}` : bytes
  }
}

/** A registry and its token server in one. A token contains the scopes that were requested. */
const serveGuarded = (server: { origin: () => string; refuses?: (scope: string) => boolean; inside?: typeof ok }) =>
  serve((request) => {
    const url = new URL(request.target, "http://x")
    if (url.pathname === "/token") {
      const scope = url.searchParams.getAll("scope").join(" ")
      return server.refuses?.(scope) === true
        ? { status: 403 }
        : { status: 200, body: JSON.stringify({ token: Buffer.from(scope || "none").toString("base64url") }) }
    }
    const { authorization } = request.headers
    return authorization?.startsWith("Bearer ") === true ? (server.inside ?? ok)(request) : {
      status: 401,
      headers: { "www-authenticate": `Bearer realm="${server.origin()}/token",service="test"` }
    }
  })

/** The advice in an error if there are no credentials. */
const advice = ({ origin }: Server) =>
  `no credentials that it accepts are configured for ${origin}; log in with "docker login", which NodeClient uses, or ` +
  "provide Credentials to the layer of the client and not beside it: client.pipe(Layer.provide(credentials))"

const scopes = (server: Server) =>
  server.requests.filter(({ target }) => target.startsWith("/token")).map(({ target }) =>
    new URL(target, "http://x").searchParams.getAll("scope")
  )

const guarded = (options: Omit<Parameters<typeof serveGuarded>[0], "origin"> = {}) =>
  Effect.gen(function*() {
    let origin = ""
    const server = yield* serveGuarded({ ...options, origin: () => origin })
    origin = server.origin
    return server
  })

describe("a client without any credentials", () => {
  it.scoped.each(["undici", "fetch", "node"] as const)(
    "gets an anonymous token when the registry requires one, over %s",
    (platform) =>
      Effect.gen(function*() {
        const server = yield* guarded()
        const registry = yield* connect(server, {}, platforms[platform])
        expect((yield* registry.getManifest(repository, tag)).descriptor.digest).toBe(digest)
        yield* Effect.scoped(registry.getBlob(repository, digest))
        yield* registry.resolveBlob(repository, digest)
        expect(server.lines()).toEqual([
          "GET /v2/team/app/manifests/v1",
          "GET /token?service=test&scope=repository%3Ateam%2Fapp%3Apull",
          "GET /v2/team/app/manifests/v1",
          `GET /v2/team/app/blobs/${digest}`,
          `HEAD /v2/team/app/blobs/${digest}`
        ])
      })
  )

  it.scoped("requests only the scope that each operation requires", () =>
    Effect.gen(function*() {
      const table: ReadonlyArray<readonly [string, (registry: Registry.Service) => Effect.Effect<unknown, unknown>]> = [
        ["repository:team/app:pull", (registry) => registry.resolveManifest(repository, tag)],
        ["repository:team/app:pull,push", (registry) => registry.startUpload(repository)],
        [
          "repository:team/app:pull,push",
          (registry) =>
            registry.pushBlob(
              repository,
              Descriptor.fromBytes(bytes),
              Body.bytes(bytes)
            )
        ],
        ["repository:team/app:delete", (registry) => registry.deleteTag(repository, tag)]
      ]
      for (const [scope, call] of table) {
        const server = yield* guarded()
        yield* Effect.ignore(call(yield* connect(server)))
        expect(scopes(server)).toEqual([[scope]])
      }
    }))

  it.scoped("starts an upload if it may not mount", () =>
    Effect.gen(function*() {
      const from = RepositoryName.make("other")
      const server = yield* guarded({
        refuses: (scope) => scope.includes("other"),
        inside: (request) => request.target.includes("mount=") ? { status: 401 } : ok(request)
      })
      const registry = yield* connect(server)
      const mounted = yield* registry.mountBlob(repository, digest, { from })
      expect(mounted._tag).toBe("UploadStarted")
      expect(scopes(server)[0]).toEqual(["repository:other:pull", "repository:team/app:pull,push"])
    }))

  it.scoped("shares one token for the scopes of RequestScope.hint", () =>
    Effect.gen(function*() {
      const server = yield* guarded()
      const registry = yield* connect(server)
      const other = RepositoryName.make("other")
      const hint = AuthScope.union(AuthScope.repository(repository, "pull"), AuthScope.repository(other, "pull"))
      yield* Effect.zip(registry.resolveManifest(repository, tag), registry.resolveManifest(other, tag)).pipe(
        Effect.provideService(RequestScope.hint, hint)
      )
      expect(scopes(server)).toEqual([["repository:other:pull", "repository:team/app:pull"]])
    }))

  it.scoped("fails with an error that names the token server and the scope", () =>
    Effect.gen(function*() {
      const server = yield* guarded({ refuses: () => true })
      const failure = yield* Effect.flip((yield* connect(server)).getManifest(repository, tag))
      expect(failure._tag).toBe("OciDenied")
      expect(failure.message).toBe(
        `GetManifest team/app:v1: the token server ${server.origin}/token of ${server.origin} answered with status 403 to a ` +
          `request for "repository:team/app:pull" with no credentials: ${advice(server)}`
      )
      expect(failure).toMatchObject({ operation: "GetManifest", repository, registry: server.host })
    }))

  it.scoped("explains in the error how to provide credentials if the registry requires a password", () =>
    Effect.gen(function*() {
      const server = yield* serve(({ target }) => ({
        status: 401,
        headers: { "www-authenticate": `Basic realm="here"` },
        body: target.includes("/tags/")
          ? undefined
          : JSON.stringify({ errors: [{ code: "UNAUTHORIZED", message: "log in" }] })
      }))
      const beside = Credentials.layerStatic({ [server.host]: alice })
      const client = Layer.provide(
        Client.layer({ host: server.host, insecure: true, retry: { retries: 0 } }),
        platforms.undici
      )
      const failure = yield* Effect.flip(
        Effect.provide(Effect.flatMap(Registry, (registry) => registry.getManifest(repository, tag)), [client, beside])
      )
      expect(failure._tag).toBe("OciUnauthorized")
      expect(failure.message).toBe(`GetManifest team/app:v1: log in: ${advice(server)}`)
      const registry = yield* connect(server)
      const list = yield* Effect.flip(Stream.runDrain(registry.listTags(repository)))
      expect(list.message).toBe(`ListTags team/app: authentication required: ${advice(server)}`)
      const pinged = yield* Effect.flip(
        Effect.provide(Client.ping({ host: server.host, insecure: true }), platforms.undici)
      )
      expect(pinged.message).toBe(`${server.origin} requires credentials: ${advice(server)}`)
    }))

  it.scoped("does not mention credentials if the registry does not send a challenge", () =>
    Effect.gen(function*() {
      const server = yield* serve(() => ({ status: 401 }))
      const failure = yield* Effect.flip((yield* connect(server)).getManifest(repository, tag))
      expect(failure.message).toBe("GetManifest team/app:v1: authentication required")
    }))

  it.scoped("does not answer challenges if auth is false", () =>
    Effect.gen(function*() {
      const server = yield* guarded()
      const registry = yield* connect(server, { auth: false })
      expect((yield* Effect.flip(registry.resolveManifest(repository, tag)))._tag).toBe("OciUnauthorized")
      expect(server.lines()).toHaveLength(1)
    }))
})

describe("a client with credentials", () => {
  it.scoped("uses the Credentials of the context, and sends them to no other host", () =>
    Effect.gen(function*() {
      const other = yield* serve((request) =>
        request.method === "GET" ? ok(request) : { status: 401, headers: { "www-authenticate": `Basic realm="x"` } }
      )
      const server = yield* serve((request) => {
        if (request.headers.authorization === undefined) {
          return { status: 401, headers: { "www-authenticate": `Basic realm="x"` } }
        }
        if (request.method === "POST") return { status: 202, headers: { location: `${other.origin}/upload` } }
        return request.target.includes("/blobs/")
          ? { status: 307, headers: { location: `${other.origin}/blob` } }
          : ok(request)
      })
      const credentials = Credentials.layerStatic({ [server.host]: alice, [other.host]: alice })
      const client = Client.layer({ host: server.host, insecure: true }).pipe(
        Layer.provide(credentials),
        Layer.provide(platforms.undici)
      )
      const registry = Context.get(yield* Layer.build(client), Registry)
      yield* registry.resolveManifest(repository, tag)
      yield* Effect.scoped(registry.getBlob(repository, digest))
      const descriptor = Descriptor.fromBytes(bytes)
      const failure = yield* Effect.flip(registry.pushBlob(repository, descriptor, Body.bytes(bytes)))
      expect(failure._tag).toBe("OciUnauthorized")
      expect(server.requests.at(-1)?.headers.authorization).toMatch(/^Basic /)
      expect(other.requests.length).toBeGreaterThan(1)
      for (const { headers } of other.requests) expect(headers.authorization).toBeUndefined()
    }))
})

describe("a registry that repeats secrets of the request", () => {
  const repeating = (status: number, answer: (text: string) => Answer) =>
    serve(({ headers }) => {
      const { authorization } = headers
      if (authorization === undefined) return { status: 401, headers: { "www-authenticate": `Basic realm="x"` } }
      const password = Buffer.from(authorization.slice("Basic ".length), "base64").toString().split(":")[1]!
      return answer(`${authorization} ${encodeURIComponent(authorization)} ${password} (${status})`)
    })

  const connected = (server: Server, options?: Client.TransportOptions) =>
    Effect.map(
      Layer.build(
        Client.layer({ host: server.host, insecure: true, retry: { retries: 0 }, ...options }).pipe(
          Layer.provide(Credentials.layerStatic({ [server.host]: Credential.basic("alice", "pässword/CANARY") })),
          Layer.provide(platforms.undici)
        )
      ),
      Context.get(Registry)
    )

  const secrets = /CANARY|YWxpY2U6|Q0FOQV/

  it.scoped.each([400, 403, 404, 418, 429, 500, 503])(
    "does not leak them in the error of status %s",
    (status) =>
      Effect.gen(function*() {
        const server = yield* repeating(status, (text) => ({
          status,
          body: JSON.stringify({ errors: [{ code: `X ${text}`, message: text, detail: { [text]: [text] } }] })
        }))
        const registry = yield* connected(server)
        const calls: ReadonlyArray<Effect.Effect<unknown, unknown>> = [
          registry.getManifest(repository, tag),
          Effect.scoped(registry.getBlob(repository, digest)),
          registry.pushManifest(repository, {
            mediaType: "application/vnd.oci.image.manifest.v1+json",
            bytes,
            tags: [tag]
          }),
          registry.startUpload(repository),
          Stream.runDrain(registry.listTags(repository))
        ]
        for (const call of calls) {
          const error = yield* Effect.flip(call)
          expect(`${Cause.pretty(Cause.fail(error), { renderErrorCause: true })} ${JSON.stringify(error)}`).not.toMatch(
            secrets
          )
        }
      })
  )

  it.scoped("does not leak them in a protocol error, in a warning or in the log", () =>
    Effect.gen(function*() {
      const server = yield* repeating(200, (text) => ({
        status: 200,
        headers: {
          warning: `299 - "${encodeURI(text)}"`,
          "content-type": encodeURI(text),
          "docker-content-digest": text.slice(0, 90)
        },
        body: "{}"
      }))
      const shown: Array<string> = []
      const log = Logger.replace(Logger.defaultLogger, Logger.map(Logger.logfmtLogger, (line) => void shown.push(line)))
      const registry = yield* connected(server)
      const exit = yield* registry.getManifest(repository, tag).pipe(
        Effect.exit,
        Effect.provide(log),
        Logger.withMinimumLogLevel(LogLevel.All)
      )
      expect(shown.join("\n")).toContain("<redacted>")
      expect([...shown, String(exit), JSON.stringify(exit)].join("\n")).not.toMatch(secrets)
    }))
})

describe("a ping", () => {
  const ping = (server: { readonly host: string }, entry?: Credential.Credential) =>
    Client.ping({ host: server.host, insecure: true, retry: { retries: 0 } }).pipe(
      Effect.provide(
        entry === undefined ? Credentials.layerAnonymous : Credentials.layerStatic({ [server.host]: entry })
      ),
      Effect.provide(platforms.undici)
    )

  it.scoped("reports that a registry requires no authentication", () =>
    Effect.gen(function*() {
      const server = yield* serve(() => ({ status: 200 }))
      expect(yield* ping(server)).toEqual({ registry: server.host, challenges: [] })
      expect(server.lines()).toEqual(["GET /v2/"])
    }))

  it.scoped("reports whether credentials are accepted", () =>
    Effect.gen(function*() {
      const server = yield* serve(({ headers }) =>
        headers.authorization === `Basic ${Buffer.from("alice:CANARY").toString("base64")}`
          ? { status: 200 }
          : { status: 401, headers: { "www-authenticate": `Basic realm="here"` } }
      )
      const pong = yield* ping(server, alice)
      expect(pong.challenges).toMatchObject([{ scheme: "basic" }])
      expect(server.lines()).toHaveLength(2)
      const wrong = yield* Effect.flip(ping(server, Credential.basic("alice", "wrong")))
      expect(wrong.message).toMatch(/refuses a user and a password/)
      const nobody = yield* Effect.flip(ping(server))
      expect(nobody).toMatchObject({ _tag: "OciUnauthorized", status: 401 })
    }))

  it.scoped("gets a token without a scope", () =>
    Effect.gen(function*() {
      const server = yield* guarded()
      expect((yield* ping(server)).challenges).toMatchObject([{ scheme: "bearer" }])
      expect(server.lines()).toEqual(["GET /v2/", "GET /token?service=test", "GET /v2/"])
    }))

  it.scoped("fails if the host is not a registry", () =>
    Effect.gen(function*() {
      const server = yield* serve(() => ({ status: 404, body: "<html>" }))
      const failure = yield* Effect.flip(ping(server))
      expect(failure).toMatchObject({ _tag: "OciResponseInvalid", status: 404 })
      const busy = yield* serve(() => ({ status: 503 }))
      expect(yield* Effect.flip(ping(busy))).toMatchObject({ _tag: "OciUnavailable" })
      const absent = yield* Effect.flip(ping({ host: "127.0.0.1:1" }))
      expect(absent.message).toMatch(/cannot reach 127.0.0.1:1: connection refused/)
      const host = yield* Effect.either(ping({ host: "no host" }))
      expect(Either.isLeft(host) && host.left._tag).toBe("OciSyntaxInvalid")
    }))
})
