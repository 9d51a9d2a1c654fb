import type { Digest } from "@effect-oci/core/Digest"
import * as MediaType from "@effect-oci/core/MediaType"
import * as RepositoryName from "@effect-oci/core/RepositoryName"
import * as Tag from "@effect-oci/core/Tag"
import type { MetadataStore, PutManifest, Service } from "@effect-oci/store/MetadataStore"
import * as StoreError from "@effect-oci/store/StoreError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { StoreCheck } from "../../StoreCheck.js"
import { metadataCheck, twice } from "./metadataBlobs.js"
import {
  blob,
  digest,
  key,
  limits,
  link,
  long,
  manifest,
  manifestDigest,
  other,
  put,
  referrer,
  refers,
  repository,
  unknown,
  upload,
  v1,
  v2
} from "./samples.js"
import { equal, fails, listsInPages, returns } from "./subject.js"

const manifestUnknown = new StoreError.ManifestUnknown()
const repositoryUnknown = new StoreError.RepositoryUnknown()

/** Expects where the tags of the repository point, in order. */
const tagsAre = (store: Service, tags: { readonly [tag: string]: number }) =>
  returns(
    Effect.map(store.inspectTags(repository, undefined, 1000), (all) => all.map(({ digest, tag }) => [tag, digest])),
    Object.entries(tags).map(([tag, n]) => [tag, manifestDigest(n)])
  )

/** A push that the store refuses, after manifest 1 with the tag `v1` and blob 1 were stored. */
const refusals: ReadonlyArray<
  readonly [
    name: string,
    put: PutManifest,
    error: StoreError.ContentUnknown | StoreError.TagTaken | StoreError.TypeTaken
  ]
> = [
  [
    "whose required blob is missing",
    put(2, { tags: [v1, v2], references: [refers("blob", digest(1)), refers("blob", digest(2))] }),
    new StoreError.ContentUnknown({ digests: [digest(2)] })
  ],
  [
    "whose required child is missing",
    put(2, { tags: [v2], references: [refers("child", manifestDigest(1)), refers("child", digest(9))] }),
    new StoreError.ContentUnknown({ digests: [digest(9)] })
  ],
  [
    "that refers to a manifest as a blob",
    put(2, { references: [refers("blob", manifestDigest(1))] }),
    new StoreError.ContentUnknown({ digests: [manifestDigest(1)] })
  ],
  [
    "whose tag must be absent",
    put(2, { tags: [v2, v1], ifAbsent: true }),
    new StoreError.TagTaken({ tag: v1, digest: manifestDigest(1) })
  ],
  [
    "whose tag must point at another manifest",
    put(2, { tags: [v1], ifMatch: manifestDigest(3) }),
    new StoreError.TagTaken({ tag: v1, digest: manifestDigest(1) })
  ],
  [
    "whose tag must exist",
    put(2, { tags: [v2], ifMatch: manifestDigest(1) }),
    new StoreError.TagTaken({ tag: v2, digest: undefined })
  ],
  [
    "that has another type, before all other errors",
    put(1, {
      manifest: manifest(1, MediaType.dockerList),
      tags: [v1, v2],
      references: [refers("blob", digest(2))],
      ifMatch: manifestDigest(3)
    }),
    new StoreError.TypeTaken({ mediaType: MediaType.index })
  ]
]

