import { Body, Descriptor, Digest, MediaType, Registry } from "@effect-oci/core"
import { Memory } from "@effect-oci/store"
import { HttpApp, HttpRouter, HttpServer } from "@effect/platform"
import { NodeHttpServer } from "@effect/platform-node"
import { describe, expect, it } from "@effect/vitest"
import { Context, Effect, Exit, Layer, Redacted } from "effect"
import { createServer } from "node:http"
import { RegistryServer } from "../src/index.js"
import { blob, blobDigest, fill, image, repository } from "./fixtures.js"
import * as http from "./http.js"
import * as probe from "./probe.js"
import { check } from "./rows.js"
import { keeping, node, platform, start } from "./servers.js"
import { bodies } from "./suites/bodies.js"
import { brokenBodies } from "./suites/brokenBodies.js"
import { connections } from "./suites/connections.js"
import { contents } from "./suites/contents.js"
import { defects } from "./suites/defects.js"
import { guarding } from "./suites/guarding.js"
import { lists } from "./suites/lists.js"
import { management } from "./suites/management.js"
import { mounts } from "./suites/mounts.js"
import { proxying } from "./suites/namespaces.js"
import { options } from "./suites/options.js"
import { pull } from "./suites/pull.js"
import { push } from "./suites/push.js"
import { refusals } from "./suites/refusals.js"
import { uploadSessions } from "./suites/uploads.js"

describe(platform.name, () => {
  pull(platform)
  push(platform)
  uploadSessions(platform)
  management(platform)
  lists(platform)
  refusals(platform)
  bodies(platform)
  brokenBodies(platform)
  connections(platform)
  contents(platform)
  defects(platform)
  options(platform)
  proxying(platform)
  guarding(platform)
  mounts(platform)
})

const manifestPath = "/v2/team/app/manifests/v1"
const blobPath = `/v2/team/app/blobs/${blobDigest}`

describe("RegistryServer.app mounted in a router", () => {
  it.scoped("answers under /v2/, and leaves other paths to the router", () =>
    Effect.gen(function*() {
      const registry = yield* Layer.build(Memory.layer())
      yield* fill(Context.get(registry, Registry))
      const routes = HttpRouter.empty.pipe(HttpRouter.mountApp("/v2", RegistryServer.app(), { includePrefix: true }))
      const context = yield* Layer.build(
        HttpServer.serve(routes).pipe(
          Layer.provideMerge(NodeHttpServer.layerServer(createServer, { port: 0, host: "127.0.0.1" })),
          Layer.provide(Layer.succeedContext(registry))
        )
      )
      const { address } = Context.get(context, HttpServer.HttpServer)
      const port = address._tag === "TcpAddress" ? address.port : 0
      check(yield* http.ask(port, { path: "/v2/" }), { status: 200 })
      check(yield* http.ask(port, { path: manifestPath }), { status: 200, body: image })
      check(yield* http.ask(port, { method: "HEAD", path: blobPath }), { status: 200, body: "" })
      // A digest longer than the router's own parameters may be.
      const sha512 = Digest.fromBytes(blob, "sha512")
      check(yield* http.ask(port, { path: `/v2/team/app/blobs/${sha512}` }), { status: 404, code: "BLOB_UNKNOWN" })
      expect((yield* http.ask(port, { path: "/" })).status).toBe(404)
    }))
})

