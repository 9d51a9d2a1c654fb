import {
  Answer,
  Body,
  Caller,
  Descriptor,
  MediaType,
  Operation,
  Registry,
  RegistryError,
  RepositoryName
} from "@effect-oci/core"
import { Guard, Policy } from "@effect-oci/guard"
import type { Users } from "@effect-oci/guard"
import { Logging } from "@effect-oci/middleware"
import { Memory } from "@effect-oci/store"
import { describe, expect, it } from "@effect/vitest"
import { Deferred, Effect, Redacted } from "effect"
import type { Layer } from "effect"
import type { RegistryServer } from "../../src/index.js"
import { absent, blob, blobDigest, config, fill, image, repository, v1 } from "../fixtures.js"
import { check } from "../rows.js"
import { start } from "../servers.js"
import type { Composition } from "../servers.js"

/** Alice may do everything, Bob nothing, and everyone pulls from `public/`. */
const users: Users.Users = {
  check: ({ password, username }) =>
    Redacted.value(password) === "CANARY-secret"
      ? Answer.succeed({ identity: { name: username, claims: {} }, version: "" })
      : Answer.fail(new RegistryError.Unauthorized({ reason: "the user name or the password is wrong" })),
  find: () => Answer.succeed(undefined)
}

const policy = Policy.make(({ name }, { action, resource }) =>
  name === "alice" || (action === "pull" && resource.startsWith("public/"))
)

const guard = Guard.make({ users, policy })

const as = (name: string, password = "CANARY-secret") => ({ authorization: `Basic ${btoa(`${name}:${password}`)}` })

export const challenged = {
  status: 401,
  headers: { "www-authenticate": `Basic realm="registry"`, "content-type": "application/json" }
}

const manifest = "/v2/team/app/manifests/v1"

/** Paths of content that may exist, and of content that does not exist. */
const pairs: ReadonlyArray<readonly [method: string, there: string, absent: string]> = [
  ["GET", manifest, "/v2/no/such/manifests/v1"],
  ["GET", `/v2/team/app/blobs/${blobDigest}`, `/v2/team/app/blobs/${absent}`],
  ["HEAD", `/v2/team/app/blobs/${blobDigest}`, `/v2/team/app/blobs/${absent}`],
  ["GET", "/v2/team/app/tags/list", "/v2/no/such/tags/list"],
  ["DELETE", manifest, "/v2/team/app/manifests/v9"],
  ["PATCH", "/v2/team/app/blobs/uploads/x", "/v2/no/such/blobs/uploads/x"],
  [
    "POST",
    `/v2/team/app/blobs/uploads/?mount=${blobDigest}&from=public/app`,
    `/v2/team/app/blobs/uploads/?mount=${absent}&from=no/such`
  ]
]

/** Starts a server with the guard, and content. */
export const guardedBy =
  (composition: Composition) => (options?: RegistryServer.Options & { readonly registry?: Layer.Layer<Registry> }) =>
    Effect.tap(start(composition, { guard, ...options }), ({ registry }) => fill(registry))

