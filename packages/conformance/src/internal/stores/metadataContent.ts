import type { Digest } from "@effect-oci/core/Digest"
import type { Manifest } from "@effect-oci/core/Manifest"
import * as MediaType from "@effect-oci/core/MediaType"
import type * as Operation from "@effect-oci/core/Operation"
import * as RepositoryName from "@effect-oci/core/RepositoryName"
import * as Tag from "@effect-oci/core/Tag"
import { MetadataStore } from "@effect-oci/store/MetadataStore"
import type * as Metadata from "@effect-oci/store/MetadataStore"
import * as StoreError from "@effect-oci/store/StoreError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { StoreCheck } from "../../StoreCheck.js"
import { followsModel } from "./metadataModel.js"
import * as sample from "./samples.js"
import { equal, fails, listsInPages, makeCheck, returns } from "./subject.js"

export const metadataCheck = makeCheck<MetadataStore, Metadata.Service>((get) => get(MetadataStore))

/** Claims all garbage that may be deleted now, and expects these pieces. */
export const collects = (store: Metadata.Service, ...garbage: ReadonlyArray<Metadata.Garbage>) =>
  Effect.flatMap(
    store.claimGarbage(1000, sample.long),
    (claimed) => equal(claimed.toSorted((a, b) => a.key < b.key ? -1 : 1), garbage)
  )

const { blob, digest, key, link, long, manifest, manifestDigest, other, put, refers, repository, upTo, v1 } = sample

const byDigest = <A extends { readonly digest: Digest }>(all: ReadonlyArray<A>): ReadonlyArray<A> =>
  all.toSorted((a, b) => a.digest < b.digest ? -1 : 1)

const commands: ReadonlyArray<StoreCheck<MetadataStore>> = [
  metadataCheck("every command has the result of a plain model, also if it is run twice", function*(store) {
    yield* followsModel(store, 1500)
  }),
  metadataCheck("returns a manifest as it was stored, by its tags and its digest", function*(store) {
    const repositoryUnknown = new StoreError.RepositoryUnknown()
    const reads = [store.getManifest, store.resolveManifest] as const
    for (const read of reads) yield* fails(read(repository, v1), repositoryUnknown)
    const lists = [store.listTags, store.inspectTags, store.inspectManifests] as const
    for (const list of lists) yield* fails(list(repository, undefined, 1), repositoryUnknown)
    yield* store.createUpload(sample.upload(1), long, sample.limits)
    yield* returns(store.listRepositories(undefined, 1), [])
    yield* store.putManifest(put(1, { tags: [v1] }))
    for (const reference of [v1, manifestDigest(1)]) {
      yield* returns(store.getManifest(repository, reference), manifest(1))
      yield* returns(store.resolveManifest(repository, reference), manifest(1).descriptor)
    }
    yield* returns(store.inspectManifest(repository, manifestDigest(1)), manifest(1).bytes)
    for (const reference of [sample.v2, manifestDigest(2)]) {
      for (const read of reads) yield* fails(read(repository, reference), new StoreError.ManifestUnknown())
    }
    yield* fails(store.inspectManifest(repository, manifestDigest(2)), new StoreError.ManifestUnknown())
  }),
  metadataCheck("returns the manifest that a reference leads to now, however often it is read", function*(store) {
    const reads = function*(reference: Operation.TagOrDigest, expected: Manifest) {
      for (let n = 0; n < 2; n++) yield* returns(store.getManifest(repository, reference), expected)
    }
    for (const n of [1, 2, 1]) {
      yield* store.putManifest(put(n, { tags: [v1] }))
      yield* reads(v1, manifest(n))
      yield* reads(manifestDigest(n), manifest(n))
    }
    yield* store.deleteManifest(repository, manifestDigest(1), false)
    for (const reference of [v1, manifestDigest(1)]) {
      yield* fails(store.getManifest(repository, reference), new StoreError.ManifestUnknown())
    }
    const image = manifest(1, MediaType.image)
    yield* store.putManifest(put(1, { manifest: image, tags: [v1] }))
    for (const reference of [v1, manifestDigest(1)]) yield* reads(reference, image)
  }),
  metadataCheck("remembers when a manifest was first stored, and a tag last set", function*(store, { pass, units }) {
    const inspect = Effect.zip(
      store.inspectManifests(repository, undefined, 1),
      store.inspectTags(repository, undefined, 1)
    )
    yield* store.putManifest(put(1, { tags: [v1] }))
    const [manifests, [before]] = yield* inspect
    yield* pass(1)
    yield* store.putManifest(put(1, { tags: [v1] }))
    const [manifestsAgain, [after]] = yield* inspect
    yield* equal(manifestsAgain, manifests)
    yield* equal(after!.updatedAt - before!.updatedAt >= Duration.toMillis(units(1)) * 0.9, true)
  }),
  metadataCheck("a blob that was discarded is in all its repositories again when it is linked again", function*(store) {
    const references = [refers("blob", digest(1))]
    for (const name of [repository, other]) yield* store.linkBlob(link(1, { repository: name }))
    yield* store.putManifest(put(1, { tags: [v1], references }))
    yield* store.discardBlob({ digest: digest(1), key: key(2), readable: Duration.zero })
    yield* returns(store.findBlob(other, digest(1)), blob(1))
    yield* store.discardBlob({ digest: digest(1), key: key(1), readable: Duration.zero })
    for (const name of [repository, other]) yield* returns(store.findBlob(name, digest(1)), undefined)
    yield* returns(store.inspectBlobs(undefined, 9), [])
    yield* returns(store.getManifest(repository, v1), manifest(1))
    yield* fails(store.putManifest(put(2, { references })), new StoreError.ContentUnknown({ digests: [digest(1)] }))
    yield* returns(store.mount({ repository, digest: digest(1), from: other, keep: long }), false)
    yield* collects(store, { key: key(1), token: undefined })
    yield* store.linkBlob(link(1, { repository: other, key: key(3) }))
    for (const name of [repository, other]) {
      yield* returns(store.findBlob(name, digest(1)), { ...blob(1), key: key(3) })
    }
    yield* fails(store.unlinkBlob(sample.unlink(1)), new StoreError.Referenced({ by: manifestDigest(1) }))
    yield* collects(store)
  }),
  metadataCheck("unknownKeys returns the keys that no blob, session or garbage has", function*(store) {
    yield* store.linkBlob(link(1))
    yield* store.createUpload(sample.upload(2), long, sample.limits)
    yield* store.linkBlob(link(3))
    yield* store.unlinkBlob(sample.unlink(3, { readable: long }))
    yield* store.linkBlob(link(1, { key: key(4) }))
    const unknownKeys = Effect.map(store.unknownKeys([5, 1, 2, 3, 4, 0].map(key)), (all) => all.toSorted())
    yield* returns(unknownKeys, [key(0), key(5)])
    yield* collects(store, sample.garbage(4))
    yield* store.forgetGarbage([key(4)])
    yield* returns(unknownKeys, [key(0), key(4), key(5)])
    yield* returns(store.unknownKeys([]), [])
  })
]

