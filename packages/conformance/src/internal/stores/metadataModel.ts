import type { Digest } from "@effect-oci/core/Digest"
import * as MediaType from "@effect-oci/core/MediaType"
import type { RepositoryName } from "@effect-oci/core/RepositoryName"
import type { Tag } from "@effect-oci/core/Tag"
import type { BlobKey } from "@effect-oci/store/BlobStore"
import type { PutManifest, Reference, Service } from "@effect-oci/store/MetadataStore"
import * as StoreError from "@effect-oci/store/StoreError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as fc from "fast-check"
import * as sample from "./samples.js"
import { equal, fails, returns } from "./subject.js"

const step = fc.record({
  command: fc.constantFrom(
    "link",
    "link",
    "link",
    "mount",
    "unlink",
    "discard",
    "put",
    "put",
    "put",
    "delete",
    "untag"
  ),
  repository: fc.constantFrom(sample.repository, sample.other),
  n: fc.nat(3),
  tags: fc.subarray([sample.v1, sample.v2]),
  condition: fc.constantFrom({}, {}, { ifAbsent: true }, ...[0, 1].map((n) => ({ ifMatch: sample.manifestDigest(n) }))),
  mediaType: fc.constantFrom(MediaType.index, MediaType.index, MediaType.index, MediaType.dockerList),
  even: fc.constantFrom(false, false, true),
  /** Whether the command is run again: a caller does so if it does not know whether the command took effect. */
  again: fc.boolean()
})

type Step = typeof step extends fc.Arbitrary<infer A> ? A : never

/** What each of the four sample manifests refers to. */
const references: ReadonlyArray<ReadonlyArray<Reference>> = [
  [sample.refers("blob", sample.digest(0))],
  [sample.refers("blob", sample.digest(1)), sample.refers("child", sample.manifestDigest(0))],
  [
    sample.refers("child", sample.digest(2)),
    sample.refers("child", sample.manifestDigest(1), false),
    sample.refers("blob", sample.digest(3), false)
  ],
  [sample.refers("subject", sample.manifestDigest(0)), sample.refers("blob", sample.digest(0))]
]

const numbers = [...references.keys()]

interface Repository {
  readonly blobs: Set<Digest>
  readonly manifests: Map<Digest, PutManifest>
  readonly tags: Map<Tag, Digest>
}

/** What a command returns, or the errors with which it may fail. */
type Outcome = { readonly value: unknown } | { readonly errors: ReadonlyArray<StoreError.StoreError> }

const refused = (...errors: ReadonlyArray<StoreError.StoreError>): Outcome => ({ errors })
const done: Outcome = { value: undefined }

/** A metadata store of plain maps, without time. Each method changes the maps as the command should. */
class Model {
  readonly repositories = new Map<RepositoryName, Repository>()
  readonly keys = new Map<Digest, BlobKey>()
  readonly released: Array<BlobKey> = []
  readonly discarded = new Map<Digest, ReadonlyArray<RepositoryName>>()

  private create(name: RepositoryName): Repository {
    const created = this.repositories.get(name) ?? { blobs: new Set(), manifests: new Map(), tags: new Map() }
    this.repositories.set(name, created)
    return created
  }

  link(n: number, name: RepositoryName, key: BlobKey): Outcome {
    const digest = sample.digest(n)
    const shared = this.keys.get(digest) ?? key
    if (shared !== key && !this.released.includes(key)) this.released.push(key)
    if (!this.keys.has(digest)) {
      for (const repository of this.discarded.get(digest) ?? []) this.create(repository).blobs.add(digest)
      this.discarded.delete(digest)
    }
    this.keys.set(digest, shared)
    this.create(name).blobs.add(digest)
    return { value: { ...sample.blob(n), key: shared } }
  }

  mount(digest: Digest, name: RepositoryName, from: RepositoryName | undefined): Outcome {
    const exists = from === undefined ? this.keys.has(digest) : this.repositories.get(from)?.blobs.has(digest) === true
    if (exists) this.create(name).blobs.add(digest)
    return { value: exists }
  }

