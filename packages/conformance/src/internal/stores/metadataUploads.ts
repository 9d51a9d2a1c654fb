import { UploadToken } from "@effect-oci/store/BlobStore"
import type { MetadataStore, NewUpload, Service, Upload } from "@effect-oci/store/MetadataStore"
import * as StoreError from "@effect-oci/store/StoreError"
import * as Effect from "effect/Effect"
import type { StoreCheck } from "../../StoreCheck.js"
import { collects, metadataCheck } from "./metadataContent.js"
import { blob, digest, garbage, key, limits, link, long, other, unknown, upload } from "./samples.js"
import { equal, fails, returns } from "./subject.js"

const uploadUnknown = new StoreError.UploadUnknown()
const next = UploadToken("next")

/** An upload session as it is stored. */
const stored = (created: NewUpload, fields: Partial<Upload> = {}): Upload => ({
  ...created,
  token: undefined,
  offset: 0,
  digest: undefined,
  fence: 0,
  ...fields
})

/** Moves the first upload session from 0 to 7. */
const advance = (fields: Partial<Parameters<Service["advanceUpload"]>[0]> = {}) => ({
  id: "upload-1",
  fence: 1,
  from: 0,
  to: 7,
  token: next,
  digest: digest(7),
  lives: long,
  ...fields
})

/** Opens an upload session and claims it. */
const begin = (store: Service, n = 1, lives = long, fields: Partial<NewUpload> = {}) =>
  Effect.zipRight(store.createUpload(upload(n, fields), lives, limits), store.claimUpload(`upload-${n}`, lives))

/** Expects that every command fails for the first upload session. */
const isUnknown = (store: Service) =>
  Effect.gen(function*() {
    yield* fails(store.getUpload("upload-1"), uploadUnknown)
    yield* fails(store.claimUpload("upload-1", long), uploadUnknown)
    yield* fails(store.advanceUpload(advance()), uploadUnknown)
    yield* fails(store.linkBlob(link(7, { upload: { id: "upload-1", fence: 1 } })), uploadUnknown)
    yield* fails(store.endUpload("upload-1"), uploadUnknown)
  })

const sessions: ReadonlyArray<StoreCheck<MetadataStore>> = [
  metadataCheck("returns an upload session as it was opened, and opens it once", function*(store) {
    yield* isUnknown(store)
    const created = upload(1, { owner: "alice", caller: "name alice", algorithm: "sha512" })
    const one = { total: 1, perCaller: 1, perRepository: 1 }
    for (let times = 0; times < 2; times++) yield* store.createUpload(created, long, one)
    yield* returns(store.getUpload("upload-1"), stored(created))
    yield* store.endUpload("upload-1")
    yield* isUnknown(store)
    yield* collects(store, garbage(1))
  }),
  metadataCheck("advanceUpload moves a session from its offset, and again without effect", function*(store) {
    yield* begin(store)
    const expected = stored(upload(1), { fence: 1, offset: 7, token: next, digest: digest(7) })
    for (let times = 0; times < 2; times++) {
      yield* store.advanceUpload(advance())
      yield* returns(store.getUpload("upload-1"), expected)
    }
    for (const wrong of [{ token: UploadToken("other") }, { to: 9 }, { from: 9, to: 12 }]) {
      yield* fails(store.advanceUpload(advance(wrong)), new StoreError.OffsetMismatch({ offset: 7 }))
    }
    yield* returns(store.getUpload("upload-1"), expected)
    const token = UploadToken("third")
    yield* store.advanceUpload(advance({ from: 7, to: 7, token, digest: undefined }))
    yield* returns(store.getUpload("upload-1"), { ...expected, token, digest: undefined })
    yield* store.endUpload("upload-1")
    yield* collects(store, { key: key(1), token })
  }),
  metadataCheck("each claim has a fence of its own; the newest makes all earlier claims stale", function*(store) {
    yield* store.createUpload(upload(1), long, limits)
    const claims = yield* Effect.all(Array.from({ length: 20 }, () => store.claimUpload("upload-1", long)), {
      concurrency: "unbounded"
    })
    yield* equal(claims.map(({ fence }) => fence).toSorted((a, b) => a - b), claims.map((_, n) => n + 1))
    yield* fails(store.advanceUpload(advance({ fence: 19 })), new StoreError.Stale())
    yield* fails(store.linkBlob(link(0, { upload: { id: "upload-1", fence: 19 } })), new StoreError.Stale())
    yield* returns(store.getUpload("upload-1"), stored(upload(1), { fence: 20 }))
    yield* store.advanceUpload(advance({ fence: 20 }))
    yield* equal((yield* store.claimUpload("upload-1", long)).offset, 7)
  }),
  metadataCheck("linkBlob ends the session of the bytes, and again without effect", function*(store) {
    yield* begin(store)
    for (let times = 0; times < 2; times++) {
      yield* returns(store.linkBlob(link(1, { upload: { id: "upload-1", fence: 1 } })), blob(1))
    }
    yield* fails(store.getUpload("upload-1"), uploadUnknown)
    yield* returns(store.unknownKeys([key(1)]), [])
    yield* collects(store)
    yield* begin(store, 2, long, { repository: other })
    const again = store.linkBlob(link(1, { repository: other, key: key(2), upload: { id: "upload-2", fence: 1 } }))
    yield* returns(again, blob(1))
    yield* Effect.either(again)
    yield* returns(store.findBlob(other, digest(1)), blob(1))
    yield* fails(store.getUpload("upload-2"), uploadUnknown)
    yield* collects(store, garbage(2))
  })
]

