/** Several servers of one registry, as behind a load balancer: no request of an upload needs the server of the last one. */
import { Body, Digest } from "@effect-oci/core"
import type { UploadIds } from "@effect-oci/core"
import { BlobStore, Memory, Store, StoreError } from "@effect-oci/store"
import type { MetadataStore } from "@effect-oci/store"
import { describe, expect, it } from "@effect/vitest"
import { Context, Effect, Exit, Layer, Redacted, Scope } from "effect"
import { blob, blobDigest, blobPath } from "./fixtures.js"
import { begin, hear } from "./http.js"
import { check } from "./rows.js"
import { node, start } from "./servers.js"
import type { Running } from "./servers.js"
import { accepted, created, length0, location, octets, uploads, withDigest } from "./uploadSessions.js"

const uploadKey = Redacted.make("a key that the servers share")
const MiB = 1024 * 1024

const memory = Layer.merge(Memory.layerBlobStore(), Memory.layerMetadataStore())

/** A blob store whose uploads continue only at multiples of 8 MiB after a body broke off, as those of S3. */
const coarse = Layer.map(memory, (context) => {
  const store = Context.get(context, BlobStore.BlobStore)
  const granularity = 8 * MiB
  return Context.add(context, BlobStore.BlobStore, {
    ...store,
    granularity,
    append: ({ body, fence, offset, token }) =>
      Effect.gen(function*() {
        let received: ReadonlyArray<Uint8Array> = []
        const read = Body.forEachChunk(body, (chunk) => {
          received = [...received, chunk]
        })
        const broken = yield* Effect.either(read)
        const content = Body.concatBytes(received)
        const size = content.byteLength
        const kept = broken._tag === "Right"
          ? size
          : Math.max(0, Math.floor((offset + size) / granularity) * granularity - offset)
        const appended = yield* store.append({ token, fence, offset, body: Body.bytes(content.subarray(0, kept)) })
        return broken._tag === "Right"
          ? appended
          : yield* Effect.fail(new StoreError.BodyBroken({ appended, cause: broken.left }))
      })
  })
})

type Pair = Context.Context<BlobStore.BlobStore | MetadataStore.MetadataStore>

/** Starts a server of its own registry over the stores. `stop` ends it before the test. */
const server = (stores: Pair, key: UploadIds.Key = uploadKey) =>
  Effect.gen(function*() {
    const scope = yield* Effect.acquireRelease(Scope.make(), (scope) => Scope.close(scope, Exit.void))
    const registry = Layer.provide(Layer.fresh(Store.layer()), Layer.succeedContext(stores))
    const running = yield* Scope.extend(start(node, { registry, uploadKey: key }), scope)
    return { ...running, stop: Scope.close(scope, Exit.void) }
  })

const open = (at: Running) =>
  Effect.map(at.ask({ method: "POST", path: uploads, headers: length0 }), (answer) => {
    check(answer, { status: 202 })
    return answer
  })

const patch = (at: Running, path: string, content: Uint8Array, offset: number) =>
  at.ask({
    method: "PATCH",
    path,
    body: content,
    headers: { ...octets, "content-range": `${offset}-${offset + content.byteLength - 1}` }
  })

/** Begins a PATCH, and sends a part of its body. */
const beginPatch = (at: Running, path: string, part: Uint8Array, size: number) =>
  Effect.gen(function*() {
    const request = begin(at.port, {
      method: "PATCH",
      path,
      headers: { ...octets, "content-length": String(size), "content-range": `0-${size - 1}` }
    })
    yield* Effect.async<void>((resume) => void request.write(part, () => resume(Effect.void)))
    return request
  })

/** Waits until a condition holds. The servers run on the clock of the system. */
const until = (holds: Effect.Effect<boolean, unknown>): Effect.Effect<void, unknown> =>
  Effect.flatMap(holds, (done) =>
    done
      ? Effect.void
      : Effect.zipRight(Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 5))), until(holds)))

