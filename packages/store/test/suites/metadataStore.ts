import { Descriptor, Manifest, MediaType, RepositoryName, Tag } from "@effect-oci/core"
import { BlobStore, MetadataStore } from "@effect-oci/store"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Either } from "effect"
import type { Layer } from "effect"
import {
  absent,
  emptyConfig,
  hello,
  helloDigest,
  index,
  other,
  repository,
  text,
  unknown,
  v1,
  v2
} from "../fixtures.js"

const store = MetadataStore.MetadataStore

const upload = (n: number, fields: Partial<MetadataStore.Upload> = {}): MetadataStore.Upload => ({
  id: `upload-${n}`,
  repository,
  owner: undefined,
  caller: "anonymous",
  begun: fields.offset !== undefined,
  key: BlobStore.BlobKey(`key-${n}`),
  token: BlobStore.UploadToken(`token-${n}`),
  offset: 0,
  algorithm: "sha256",
  expiresAt: 1000,
  ...fields
})

const limits = { total: 100, perCaller: 100, perRepository: 100 }

const garbage = (n: number): MetadataStore.Garbage => ({
  key: BlobStore.BlobKey(`key-${n}`),
  token: BlobStore.UploadToken(`token-${n}`)
})

/** Uploads twelve bytes and makes them a blob. */
const link = (n: number, fields?: Partial<MetadataStore.Upload>) =>
  Effect.flatMap(store, (metadata) =>
    Effect.zipRight(
      metadata.createUpload(upload(n, { offset: 12, ...fields }), limits),
      metadata.linkUploaded({ id: `upload-${n}`, digest: helloDigest, size: 12 })
    ))

const put = (fields: Partial<MetadataStore.PutManifest> = {}, bytes = index()): MetadataStore.PutManifest => ({
  repository,
  manifest: Either.getOrThrow(Manifest.make({ mediaType: MediaType.index, bytes })),
  blobs: [],
  children: [],
  referrer: undefined,
  tags: [],
  ifAbsent: false,
  ifMatch: undefined,
  ...fields
})

