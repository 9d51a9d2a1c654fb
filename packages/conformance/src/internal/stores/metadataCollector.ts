import * as Tag from "@effect-oci/core/Tag"
import type { MetadataStore, ReviewPolicy, Service } from "@effect-oci/store/MetadataStore"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { StoreCheck } from "../../StoreCheck.js"
import { collects, metadataCheck, twice, unlink } from "./metadataBlobs.js"
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
  referrer,
  refers,
  repository,
  upload,
  uploadGarbage,
  v1
} from "./samples.js"
import { equal, mismatch, returns } from "./subject.js"
import type { Subject } from "./subject.js"

/** How long content is kept after the event that may have released it, in units. */
const grace = 4

/** The policy of the checks. */
const policy = ({ units }: Subject, untagged: ReviewPolicy["untagged"] = "delete"): ReviewPolicy => ({
  untagged,
  grace: units(grace),
  readable: Duration.zero
})

/** Reviews all that is due. Returns how many manifests and blobs were removed. */
const reviewAll = (store: Service, subject: Subject, untagged?: ReviewPolicy["untagged"]) =>
  Effect.gen(function*() {
    const removed = { manifests: 0, blobs: 0 }
    for (let calls = 0; calls < 1000; calls++) {
      const { blobs, manifests, more } = yield* store.review(policy(subject, untagged), 2)
      removed.manifests += manifests
      removed.blobs += blobs
      if (manifests + blobs > 2) yield* mismatch("at most 2 removals", `${manifests + blobs} removals`)
      if (!more) return removed
    }
    return yield* mismatch("no more reviews after 1000 calls", "more")
  })

/** Waits until all content that was released is removed, with what that releases in turn. */
const settle = (store: Service, subject: Subject, untagged?: ReviewPolicy["untagged"]) =>
  Effect.gen(function*() {
    const sum = { manifests: 0, blobs: 0 }
    for (let round = 0; round < 4; round++) {
      yield* subject.pass(grace + 1)
      const { blobs, manifests } = yield* reviewAll(store, subject, untagged)
      sum.manifests += manifests
      sum.blobs += blobs
    }
    return sum
  })

const blobIsKept = (store: Service, n: number) => returns(store.findBlob(repository, digest(n)), blob(n))

const blobIsGone = (store: Service, n: number) => returns(store.findBlob(repository, digest(n)), undefined)

/** Expects the manifests of the repository, by their numbers. */
const manifestsAre = (store: Service, ...numbers: ReadonlyArray<number>) =>
  Effect.flatMap(
    store.inspectManifests(repository, undefined, 100),
    (all) => equal(all.map(({ descriptor }) => descriptor.digest).toSorted(), numbers.map(manifestDigest).toSorted())
  )

const nothing = { manifests: 0, blobs: 0 }

/** Renewals of a lease of ten units, at some time: when the lease ends then. */
const renewals: ReadonlyArray<
  readonly [
    name: string,
    at: number,
    endsAt: number,
    renew: (store: Service, keep: Duration.Duration) => Effect.Effect<unknown, unknown>
  ]
> = [
  [
    "findBlob renews the lease if less than half is left",
    6,
    16,
    (store, keep) => store.findBlob(repository, digest(1), keep)
  ],
  [
    "findBlob leaves a lease of which more than half is left",
    4,
    10,
    (store, keep) => store.findBlob(repository, digest(1), keep)
  ],
  ["findBlob without a lease changes nothing", 8, 10, (store) => store.findBlob(repository, digest(1))],
  ["linkBlob with the same key renews the lease", 2, 12, (store, keep) => store.linkBlob(link(1, { keep }))],
  [
    "linkBlob with another key renews the lease",
    8,
    18,
    (store, keep) => store.linkBlob(link(1, { key: key(2), keep }))
  ],
  [
    "mount renews the lease",
    8,
    18,
    (store, keep) => store.mount({ repository, digest: digest(1), from: undefined, keep })
  ]
]

