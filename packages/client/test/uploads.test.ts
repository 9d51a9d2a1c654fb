/** The ids of uploads. Each id belongs to the repository where the client opened the upload. */
import { Body, ReferenceSet, Registry, RepositoryName } from "@effect-oci/core"
import type { Middleware, RegistryError } from "@effect-oci/core"
import { Authorize, Filter, Sub } from "@effect-oci/middleware"
import { connect, serve } from "@effect-oci/testing/NodeScripted"
import type { Server } from "@effect-oci/testing/NodeScripted"
import { blob, descriptor, other, repository } from "@effect-oci/testing/Samples"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"

const uploads = "/v2/team/app/blobs/uploads/"

/** A registry that continues any upload, whatever repository the URL names. */
const careless = serve(({ method }) => ({
  status: method === "PUT" ? 201 : method === "PATCH" || method === "POST" ? 202 : 204,
  headers: { location: `${uploads}1?_state=abc` }
}))

/** Every operation that takes the id of an upload. */
const uses: ReadonlyArray<
  readonly [
    name: string,
    use: (
      registry: Registry.Service,
      repository: RepositoryName.RepositoryName,
      id: string
    ) => Effect.Effect<unknown, RegistryError.RegistryError>
  ]
> = [
  ["getUpload", (registry, repository, id) => registry.getUpload(repository, id)],
  [
    "appendUpload",
    (registry, repository, id) => registry.appendUpload(repository, id, Body.bytes(blob), { offset: 0 })
  ],
  [
    "completeUpload",
    (registry, repository, id) =>
      registry.completeUpload(repository, id, descriptor.digest, { offset: 0, body: Body.bytes(blob) })
  ],
  ["cancelUpload", (registry, repository, id) => registry.cancelUpload(repository, id)]
]

const expectUnknown = (server: Server, use: Effect.Effect<unknown, RegistryError.RegistryError>) =>
  Effect.gen(function*() {
    const before = server.requests.length
    expect((yield* Effect.flip(use))._tag).toBe("OciBlobUploadUnknown")
    expect(server.requests.length).toBe(before)
  })

describe.each(uses)("%s", (_, use) => {
  it.scoped("continues an upload in its own repository", () =>
    Effect.gen(function*() {
      const server = yield* careless
      const registry = yield* connect(server)
      const { id } = yield* registry.startUpload(repository)
      yield* use(registry, repository, id)
      expect(server.requests.at(-1)?.target).toContain(`${uploads}1?_state=abc`)
    }))

  it.scoped("refuses an id of another repository without a request (T64)", () =>
    Effect.gen(function*() {
      const server = yield* careless
      const registry = yield* connect(server)
      const { id } = yield* registry.startUpload(other)
      yield* expectUnknown(server, use(registry, repository, id))
    }))

  it.scoped("refuses a location that the client did not sign", () =>
    Effect.gen(function*() {
      const server = yield* careless
      const registry = yield* connect(server)
      for (const id of ["1", `${uploads}1`, `${server.origin}${uploads}1`, ""]) {
        yield* expectUnknown(server, use(registry, repository, id))
      }
    }))
})

const t = RepositoryName.make("t")
const app = RepositoryName.make("app")

/** Wrappers that restrict a caller to `repository`. */
const wrappers: ReadonlyArray<readonly [name: string, wrap: Middleware.Middleware]> = [
  ["Filter", Filter.middleware({ select: ReferenceSet.repository(repository) })],
  [
    "Authorize",
    Authorize.middleware({ allow: ({ repository: requested }) => Effect.succeed(requested === repository) })
  ]
]

describe("an upload id cannot be used to get past a wrapper (T64):", () => {
  it.scoped.each(wrappers)("%s", ([, wrap]) =>
    Effect.gen(function*() {
      const server = yield* careless
      const open = yield* connect(server)
      const restricted = Registry.fromHandler(wrap(open.handle))
      const theirs = yield* open.startUpload(other)
      for (const [, use] of uses) yield* expectUnknown(server, use(restricted, repository, theirs.id))
      const upload = yield* restricted.startUpload(repository)
      for (const [, use] of uses) yield* expectUnknown(server, use(open, other, upload.id))
    }))

  it.scoped("Sub", () =>
    Effect.gen(function*() {
      const server = yield* careless
      const open = yield* connect(server)
      const below = Registry.fromHandler(Sub.middleware({ prefix: t })(open.handle))
      const theirs = yield* open.startUpload(app)
      for (const [, use] of uses) yield* expectUnknown(server, use(below, app, theirs.id))
      const upload = yield* below.startUpload(app)
      for (const [, use] of uses) yield* expectUnknown(server, use(open, app, upload.id))
      yield* open.getUpload(RepositoryName.make("t/app"), upload.id)
    }))
})

describe("uploadKey", () => {
  const uploadKey = Redacted.make("a key that two processes share")
  const start = (server: Server, key: Redacted.Redacted<string> | undefined) =>
    Effect.gen(function*() {
      const registry = yield* connect(server, { uploadKey: key })
      return (yield* registry.startUpload(repository)).id
    })

  it.scoped("lets clients with the same key continue each other's uploads", () =>
    Effect.gen(function*() {
      const server = yield* careless
      const id = yield* start(server, uploadKey)
      const another = yield* connect(server, { uploadKey: Redacted.make(Redacted.value(uploadKey)) })
      yield* another.getUpload(repository, id)
    }))

  it.scoped("is the same for all clients of a process by default", () =>
    Effect.gen(function*() {
      const server = yield* careless
      const id = yield* start(server, undefined)
      const again = yield* connect(server)
      yield* again.getUpload(repository, id)
      const keyed = yield* connect(server, { uploadKey })
      yield* expectUnknown(server, keyed.getUpload(repository, id))
    }))

  it.scoped("an id is not valid at another registry", () =>
    Effect.gen(function*() {
      const id = yield* start(yield* careless, uploadKey)
      const elsewhere = yield* careless
      const registry = yield* connect(elsewhere, { uploadKey })
      yield* expectUnknown(elsewhere, registry.getUpload(repository, id))
      const below = yield* connect(elsewhere, { uploadKey, path: "/mirror" })
      const elsewhereId = yield* start(elsewhere, uploadKey)
      yield* expectUnknown(elsewhere, below.getUpload(repository, elsewhereId))
    }))
})