const puts: ReadonlyArray<StoreCheck<MetadataStore>> = [
  metadataCheck("returns a manifest as it was stored, by its tags and its digest", function*(store) {
    yield* fails(store.getManifest(repository, v1), repositoryUnknown)
    yield* fails(store.resolveManifest(repository, v1), repositoryUnknown)
    yield* twice(store.putManifest(put(1, { tags: [v1, v2] })))
    for (const reference of [v1, v2, manifestDigest(1)]) {
      yield* returns(store.getManifest(repository, reference), manifest(1))
      yield* returns(store.resolveManifest(repository, reference), manifest(1).descriptor)
    }
    for (const reference of [Tag.make("v3"), manifestDigest(2)]) {
      yield* fails(store.getManifest(repository, reference), manifestUnknown)
      yield* fails(store.resolveManifest(repository, reference, long), manifestUnknown)
    }
  }),
  ...refusals.map(([name, refused, error]) =>
    metadataCheck(`putManifest stores nothing of a manifest ${name}`, function*(store) {
      yield* store.linkBlob(link(1))
      yield* store.putManifest(put(1, { tags: [v1] }))
      yield* fails(store.putManifest(refused), error)
      yield* tagsAre(store, { v1: 1 })
      yield* returns(store.resolveManifest(repository, v1), manifest(1).descriptor)
      yield* equal((yield* store.inspectManifests(repository, undefined, 10)).length, 1)
    })
  ),
  metadataCheck("putManifest names every missing digest", function*(store) {
    const missing = [1, 2, 3, 4].map((n) => digest(n))
    const references = missing.map((to, n) => refers(n % 2 === 0 ? "blob" : "child", to))
    const error = yield* Effect.flip(
      store.putManifest(put(1, { references: [...references, refers("blob", digest(9), false)] }))
    )
    yield* equal(error._tag === "ContentUnknown" ? error.digests.toSorted() : error, missing.toSorted())
  }),
  metadataCheck("a child may be a manifest or a blob, and what is not required may be missing", function*(store) {
    yield* store.linkBlob(link(1))
    yield* store.putManifest(put(1))
    const references = [
      refers("child", digest(1)),
      refers("child", manifestDigest(1)),
      refers("child", manifestDigest(8), false),
      refers("blob", digest(8), false),
      refers("subject", manifestDigest(9))
    ]
    yield* store.putManifest(put(2, { references, tags: [v1] }))
    yield* tagsAre(store, { v1: 2 })
  }),
  metadataCheck("a tag moves only as ifAbsent and ifMatch permit", function*(store) {
    yield* twice(store.putManifest(put(1, { tags: [v1], ifAbsent: true })))
    yield* twice(store.putManifest(put(2, { tags: [v1], ifMatch: manifestDigest(1) })))
    yield* tagsAre(store, { v1: 2 })
    yield* twice(store.putManifest(put(3, { tags: [v1, v2] })))
    yield* store.putManifest(put(4, { tags: [v1, v2], ifMatch: manifestDigest(3) }))
    yield* tagsAre(store, { v1: 4, v2: 4 })
  }),
  ...([["ifAbsent", { ifAbsent: true }], ["ifMatch", { ifMatch: manifestDigest(0) }]] as const).map((
    [name, condition]
  ) =>
    metadataCheck(`one of many pushes with ${name} at once moves the tag`, function*(store) {
      if (name === "ifMatch") yield* store.putManifest(put(0, { tags: [v1] }))
      const results = yield* Effect.forEach(
        Array.from({ length: 20 }, (_, n) => n + 1),
        (n) => Effect.either(store.putManifest(put(n, { tags: [v1], ...condition }))),
        { concurrency: "unbounded" }
      )
      const winners = results.flatMap(({ _tag }, n) => _tag === "Right" ? [n + 1] : [])
      yield* equal(winners.length, 1)
      yield* tagsAre(store, { v1: winners[0]! })
    })
  ),
  metadataCheck(
    "remembers when a manifest was first stored, and when a tag was last set",
    function*(store, { pass, units }) {
      const times = Effect.gen(function*() {
        const [stored] = yield* store.inspectManifests(repository, undefined, 1)
        const [tag] = yield* store.inspectTags(repository, undefined, 1)
        return { created: stored!.createdAt, updated: tag!.updatedAt }
      })
      yield* store.putManifest(put(1, { tags: [v1] }))
      const before = yield* times
      yield* pass(1)
      yield* store.putManifest(put(1, { tags: [v1] }))
      const after = yield* times
      yield* equal(after.created, before.created)
      yield* equal(after.updated - before.updated >= Duration.toMillis(units(1)) * 0.9, true)
    }
  )
]