const leases: ReadonlyArray<StoreCheck<MetadataStore>> = [
  ...renewals.map(([name, at, endsAt, renew]) =>
    metadataCheck(`${name} (blob)`, function*(store, subject) {
      const { pass, units } = subject
      yield* store.linkBlob(link(1, { keep: units(10) }))
      yield* pass(at)
      yield* returns(reviewAll(store, subject), nothing)
      yield* renew(store, units(10))
      yield* pass(endsAt - at - 1)
      yield* returns(reviewAll(store, subject), nothing)
      yield* blobIsKept(store, 1)
      yield* pass(grace + 2)
      yield* returns(reviewAll(store, subject), { manifests: 0, blobs: 1 })
      yield* blobIsGone(store, 1)
    })
  ),
  ...([
    ["resolveManifest renews the lease if less than half is left", 6, 16],
    ["resolveManifest leaves a lease of which more than half is left", 4, 10],
    ["putManifest renews the lease", 2, 12]
  ] as const).map(([name, at, endsAt]) =>
    metadataCheck(`${name} (manifest)`, function*(store, subject) {
      const { pass, units } = subject
      yield* store.putManifest(put(1, { keep: units(10) }))
      yield* pass(at)
      yield* name.startsWith("put")
        ? store.putManifest(put(1, { keep: units(10) }))
        : store.resolveManifest(repository, manifestDigest(1), units(10))
      yield* pass(endsAt - at - 1)
      yield* returns(reviewAll(store, subject), nothing)
      yield* manifestsAre(store, 1)
      yield* pass(grace + 2)
      yield* returns(reviewAll(store, subject), { manifests: 1, blobs: 0 })
      yield* manifestsAre(store)
    })
  )
]

const zero = { keep: Duration.zero }

const reviews: ReadonlyArray<StoreCheck<MetadataStore>> = [
  metadataCheck("removes an unreferenced blob after the grace, not before", function*(store, subject) {
    yield* store.linkBlob(link(1, zero))
    yield* store.linkBlob(link(1, { ...zero, repository: other }))
    yield* store.putManifest(put(1, { repository: other, references: [refers("blob", digest(1))], tags: [v1] }))
    yield* subject.pass(grace - 1)
    yield* returns(reviewAll(store, subject), nothing)
    yield* blobIsKept(store, 1)
    yield* subject.pass(2)
    yield* returns(reviewAll(store, subject), { manifests: 0, blobs: 1 })
    yield* blobIsGone(store, 1)
    yield* returns(store.findBlob(other, digest(1)), blob(1))
    yield* collects(store)
    yield* store.deleteManifest(other, manifestDigest(1), false)
    yield* returns(settle(store, subject), { manifests: 0, blobs: 1 })
    yield* collects(store, blobGarbage(1))
  }),
  metadataCheck("reviews a few at a time, and says whether others are due", function*(store, subject) {
    for (let n = 1; n <= 5; n++) yield* store.linkBlob(link(n, zero))
    yield* subject.pass(grace + 1)
    yield* returns(store.review(policy(subject), 4), { manifests: 0, blobs: 4, more: true })
    yield* returns(store.review(policy(subject), 4), { manifests: 0, blobs: 1, more: false })
    yield* returns(store.review(policy(subject), 4), { manifests: 0, blobs: 0, more: false })
  }),
  metadataCheck(
    "keeps the blobs of a manifest, and removes them after the manifest is deleted",
    function*(store, subject) {
      for (const n of [1, 2]) yield* store.linkBlob(link(n, zero))
      const references = [refers("blob", digest(1)), refers("child", digest(2))]
      yield* store.putManifest(put(1, { references, tags: [v1], ...zero }))
      yield* returns(settle(store, subject), nothing)
      yield* store.deleteManifest(repository, manifestDigest(1), false)
      yield* subject.pass(grace - 1)
      yield* returns(reviewAll(store, subject), nothing)
      for (const n of [1, 2]) yield* blobIsKept(store, n)
      yield* returns(settle(store, subject), { manifests: 0, blobs: 2 })
      yield* collects(store, blobGarbage(1), blobGarbage(2))
    }
  ),
  metadataCheck("keeps content that is referred to again within the grace", function*(store, subject) {
    yield* store.linkBlob(link(1, zero))
    const stored = put(1, { references: [refers("blob", digest(1))], tags: [v1], ...zero })
    yield* store.putManifest(stored)
    yield* store.deleteManifest(repository, manifestDigest(1), false)
    yield* subject.pass(grace - 1)
    yield* store.putManifest(stored)
    yield* returns(settle(store, subject), nothing)
    yield* blobIsKept(store, 1)
  }),
  metadataCheck("removes untagged manifests only if the policy says so", function*(store, subject) {
    yield* store.linkBlob(link(1, zero))
    yield* store.putManifest(put(1, { references: [refers("blob", digest(1))], ...zero }))
    yield* store.putManifest(put(2, { tags: [v1], ...zero }))
    yield* returns(settle(store, subject, "keep"), nothing)
    yield* store.putManifest(put(3, { tags: [v1], ...zero }))
    yield* store.putManifest(put(1, { references: [refers("blob", digest(1))], ...zero }))
    yield* returns(settle(store, subject), { manifests: 2, blobs: 1 })
    yield* manifestsAre(store, 3)
    yield* store.deleteTag(repository, v1)
    yield* returns(settle(store, subject), { manifests: 1, blobs: 0 })
    yield* manifestsAre(store)
  }),
  metadataCheck(
    "keeps children of a parent and referrers of a subject, and removes them after it",
    function*(store, subject) {
      yield* store.linkBlob(link(1, zero))
      yield* store.putManifest(put(1, { references: [refers("blob", digest(1))], ...zero }))
      yield* store.putManifest(put(2, { references: [refers("child", manifestDigest(1))], tags: [v1], ...zero }))
      yield* store.putManifest({ ...referrer(3, manifestDigest(2)), ...zero })
      yield* store.putManifest({ ...referrer(4, manifestDigest(3)), ...zero })
      yield* store.putManifest({ ...referrer(5, digest(9)), tags: [Tag.make("kept")], ...zero })
      yield* returns(settle(store, subject), nothing)
      yield* manifestsAre(store, 1, 2, 3, 4, 5)
      yield* store.deleteManifest(repository, manifestDigest(2), false)
      yield* returns(settle(store, subject), { manifests: 3, blobs: 1 })
      yield* manifestsAre(store, 5)
    }
  ),
  metadataCheck("never removes a blob that is linked or referred to while reviews run", function*(store, subject) {
    for (let n = 1; n <= 20; n++) yield* store.linkBlob(link(n, zero))
    yield* subject.pass(grace + 1)
    const pushes = Array.from(
      { length: 20 },
      (_, n) => Effect.either(store.putManifest(put(n + 1, { references: [refers("blob", digest(n + 1))] })))
    )
    const review = Effect.as(reviewAll(store, subject), undefined)
    const results = yield* Effect.all([...pushes.slice(0, 7), review, ...pushes.slice(7)], { concurrency: "unbounded" })
    for (const [n, result] of results.filter((one) => one !== undefined).entries()) {
      yield* result._tag === "Right" ? blobIsKept(store, n + 1) : blobIsGone(store, n + 1)
    }
  })
]

