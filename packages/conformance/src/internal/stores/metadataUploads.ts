import { UploadToken } from "@effect-oci/store/BlobStore"
import type { MetadataStore, NewUpload, Service, Upload, UploadLimits } from "@effect-oci/store/MetadataStore"
import * as StoreError from "@effect-oci/store/StoreError"
import * as Effect from "effect/Effect"
import type { StoreCheck } from "../../StoreCheck.js"
import { collects, metadataCheck, twice } from "./metadataBlobs.js"
import { digest, limits, link, long, other, repository, unknown, upload, uploadGarbage } from "./samples.js"
import { equal, fails, returns } from "./subject.js"

const uploadUnknown = new StoreError.UploadUnknown()

/** An upload session as it is stored. */
const stored = (created: NewUpload, fields: Partial<Upload> = {}): Upload => ({
  ...created,
  offset: 0,
  digest: undefined,
  fence: 0,
  ...fields
})

type Advance = Parameters<Service["advanceUpload"]>[0]

/** Moves the first upload session from 0 to 7. */
const advance = (fields: Partial<Advance> = {}): Advance => ({
  id: "upload-1",
  fence: 1,
  from: 0,
  to: 7,
  token: UploadToken("next"),
  digest: digest(7),
  lives: long,
  ...fields
})

/** Opens the first upload session and claims it. */
const begin = (store: Service, lives = long) =>
  Effect.zipRight(store.createUpload(upload(1), lives, limits), store.claimUpload("upload-1", lives))

/** The commands for an upload session. */
const commands = (store: Service): ReadonlyArray<Effect.Effect<unknown, StoreError.StoreError>> => [
  store.getUpload("upload-1"),
  store.claimUpload("upload-1", long),
  store.advanceUpload(advance()),
  store.linkBlob(link(7, { upload: { id: "upload-1", fence: 1 } })),
  store.endUpload("upload-1")
]

const sessions: ReadonlyArray<StoreCheck<MetadataStore>> = [
  metadataCheck("returns an upload session as it was opened, and opens it once", function*(store) {
    const created = upload(1, { owner: "alice", caller: "name alice", algorithm: "sha512" })
    yield* twice(store.createUpload(created, long, { total: 1, perCaller: 1, perRepository: 1 }))
    yield* returns(store.getUpload("upload-1"), stored(created))
    yield* collects(store)
  }),
  metadataCheck("a session that was never opened is unknown to every command", function*(store) {
    for (const command of commands(store)) yield* fails(command, uploadUnknown)
  }),
  metadataCheck("advanceUpload moves a session from its offset, and again without effect", function*(store) {
    yield* begin(store)
    const expected = stored(upload(1), { fence: 1, offset: 7, token: UploadToken("next"), digest: digest(7) })
    for (let times = 0; times < 2; times++) {
      yield* store.advanceUpload(advance())
      yield* returns(store.getUpload("upload-1"), expected)
    }
    const mismatch = new StoreError.OffsetMismatch({ offset: 7 })
    for (const wrong of [{ token: UploadToken("other") }, { to: 9 }, { from: 9, to: 12 }]) {
      yield* fails(store.advanceUpload(advance(wrong)), mismatch)
    }
    yield* returns(store.getUpload("upload-1"), expected)
    const token = UploadToken("third")
    yield* store.advanceUpload(advance({ from: 7, to: 7, token, digest: undefined }))
    yield* returns(store.getUpload("upload-1"), { ...expected, token, digest: undefined })
  }),
  metadataCheck("the newest claim makes all earlier claims stale", function*(store) {
    yield* begin(store)
    yield* store.advanceUpload(advance())
    const claimed = yield* store.claimUpload("upload-1", long)
    yield* equal(claimed, { ...(yield* store.getUpload("upload-1")), fence: 2 })
    yield* fails(store.advanceUpload(advance({ from: 7, to: 9, token: UploadToken("stale") })), new StoreError.Stale())
    yield* equal((yield* store.getUpload("upload-1")).offset, 7)
    yield* store.advanceUpload(advance({ fence: 2, from: 7, to: 9 }))
  }),
  metadataCheck("many claims at once receive different fences", function*(store) {
    yield* store.createUpload(upload(1), long, limits)
    const claims = yield* Effect.replicateEffect(store.claimUpload("upload-1", long), 20).pipe(
      Effect.withConcurrency("unbounded")
    )
    yield* equal(claims.map(({ fence }) => fence).toSorted((a, b) => a - b), Array.from(claims, (_, n) => n + 1))
  }),
  metadataCheck("endUpload ends a session, and its bytes become garbage", function*(store) {
    yield* begin(store)
    yield* store.advanceUpload(advance())
    yield* store.endUpload("upload-1")
    for (const command of commands(store)) yield* fails(command, uploadUnknown)
    yield* collects(store, { ...uploadGarbage(1), token: UploadToken("next") })
  })
]

