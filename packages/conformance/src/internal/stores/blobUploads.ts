import * as Body from "@effect-oci/core/Body"
import type * as BlobStore from "@effect-oci/store/BlobStore"
import * as StoreError from "@effect-oci/store/StoreError"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as fc from "fast-check"
import type { StoreCheck } from "../../StoreCheck.js"
import { blobCheck, broken, chunkSize, interrupted, isEmpty, paused, pieces, readBytes } from "./blobBytes.js"
import { bytes, key } from "./samples.js"
import { equal, fails, listsInPages, mismatch, print, returns } from "./subject.js"

const unknown = new StoreError.UploadUnknown()
const stale = new StoreError.Stale()

/** Opens the upload whose bytes will have the first key. */
const begin = (store: BlobStore.Service) => store.openUpload({ id: "upload", key: key(1) })

/** Commits an upload, and expects these bytes under the first key. */
const commits = (store: BlobStore.Service, token: BlobStore.UploadToken, content: Uint8Array) =>
  Effect.zipRight(
    store.commit({ token, size: content.byteLength }),
    returns(readBytes(store, key(1)), content)
  )

/** Expects an append that counts all bytes. Returns the token. */
const appends = (
  store: BlobStore.Service,
  token: BlobStore.UploadToken,
  fence: number,
  offset: number,
  content: Uint8Array
) =>
  Effect.flatMap(
    store.append({ token, fence, offset, body: pieces(content) }),
    (appended) => Effect.as(equal(appended.offset, offset + content.byteLength), appended.token)
  )

/** Expects that the body of an append failed. Returns what was appended. */
const isBroken = (append: ReturnType<BlobStore.Service["append"]>) =>
  Effect.flatMap(Effect.flip(append), (error) =>
    error._tag === "OciStoreBodyBroken" && error.appended !== undefined
      ? Effect.succeed(error.appended)
      : mismatch("the error BodyBroken with what was appended", print(error)))

const chunk = fc.record({
  offset: fc.nat(4),
  length: fc.nat(2),
  ends: fc.constantFrom("whole", "whole", "broken", "interrupted"),
  /** Whether the metadata store missed the last append, and so has the token and the bytes before it. */
  missed: fc.boolean()
})

