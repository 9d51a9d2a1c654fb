import * as Answer from "@effect-oci/core/Answer"
import type { Descriptor } from "@effect-oci/core/Descriptor"
import type { Digest } from "@effect-oci/core/Digest"
import type { Manifest } from "@effect-oci/core/Manifest"
import * as Operation from "@effect-oci/core/Operation"
import type { RepositoryName } from "@effect-oci/core/RepositoryName"
import type { Tag } from "@effect-oci/core/Tag"
import type * as Effect from "effect/Effect"
import type * as MetadataStore from "../MetadataStore.js"
import * as StoreError from "../StoreError.js"
import * as leases from "./memoryLeases.js"
import { OrderedMap } from "./orderedMap.js"

/**
 * A blob, and the number of repositories that have it. `answer` is the result of a read, made once because reads are
 * frequent.
 */
export interface Blob {
  readonly stored: MetadataStore.StoredBlob
  readonly answer: Effect.Effect<MetadataStore.StoredBlob>
  members: number
}

/** A blob in a repository. */
export interface Membership extends leases.Leased {
  readonly blob: Blob
}

/** A manifest, and the tags that point at it. `answer` and `descriptor` are the results of reads. */
export interface Entry extends leases.Leased {
  readonly manifest: Manifest
  readonly answer: Effect.Effect<Manifest>
  readonly descriptor: Effect.Effect<Descriptor>
  readonly references: ReadonlyArray<MetadataStore.Reference>
  readonly createdAt: number
  readonly tags: Set<Tag>
}

/** A tag, the manifest that it points at, and when it was last set. */
interface Tagged {
  readonly tag: Tag
  readonly entry: Entry
  readonly updatedAt: number
}

type Refusal = StoreError.TypeTaken | StoreError.ContentUnknown | StoreError.TagTaken

/** A repository of a metadata store in memory. */
export class Repository {
  readonly blobs = new Map<Digest, Membership>()
  private readonly manifests = new OrderedMap<Digest, Entry>()
  private readonly tags = new OrderedMap<Tag, Tagged>()
  private readonly referrers = new Map<Digest, OrderedMap<Digest, Descriptor>>()
  /** The manifests that refer to each digest, by the kind of the reference. */
  private readonly sources = { blob: new Map<Digest, Set<Digest>>(), child: new Map<Digest, Set<Digest>>() }

  constructor(readonly name: RepositoryName) {}

  find(reference: Operation.TagOrDigest): Entry | undefined {
    return Operation.isDigest(reference) ? this.manifests.get(reference) : this.tags.get(reference)?.entry
  }

  /** Returns the digest of a manifest that refers to a blob, or `undefined` if there is none. */
  sourceOfBlob(digest: Digest): Digest | undefined {
    return firstOf(this.sources.blob.get(digest)) ?? this.parentOf(digest)
  }

  /** Returns the digest of a manifest that has a manifest as a child, or `undefined` if there is none. */
  parentOf(digest: Digest): Digest | undefined {
    return firstOf(this.sources.child.get(digest))
  }

  /** Returns the reason why a manifest cannot be stored, or `undefined` if it can. */
  refusal({ ifAbsent, ifMatch, manifest, references, tags }: MetadataStore.PutManifest): Refusal | undefined {
    const { digest, mediaType } = manifest.descriptor
    const stored = this.manifests.get(digest)?.manifest.descriptor.mediaType
    if (stored !== undefined && stored !== mediaType) return new StoreError.TypeTaken({ mediaType: stored })
    const missing = references.filter((reference) => reference.required && !this.hasContent(reference))
    if (missing.length > 0) return new StoreError.ContentUnknown({ digests: missing.map(({ digest }) => digest) })
    for (const tag of tags) {
      const current = this.tags.get(tag)?.entry.manifest.descriptor.digest
      if (current === digest) continue
      if ((ifAbsent && current !== undefined) || (ifMatch !== undefined && current !== ifMatch)) {
        return new StoreError.TagTaken({ tag, digest: current })
      }
    }
    return undefined
  }