const expiry: ReadonlyArray<StoreCheck<MetadataStore>> = [
  metadataCheck(
    "a session lives on after each use, and is unknown after it expired",
    function*(store, { pass, units }) {
      yield* begin(store, units(4))
      yield* pass(3)
      yield* store.advanceUpload(advance({ lives: units(4) }))
      yield* pass(3)
      yield* store.claimUpload("upload-1", units(4))
      yield* pass(3)
      yield* equal((yield* store.getUpload("upload-1")).fence, 2)
      yield* pass(2)
      for (const command of commands(store)) yield* fails(command, uploadUnknown)
      yield* collects(store)
      yield* returns(store.expireUploads(10), { more: false })
      yield* collects(store, { ...uploadGarbage(1), token: UploadToken("next") })
    }
  ),
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
    const second = yield* store.claimGarbage(10, long)
    yield* equal(
      [...first, ...second].toSorted((a, b) => a.key < b.key ? -1 : 1),
      [1, 2, 3].map(uploadGarbage)
    )
    yield* returns(store.getUpload("upload-4"), stored(upload(4)))
  })
]

const few: UploadLimits = { total: 4, perCaller: 2, perRepository: 3 }

const limited: ReadonlyArray<StoreCheck<MetadataStore>> = [
  metadataCheck("a new session ends the oldest that has not begun, one for each reached limit", function*(store) {
    const create = (n: number, fields: Partial<NewUpload>) => store.createUpload(upload(n, fields), long, few)
    yield* create(1, { caller: "bob" })
    yield* create(2, { caller: "alice" })
    yield* store.claimUpload("upload-2", long)
    yield* create(3, { caller: "alice", repository: other })
    yield* create(4, { caller: "carol" })
    // The session of alice ends for two limits: of her sessions, and of all. The session of bob ends for the repository.
    yield* create(5, { caller: "alice" })
    yield* collects(store, uploadGarbage(1), uploadGarbage(3))
    yield* fails(store.getUpload("upload-1"), uploadUnknown)
    yield* store.claimUpload("upload-5", long)
    yield* fails(create(6, { caller: "alice", repository: other }), new StoreError.TooManyUploads())
    yield* returns(store.getUpload("upload-4"), stored(upload(4, { caller: "carol" })))
    yield* collects(store)
  }),
  ...(["total", "perCaller", "perRepository"] as const).map((limit) =>
    metadataCheck(`refuses a session beyond the limit ${limit}, until another ends`, function*(store, { pass, units }) {
      let n = 0
      const create = (fields: Partial<NewUpload> = {}, lives = long) => {
        const created = upload(++n, fields)
        return Effect.zipRight(
          store.createUpload(created, lives, { ...limits, [limit]: 3 }),
          store.claimUpload(created.id, lives)
        )
      }
      const refused = () => fails(create(), new StoreError.TooManyUploads())
      for (const lives of [long, long, units(2)]) yield* create({}, lives)
      yield* refused()
      yield* store.endUpload("upload-1")
      yield* create()
      yield* refused()
      yield* store.linkBlob(link(2, { upload: { id: "upload-2", fence: 1 } }))
      yield* create()
      yield* refused()
      yield* pass(3)
      yield* store.expireUploads(10)
      yield* create()
      yield* refused()
    })
  ),
  metadataCheck("counts the sessions of a caller and of a repository apart from those of others", function*(store) {
    const names = [repository, other, unknown]
    for (const [n, name] of names.entries()) {
      const created = upload(n, { repository: name, caller: `caller ${n}` })
      yield* store.createUpload(created, long, { total: 3, perCaller: 1, perRepository: 1 })
    }
    for (const n of names.keys()) yield* equal((yield* store.getUpload(`upload-${n}`)).id, `upload-${n}`)
    yield* collects(store)
  })
]

/** What a metadata store promises of upload sessions. */
export const metadataUploads: ReadonlyArray<StoreCheck<MetadataStore>> = [...sessions, ...expiry, ...limited]
