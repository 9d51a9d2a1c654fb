import * as Body from "@effect-oci/core/Body"
import type * as BlobStore from "@effect-oci/store/BlobStore"
import * as StoreError from "@effect-oci/store/StoreError"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as fc from "fast-check"
import type { StoreCheck } from "../../StoreCheck.js"
import { blobCheck, broken, chunkSize, interrupted, isEmpty, pieces, readBytes } from "./blobBytes.js"
import { bytes, join, key } from "./samples.js"
import { equal, fails, listsInPages, mismatch, returns } from "./subject.js"

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
  append: Omit<Parameters<BlobStore.Service["append"]>[0], "body">,
  content: Uint8Array
) =>
  Effect.flatMap(
    store.append({ ...append, body: pieces([content.subarray(0, 100), content.subarray(100)]) }),
    ({ offset, token }) => Effect.as(equal(offset, append.offset + content.byteLength), token)
  )

const sessions: ReadonlyArray<StoreCheck<BlobStore.BlobStore>> = [
  blobCheck("stores appended chunks under the key of the upload when it is committed", function*(store) {
    const size = chunkSize(store)
    const chunks = [bytes(size, 1), bytes(2 * size, 2), bytes(7, 3)]
    let token = yield* begin(store)
    let offset = 0
    for (const chunk of chunks) {
      token = yield* appends(store, { token, fence: 1, offset }, chunk)
      offset += chunk.byteLength
      yield* isEmpty(store, key(1))
    }
    yield* commits(store, token, join(chunks))
    yield* returns(store.list(undefined, 10), [{ key: key(1), size: offset }])
  }),
  blobCheck("commits an upload without bytes", function*(store) {
    yield* commits(store, yield* begin(store), bytes(0))
  }),
  blobCheck("commits once, and again without effect", function*(store) {
    const token = yield* appends(store, { token: yield* begin(store), fence: 1, offset: 0 }, bytes(50))
    yield* fails(store.commit({ token, size: 51 }), new StoreError.OffsetMismatch({ offset: 50 }))
    yield* isEmpty(store, key(1))
    yield* commits(store, token, bytes(50))
    yield* commits(store, token, bytes(50))
    yield* fails(store.append({ token, fence: 1, offset: 50, body: Body.bytes(bytes(1)) }), unknown)
    yield* store.abort(token)
    yield* returns(readBytes(store, key(1)), bytes(50))
  }),
  blobCheck("commits the first bytes of an upload that has more", function*(store) {
    const size = chunkSize(store)
    const token = yield* appends(store, { token: yield* begin(store), fence: 1, offset: 0 }, bytes(2 * size))
    yield* commits(store, token, bytes(size))
  }),
  blobCheck("an aborted upload is unknown, and leaves no bytes", function*(store) {
    const token = yield* appends(store, { token: yield* begin(store), fence: 1, offset: 0 }, bytes(50))
    yield* store.abort(token)
    yield* store.abort(token)
    yield* fails(store.append({ token, fence: 2, offset: 50, body: Body.bytes(bytes(1)) }), unknown)
    yield* fails(store.commit({ token, size: 50 }), unknown)
    yield* isEmpty(store, key(1))
    yield* returns(store.listUploads(undefined, 10), [])
  }),
  blobCheck("an abort ends an append that is running", function*(store) {
    const token = yield* begin(store)
    const body = Body.stream(Stream.tap(Stream.make(bytes(50), bytes(50)), () => Effect.orDie(store.abort(token))))
    yield* fails(store.append({ token, fence: 1, offset: 0, body }), unknown)
    yield* isEmpty(store, key(1))
    yield* returns(store.listUploads(undefined, 10), [])
  }),
  blobCheck("lists open uploads by key, with the token that aborts them", function*(store) {
    const keys = [5, 3, 1, 4, 2].map(key)
    const tokens = yield* Effect.forEach(keys, (at) => store.openUpload({ id: `upload of ${at}`, key: at, size: 50 }))
    const [committed = tokens[0]!, appended = tokens[0]!] = tokens
    yield* store.commit({
      token: yield* appends(store, { token: committed, fence: 1, offset: 0 }, bytes(50)),
      size: 50
    })
    yield* appends(store, { token: appended, fence: 1, offset: 0 }, bytes(50))
    const open = yield* store.listUploads(undefined, 10)
    const names = open.map(({ id, key: at }) => ({ id, key: at }))
    yield* equal(names, [1, 2, 3, 4].map((n) => ({ id: `upload of ${key(n)}`, key: key(n) })))
    yield* listsInPages(store.listUploads, open, (upload) => upload.key, [0, 5, 9].map(key))
    for (const upload of open) yield* store.abort(upload.token)
    yield* returns(store.listUploads(undefined, 10), [])
    yield* fails(store.commit({ token: appended, size: 50 }), unknown)
    yield* returns(store.list(undefined, 10), [{ key: key(5), size: 50 }])
  }),
  blobCheck("continues an upload after a restart", function*(store, { reopen }) {
    const size = chunkSize(store)
    const first = yield* appends(store, { token: yield* begin(store), fence: 1, offset: 0 }, bytes(size, 1))
    yield* reopen
    yield* equal((yield* store.listUploads(undefined, 10)).map(({ id }) => id), ["upload"])
    const second = yield* appends(store, { token: first, fence: 2, offset: size }, bytes(50, 2))
    yield* reopen
    yield* commits(store, second, join([bytes(size, 1), bytes(50, 2)]))
    yield* reopen
    yield* commits(store, second, join([bytes(size, 1), bytes(50, 2)]))
  }, { durable: true })
]