  unlink(digest: Digest, name: RepositoryName, even: boolean): Outcome {
    const repository = this.repositories.get(name)
    if (repository?.blobs.has(digest) !== true) return refused(new StoreError.BlobUnknown())
    const sources = sourcesOf(repository, digest, ["blob", "child"])
    if (sources.length > 0 && !even) return refused(...sources)
    repository.blobs.delete(digest)
    const key = this.keys.get(digest)
    if (key === undefined || [...this.repositories.values()].some(({ blobs }) => blobs.has(digest))) return done
    this.keys.delete(digest)
    this.released.push(key)
    return done
  }

  discard(digest: Digest, key: BlobKey): Outcome {
    if (this.keys.get(digest) !== key) return done
    const names = [...this.repositories].flatMap(([name, { blobs }]) => blobs.delete(digest) ? [name] : [])
    this.discarded.set(digest, [...this.discarded.get(digest) ?? [], ...names])
    this.keys.delete(digest)
    this.released.push(key)
    return done
  }

  put(put: PutManifest): Outcome {
    const { digest, mediaType } = put.manifest.descriptor
    const found = this.repositories.get(put.repository)
    const stored = found?.manifests.get(digest)?.manifest.descriptor.mediaType ?? mediaType
    if (stored !== mediaType) return refused(new StoreError.TypeTaken({ mediaType: stored }))
    const digests = put.references.flatMap(({ digest, kind, required }) =>
      !required || found?.blobs.has(digest) || (kind === "child" && found?.manifests.has(digest)) ? [] : [digest]
    )
    const taken = put.tags.flatMap((tag) => {
      const current = found?.tags.get(tag)
      const free = current === digest || !(put.ifAbsent && current !== undefined)
      const matches = current === digest || put.ifMatch === undefined || current === put.ifMatch
      return free && matches ? [] : [new StoreError.TagTaken({ tag, digest: current })]
    })
    if (digests.length > 0) return refused(new StoreError.ContentUnknown({ digests: digests.toSorted() }), ...taken)
    if (taken.length > 0) return refused(...taken)
    const { manifests, tags } = this.create(put.repository)
    manifests.set(digest, put)
    for (const tag of put.tags) tags.set(tag, digest)
    return done
  }

  delete(digest: Digest, name: RepositoryName, even: boolean): Outcome {
    const repository = this.repositories.get(name)
    if (repository === undefined) return refused(new StoreError.RepositoryUnknown())
    if (!repository.manifests.has(digest)) return refused(new StoreError.ManifestUnknown())
    const parents = sourcesOf(repository, digest, ["child"])
    if (parents.length > 0 && !even) return refused(...parents)
    repository.manifests.delete(digest)
    for (const [tag, target] of repository.tags) if (target === digest) repository.tags.delete(tag)
    return done
  }

  untag(tag: Tag, name: RepositoryName, pointsAt: Digest | undefined): Outcome {
    const repository = this.repositories.get(name)
    if (repository === undefined) return refused(new StoreError.RepositoryUnknown())
    const isThere = pointsAt === undefined || repository.tags.get(tag) === pointsAt
    return isThere && repository.tags.delete(tag) ? done : refused(new StoreError.ManifestUnknown())
  }
}

const inOrder = (error: StoreError.StoreError): StoreError.StoreError =>
  error._tag === "OciStoreContentUnknown" ? new StoreError.ContentUnknown({ digests: error.digests.toSorted() }) : error

/** Returns an error for each manifest that refers to some content. */
const sourcesOf = ({ manifests }: Repository, digest: Digest, kinds: ReadonlyArray<Reference["kind"]>) =>
  [...manifests].flatMap(([by, put]) =>
    put.references.some((reference) => reference.digest === digest && kinds.includes(reference.kind))
      ? [new StoreError.Referenced({ by })]
      : []
  )