const deletes: ReadonlyArray<StoreCheck<MetadataStore>> = [
  metadataCheck("deleteManifest deletes the tags and the entry among the referrers, once", function*(store) {
    yield* fails(store.deleteManifest(unknown, manifestDigest(1), false), repositoryUnknown)
    yield* store.putManifest(put(1, { tags: [v1] }))
    yield* store.putManifest({ ...referrer(2, manifestDigest(1)), tags: [v2] })
    yield* store.deleteManifest(repository, manifestDigest(1), false)
    yield* fails(store.deleteManifest(repository, manifestDigest(1), false), manifestUnknown)
    yield* fails(store.getManifest(repository, v1), manifestUnknown)
    yield* tagsAre(store, { v2: 2 })
    yield* equal((yield* store.listReferrers(repository, manifestDigest(1), undefined, undefined, 9)).length, 1)
    yield* store.deleteManifest(repository, manifestDigest(2), false)
    yield* returns(store.listReferrers(repository, manifestDigest(1), undefined, undefined, 9), [])
    yield* returns(store.listTags(repository, undefined, 9), [])
    yield* returns(store.inspectManifests(repository, undefined, 9), [])
    yield* returns(store.listRepositories(undefined, 9), [repository])
  }),
  metadataCheck("deleteManifest refuses a child, but not a subject", function*(store) {
    yield* store.putManifest(put(1))
    yield* store.putManifest(put(1, { repository: other }))
    yield* store.putManifest(put(2, { references: [refers("child", manifestDigest(1), false)] }))
    yield* store.putManifest(referrer(3, manifestDigest(2)))
    const refused = new StoreError.Referenced({ by: manifestDigest(2) })
    yield* fails(store.deleteManifest(repository, manifestDigest(1), false), refused)
    yield* returns(store.resolveManifest(repository, manifestDigest(1)), manifest(1).descriptor)
    yield* store.deleteManifest(other, manifestDigest(1), false)
    yield* store.deleteManifest(repository, manifestDigest(1), true)
    yield* store.putManifest(put(1))
    yield* store.deleteManifest(repository, manifestDigest(2), false)
    yield* store.deleteManifest(repository, manifestDigest(1), false)
  }),
  metadataCheck("deleteTag deletes one tag, and keeps the manifest", function*(store) {
    yield* fails(store.deleteTag(unknown, v1), repositoryUnknown)
    yield* store.putManifest(put(1, { tags: [v1, v2] }))
    yield* store.deleteTag(repository, v1)
    yield* fails(store.deleteTag(repository, v1), manifestUnknown)
    yield* tagsAre(store, { v2: 1 })
    yield* store.deleteTag(repository, v2)
    yield* returns(store.resolveManifest(repository, manifestDigest(1)), manifest(1).descriptor)
  })
]

