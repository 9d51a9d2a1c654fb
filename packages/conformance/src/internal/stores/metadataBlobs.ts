import { MetadataStore } from "@effect-oci/store/MetadataStore"
import type * as Metadata from "@effect-oci/store/MetadataStore"
import * as StoreError from "@effect-oci/store/StoreError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { StoreCheck } from "../../StoreCheck.js"
import {
  blob,
  blobGarbage,
  digest,
  key,
  limits,
  link,
  long,
  manifestDigest,
  other,
  put,
  refers,
  repository,
  unknown,
  upload,
  uploadGarbage
} from "./samples.js"
import { equal, fails, makeCheck, returns } from "./subject.js"

export const metadataCheck = makeCheck<MetadataStore, Metadata.Service>((get) => get(MetadataStore))

/** Runs a command, and runs it again: a caller does so if it does not know whether the command took effect. */
export const twice = <A, E>(command: Effect.Effect<A, E>) => Effect.zipRight(command, command)

/** Claims all garbage that may be deleted now, and expects these pieces. */
export const collects = (store: Metadata.Service, ...garbage: ReadonlyArray<Metadata.Garbage>) =>
  Effect.flatMap(
    store.claimGarbage(1000, long),
    (claimed) => equal(claimed.toSorted((a, b) => a.key < b.key ? -1 : 1), garbage)
  )

/** Removes the n-th blob from a repository. */
export const unlink = (n: number, fields: Partial<Parameters<Metadata.Service["unlinkBlob"]>[0]> = {}) => ({
  repository,
  digest: digest(n),
  evenIfReferenced: false,
  readable: Duration.zero,
  ...fields
})

const links: ReadonlyArray<StoreCheck<MetadataStore>> = [
  metadataCheck("linkBlob adds a blob to one repository, and again without effect", function*(store) {
    for (let times = 0; times < 2; times++) {
      yield* returns(store.linkBlob(link(1)), blob(1))
      yield* returns(store.findBlob(repository, digest(1)), blob(1))
      yield* returns(store.findBlob(other, digest(1)), undefined)
      yield* returns(store.findBlob(repository, digest(2)), undefined)
    }
    const [empty, long] = [link(0), { ...link(5), digest: digest(5, "sha512") }]
    yield* store.linkBlob(empty)
    yield* returns(store.findBlob(repository, digest(0)), blob(0))
    yield* store.linkBlob(long)
    yield* equal((yield* store.findBlob(repository, long.digest))?.descriptor.digest, long.digest)
    yield* collects(store)
  }),
  metadataCheck("repositories share the bytes of a blob; the later bytes become garbage", function*(store) {
    yield* store.linkBlob(link(1))
    for (const [n, name] of [repository, other, unknown].entries()) {
      yield* returns(store.linkBlob(link(1, { repository: name, key: key(10 + n) })), blob(1))
      yield* returns(store.findBlob(name, digest(1)), blob(1))
      yield* collects(store, blobGarbage(10 + n))
    }
    yield* returns(store.linkBlob(link(1)), blob(1))
    yield* collects(store)
    yield* returns(store.inspectBlobs(undefined, 10), [blob(1)])
  }),
  metadataCheck("linkBlob ends the upload session of the bytes, and again without effect", function*(store) {
    yield* store.createUpload(upload(1), long, limits)
    const { fence } = yield* store.claimUpload("upload-1", long)
    const command = store.linkBlob(link(1, { upload: { id: "upload-1", fence } }))
    for (let times = 0; times < 2; times++) yield* returns(command, blob(1))
    yield* fails(store.getUpload("upload-1"), new StoreError.UploadUnknown())
    yield* collects(store)
    yield* returns(store.unknownKeys([key(1)]), [])
  }),
  metadataCheck("linkBlob releases the bytes of a session if the store has the blob", function*(store) {
    yield* store.linkBlob(link(1))
    yield* store.createUpload(upload(2, { repository: other }), long, limits)
    const { fence } = yield* store.claimUpload("upload-2", long)
    const command = store.linkBlob(
      link(1, { repository: other, key: key(2), upload: { id: "upload-2", fence } })
    )
    yield* returns(command, blob(1))
    yield* Effect.either(command)
    yield* returns(store.findBlob(other, digest(1)), blob(1))
    yield* fails(store.getUpload("upload-2"), new StoreError.UploadUnknown())
    yield* collects(store, uploadGarbage(2))
  }),
  metadataCheck("linkBlob refuses a session that has ended, and a stale claim", function*(store) {
    const unknownUpload = store.linkBlob(link(1, { upload: { id: "upload-1", fence: 1 } }))
    yield* fails(unknownUpload, new StoreError.UploadUnknown())
    yield* store.createUpload(upload(1), long, limits)
    yield* store.claimUpload("upload-1", long)
    yield* store.claimUpload("upload-1", long)
    yield* fails(unknownUpload, new StoreError.Stale())
    yield* returns(store.findBlob(repository, digest(1)), undefined)
    yield* equal((yield* store.getUpload("upload-1")).fence, 2)
    yield* store.endUpload("upload-1")
    yield* fails(store.linkBlob(link(1, { upload: { id: "upload-1", fence: 2 } })), new StoreError.UploadUnknown())
    yield* returns(store.listRepositories(undefined, 10), [])
  }),
  metadataCheck("one of many links of a blob at once stores its bytes; the others become garbage", function*(store) {
    const all = Array.from({ length: 20 }, (_, n) => n)
    const linked = yield* Effect.forEach(
      all,
      (n) => store.linkBlob(link(1, { key: key(n), repository: n % 2 === 0 ? repository : other })),
      { concurrency: "unbounded" }
    )
    const [first = blob(1)] = linked
    yield* equal(linked, all.map(() => first))
    yield* collects(store, ...all.filter((n) => key(n) !== first.key).map(blobGarbage))
  })
]