const offsets: ReadonlyArray<StoreCheck<BlobStore.BlobStore>> = [
  blobCheck("refuses a chunk after the end of the upload", function*(store) {
    const size = chunkSize(store)
    const token = yield* appends(store, { token: yield* begin(store), fence: 1, offset: 0 }, bytes(size))
    for (const offset of [2 * size, 100 * size]) {
      const append = store.append({ token, fence: 1, offset, body: Body.bytes(bytes(1)) })
      yield* fails(append, new StoreError.OffsetMismatch({ offset: size }))
    }
    yield* commits(
      store,
      yield* appends(store, { token, fence: 1, offset: size }, bytes(9, 9)),
      join([bytes(size), bytes(9, 9)])
    )
  }),
  blobCheck("discards the bytes after the offset of a chunk, with the newest token or an older one", function*(store) {
    const size = chunkSize(store)
    const first = yield* begin(store)
    const second = yield* appends(store, { token: first, fence: 1, offset: 0 }, bytes(size, 1))
    // The metadata store has the second token: the connection broke before the third was stored.
    yield* appends(store, { token: second, fence: 1, offset: size }, bytes(2 * size, 2))
    const third = yield* appends(store, { token: second, fence: 2, offset: size }, bytes(size, 3))
    const whole = join([bytes(size, 1), bytes(size, 3)])
    yield* fails(store.commit({ token: third, size: 3 * size }), new StoreError.OffsetMismatch({ offset: 2 * size }))
    const fourth = yield* appends(store, { token: third, fence: 3, offset: 2 * size }, bytes(5, 4))
    yield* commits(store, fourth, join([whole, bytes(5, 4)]))
  }),
  blobCheck("reports the durable bytes of a broken chunk, and continues there", function*(store) {
    const size = chunkSize(store)
    const token = yield* appends(store, { token: yield* begin(store), fence: 1, offset: 0 }, bytes(size, 1))
    const sent = bytes(size + 10, 2)
    const error = yield* Effect.flip(store.append({ token, fence: 1, offset: size, body: broken(sent) }))
    if (error._tag !== "BodyBroken" || error.appended === undefined) {
      return yield* mismatch("the error BodyBroken with what was appended", `the error ${error._tag}`)
    }
    const { offset, token: next } = error.appended
    if (offset < size || offset > 2 * size + 10 || (offset - size) % store.granularity > 0) {
      yield* mismatch(`an offset from ${size} to ${2 * size + 10}, at the granularity`, String(offset))
    }
    const done = yield* appends(store, { token: next, fence: 1, offset }, sent.subarray(offset - size))
    yield* commits(store, done, join([bytes(size, 1), sent]))
  }),
  blobCheck("does not count an interrupted chunk", function*(store) {
    const token = yield* begin(store)
    yield* interrupted((body) => store.append({ token, fence: 1, offset: 0, body }), bytes(500, 1))
    yield* isEmpty(store, key(1))
    yield* commits(store, yield* appends(store, { token, fence: 2, offset: 0 }, bytes(300, 2)), bytes(300, 2))
  }),
  blobCheck("any appends leave the bytes that a plain array would", function*(store) {
    const size = chunkSize(store)
    const step = fc.record({ at: fc.nat(4), count: fc.nat(2), breaks: fc.boolean() })
    const histories = fc.sample(fc.array(step, { maxLength: 6 }), { numRuns: size > 100_000 ? 4 : 40, seed: 1 })
    for (const [n, history] of histories.entries()) {
      let token = yield* store.openUpload({ id: `upload-${n}`, key: key(n) })
      let expected: Uint8Array = bytes(0)
      for (const [fence, { at, breaks, count }] of history.entries()) {
        const content = bytes(count * size, n + fence)
        const offset = at * size
        const body = breaks ? broken(content) : pieces([content.subarray(0, 7), content.subarray(7)])
        const result = yield* Effect.either(store.append({ token, fence, offset, body }))
        if (offset > expected.byteLength) {
          yield* equal(result, Either.left(new StoreError.OffsetMismatch({ offset: expected.byteLength })))
          continue
        }
        const appended = Either.isRight(result)
          ? result.right
          : result.left._tag === "BodyBroken"
          ? result.left.appended
          : undefined
        if (appended === undefined || Either.isRight(result) === breaks) {
          return yield* mismatch(breaks ? "the error BodyBroken" : "success", JSON.stringify(result))
        }
        token = appended.token
        expected = join([expected.subarray(0, offset), content.subarray(0, appended.offset - offset)])
        yield* equal(expected.byteLength, appended.offset)
      }
      yield* store.commit({ token, size: expected.byteLength })
      yield* returns(readBytes(store, key(n)), expected)
    }
  })
]