const garbage: ReadonlyArray<StoreCheck<MetadataStore>> = [
  metadataCheck(
    "garbage is claimed when it may be deleted, again after the lease, until it is forgotten",
    function*(store, subject) {
      const { pass, units } = subject
      const claim = store.claimGarbage(10, units(4))
      yield* store.linkBlob(link(1))
      yield* store.unlinkBlob(unlink(1, { readable: units(2) }))
      yield* pass(1)
      yield* returns(claim, [])
      yield* pass(2)
      yield* returns(claim, [blobGarbage(1)])
      yield* pass(3)
      yield* returns(claim, [])
      yield* pass(2)
      yield* returns(claim, [blobGarbage(1)])
      yield* twice(store.forgetGarbage([key(1), key(9)]))
      yield* pass(5)
      yield* returns(claim, [])
      yield* store.forgetGarbage([])
    }
  ),
  metadataCheck("a review releases bytes for reads that have begun", function*(store, subject) {
    const { pass, units } = subject
    yield* store.linkBlob(link(1, zero))
    yield* pass(grace + 1)
    yield* returns(store.review({ ...policy(subject), readable: units(3) }, 10), {
      manifests: 0,
      blobs: 1,
      more: false
    })
    yield* pass(2)
    yield* collects(store)
    yield* pass(2)
    yield* collects(store, blobGarbage(1))
  }),
  metadataCheck("each piece of garbage is claimed once, a few at a time, by callers at once", function*(store) {
    for (let n = 1; n <= 30; n++) {
      yield* store.createUpload(upload(n), long, limits)
      yield* store.endUpload(`upload-${n}`)
    }
    const claims = yield* Effect.replicateEffect(store.claimGarbage(4, long), 10).pipe(
      Effect.withConcurrency("unbounded")
    )
    yield* equal(claims.every(({ length }) => length <= 4), true)
    const all = claims.flat().toSorted((a, b) => a.key < b.key ? -1 : 1)
    yield* equal(all, Array.from({ length: 30 }, (_, n) => uploadGarbage(n + 1)))
    yield* collects(store)
  })
]

/** What a metadata store promises of leases, reviews and garbage. */
export const metadataCollector: ReadonlyArray<StoreCheck<MetadataStore>> = [...leases, ...reviews, ...garbage]