const mounts: ReadonlyArray<StoreCheck<MetadataStore>> = [
  metadataCheck("mount adds a blob of one repository, or of any", function*(store) {
    const mount = (n: number, to: Metadata.PutManifest["repository"], from?: Metadata.PutManifest["repository"]) =>
      store.mount({ repository: to, digest: digest(n), from, keep: long })
    yield* store.linkBlob(link(1))
    yield* returns(mount(1, other, unknown), false)
    yield* returns(mount(2, other, repository), false)
    yield* returns(mount(2, other), false)
    yield* returns(store.listRepositories(undefined, 10), [repository])
    yield* returns(twice(mount(1, other, repository)), true)
    yield* returns(twice(mount(1, unknown)), true)
    for (const name of [other, unknown]) yield* returns(store.findBlob(name, digest(1)), blob(1))
    yield* collects(store)
  })
]

const unlinks: ReadonlyArray<StoreCheck<MetadataStore>> = [
  metadataCheck(
    "unlinkBlob releases the bytes with the last repository, and the blob can be linked again",
    function*(store) {
      yield* store.linkBlob(link(1))
      yield* store.linkBlob(link(1, { repository: other }))
      yield* fails(store.unlinkBlob(unlink(1, { repository: unknown })), new StoreError.BlobUnknown())
      yield* store.unlinkBlob(unlink(1))
      yield* fails(store.unlinkBlob(unlink(1)), new StoreError.BlobUnknown())
      yield* returns(store.findBlob(repository, digest(1)), undefined)
      yield* returns(store.findBlob(other, digest(1)), blob(1))
      yield* collects(store)
      yield* store.unlinkBlob(unlink(1, { repository: other }))
      yield* returns(store.mount({ repository, digest: digest(1), from: undefined, keep: long }), false)
      yield* returns(store.linkBlob(link(1, { key: key(9) })), blob(1, 9))
      yield* collects(store, blobGarbage(1))
      yield* returns(store.inspectBlobs(undefined, 10), [blob(1, 9)])
    }
  ),
  ...(["blob", "child"] as const).map((kind) =>
    metadataCheck(`unlinkBlob refuses a blob that a manifest refers to as a ${kind}`, function*(store) {
      for (const name of [repository, other]) yield* store.linkBlob(link(1, { repository: name }))
      yield* store.putManifest(put(7, { references: [refers(kind, digest(1))] }))
      yield* fails(store.unlinkBlob(unlink(1)), new StoreError.Referenced({ by: manifestDigest(7) }))
      yield* returns(store.findBlob(repository, digest(1)), blob(1))
      yield* store.unlinkBlob(unlink(1, { repository: other }))
      yield* store.unlinkBlob(unlink(1, { evenIfReferenced: true }))
      yield* store.linkBlob(link(1, { key: key(9) }))
      yield* store.deleteManifest(repository, manifestDigest(7), false)
      yield* store.unlinkBlob(unlink(1))
    })
  ),
  metadataCheck("of a put and an unlink of the same blob at once, one is refused", function*(store) {
    for (let n = 1; n <= 30; n++) {
      yield* store.linkBlob(link(n))
      const [stored, unlinked] = yield* Effect.all([
        Effect.either(store.putManifest(put(n, { references: [refers("blob", digest(n))] }))),
        Effect.either(store.unlinkBlob(unlink(n)))
      ], { concurrency: "unbounded" })
      const found = yield* store.findBlob(repository, digest(n))
      yield* equal(
        [stored._tag, unlinked._tag, found !== undefined],
        stored._tag === "Right" ? ["Right", "Left", true] : ["Left", "Right", false]
      )
    }
  })
]

const keys: ReadonlyArray<StoreCheck<MetadataStore>> = [
  metadataCheck("unknownKeys returns the keys that no blob, session or garbage has", function*(store) {
    yield* store.linkBlob(link(1))
    yield* store.createUpload(upload(2), long, limits)
    yield* store.linkBlob(link(3))
    yield* store.unlinkBlob(unlink(3, { readable: long }))
    yield* store.linkBlob(link(1, { key: key(4) }))
    yield* returns(store.unknownKeys([]), [])
    const unknownKeys = Effect.map(store.unknownKeys([5, 1, 2, 3, 4, 0].map(key)), (all) => all.toSorted())
    yield* returns(unknownKeys, [key(0), key(5)])
    yield* collects(store, blobGarbage(4))
    yield* store.forgetGarbage([key(4)])
    yield* returns(unknownKeys, [key(0), key(4), key(5)])
  })
]

/** What a metadata store promises of blobs. */
export const metadataBlobs: ReadonlyArray<StoreCheck<MetadataStore>> = [...links, ...mounts, ...unlinks, ...keys]