/** A body that signals when it begins, waits for a permission, and then sends the second half. */
const paused = (content: Uint8Array) =>
  Effect.gen(function*() {
    const begun = yield* Deferred.make<void>()
    const mayEnd = yield* Deferred.make<void>()
    const half = content.byteLength / 2
    const second = Effect.zipRight(Deferred.succeed(begun, undefined), Deferred.await(mayEnd)).pipe(
      Effect.as(content.subarray(half))
    )
    const body = Body.stream(Stream.concat(Stream.make(content.subarray(0, half)), Stream.fromEffect(second)))
    return { body, begun: Deferred.await(begun), end: Deferred.succeed(mayEnd, undefined) }
  })

const fences: ReadonlyArray<StoreCheck<BlobStore.BlobStore>> = [
  blobCheck("refuses an append with an older fence, and changes nothing", function*(store) {
    const size = chunkSize(store)
    const first = yield* appends(store, { token: yield* begin(store), fence: 3, offset: 0 }, bytes(size, 1))
    for (const fence of [1, 2]) {
      for (const offset of [0, size]) {
        yield* fails(store.append({ token: first, fence, offset, body: Body.bytes(bytes(10, 2)) }), stale)
      }
    }
    const second = yield* appends(store, { token: first, fence: 3, offset: size }, bytes(10, 3))
    yield* commits(store, second, join([bytes(size, 1), bytes(10, 3)]))
  }),
  ...(["before", "after"] as const).map((when) =>
    blobCheck(`ends a running append with an older fence, whose body ends ${when} the newer append`, function*(store) {
      const size = chunkSize(store)
      const token = yield* begin(store)
      const old = yield* paused(bytes(2 * size, 1))
      const fiber = yield* Effect.fork(store.append({ token, fence: 1, offset: 0, body: old.body }))
      yield* old.begun
      const recent = yield* paused(bytes(size, 2))
      const newer = yield* Effect.fork(store.append({ token, fence: 2, offset: 0, body: recent.body }))
      yield* recent.begun
      if (when === "before") yield* old.end
      if (when === "before") yield* fails(Fiber.join(fiber), stale)
      yield* recent.end
      const appended = yield* Fiber.join(newer)
      yield* equal(appended.offset, size)
      if (when === "after") yield* old.end
      if (when === "after") yield* fails(Fiber.join(fiber), stale)
      yield* commits(store, appended.token, bytes(size, 2))
    })
  ),
  blobCheck("keeps the bytes of the newest of many appends at once", function*(store) {
    const all = Array.from({ length: 8 }, (_, n) => n + 1)
    for (let round = 0; round < 10; round++) {
      const token = yield* store.openUpload({ id: `upload-${round}`, key: key(round) })
      const append = (fence: number) =>
        Effect.either(store.append({
          token,
          fence,
          offset: 0,
          body: pieces(Array.from({ length: 1 + (fence * round) % 5 }, () => bytes(100, fence)))
        }))
      const order = all.toSorted((a, b) => (a * (round + 3)) % 11 - (b * (round + 3)) % 11)
      const results = yield* Effect.forEach(order, append, { concurrency: "unbounded" })
      const newest = results[order.indexOf(8)]
      if (newest === undefined || Either.isLeft(newest)) {
        return yield* mismatch("success of the newest append", JSON.stringify(newest))
      }
      yield* store.commit({ token: newest.right.token, size: newest.right.offset })
      const expected = Array.from({ length: 1 + (8 * round) % 5 }, () => bytes(100, 8))
      yield* returns(readBytes(store, key(round)), join(expected))
    }
  })
]

/** What a blob store promises of uploads. */
export const blobUploads: ReadonlyArray<StoreCheck<BlobStore.BlobStore>> = [...sessions, ...offsets, ...fences]
