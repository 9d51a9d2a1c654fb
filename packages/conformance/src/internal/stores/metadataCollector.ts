import * as Tag from "@effect-oci/core/Tag"
import type { MetadataStore, ReviewPolicy, Service } from "@effect-oci/store/MetadataStore"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { StoreCheck } from "../../StoreCheck.js"
import { collects, metadataCheck } from "./metadataContent.js"
import * as sample from "./samples.js"
import { equal, mismatch, returns } from "./subject.js"
import type { Subject } from "./subject.js"

const { blob, garbage, digest, key, link, long, manifestDigest, other, put, refers, repository, upTo, v1 } = sample

/** How long content is kept after the event that may have released it, in units. */
const grace = 4

type Untagged = ReviewPolicy["untagged"]

/** The policy of the checks. */
const policy = ({ units }: Subject, untagged: Untagged) => ({ untagged, grace: units(grace), readable: Duration.zero })

/** Reviews all that is due. Returns how many manifests and blobs were removed. */
const reviewAll = (store: Service, subject: Subject, untagged: Untagged = "delete", rounds = 0) =>
  Effect.gen(function*() {
    const removed = { manifests: 0, blobs: 0 }
    for (let round = 0; round <= rounds;) {
      const { blobs, manifests, more } = yield* store.review(policy(subject, untagged), 2)
      removed.manifests += manifests
      removed.blobs += blobs
      if (manifests + blobs > 2) yield* mismatch("at most 2 removals", `${manifests + blobs} removals`)
      if (!more && round++ < rounds) yield* subject.pass(grace + 1)
    }
    return removed
  })

/** Waits until all content that was released is removed, with what that releases in turn. */
const settle = (store: Service, subject: Subject, untagged?: Untagged) => reviewAll(store, subject, untagged, 4)

const blobIsKept = (store: Service, n: number) => returns(store.findBlob(repository, digest(n)), blob(n))

const blobIsGone = (store: Service, n: number) => returns(store.findBlob(repository, digest(n)), undefined)

/** Expects the manifests of the repository, by their numbers. */
const manifestsAre = (store: Service, ...numbers: ReadonlyArray<number>) =>
  Effect.flatMap(
    store.inspectManifests(repository, undefined, 100),
    (all) => equal(all.map(({ descriptor }) => descriptor.digest).toSorted(), numbers.map(manifestDigest).toSorted())
  )

const nothing = { manifests: 0, blobs: 0 }

type Use = (store: Service, keep: Duration.Duration) => Effect.Effect<unknown, unknown>

/** What renews or leaves a lease of twenty units, at some time, and when the lease ends then. */
const renewals: ReadonlyArray<readonly [name: string, at: number, endsAt: number, use: Use]> = [
  ["findBlob without keep", 16, 20, (store) => store.findBlob(repository, digest(1))],
  ["findBlob", 8, 20, (store, keep) => store.findBlob(repository, digest(1), keep)],
  ["findBlob", 12, 32, (store, keep) => store.findBlob(repository, digest(1), keep)],
  ["linkBlob", 8, 28, (store, keep) => store.linkBlob(link(1, { keep }))],
  ["linkBlob with other bytes", 8, 28, (store, keep) => store.linkBlob(link(1, { key: key(2), keep }))],
  ["mount", 8, 28, (store, keep) => store.mount({ repository, digest: digest(1), from: undefined, keep })],
  ["resolveManifest", 8, 20, (store, keep) => store.resolveManifest(repository, manifestDigest(1), keep)],
  ["resolveManifest", 12, 32, (store, keep) => store.resolveManifest(repository, manifestDigest(1), keep)],
  ["putManifest", 8, 28, (store, keep) => store.putManifest(put(1, { keep }))]
]