const atOnce: ReadonlyArray<StoreCheck<MetadataStore>> = [
  metadataCheck("of many links of a blob at once, one stores its bytes; the others become garbage", function*(store) {
    const all = upTo(20)
    const linkOne = (n: number) =>
      store.linkBlob(link(1, { key: key(n), repository: n % 2 === 0 ? repository : other }))
    const linked = yield* Effect.forEach(all, linkOne, { concurrency: "unbounded" })
    const [first = blob(1)] = linked
    yield* equal(linked, all.map(() => first))
    yield* collects(store, ...all.filter((n) => key(n) !== first.key).map(sample.garbage))
  }),
  ...[{ ifAbsent: true }, { ifMatch: manifestDigest(0) }].map((condition) =>
    metadataCheck(`of many pushes at once with ${Object.keys(condition).join("")}, one succeeds`, function*(store) {
      if (condition.ifMatch !== undefined) yield* store.putManifest(put(0, { tags: [v1] }))
      const push = (n: number) => Effect.either(store.putManifest(put(n + 1, { tags: [v1], ...condition })))
      const results = yield* Effect.forEach(upTo(20), push, { concurrency: "unbounded" })
      const winners = results.flatMap(({ _tag }, n) => _tag === "Right" ? [manifestDigest(n + 1)] : [])
      const tags = yield* store.inspectTags(repository, undefined, 10)
      yield* equal(tags.map(({ digest }) => digest), winners)
    })
  ),
  metadataCheck("of a push and a delete of its blob at once, one is refused", function*(store) {
    for (let n = 1; n <= 30; n++) {
      yield* store.linkBlob(link(n))
      const [stored, unlinked] = yield* Effect.all([
        Effect.either(store.putManifest(put(n, { references: [refers("blob", digest(n))] }))),
        Effect.either(store.unlinkBlob(sample.unlink(n)))
      ], { concurrency: "unbounded" })
      const isPushed = stored._tag === "Right"
      yield* equal(unlinked._tag, isPushed ? "Left" : "Right")
      yield* returns(store.findBlob(repository, digest(n)), isPushed ? blob(n) : undefined)
    }
  })
]