/** Runs the tests that every metadata store must pass. */
export const metadataStoreSuite = (name: string, makeStore: () => Layer.Layer<MetadataStore.MetadataStore>) => {
  const test = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.provide(effect, makeStore())

  describe(`${name} as a metadata store`, () => {
    it.effect("moves an upload session from its offset, and accepts the same move again", () =>
      Effect.gen(function*() {
        const metadata = yield* store
        yield* metadata.createUpload(upload(1, { owner: "alice" }), limits)
        const advance = { id: "upload-1", from: 0, to: 7, token: BlobStore.UploadToken("next"), expiresAt: 2000 }
        const expected = upload(1, { owner: "alice", offset: 7, token: BlobStore.UploadToken("next"), expiresAt: 2000 })
        for (let times = 0; times < 2; times++) {
          yield* metadata.advanceUpload(advance)
          expect(yield* metadata.getUpload("upload-1")).toEqual(expected)
        }
        const mismatch = new MetadataStore.OffsetMismatch({ offset: 7 })
        const other = { ...advance, token: BlobStore.UploadToken("other") }
        expect(yield* Effect.flip(metadata.advanceUpload(other))).toEqual(mismatch)
        expect(yield* Effect.flip(metadata.advanceUpload({ ...advance, to: 9 }))).toEqual(mismatch)
        expect(yield* metadata.getUpload("upload-1")).toEqual(expected)
      }).pipe(test))

    it.effect("fails if the upload session was never opened", () =>
      Effect.gen(function*() {
        const metadata = yield* store
        const none = new MetadataStore.UploadUnknown()
        const advance = { id: "none", from: 0, to: 0, token: BlobStore.UploadToken(""), expiresAt: 0 }
        expect(yield* Effect.flip(metadata.getUpload("none"))).toEqual(none)
        expect(yield* Effect.flip(metadata.advanceUpload(advance))).toEqual(none)
        expect(yield* Effect.flip(metadata.endUpload("none"))).toEqual(none)
        expect(yield* Effect.flip(metadata.linkUploaded({ id: "none", digest: helloDigest, size: 0 }))).toEqual(none)
      }).pipe(test))

    it.effect("ends the oldest session that has not begun, one for each reached limit", () =>
      Effect.gen(function*() {
        const metadata = yield* store
        const few = { total: 4, perCaller: 2, perRepository: 3 }
        const create = (n: number, fields: Partial<MetadataStore.Upload>) =>
          Effect.either(metadata.createUpload(upload(n, fields), few))
        yield* create(1, { caller: "bob" })
        yield* create(2, { caller: "alice", offset: 12 })
        yield* create(3, { caller: "alice", repository: other })
        yield* create(4, { caller: "carol" })
        // The session of alice ends for the limits per caller and in total, the session of bob for the limit of the repository.
        expect(yield* create(5, { caller: "alice" })).toEqual(Either.right([garbage(3), garbage(1)]))
        expect(yield* create(6, { caller: undefined, offset: 0 })).toEqual(Either.right([]))
        expect(yield* Effect.flip(metadata.getUpload("upload-1"))).toEqual(new MetadataStore.UploadUnknown())
        yield* metadata.advanceUpload({
          id: "upload-5",
          from: 0,
          to: 0,
          token: BlobStore.UploadToken("token-5"),
          expiresAt: 1000
        })
        expect(yield* create(7, { caller: "alice" })).toEqual(Either.left(new MetadataStore.TooManyUploads()))
        expect(yield* metadata.getUpload("upload-4")).toEqual(upload(4, { caller: "carol" }))
      }).pipe(test))

    it.effect("counts open upload sessions in total and per repository, until they end", () =>
      Effect.gen(function*() {
        const metadata = yield* store
        const few = { total: 3, perCaller: 3, perRepository: 2 }
        const create = (n: number, to: RepositoryName.RepositoryName) =>
          Effect.isSuccess(metadata.createUpload(upload(n, { repository: to, offset: 12 }), few))
        expect(yield* create(1, repository)).toBe(true)
        expect(yield* create(2, repository)).toBe(true)
        expect(yield* create(3, repository)).toBe(false)
        yield* metadata.endUpload("upload-1")
        expect(yield* create(3, repository)).toBe(true)
        yield* metadata.linkUploaded({ id: "upload-2", digest: helloDigest, size: 12 })
        expect(yield* create(4, repository)).toBe(true)
        expect(yield* create(5, other)).toBe(true)
        expect(yield* create(6, unknown)).toBe(false)
        yield* metadata.expireUploads(1000, 10)
        expect(yield* create(6, unknown)).toBe(true)
        expect(yield* create(7, repository)).toBe(true)
      }).pipe(test))

    it.effect("ends expired sessions, some at a time, and lists their garbage until it is forgotten", () =>
      Effect.gen(function*() {
        const metadata = yield* store
        for (const n of [1, 2, 3]) yield* metadata.createUpload(upload(n), limits)
        yield* metadata.createUpload(upload(4, { expiresAt: 1001 }), limits)
        const first = yield* metadata.expireUploads(1000, 2)
        expect(first).toHaveLength(2)
        const second = yield* metadata.expireUploads(1000, 2)
        expect([...first, ...second].sort((a, b) => a.key < b.key ? -1 : 1)).toEqual([1, 2, 3].map(garbage))
        expect(yield* metadata.expireUploads(1000, 2)).toEqual([])
        expect(yield* metadata.getUpload("upload-4")).toEqual(upload(4, { expiresAt: 1001 }))
        expect(yield* metadata.listGarbage(undefined, 2)).toEqual([garbage(1), garbage(2)])
        expect(yield* metadata.listGarbage(BlobStore.BlobKey("key-2"), 2)).toEqual([garbage(3)])
        yield* metadata.forgetGarbage(BlobStore.BlobKey("key-2"))
        yield* metadata.forgetGarbage(BlobStore.BlobKey("key-2"))
        expect(yield* metadata.listGarbage(undefined, 10)).toEqual([garbage(1), garbage(3)])
        expect(yield* metadata.endUpload("upload-4")).toEqual(garbage(4))
        expect(yield* metadata.listGarbage(undefined, 10)).toEqual([garbage(1), garbage(3), garbage(4)])
      }).pipe(test))

    it.effect("makes an upload a blob of its repository, and releases a second upload with the same digest", () =>
      Effect.gen(function*() {
        const metadata = yield* store
        expect(yield* link(1)).toBeUndefined()
        expect(yield* link(2, { repository: other })).toEqual(garbage(2))
        for (const name of [repository, other]) {
          expect(yield* metadata.findBlob(name, helloDigest))
            .toEqual({ descriptor: Descriptor.fromBytes(hello), key: "key-1" })
        }
        expect(yield* metadata.findBlob(unknown, helloDigest)).toBeUndefined()
        expect(yield* metadata.listGarbage(undefined, 10)).toEqual([garbage(2)])
      }).pipe(test))

    it.effect("refuses to link an upload if the size differs", () =>
      Effect.gen(function*() {
        const metadata = yield* store
        yield* metadata.createUpload(upload(1, { offset: 12 }), limits)
        expect(yield* Effect.flip(metadata.linkUploaded({ id: "upload-1", digest: helloDigest, size: 11 })))
          .toEqual(new MetadataStore.OffsetMismatch({ offset: 12 }))
        expect(yield* metadata.getUpload("upload-1")).toEqual(upload(1, { offset: 12 }))
      }).pipe(test))

    it.effect("releases a blob with its last repository, and stores it again under another key", () =>
      Effect.gen(function*() {
        const metadata = yield* store
        yield* link(1)
        expect(yield* metadata.mount({ repository: other, digest: helloDigest, from: repository })).toBe(true)
        expect(yield* metadata.mount({ repository: unknown, digest: helloDigest, from: undefined })).toBe(true)
        expect(yield* metadata.mount({ repository: other, digest: absent, from: undefined })).toBe(false)
        expect(yield* metadata.unlinkBlob(repository, helloDigest)).toBeUndefined()
        expect(yield* metadata.unlinkBlob(other, helloDigest)).toBeUndefined()
        const gone = { key: BlobStore.BlobKey("key-1"), token: undefined }
        expect(yield* metadata.unlinkBlob(unknown, helloDigest)).toEqual(gone)
        expect(yield* Effect.flip(metadata.unlinkBlob(unknown, helloDigest))).toEqual(new MetadataStore.BlobUnknown())
        expect(yield* metadata.mount({ repository, digest: helloDigest, from: undefined })).toBe(false)
        yield* link(2)
        expect((yield* metadata.findBlob(repository, helloDigest))?.key).toBe("key-2")
        expect(yield* metadata.listGarbage(undefined, 10)).toEqual([gone])
      }).pipe(test))

    it.effect("creates a repository with its first content, but not by a failed command", () =>
      Effect.gen(function*() {
        const metadata = yield* store
        const names = (after?: RepositoryName.RepositoryName, n = 10) => metadata.listRepositories(after, n)
        yield* metadata.createUpload(upload(1), limits)
        yield* metadata.mount({ repository, digest: absent, from: undefined })
        yield* Effect.flip(metadata.putManifest(put({ blobs: [absent] })))
        expect(yield* names()).toEqual([])
        expect(yield* Effect.flip(metadata.listTags(repository, undefined, 1)))
          .toEqual(new MetadataStore.RepositoryUnknown())
        yield* metadata.putManifest(put())
        yield* metadata.putManifest(put({ repository: RepositoryName.make("team.app") }))
        yield* metadata.putManifest(put({ repository: RepositoryName.make("team") }))
        expect(yield* names()).toEqual(["team", "team.app", "team/app"])
        expect(yield* names(RepositoryName.make("team"), 1)).toEqual(["team.app"])
        expect(yield* names(RepositoryName.make("team"), 0)).toEqual([])
      }).pipe(test))

    it.effect("stores a manifest with all its tags, or not at all", () =>
      Effect.gen(function*() {
        const metadata = yield* store
        yield* link(1)
        const second = index({ second: true })
        yield* metadata.putManifest(put({ tags: [v1], blobs: [helloDigest], children: [helloDigest] }))
        const missing = put({ tags: [v1, v2], blobs: [absent, helloDigest], children: [emptyConfig.digest] }, second)
        expect(yield* Effect.flip(metadata.putManifest(missing)))
          .toEqual(new MetadataStore.ContentUnknown({ digests: [absent, emptyConfig.digest] }))
        expect(yield* Effect.flip(metadata.putManifest(put({ tags: [v2, v1], ifAbsent: true }, second))))
          .toEqual(new MetadataStore.TagTaken({ tag: v1, digest: put().manifest.descriptor.digest }))
        const { digest: firstDigest } = put().manifest.descriptor
        expect(yield* Effect.flip(metadata.putManifest(put({ tags: [v1], ifMatch: absent }, second))))
          .toEqual(new MetadataStore.TagTaken({ tag: v1, digest: firstDigest }))
        expect(yield* Effect.flip(metadata.putManifest(put({ tags: [v1, v2], ifMatch: firstDigest }, second))))
          .toEqual(new MetadataStore.TagTaken({ tag: v2, digest: undefined }))
        expect(yield* metadata.listTags(repository, undefined, 10)).toEqual([v1])
        expect((yield* metadata.getManifest(repository, v1)).bytes).toEqual(index())
        expect(yield* Effect.flip(metadata.getManifest(repository, put({}, second).manifest.descriptor.digest)))
          .toEqual(new MetadataStore.ManifestUnknown())
        yield* metadata.putManifest(put({ tags: [v1, v2], ifAbsent: true }))
        expect(yield* metadata.listTags(repository, undefined, 10)).toEqual([v1, v2])
        for (let again = 0; again < 2; again++) {
          yield* metadata.putManifest(put({ tags: [v1, v2], ifMatch: firstDigest }, second))
          expect((yield* metadata.getManifest(repository, v2)).bytes).toEqual(second)
        }
      }).pipe(test))

    it.effect("keeps one media type per manifest in a repository", () =>
      Effect.gen(function*() {
        const metadata = yield* store
        const { bytes, descriptor } = put().manifest
        const retyped = Either.getOrThrow(Manifest.make({ mediaType: MediaType.dockerList, bytes }))
        yield* metadata.putManifest(put({ tags: [v1] }))
        expect(yield* Effect.flip(metadata.putManifest(put({ manifest: retyped, tags: [v2], children: [absent] }))))
          .toEqual(new MetadataStore.TypeTaken({ mediaType: descriptor.mediaType }))
        expect(yield* metadata.resolveManifest(repository, descriptor.digest)).toEqual(descriptor)
        expect(yield* metadata.listTags(repository, undefined, 10)).toEqual([v1])
      }).pipe(test))

    it.effect("lists tags in pages, ordered by name", () =>
      Effect.gen(function*() {
        const metadata = yield* store
        const tags = ["a", "a-1", "a.1", "a1", "a_1"].map(Tag.make)
        yield* metadata.putManifest(put({ tags: tags.toReversed() }))
        expect(yield* metadata.listTags(repository, undefined, 2)).toEqual(["a", "a-1"])
        expect(yield* metadata.listTags(repository, Tag.make("a-1"), 2)).toEqual(["a.1", "a1"])
        expect(yield* metadata.listTags(repository, Tag.make("a0"), 10)).toEqual(["a1", "a_1"])
        expect(yield* metadata.listTags(repository, undefined, 0)).toEqual([])
        yield* metadata.deleteTag(repository, Tag.make("a.1"))
        expect(yield* metadata.listTags(repository, undefined, 10)).toEqual(["a", "a-1", "a1", "a_1"])
      }).pipe(test))

    it.effect("lists referrers in pages, ordered by digest, with a filter", () =>
      Effect.gen(function*() {
        const metadata = yield* store
        const puts = [0, 1, 2, 3, 4, 5].map((n) => {
          const { manifest } = put({}, index({ n }))
          const descriptor = { ...manifest.descriptor, artifactType: n % 2 === 0 ? "even" : "odd" }
          return put({ manifest, referrer: { subject: absent, descriptor } })
        })
        yield* Effect.forEach(puts, metadata.putManifest)
        const all = puts.flatMap(({ referrer }) => referrer === undefined ? [] : [referrer.descriptor])
          .sort((a, b) => a.digest < b.digest ? -1 : 1)
        const even = all.filter(({ artifactType }) => artifactType === "even")
        expect(yield* metadata.listReferrers(repository, absent, undefined, undefined, 4)).toEqual(all.slice(0, 4))
        expect(yield* metadata.listReferrers(repository, absent, undefined, all[3]?.digest, 4)).toEqual(all.slice(4))
        expect(yield* metadata.listReferrers(repository, absent, "even", undefined, 2)).toEqual(even.slice(0, 2))
        expect(yield* metadata.listReferrers(repository, absent, "even", even[1]?.digest, 2)).toEqual(even.slice(2))
        expect(yield* metadata.listReferrers(repository, helloDigest, undefined, undefined, 4)).toEqual([])
        expect(yield* metadata.listReferrers(unknown, absent, undefined, undefined, 4)).toEqual([])
      }).pipe(test))

    it.effect("returns a manifest as it was stored", () =>
      Effect.gen(function*() {
        const metadata = yield* store
        const manifest = put({}, text("{}")).manifest
        yield* metadata.putManifest(put({ manifest, tags: [v1] }))
        for (const reference of [v1, manifest.descriptor.digest]) {
          expect(yield* metadata.getManifest(repository, reference)).toEqual(manifest)
          expect(yield* metadata.resolveManifest(repository, reference)).toEqual(manifest.descriptor)
        }
        expect(yield* Effect.flip(metadata.resolveManifest(repository, v2))).toEqual(
          new MetadataStore.ManifestUnknown()
        )
        expect(yield* Effect.flip(metadata.resolveManifest(unknown, v1))).toEqual(new MetadataStore.RepositoryUnknown())
      }).pipe(test))
  })
}