  /** Stores a manifest and moves its tags. Returns the manifests from which a tag moved away. */
  put({ keep, listedAs, manifest, references, tags }: MetadataStore.PutManifest, now: number): ReadonlyArray<Digest> {
    const { digest } = manifest.descriptor
    const entry = this.manifests.get(digest) ?? this.add(manifest, references, listedAs, now)
    leases.extend(entry, now, keep)
    return tags.flatMap((tag) => {
      const before = this.tags.get(tag)?.entry
      this.tags.set(tag, { tag, entry, updatedAt: now })
      before?.tags.delete(tag)
      entry.tags.add(tag)
      return before === undefined || before === entry ? [] : [before.manifest.descriptor.digest]
    })
  }

  deleteManifest({ manifest: { descriptor: { digest } }, references, tags }: Entry): void {
    this.manifests.delete(digest)
    for (const tag of tags) this.deleteTag(tag)
    for (const reference of references) {
      if (reference.kind !== "subject") removeFrom(this.sources[reference.kind], reference.digest, digest)
      else removeFrom(this.referrers, reference.digest, digest)
    }
  }

  deleteTag(tag: Tag): void {
    this.tags.get(tag)?.entry.tags.delete(tag)
    this.tags.delete(tag)
  }

  listTags(after: Tag | undefined, n: number): ReadonlyArray<Tag> {
    return this.tags.page(after, n).map(({ tag }) => tag)
  }

  inspectTags(after: Tag | undefined, n: number): ReadonlyArray<MetadataStore.StoredTag> {
    return this.tags.page(after, n).map(({ entry, tag, updatedAt }) => ({
      tag,
      digest: entry.manifest.descriptor.digest,
      updatedAt
    }))
  }

  inspectManifests(after: Digest | undefined, n: number): ReadonlyArray<MetadataStore.StoredManifest> {
    return this.manifests.page(after, n).map(({ createdAt, manifest: { descriptor } }) => ({ descriptor, createdAt }))
  }

  listReferrers(
    subject: Digest,
    artifactType: string | undefined,
    after: Digest | undefined,
    n: number
  ): ReadonlyArray<Descriptor> {
    return this.referrers.get(subject)?.page(
      after,
      n,
      artifactType === undefined ? undefined : (descriptor) => descriptor.artifactType === artifactType
    ) ?? []
  }

  /** Returns the digest of the subject of a manifest if the repository has the subject. */
  subjectOf({ references }: Entry): Digest | undefined {
    return references.find(({ digest, kind }) => kind === "subject" && this.manifests.has(digest))?.digest
  }

  private hasContent({ digest, kind }: MetadataStore.Reference): boolean {
    return this.blobs.has(digest) || (kind !== "blob" && this.manifests.has(digest))
  }

  private add(
    manifest: Manifest,
    references: ReadonlyArray<MetadataStore.Reference>,
    listedAs: Descriptor | undefined,
    createdAt: number
  ): Entry {
    const { descriptor } = manifest
    const entry: Entry = {
      manifest,
      answer: Answer.succeed(manifest),
      descriptor: Answer.succeed(descriptor),
      references,
      createdAt,
      leasedUntil: 0,
      tags: new Set()
    }
    this.manifests.set(descriptor.digest, entry)
    for (const { digest, kind } of references) {
      if (kind !== "subject") getOrAdd(this.sources[kind], digest, () => new Set()).add(descriptor.digest)
      else if (listedAs !== undefined) {
        getOrAdd(this.referrers, digest, () => new OrderedMap()).set(descriptor.digest, listedAs)
      }
    }
    return entry
  }
}

const firstOf = (digests: Set<Digest> | undefined): Digest | undefined => {
  for (const digest of digests ?? []) return digest
  return undefined
}

const getOrAdd = <A>(map: Map<Digest, A>, digest: Digest, make: () => A): A => {
  const value = map.get(digest) ?? make()
  map.set(digest, value)
  return value
}

/** Removes an item of the collection at `digest`, and the collection if it is then empty. */
const removeFrom = (
  map: Map<Digest, { readonly size: number; readonly delete: (item: Digest) => unknown }>,
  digest: Digest,
  item: Digest
): void => {
  const items = map.get(digest)
  items?.delete(item)
  if (items?.size === 0) map.delete(digest)
}