describe("several servers over one pair of stores", () => {
  it.scoped("continue each other's uploads, chunk by chunk, and complete them (rules 39, 44, 45)", () =>
    Effect.gen(function*() {
      const stores = yield* Layer.build(memory)
      const nodes = yield* Effect.all([server(stores), server(stores), server(stores)])
      const at = (n: number) => nodes[n % nodes.length]!
      let path = location(yield* open(at(0)))
      for (const n of [0, 1, 2, 3]) {
        const answer = yield* patch(at(n + 1), path, blob.subarray(n * 500, (n + 1) * 500), n * 500)
        check(answer, accepted((n + 1) * 500 - 1, (n + 1) * 500))
        path = location(answer)
        for (const node of nodes) {
          check(yield* node.ask({ path }), { status: 204, headers: { range: `0-${(n + 1) * 500 - 1}` } })
        }
      }
      const last = {
        method: "PUT",
        path: withDigest(path, blobDigest),
        headers: { ...octets, "content-range": "2000-2047" },
        body: blob.subarray(2000)
      }
      check(yield* at(0).ask(last), created(blobDigest))
      for (const node of nodes) {
        check(yield* node.ask({ path: blobPath }), { status: 200, body: blob })
        check(yield* node.ask({ path }), { status: 404, code: "BLOB_UPLOAD_UNKNOWN" })
      }
    }))

  it.scoped("let the newest of two requests at one offset win: the other receives 416 (rule 49)", () =>
    Effect.gen(function*() {
      const stores = yield* Layer.build(memory)
      const [a, b] = yield* Effect.all([server(stores), server(stores)])
      const path = location(yield* open(a))
      const old = new Uint8Array(2048).fill(1)
      const { listUploads } = Context.get(stores, BlobStore.BlobStore)
      const request = yield* beginPatch(a, path, old.subarray(0, 1000), 2048)
      // A session has an upload in the blob store when its first request has claimed it.
      yield* until(Effect.map(listUploads(undefined, 1), ({ length }) => length === 1))
      check(yield* patch(b, path, blob, 0), accepted(2047, 2048))
      const answer = hear(request)
      request.end(old.subarray(1000))
      check(yield* answer, { status: 416, code: "RANGE_INVALID" })
      check(yield* a.ask({ path }), { status: 204, headers: { range: "0-2047" } })
      check(yield* patch(a, path, blob, 0), {
        status: 416,
        code: "RANGE_INVALID",
        headers: { "upload-offset": "2048" }
      })
      const complete = { method: "PUT", path: withDigest(path, blobDigest), headers: length0 }
      check(yield* a.ask(complete), created(blobDigest))
      check(yield* b.ask(complete), created(blobDigest))
      check(yield* b.ask({ path: blobPath }), { status: 200, body: blob })
    }))

  it.scoped("accept the last request of an upload again, although the server that completed it has died (rule 48)", () =>
    Effect.gen(function*() {
      const stores = yield* Layer.build(memory)
      const [a, b, c] = yield* Effect.all([server(stores), server(stores), server(stores)])
      const content = new Uint8Array(5 * MiB).map((_, index) => index % 251)
      const digest = Digest.fromBytes(content)
      const path = location(yield* open(a))
      check(yield* patch(b, path, content.subarray(0, MiB), 0), accepted(MiB - 1, MiB))
      const last = { method: "PUT", path: withDigest(path, digest), headers: octets, body: content.subarray(MiB) }
      check(yield* a.ask(last), created(digest))
      yield* a.stop
      check(yield* b.ask(last), created(digest))
      check(yield* c.ask({ method: "PUT", path: withDigest(path, digest), headers: length0 }), created(digest))
      check(yield* c.ask({ path: `/v2/team/app/blobs/${digest}` }), { status: 200, body: content })
      const wrong = { method: "PUT", path: withDigest(path, blobDigest), headers: length0 }
      check(yield* c.ask(wrong), { status: 404, code: "BLOB_UPLOAD_UNKNOWN" })
    }))

  it.scoped("lose no upload when a server dies within a request: the client continues at another (rule 45)", () =>
    Effect.gen(function*() {
      const stores = yield* Layer.build(memory)
      const [a, b] = yield* Effect.all([server(stores), server(stores)])
      const path = location(yield* open(a))
      check(yield* patch(a, path, blob.subarray(0, 1000), 0), accepted(999, 1000))
      const request = begin(a.port, {
        method: "PATCH",
        path,
        headers: { ...octets, "content-length": "1048", "content-range": "1000-2047" }
      })
      const answer = yield* Effect.fork(Effect.either(hear(request)))
      yield* Effect.async<void>((resume) => void request.write(blob.subarray(1000, 1500), () => resume(Effect.void)))
      yield* a.stop
      expect((yield* answer)._tag).toBe("Left")
      const status = yield* b.ask({ path })
      check(status, { status: 204 })
      const offset = Number(status.headers["upload-offset"])
      expect([1000, 1500]).toContain(offset)
      check(yield* patch(b, path, blob.subarray(offset), offset), accepted(2047, 2048))
      check(yield* b.ask({ method: "PUT", path: withDigest(path, blobDigest), headers: length0 }), created(blobDigest))
      check(yield* b.ask({ path: blobPath }), { status: 200, body: blob })
    }))

  it.scoped("say how large a chunk must be, and continue at a multiple of it (rule 32)", () =>
    Effect.gen(function*() {
      const stores = yield* Layer.build(coarse)
      const [a, b] = yield* Effect.all([server(stores), server(stores)])
      const content = new Uint8Array(17 * MiB).map((_, index) => index % 253)
      const started = yield* open(a)
      expect(started.headers["oci-chunk-min-length"]).toBe(String(8 * MiB))
      const path = location(started)
      const request = yield* beginPatch(a, path, content.subarray(0, 12 * MiB), 17 * MiB)
      request.on("error", () => {})
      request.destroy()
      yield* until(Effect.map(b.ask({ path }), ({ headers }) => headers["upload-offset"] === String(8 * MiB)))
      const answer = yield* patch(b, path, content.subarray(8 * MiB, 16 * MiB), 8 * MiB)
      check(answer, { status: 202, headers: { "oci-chunk-min-length": String(8 * MiB) } })
      const digest = Digest.fromBytes(content)
      const last = { method: "PUT", path: withDigest(path, digest), headers: octets, body: content.subarray(16 * MiB) }
      check(yield* a.ask(last), created(digest))
      check(yield* b.ask({ path: `/v2/team/app/blobs/${digest}` }), { status: 200, body: content })
    }))

  it.scoped("accept each other's upload ids while their keys are replaced (T43)", () =>
    Effect.gen(function*() {
      const stores = yield* Layer.build(memory)
      const next = Redacted.make("the next key of the servers")
      const [before, published, rotated, after] = yield* Effect.all([
        server(stores, uploadKey),
        server(stores, [uploadKey, next]),
        server(stores, [next, uploadKey]),
        server(stores, next)
      ])
      const old = location(yield* open(before))
      const young = location(yield* open(rotated))
      for (const node of [before, published, rotated]) check(yield* node.ask({ path: old }), { status: 204 })
      for (const node of [published, rotated, after]) check(yield* node.ask({ path: young }), { status: 204 })
      check(yield* after.ask({ path: old }), { status: 404, code: "BLOB_UPLOAD_UNKNOWN" })
      check(yield* before.ask({ path: young }), { status: 404, code: "BLOB_UPLOAD_UNKNOWN" })
    }))
})