/** What a blob store promises of uploads. */
export const blobUploads: ReadonlyArray<StoreCheck<BlobStore.BlobStore>> = [
  blobCheck("an append discards the bytes after its offset, in any history of appends", function*(store) {
    const size = chunkSize(store)
    const histories = fc.sample(fc.array(chunk, { maxLength: 7 }), { numRuns: size > 100_000 ? 4 : 60, seed: 1 })
    for (const [n, history] of histories.entries()) {
      let before = { token: yield* store.openUpload({ id: `upload-${n}`, key: key(n) }), content: bytes(0) }
      let current = before
      // After a chunk that was not received whole, the store may still have bytes that it will discard.
      let exact = true
      for (const [fence, { ends, length, missed, ...chunk }] of history.entries()) {
        const { content, token } = missed ? before : current
        const offset = missed ? content.byteLength : chunk.offset * size
        const sent = bytes(length * size, n + fence)
        const append = (body: Body.Body) => store.append({ token, fence, offset, body })
        const { byteLength: end } = current.content
        if (offset > end) {
          if (exact) yield* fails(append(pieces(sent)), new StoreError.OffsetMismatch({ offset: end }))
          continue
        }
        exact = ends === "whole"
        before = { token, content: content.subarray(0, offset) }
        if (ends === "interrupted") {
          yield* interrupted(append, sent)
          current = before
          continue
        }
        const appended = yield* ends === "whole" ? append(pieces(sent)) : isBroken(append(broken(sent)))
        const counted = sent.subarray(0, appended.offset - offset)
        yield* equal(appended.offset, offset + (ends === "whole" ? sent : counted).byteLength)
        current = { token: appended.token, content: Body.concatBytes([before.content, counted]) }
        yield* equal(appended.offset % store.granularity, 0)
      }
      yield* isEmpty(store, n)
      yield* store.commit({ token: current.token, size: current.content.byteLength })
      yield* returns(readBytes(store, key(n)), current.content)
    }
  }),
  blobCheck("opens an upload again with an equal token, and keeps its bytes", function*(store) {
    const token = yield* begin(store)
    const appended = yield* appends(store, token, 1, 0, bytes(50))
    yield* returns(begin(store), token)
    yield* commits(store, appended, bytes(50))
  }),
  blobCheck("commits the first bytes of an upload once, and again without effect", function*(store) {
    const size = chunkSize(store)
    const first = yield* appends(store, yield* begin(store), 1, 0, bytes(size))
    const second = yield* appends(store, first, 1, size, bytes(50))
    yield* fails(store.commit({ token: second, size: size + 51 }), new StoreError.OffsetMismatch({ offset: size + 50 }))
    yield* isEmpty(store, 1)
    yield* commits(store, second, bytes(size))
    yield* commits(store, second, bytes(size))
    yield* fails(store.append({ token: second, fence: 2, offset: size, body: Body.empty }), unknown)
    yield* store.abort(second)
    yield* returns(readBytes(store, key(1)), bytes(size))
    yield* returns(store.list(undefined, 10), [{ key: key(1), size }])
    yield* returns(store.listUploads(undefined, 10), [])
  }),
  blobCheck("an abort ends an upload and an append that is running, and leaves no bytes", function*(store) {
    const token = yield* begin(store)
    const body = Body.stream(Stream.tap(Stream.make(bytes(50), bytes(50)), () => Effect.orDie(store.abort(token))))
    yield* fails(store.append({ token, fence: 1, offset: 0, body }), unknown)
    yield* store.abort(token)
    yield* fails(store.append({ token, fence: 2, offset: 0, body: Body.empty }), unknown)
    yield* fails(store.commit({ token, size: 0 }), unknown)
    yield* isEmpty(store, 1)
    yield* returns(store.listUploads(undefined, 10), [])
  }),
  blobCheck("lists open uploads by key, with the token that aborts them", function*(store) {
    const order = [5, 3, 1, 4, 2]
    const open = (n: number) => store.openUpload({ id: `upload-${n}`, key: key(n), size: 50 })
    const [fifth = yield* begin(store), third = fifth] = yield* Effect.forEach(order, open)
    yield* appends(store, third, 1, 0, bytes(50))
    yield* store.commit({ token: fifth, size: 0 })
    const uploads = yield* store.listUploads(undefined, 10)
    const names = uploads.map(({ id, key }) => ({ id, key }))
    yield* equal(names, [1, 2, 3, 4].map((n) => ({ id: `upload-${n}`, key: key(n) })))
    yield* listsInPages(store.listUploads, uploads, (upload) => upload.key, [0, 5, 9].map(key))
    for (const upload of uploads) yield* store.abort(upload.token)
    yield* returns(store.listUploads(undefined, 10), [])
    yield* fails(store.commit({ token: third, size: 50 }), unknown)
    yield* returns(store.list(undefined, 10), [{ key: key(5), size: 0 }])
  }),
  blobCheck("an append with an older fence is stale, and changes nothing", function*(store) {
    const size = chunkSize(store)
    const first = yield* appends(store, yield* begin(store), 3, 0, bytes(size, 1))
    for (const [fence, offset] of [[1, 0], [2, size]] as const) {
      yield* fails(store.append({ token: first, fence, offset, body: pieces(bytes(10, 2)) }), stale)
    }
    const second = yield* appends(store, first, 3, size, bytes(10, 3))
    yield* commits(store, second, Body.concatBytes([bytes(size, 1), bytes(10, 3)]))
  }),
  ...["before", "after"].map((when) =>
    blobCheck(`a newer append ends a running one, whose body ends ${when} its own`, function*(store) {
      const size = chunkSize(store)
      const token = yield* begin(store)
      const [old, recent] = [yield* paused(bytes(2 * size, 1)), yield* paused(bytes(size, 2))]
      const older = yield* Effect.fork(store.append({ token, fence: 1, offset: 0, body: old.body }))
      yield* old.begun
      const newer = yield* Effect.fork(store.append({ token, fence: 2, offset: 0, body: recent.body }))
      yield* recent.begun
      const ended = Effect.zipRight(old.end, fails(Fiber.join(older), stale))
      if (when === "before") yield* ended
      yield* recent.end
      const appended = yield* Fiber.join(newer)
      if (when === "after") yield* ended
      yield* equal(appended.offset, size)
      yield* commits(store, appended.token, bytes(size, 2))
    })
  ),
  blobCheck("finds blobs and uploads again after a restart", function*(store, { reopen }) {
    const size = chunkSize(store)
    yield* store.put({ key: key(2), body: pieces(bytes(5000)) })
    const first = yield* appends(store, yield* begin(store), 1, 0, bytes(size, 1))
    yield* reopen
    yield* returns(readBytes(store, key(2)), bytes(5000))
    yield* equal((yield* store.listUploads(undefined, 10)).map(({ id }) => id), ["upload"])
    const second = yield* appends(store, first, 2, size, bytes(50, 2))
    for (let times = 0; times < 2; times++) {
      yield* reopen
      yield* commits(store, second, Body.concatBytes([bytes(size, 1), bytes(50, 2)]))
    }
    yield* returns(store.list(undefined, 10), [{ key: key(1), size: size + 50 }, { key: key(2), size: 5000 }])
  }, { durable: true })
]