const lists: ReadonlyArray<StoreCheck<MetadataStore>> = [
  metadataCheck("a repository exists from its first content on, not by a failed command", function*(store) {
    yield* store.createUpload(upload(1), long, limits)
    yield* store.mount({ repository, digest: digest(1), from: undefined, keep: long })
    yield* Effect.flip(store.putManifest(put(1, { references: [refers("blob", digest(1))] })))
    yield* returns(store.listRepositories(undefined, 10), [])
    yield* fails(store.listTags(repository, undefined, 1), repositoryUnknown)
    yield* fails(store.inspectTags(repository, undefined, 1), repositoryUnknown)
    yield* fails(store.inspectManifests(repository, undefined, 1), repositoryUnknown)
    yield* returns(store.listReferrers(repository, digest(1), undefined, undefined, 1), [])
    yield* store.linkBlob(link(1))
    yield* returns(store.listTags(repository, undefined, 1), [])
    yield* returns(store.inspectManifests(repository, undefined, 1), [])
    yield* returns(store.listRepositories(undefined, 10), [repository])
  }),
  metadataCheck("lists a thousand tags and manifests in ASCII order", function*(store) {
    const names = ["A", "B-1", "_", "a", "a-1", "a.1", "a1", "a_1", ...Array.from({ length: 1000 }, (_, n) => `v${n}`)]
    const tags = names.map(Tag.make).toSorted()
    const put1 = ([n, tag]: readonly [number, Tag.Tag]) => store.putManifest(put(n, { tags: [tag] }))
    yield* Effect.forEach([...tags.entries()].toReversed(), put1, { concurrency: 16 })
    const absent = ["0", "Z", "a-0", "a0", "v5000", "zz"].map(Tag.make)
    yield* listsInPages(
      (after: Tag.Tag | undefined, n) => store.listTags(repository, after, n),
      tags,
      (tag) => tag,
      absent
    )
    yield* listsInPages(
      (after: Tag.Tag | undefined, n) =>
        Effect.map(store.inspectTags(repository, after, n), (page) => page.map(({ digest, tag }) => ({ digest, tag }))),
      tags.map((tag, n) => ({ digest: manifestDigest(n), tag })),
      ({ tag }) => tag,
      absent
    )
    yield* listsInPages(
      (after: Digest | undefined, n) =>
        Effect.map(store.inspectManifests(repository, after, n), (page) => page.map(({ descriptor }) => descriptor)),
      byDigest(tags.map((_, n) => manifest(n).descriptor)),
      (descriptor) => descriptor.digest,
      [1, 2, 3].map((n) => digest(n))
    )
  }),
  metadataCheck("lists referrers by digest, with a filter", function*(store) {
    const all = Array.from({ length: 40 }, (_, n) => referrer(n, digest(1), n % 3 === 0 ? "some/type" : "other/type"))
    yield* Effect.forEach(all, (one) => twice(store.putManifest(one)), { concurrency: 8 })
    yield* store.putManifest(referrer(50, digest(2)))
    const descriptors = byDigest(all.flatMap(({ listedAs }) => listedAs ?? []))
    for (const type of [undefined, "some/type", "no/type"]) {
      yield* listsInPages(
        (after: Digest | undefined, n) => store.listReferrers(repository, digest(1), type, after, n),
        descriptors.filter(({ artifactType }) => type === undefined || artifactType === type),
        (descriptor) => descriptor.digest,
        [1, 2, 3].map((n) => digest(n))
      )
    }
    yield* returns(store.listReferrers(unknown, digest(1), undefined, undefined, 9), [])
  }),
  metadataCheck("lists repositories in ASCII order, and the blobs of all repositories once", function*(store) {
    const names = ["team", "team-1", "team.app", "team/app", "team_app", "team0", "a/b", "z"]
    const sorted = names.map(RepositoryName.make).toSorted()
    for (const [n, name] of sorted.toReversed().entries()) {
      for (const at of [n, n + 1, 30]) yield* store.linkBlob(link(at, { repository: name }))
    }
    const absent = ["a", "team.a", "team/zzz", "zz"].map(RepositoryName.make)
    yield* listsInPages(store.listRepositories, sorted, (name) => name, absent)
    const blobs = [...sorted.keys(), sorted.length, 30].map((n) => blob(n))
    yield* listsInPages(
      store.inspectBlobs,
      blobs.toSorted((a, b) => a.descriptor.digest < b.descriptor.digest ? -1 : 1),
      (stored) => stored.descriptor.digest,
      [20, 21, 22].map((n) => digest(n))
    )
    yield* returns(store.unknownKeys([key(30)]), [])
  }),
  metadataCheck("finds everything again after a restart", function*(store, { reopen }) {
    yield* store.linkBlob(link(1))
    yield* store.putManifest(put(1, { tags: [v1], references: [refers("blob", digest(1))] }))
    yield* store.putManifest(referrer(2, manifestDigest(1)))
    yield* store.createUpload(upload(3), long, limits)
    const before = yield* store.claimUpload("upload-3", long)
    yield* reopen
    yield* returns(store.findBlob(repository, digest(1)), blob(1))
    yield* returns(store.getManifest(repository, v1), manifest(1))
    yield* equal((yield* store.listReferrers(repository, manifestDigest(1), undefined, undefined, 9)).length, 1)
    yield* returns(store.getUpload("upload-3"), before)
    yield* returns(store.unknownKeys([1, 3, 4].map(key)), [key(4)])
  }, { durable: true })
]

const byDigest = <A extends { readonly digest: Digest }>(all: ReadonlyArray<A>): ReadonlyArray<A> =>
  all.toSorted((a, b) => a.digest < b.digest ? -1 : 1)

/** What a metadata store promises of manifests, tags and lists. */
export const metadataManifests: ReadonlyArray<StoreCheck<MetadataStore>> = [...puts, ...deletes, ...lists]