const leases = renewals.map(([name, at, endsAt, use]) =>
  metadataCheck(`${name} after ${at} of 20 units: the lease ends after ${endsAt}`, function*(store, subject) {
    const { pass, units } = subject
    const isManifest = name.endsWith("Manifest")
    if (isManifest) yield* store.putManifest(put(1, { keep: units(20) }))
    else yield* store.linkBlob(link(1, { keep: units(20) }))
    yield* pass(at)
    yield* returns(reviewAll(store, subject), nothing)
    yield* use(store, units(20))
    yield* pass(endsAt - at - 1)
    yield* returns(reviewAll(store, subject), nothing)
    yield* pass(grace + 2)
    yield* returns(reviewAll(store, subject), isManifest ? { manifests: 1, blobs: 0 } : { manifests: 0, blobs: 1 })
    yield* blobIsGone(store, 1)
    yield* manifestsAre(store)
  })
)

const zero = { keep: Duration.zero }

const reviews: ReadonlyArray<StoreCheck<MetadataStore>> = [
  metadataCheck("removes blobs that nothing refers to after the grace, not before", function*(store, subject) {
    for (let n = 1; n <= 5; n++) yield* store.linkBlob(link(n, zero))
    yield* store.linkBlob(link(1, { ...zero, repository: other }))
    yield* store.putManifest(put(1, { repository: other, references: [refers("blob", digest(1))], tags: [v1] }))
    yield* subject.pass(grace - 1)
    yield* returns(reviewAll(store, subject), nothing)
    yield* blobIsKept(store, 1)
    yield* subject.pass(2)
    yield* returns(reviewAll(store, subject), { manifests: 0, blobs: 5 })
    for (let n = 1; n <= 5; n++) yield* blobIsGone(store, n)
    yield* returns(store.findBlob(other, digest(1)), blob(1))
    yield* collects(store, ...[2, 3, 4, 5].map(garbage))
    yield* store.deleteManifest(other, manifestDigest(1), false)
    yield* returns(settle(store, subject), { manifests: 0, blobs: 1 })
    yield* collects(store, garbage(1))
  }),
  metadataCheck("keeps what a manifest refers to, until it is deleted", function*(store, subject) {
    for (const n of [1, 2]) yield* store.linkBlob(link(n, zero))
    const references = [refers("blob", digest(1)), refers("child", digest(2))]
    yield* store.putManifest(put(1, { references, tags: [v1], ...zero }))
    yield* returns(settle(store, subject), nothing)
    yield* store.deleteManifest(repository, manifestDigest(1), false)
    yield* subject.pass(grace - 1)
    yield* returns(reviewAll(store, subject), nothing)
    for (const n of [1, 2]) yield* blobIsKept(store, n)
    yield* returns(settle(store, subject), { manifests: 0, blobs: 2 })
    yield* collects(store, garbage(1), garbage(2))
  }),
  metadataCheck("removes untagged manifests only if the policy says so", function*(store, subject) {
    yield* store.linkBlob(link(1, zero))
    yield* store.putManifest(put(1, { references: [refers("blob", digest(1))], ...zero }))
    yield* store.putManifest(put(2, { tags: [v1], ...zero }))
    yield* returns(settle(store, subject, "keep"), nothing)
    yield* store.putManifest(put(3, { tags: [v1], ...zero }))
    yield* returns(settle(store, subject), { manifests: 2, blobs: 1 })
    yield* manifestsAre(store, 3)
    yield* store.deleteTag(repository, v1)
    yield* returns(settle(store, subject), { manifests: 1, blobs: 0 })
    yield* manifestsAre(store)
  }),
  metadataCheck("keeps a child for another grace when its parent is removed", function*(store, subject) {
    yield* store.putManifest(
      put(2, { references: [{ ...refers("child", manifestDigest(1)), required: false }], ...zero })
    )
    yield* subject.pass(1)
    yield* store.putManifest(put(1, zero))
    yield* subject.pass(grace + 1)
    yield* returns(reviewAll(store, subject), { manifests: 1, blobs: 0 })
    yield* returns(settle(store, subject), { manifests: 1, blobs: 0 })
  }),
  metadataCheck("keeps children and referrers of a manifest, until it is deleted", function*(store, subject) {
    yield* store.linkBlob(link(1, zero))
    yield* store.putManifest(put(1, { references: [refers("blob", digest(1))], ...zero }))
    yield* store.putManifest(put(2, { references: [refers("child", manifestDigest(1))], tags: [v1], ...zero }))
    yield* store.putManifest({ ...sample.referrer(3, manifestDigest(2)), ...zero })
    yield* store.putManifest({ ...sample.referrer(4, manifestDigest(3)), ...zero })
    yield* store.putManifest({ ...sample.referrer(5, digest(9)), tags: [Tag.make("kept")], ...zero })
    yield* returns(settle(store, subject), nothing)
    yield* manifestsAre(store, 1, 2, 3, 4, 5)
    yield* store.deleteManifest(repository, manifestDigest(2), false)
    yield* returns(settle(store, subject), { manifests: 3, blobs: 1 })
    yield* manifestsAre(store, 5)
  }),
  metadataCheck("never removes a blob that is linked or referred to while reviews run", function*(store, subject) {
    for (let n = 1; n <= 20; n++) yield* store.linkBlob(link(n, zero))
    yield* subject.pass(grace + 1)
    const pushes = upTo(20).map((n) =>
      Effect.either(store.putManifest(put(n + 1, { references: [refers("blob", digest(n + 1))] })))
    )
    const review = Effect.as(reviewAll(store, subject), undefined)
    const results = yield* Effect.all([...pushes.slice(0, 7), review, ...pushes.slice(7)], { concurrency: "unbounded" })
    for (const [n, result] of results.filter((one) => one !== undefined).entries()) {
      yield* result._tag === "Right" ? blobIsKept(store, n + 1) : blobIsGone(store, n + 1)
    }
  })
]