describe("RegistryServer.app as a web handler", () => {
  const handler = (registry: Layer.Layer<Registry>) =>
    Effect.map(
      Effect.acquireRelease(
        Effect.sync(() => HttpApp.toWebHandlerLayer(RegistryServer.app(), Layer.merge(registry, keeping([])))),
        ({ dispose }) => Effect.promise(dispose)
      ),
      ({ handler }) => (path: string, init?: RequestInit) =>
        Effect.promise(() => handler(new Request(`https://registry.example${path}`, init)))
    )
  const bytes = (response: Response) => Effect.promise(async () => Buffer.from(await response.arrayBuffer()))

  it.scoped("pushes and pulls", () =>
    Effect.gen(function*() {
      const ask = yield* handler(Memory.layer())
      const length = { "content-length": String(blob.byteLength) }
      const started = yield* ask("/v2/team/app/blobs/uploads/", { method: "POST" })
      expect(started.status).toBe(202)
      const location = started.headers.get("location") ?? ""
      expect((yield* ask(`${location}?digest=${blobDigest}`, { method: "PUT", body: blob })).status).toBe(201)
      expect(
        (yield* ask(`/v2/b/blobs/uploads/?digest=${blobDigest}`, { method: "POST", body: blob, headers: length }))
          .status
      )
        .toBe(201)
      const pulled = yield* ask(blobPath)
      expect(pulled.status).toBe(200)
      expect(pulled.headers.get("docker-content-digest")).toBe(blobDigest)
      expect((yield* bytes(pulled)).equals(blob)).toBe(true)
      const part = yield* ask(blobPath, { headers: { range: "bytes=0-9" } })
      expect(part.status).toBe(206)
      expect((yield* bytes(part)).equals(blob.subarray(0, 10))).toBe(true)
      const head = yield* ask(blobPath, { method: "HEAD" })
      expect({ status: head.status, length: head.headers.get("content-length") }).toEqual({
        status: 200,
        length: "2048"
      })
      const missing = yield* ask("/v2/team/none/manifests/v1")
      expect(missing.status).toBe(404)
      expect(JSON.parse((yield* bytes(missing)).toString())).toMatchObject({ errors: [{ code: "NAME_UNKNOWN" }] })
    }))

  it.scoped("refuses a manifest that is too large, with and without a declared length", () =>
    Effect.gen(function*() {
      const ask = yield* handler(Memory.layer())
      const body = new Uint8Array(5 * 1024 * 1024)
      for (
        const headers of [{ "content-type": "a/b" }, {
          "content-type": "a/b",
          "content-length": String(body.byteLength)
        }]
      ) {
        expect((yield* ask(manifestPath, { method: "PUT", body, headers })).status).toBe(413)
      }
    }))

  it.scoped("closes the content that it sends, whether complete or not", () =>
    Effect.gen(function*() {
      const seen = probe.nothingSeen()
      const ask = yield* handler(
        probe.holding(seen, (operation) => probe.content(probe.generatedStream(64).body)(operation))
      )
      expect((yield* bytes(yield* ask(blobPath))).byteLength).toBe(64 * probe.piece.byteLength)
      yield* probe.until(() => seen.closed.length === 1)
      const left = yield* ask(blobPath)
      yield* Effect.promise(() => left.body?.cancel() ?? Promise.resolve())
      yield* probe.until(() => seen.closed.length === 2)
      expect(seen.closed.map(Exit.isSuccess)).toEqual([true, false])
    }))

  it.scoped("breaks off content with a wrong digest", () =>
    Effect.gen(function*() {
      const seen = probe.nothingSeen()
      const ask = yield* handler(probe.holding(seen, probe.content(Body.bytes(blob.map(() => 1)), { verified: false })))
      const broken = yield* ask(blobPath)
      const read = yield* Effect.either(Effect.tryPromise(() => broken.arrayBuffer()))
      expect(read._tag).toBe("Left")
    }))
})

describe("uploadKey", () => {
  const uploads = "/v2/team/app/blobs/uploads/"
  const key = Redacted.make("correct horse battery staple")

  it.scoped("servers with the same key and registry accept each other's upload ids; other servers do not", () =>
    Effect.gen(function*() {
      const context = yield* Layer.build(Memory.layer())
      const registry = Layer.succeedContext(context)
      const one = yield* start(node, { registry, uploadKey: key })
      const two = yield* start(platform, { registry, uploadKey: key })
      const stranger = yield* start(node, { registry, uploadKey: Redacted.make("another") })
      const alone = yield* start(node, { registry })
      const started = yield* one.ask({ method: "POST", path: uploads, headers: { "content-length": "0" } })
      const path = String(started.headers.location)
      const appended = yield* two.ask({ method: "PATCH", path, body: blob.subarray(0, 100) })
      check(appended, { status: 202 })
      for (const { ask } of [stranger, alone]) check(yield* ask({ path }), { status: 404, code: "BLOB_UPLOAD_UNKNOWN" })
      check(
        yield* one.ask({
          method: "PUT",
          path: `${String(appended.headers.location)}?digest=${blobDigest}`,
          body: blob.subarray(100)
        }),
        { status: 201 }
      )
      expect(yield* Context.get(context, Registry).resolveBlob(repository, blobDigest))
        .toEqual(Descriptor.fromBytes(blob))
    }))

  it.scoped("never sends the upload ids of the registry to clients", () =>
    Effect.gen(function*() {
      const id = "https://upstream.example/v2/x/blobs/uploads/1?_state=CANARY"
      const opened: Array<string> = []
      const running = yield* start(node, {
        registry: probe.answering({
          StartUpload: () => Effect.succeed({ id, offset: 0, minChunkSize: 5_242_880 }),
          GetUpload: (operation) => {
            opened.push(operation.id)
            return Effect.succeed({ id: `${id}&turn=2`, offset: 7 })
          }
        })
      })
      const started = yield* running.ask({ method: "POST", path: uploads, headers: { "content-length": "0" } })
      check(started, { status: 202, headers: { "oci-chunk-min-length": "5242880" } })
      expect(JSON.stringify(started.headers)).not.toContain("CANARY")
      const state = yield* running.ask({ path: String(started.headers.location) })
      check(state, { status: 204, headers: { range: "0-6", "upload-offset": "7" } })
      expect(state.headers.location).not.toBe(started.headers.location)
      yield* running.ask({ path: String(state.headers.location) })
      expect(opened).toEqual([id, `${id}&turn=2`])
    }))
})

describe("maxManifestBytes", () => {
  it.scoped.each([["node", node], ["platform", platform]] as const)(
    "on %s",
    ([, composition]) =>
      Effect.gen(function*() {
        const running = yield* start(composition, { maxManifestBytes: image.byteLength })
        yield* fill(running.registry)
        const put = (body: Uint8Array) =>
          running.ask({ method: "PUT", path: manifestPath, headers: { "content-type": MediaType.image }, body })
        check(yield* put(image), { status: 201 })
        check(yield* put(Buffer.concat([image, Buffer.from(" ")])), { status: 413, code: "SIZE_INVALID" })
      })
  )
})