const expiry: ReadonlyArray<StoreCheck<MetadataStore>> = [
  metadataCheck("a session lives on after each use, and then expires", function*(store, { pass, units }) {
    yield* begin(store, 1, units(4))
    yield* pass(3)
    yield* store.advanceUpload(advance({ lives: units(4) }))
    yield* pass(3)
    yield* store.claimUpload("upload-1", units(4))
    yield* pass(3)
    yield* equal((yield* store.getUpload("upload-1")).fence, 2)
    yield* pass(2)
    yield* isUnknown(store)
    yield* collects(store)
    yield* returns(store.expireUploads(10), { more: false })
    yield* collects(store, { key: key(1), token: next })
  }),
  metadataCheck("expireUploads ends expired sessions, some at a time", function*(store, { pass, units }) {
    for (const n of [1, 2, 3]) yield* store.createUpload(upload(n), units(2), limits)
    yield* store.createUpload(upload(4), units(9), limits)
    yield* pass(1)
    yield* returns(store.expireUploads(10), { more: false })
    yield* pass(2)
    yield* returns(store.expireUploads(2), { more: true })
    const first = yield* store.claimGarbage(10, long)
    yield* equal(first.length, 2)
    yield* returns(store.expireUploads(2), { more: false })
    yield* collects(store, ...[1, 2, 3].map(garbage).filter(({ key }) => first.every((one) => one.key !== key)))
    yield* returns(store.getUpload("upload-4"), stored(upload(4)))
  })
]

const limited: ReadonlyArray<StoreCheck<MetadataStore>> = [
  metadataCheck("a new session ends the oldest that has not begun, one for each reached limit", function*(store) {
    const create = (n: number, fields: Partial<NewUpload>) =>
      store.createUpload(upload(n, fields), long, { total: 4, perCaller: 2, perRepository: 3 })
    yield* create(1, { caller: "bob" })
    yield* create(2, { caller: "alice" })
    yield* store.claimUpload("upload-2", long)
    yield* create(3, { caller: "alice", repository: other })
    yield* create(4, { caller: "carol" })
    // The session of alice ends for two limits: of her sessions, and of all. The session of bob ends for the repository.
    yield* create(5, { caller: "alice" })
    yield* collects(store, garbage(1), garbage(3))
    yield* fails(store.getUpload("upload-1"), uploadUnknown)
    yield* store.claimUpload("upload-5", long)
    yield* fails(create(6, { caller: "alice", repository: other }), new StoreError.TooManyUploads())
    yield* returns(store.getUpload("upload-4"), stored(upload(4, { caller: "carol" })))
    yield* collects(store)
  }),
  ...(["total", "perCaller", "perRepository"] as const).map((limit) =>
    metadataCheck(`refuses a session beyond the limit ${limit}, until another ends`, function*(store, { pass, units }) {
      let n = 0
      const create = (lives = long, fields: Partial<NewUpload> = {}) =>
        store.createUpload(upload(++n, fields), lives, { ...limits, [limit]: 3 }).pipe(
          Effect.zipRight(Effect.suspend(() => store.claimUpload(`upload-${n}`, lives)))
        )
      for (const lives of [long, long, units(2)]) yield* create(lives)
      const linked = store.linkBlob(link(2, { upload: { id: "upload-2", fence: 1 } }))
      for (const end of [store.endUpload("upload-1"), linked, Effect.zipRight(pass(3), store.expireUploads(10))]) {
        yield* fails(create(), new StoreError.TooManyUploads())
        yield* end
        yield* create()
      }
      const elsewhere = yield* Effect.either(create(long, { caller: "bob", repository: unknown }))
      yield* equal(elsewhere._tag, limit === "total" ? "Left" : "Right")
    })
  )
]

/** What a metadata store promises of upload sessions. */
export const metadataUploads: ReadonlyArray<StoreCheck<MetadataStore>> = [...sessions, ...expiry, ...limited]