const collection: ReadonlyArray<StoreCheck<MetadataStore>> = [
  ...["unlinkBlob", "review"].map((command) =>
    metadataCheck(`garbage of ${command} is claimed after a while, until forgotten`, function*(store, subject) {
      const { pass, units } = subject
      const claim = store.claimGarbage(10, units(4))
      yield* store.linkBlob(link(1, zero))
      yield* pass(grace + 1)
      yield* command === "review"
        ? store.review({ ...policy(subject, "delete"), readable: units(2) }, 10)
        : store.unlinkBlob(sample.unlink(1, { readable: units(2) }))
      // The bytes are readable for two units. Each claim then lasts for four.
      for (const [wait, claimed] of [[1, 0], [2, 1], [3, 0], [2, 1]] as const) {
        yield* pass(wait)
        yield* returns(claim, claimed === 1 ? [garbage(1)] : [])
      }
      yield* store.forgetGarbage([key(1), key(9)])
      yield* pass(5)
      yield* returns(claim, [])
    })
  ),
  metadataCheck("each piece of garbage is claimed once, a few at a time, by callers at once", function*(store) {
    for (let n = 1; n <= 30; n++) {
      yield* store.createUpload(sample.upload(n), long, sample.limits)
      yield* store.endUpload(`upload-${n}`)
    }
    const claim = upTo(10).map(() => store.claimGarbage(4, long))
    const claims = yield* Effect.all(claim, { concurrency: "unbounded" })
    yield* equal(claims.filter(({ length }) => length > 4), [])
    const all = claims.flat().toSorted((a, b) => a.key < b.key ? -1 : 1)
    yield* equal(all, upTo(30).map((n) => sample.garbage(n + 1)))
    yield* collects(store)
  })
]

/** What a metadata store promises of leases, reviews and garbage. */
export const metadataCollector: ReadonlyArray<StoreCheck<MetadataStore>> = [...leases, ...reviews, ...collection]