/** Returns the command of a step, and applies the step to the model. */
const apply = (
  store: Service,
  model: Model,
  { command, condition, even, mediaType, n, repository, tags }: Step,
  key: BlobKey
): readonly [Effect.Effect<unknown, StoreError.StoreError>, Outcome] => {
  const digest = sample.digest(n)
  const manifest = sample.manifest(n, mediaType)
  const target = manifest.descriptor.digest
  const [tag = sample.v1] = tags
  switch (command) {
    case "link":
      return [store.linkBlob(sample.link(n, { repository, key })), model.link(n, repository, key)]
    case "mount": {
      const from = even ? undefined : sample.other
      return [store.mount({ repository, digest, from, keep: sample.long }), model.mount(digest, repository, from)]
    }
    case "unlink": {
      const unlink = sample.unlink(n, { repository, evenIfReferenced: even })
      return [store.unlinkBlob(unlink), model.unlink(digest, repository, even)]
    }
    case "discard": {
      const current = even ? key : model.keys.get(digest) ?? key
      return [store.discardBlob({ digest, key: current, readable: Duration.zero }), model.discard(digest, current)]
    }
    case "delete":
      return [store.deleteManifest(repository, target, even), model.delete(target, repository, even)]
    case "untag": {
      const pointsAt = even ? target : undefined
      return [store.deleteTag(repository, tag, pointsAt), model.untag(tag, repository, pointsAt)]
    }
    default: {
      const fields = { repository, manifest, tags, references: references[n]!, ...condition }
      const put = sample.put(n, n === 3 ? { ...fields, listedAs: manifest.descriptor } : fields)
      return [store.putManifest(put), model.put(put)]
    }
  }
}

/** Expects that the store and the model have the same content. */
const compare = (store: Service, model: Model) =>
  Effect.gen(function*() {
    const ordered = <K extends string, A>(entries: Iterable<readonly [K, A]>) =>
      [...entries].sort(([a], [b]) => a < b ? -1 : 1)
    const repositories = ordered(model.repositories)
    yield* returns(store.listRepositories(undefined, 9), repositories.map(([name]) => name))
    for (const [name, { blobs, manifests, tags }] of model.repositories) {
      const found = yield* Effect.forEach(numbers, (n) => store.findBlob(name, sample.digest(n)))
      yield* equal(found.map((blob) => blob !== undefined), numbers.map((n) => blobs.has(sample.digest(n))))
      const stored = (yield* store.inspectManifests(name, undefined, 9)).map(({ descriptor }) => descriptor)
      yield* equal(stored, ordered(manifests).map(([, { manifest }]) => manifest.descriptor))
      const tagged = yield* store.inspectTags(name, undefined, 9)
      yield* equal(tagged.map(({ digest, tag }) => [tag, digest]), ordered(tags))
      const third = manifests.get(sample.manifestDigest(3))
      const referrers = store.listReferrers(name, sample.manifestDigest(0), undefined, undefined, 9)
      yield* returns(referrers, third === undefined ? [] : [third.manifest.descriptor])
    }
    const blobs = yield* store.inspectBlobs(undefined, 9)
    yield* equal(blobs.map(({ descriptor, key }) => [descriptor.digest, key]), ordered(model.keys))
  })

/** Runs a long history of random commands, and compares each result with that of a {@link Model}. */
export const followsModel = (store: Service, length: number) =>
  Effect.gen(function*() {
    const model = new Model()
    for (const [at, next] of fc.sample(step, { numRuns: length, seed: 1 }).entries()) {
      for (let times = next.again ? 2 : 1; times > 0; times--) {
        const [command, outcome] = apply(store, model, next, sample.key(at))
        if ("value" in outcome) yield* returns(command, outcome.value)
        else yield* fails(Effect.mapError(command, inOrder), ...outcome.errors)
      }
      if (at % 20 === 0) yield* compare(store, model)
    }
    yield* compare(store, model)
    const claimed = yield* store.claimGarbage(length, sample.long)
    yield* equal(claimed.map(({ key }) => key).toSorted(), model.released.toSorted())
  })