export const guarding = (composition: Composition) => {
  const guarded = guardedBy(composition)

  describe("guard", () => {
    it.scoped("sends the same refusal whether the content exists or not", () =>
      Effect.gen(function*() {
        const { ask } = yield* guarded()
        for (const [method, there, absent] of pairs) {
          for (const [headers, expected] of [[{}, challenged], [as("bob"), { status: 403 }]] as const) {
            const [a, b] = [yield* ask({ method, path: there, headers }), yield* ask({ method, path: absent, headers })]
            check(a, expected)
            expect(b.status).toBe(a.status)
            const names = /team\/app|no\/such|public\/app/g
            expect(b.text.replace(names, "")).toBe(a.text.replace(names, ""))
          }
        }
      }))

    it.scoped("admits callers with permission", () =>
      Effect.gen(function*() {
        const { ask, registry } = yield* guarded()
        check(yield* ask({ path: manifest, headers: as("alice") }), { status: 200, body: image })
        check(yield* ask({ path: `/v2/team/app/blobs/${blobDigest}`, headers: as("alice") }), {
          status: 200,
          body: blob
        })
        const put = {
          method: "PUT",
          headers: { ...as("alice"), "content-type": "application/vnd.oci.image.manifest.v1+json" }
        }
        check(yield* ask({ ...put, path: "/v2/team/app/manifests/v2", body: image }), { status: 201 })
        const open = RepositoryName.make("public/app")
        const descriptor = { mediaType: "application/octet-stream", digest: blobDigest, size: blob.byteLength }
        yield* registry.pushBlob(open, descriptor, Body.bytes(blob))
        check(yield* ask({ path: `/v2/public/app/blobs/${blobDigest}` }), { status: 200, body: blob })
        check(yield* ask({ path: "/v2/", headers: as("bob") }), { status: 200 })
      }))

    it.scoped("sends the same challenge for HEAD and GET", () =>
      Effect.gen(function*() {
        const { ask } = yield* guarded()
        const get = yield* ask({ path: manifest })
        const head = yield* ask({ method: "HEAD", path: manifest })
        check(head, { ...challenged, body: "" })
        for (const name of ["content-length", "content-type", "docker-distribution-api-version"]) {
          expect(head.headers[name]).toBe(get.headers[name])
        }
        check(yield* ask({ path: "/v2/" }), challenged)
      }))

    it.scoped("answers 404 or 400 without credentials if the path is not valid", () =>
      Effect.gen(function*() {
        const { ask } = yield* guarded()
        check(yield* ask({ path: "/v2/team/app" }), { status: 404 })
        check(yield* ask({ path: "/v2/team/APP/tags/list" }), { status: 400, code: "NAME_INVALID" })
      }))

    it.scoped("starts an upload for a mount from a repository that the caller may not pull (T33)", () =>
      Effect.gen(function*() {
        const ownNamespace = Policy.make(({ name }, { resource }) => resource.split("/")[0] === name)
        const { ask } = yield* guarded({ guard: Guard.make({ users, policy: ownNamespace }) })
        const mount = (from: string) => ({
          method: "POST",
          path: `/v2/bob/app/blobs/uploads/?mount=${blobDigest}${from}`,
          headers: as("bob")
        })
        for (const from of ["&from=team/app", "&from=no/such", ""]) {
          check(yield* ask(mount(from)), { status: 202, headers: { location: /^\/v2\/bob\/app\/blobs\/uploads\// } })
        }
        const source = { method: "POST", path: `/v2/team/app/blobs/uploads/?mount=${blobDigest}&from=team/app` }
        check(yield* ask({ ...source, headers: as("bob") }), { status: 403 })
        check(yield* ask({ ...source, headers: as("team") }), { status: 201 })
      }))

    it.scoped("binds an upload session to its caller: other callers with push permission get 404 (T43)", () =>
      Effect.gen(function*() {
        const { ask } = yield* guarded({ guard: Guard.make({ users }) })
        const empty = { "content-length": "0" }
        const started = yield* ask({
          method: "POST",
          path: "/v2/team/app/blobs/uploads/",
          headers: { ...as("alice"), ...empty }
        })
        check(started, { status: 202 })
        const path = String(started.headers.location)
        const put = { method: "PUT", path: `${path}?digest=${blobDigest}`, body: blob }
        for (const request of [{ path }, { method: "PATCH", path, body: blob }, put, { method: "DELETE", path }]) {
          check(yield* ask({ ...request, headers: as("bob") }), { status: 404, code: "BLOB_UPLOAD_UNKNOWN" })
        }
        check(yield* ask({ ...put, headers: as("alice") }), { status: 201 })
      }))

    it.scoped("passes the caller to the registry, whether the guard answers immediately or not", () =>
      Effect.gen(function*() {
        const callers: Array<string | undefined> = []
        const registry = Memory.layer().pipe(
          Registry.wrap((next) => (operation) =>
            Effect.flatMap(Caller.Caller, ({ name }) => {
              callers.push(name)
              return next(operation)
            })
          )
        )
        const { ask } = yield* start(composition, { guard, registry })
        for (
          const [path, headers] of [
            ["/v2/team/app/tags/list", as("alice")],
            [`/v2/team/app/blobs/${blobDigest}`, as("alice")],
            [manifest, as("alice")],
            [`/v2/public/app/blobs/${blobDigest}`, {}]
          ] as const
        ) {
          yield* ask({ path, headers })
        }
        expect(callers).toEqual(["alice", "alice", "alice", undefined])
      }))

    it.scoped("lets only its caller use an upload session (T43)", () =>
      Effect.gen(function*() {
        const everybody = Guard.make({ users, policy: (_, requested) => Answer.succeed(requested) })
        const { ask } = yield* start(composition, { guard: everybody })
        const uploads = "/v2/team/app/blobs/uploads/"
        const opened = yield* ask({ method: "POST", path: uploads, headers: as("alice") })
        const path = opened.headers["location"]!
        const completed = `${path}?digest=${blobDigest}`
        for (const headers of [as("bob"), {}]) {
          for (const method of ["GET", "PATCH", "PUT", "DELETE"]) {
            const content = method === "PATCH" || method === "PUT" ? { body: blob } : {}
            check(yield* ask({ method, path: method === "PUT" ? completed : path, headers, ...content }), {
              status: 404,
              code: "BLOB_UPLOAD_UNKNOWN"
            })
          }
        }
        check(yield* ask({ method: "PATCH", path, headers: as("alice"), body: blob }), { status: 202 })
        check(yield* ask({ method: "PUT", path: completed, headers: as("alice") }), { status: 201 })
      }))

    it.scoped("may admit another operation than the requested one, including a manifest push", () =>
      Effect.gen(function*() {
        const below = RepositoryName.make("tenant/app")
        const moving: Guard.Guard = (operation) =>
          Answer.succeed({
            operation: operation._tag === "PushManifest"
              ? new Operation.PushManifest({ ...operation, repository: below })
              : operation,
            caller: Caller.anonymous
          })
        const { ask, registry } = yield* start(composition, { guard: moving })
        yield* registry.pushBlob(below, Descriptor.fromBytes(config), Body.bytes(config))
        const headers = { "content-type": MediaType.image }
        check(yield* ask({ method: "PUT", path: manifest, headers, body: image }), { status: 201 })
        expect((yield* registry.getManifest(below, v1)).bytes).toEqual(image)
        expect((yield* Effect.flip(registry.getManifest(repository, v1)))._tag).toMatch(/Unknown$/)
      }))

    it.scoped("receives the operation, the request and the address of the client", () =>
      Effect.gen(function*() {
        const seen: Array<readonly [string, string | undefined, string | undefined]> = []
        const watching: Guard.Guard = (operation, request) => {
          seen.push([operation._tag, request.remoteAddress, request.headers["x-seen"]])
          return Answer.succeed({ operation, caller: Caller.anonymous })
        }
        const { ask } = yield* guarded({ guard: watching })
        yield* ask({ path: manifest, headers: { "x-seen": "yes" } })
        expect(seen).toEqual([["GetManifest", expect.stringMatching(/127\.0\.0\.1$/), "yes"]])
      }))

    it.scoped("may wait, and is interrupted when the client disconnects", () =>
      Effect.gen(function*() {
        const called = yield* Deferred.make<void>()
        const ended = yield* Deferred.make<void>()
        const slow: Guard.Guard = () =>
          Effect.zipRight(
            Deferred.succeed(called, undefined),
            Effect.onInterrupt(Effect.never, () => Deferred.succeed(ended, undefined))
          )
        const { connect } = yield* start(composition, { guard: slow })
        const connection = yield* connect
        yield* connection.write(`GET ${manifest} HTTP/1.1\r\nHost: a\r\n\r\n`)
        yield* Deferred.await(called)
        connection.socket.destroy()
        yield* Deferred.await(ended)
      }))

    it.scoped("admits no request if the guard dies", () =>
      Effect.gen(function*() {
        const broken: Guard.Guard = () => {
          throw new Error("broken")
        }
        const { ask, lines } = yield* guarded({ guard: broken })
        check(yield* ask({ path: manifest }), { status: 500 })
        expect(lines.map(({ message }) => message)).toContain("request died")
      }))

    it.scoped("does not read the body of a refused request", () =>
      Effect.gen(function*() {
        const operations: Array<string> = []
        const reading: Guard.Guard = (operation, request) => {
          operations.push(`${operation._tag} ${operation._tag === "PushManifest" ? operation.bytes.byteLength : 0}`)
          return guard(operation, request)
        }
        const { connect } = yield* guarded({ guard: reading })
        const connection = yield* connect
        yield* connection.write(
          `PUT ${manifest} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{`
        )
        yield* connection.until(/^HTTP\/1\.1 401 /)
        expect(operations).toEqual(["PushManifest 0"])
      }))

    it.scoped("logs wrong credentials and denials, but no challenges and no secrets", () =>
      Effect.gen(function*() {
        const { ask, lines } = yield* start(composition, { guard, registry: Memory.layer().pipe(Logging.wrap()) })
        yield* ask({ path: manifest })
        expect(lines).toEqual([])
        yield* ask({ path: manifest, headers: as("alice", "CANARY-wrong") })
        yield* ask({ path: manifest, headers: as("bob") })
        yield* ask({ path: manifest, headers: { authorization: "CANARY" } })
        expect(lines.map(({ error, message }) => [message, error])).toEqual([
          ["request refused", "OciUnauthorized"],
          ["request refused", "OciDenied"],
          ["request refused", "OciUnauthorized"]
        ])
        const text = JSON.stringify(lines)
        for (const secret of ["CANARY", as("bob").authorization.slice(6)]) expect(text).not.toContain(secret)
      }))

    it.scoped("admits the preflight request of a page, and lets the page read the challenge", () =>
      Effect.gen(function*() {
        const { ask } = yield* guarded({ cors: { origins: "*" } })
        const page = { origin: "https://ui.example" }
        const asks = {
          ...page,
          "access-control-request-method": "PUT",
          "access-control-request-headers": "authorization"
        }
        check(yield* ask({ method: "OPTIONS", path: manifest, headers: asks }), {
          status: 204,
          headers: { "access-control-allow-headers": /\bauthorization\b/ }
        })
        check(yield* ask({ path: manifest, headers: page }), {
          ...challenged,
          headers: { ...challenged.headers, "access-control-expose-headers": /\bwww-authenticate\b/ }
        })
      }))
  })
}