const lists: ReadonlyArray<StoreCheck<MetadataStore>> = [
  metadataCheck("lists a thousand tags and manifests in order, in pages of any size", function*(store) {
    const names = ["A", "B-1", "_", "a", "a-1", "a.1", "a1", "a_1", ...upTo(1000).map((n) => `v${n}`)]
    const tags = names.map(Tag.make).toSorted()
    const putOne = ([n, tag]: readonly [number, Tag.Tag]) => store.putManifest(put(n, { tags: [tag] }))
    yield* Effect.forEach([...tags.entries()].toReversed(), putOne, { concurrency: 16 })
    const absent = ["0", "Z", "a-0", "a0", "v5000", "zz"].map(Tag.make)
    yield* listsInPages((after, n) => store.listTags(repository, after, n), tags, (tag) => tag, absent)
    yield* listsInPages(
      (after, n) =>
        Effect.map(store.inspectTags(repository, after, n), (page) => page.map(({ digest, tag }) => ({ digest, tag }))),
      tags.map((tag, n) => ({ digest: manifestDigest(n), tag })),
      ({ tag }) => tag,
      absent
    )
    yield* listsInPages(
      (after, n) =>
        Effect.map(store.inspectManifests(repository, after, n), (page) => page.map(({ descriptor }) => descriptor)),
      byDigest(tags.map((_, n) => manifest(n).descriptor)),
      (descriptor) => descriptor.digest,
      [1, 2, 3].map((n) => digest(n))
    )
  }),
  metadataCheck("lists referrers by digest, with a filter", function*(store) {
    const all = upTo(40).map((n) => sample.referrer(n, digest(1), n % 3 === 0 ? "one/type" : "other/type"))
    yield* Effect.forEach([...all, ...all, sample.referrer(50, digest(2))], store.putManifest)
    const descriptors = byDigest(all.flatMap(({ listedAs }) => listedAs ?? []))
    for (const type of [undefined, "one/type", "no/type"]) {
      yield* listsInPages(
        (after, n) => store.listReferrers(repository, digest(1), type, after, n),
        descriptors.filter(({ artifactType }) => type === undefined || artifactType === type),
        (descriptor) => descriptor.digest,
        [1, 2, 3].map((n) => digest(n))
      )
    }
    yield* returns(store.listReferrers(other, digest(1), undefined, undefined, 9), [])
  }),
  metadataCheck("lists repositories in ASCII order, and the blobs of all repositories once", function*(store) {
    const names = ["team", "team-1", "team.app", "team/app", "team_app", "team0", "a/b", "z"].map(RepositoryName.make)
    for (const [n, name] of names.entries()) {
      for (const at of [n, n + 1, 30]) yield* store.linkBlob(link(at, { repository: name }))
    }
    const absent = ["a", "team.a", "team/zzz", "zz"].map(RepositoryName.make)
    yield* listsInPages(store.listRepositories, names.toSorted(), (name) => name, absent)
    const blobs = [...names.keys(), names.length, 30].map((n) => ({ ...blob(n), digest: digest(n) }))
    yield* listsInPages(
      store.inspectBlobs,
      byDigest(blobs).map(({ descriptor, key }) => ({ descriptor, key })),
      ({ descriptor }) => descriptor.digest,
      [20, 21, 22].map((n) => digest(n))
    )
  }),
  metadataCheck("finds everything again after a restart", function*(store, { reopen }) {
    yield* store.linkBlob(link(1))
    yield* store.putManifest(put(1, { tags: [v1], references: [refers("blob", digest(1))] }))
    yield* store.putManifest(sample.referrer(2, manifestDigest(1)))
    yield* store.createUpload(sample.upload(3), long, sample.limits)
    const claimed = yield* store.claimUpload("upload-3", long)
    yield* reopen
    yield* returns(store.findBlob(repository, digest(1)), blob(1))
    yield* returns(store.getManifest(repository, v1), manifest(1))
    yield* equal((yield* store.listReferrers(repository, manifestDigest(1), undefined, undefined, 9)).length, 1)
    yield* fails(store.unlinkBlob(sample.unlink(1)), new StoreError.Referenced({ by: manifestDigest(1) }))
    yield* returns(store.getUpload("upload-3"), claimed)
    yield* returns(store.unknownKeys([1, 3, 4].map(key)), [key(4)])
  }, { durable: true })
]

/** What a metadata store promises of blobs, manifests, tags and lists. */
export const metadataContent: ReadonlyArray<StoreCheck<MetadataStore>> = [...commands, ...atOnce, ...lists]
