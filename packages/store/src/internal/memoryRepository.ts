import * as Answer from "@effect-oci/core/Answer"
import type { Descriptor } from "@effect-oci/core/Descriptor"
import type { Digest } from "@effect-oci/core/Digest"
import type { Manifest } from "@effect-oci/core/Manifest"
import * as Operation from "@effect-oci/core/Operation"
import type { Tag } from "@effect-oci/core/Tag"
import type * as Effect from "effect/Effect"
import * as MetadataStore from "../MetadataStore.js"
import * as ordered from "./ordered.js"

/**
 * A blob, and the number of repositories that have it. `answer` is the result of a read, made once because reads are
 * frequent.
 */
export interface Blob {
  readonly stored: MetadataStore.StoredBlob
  readonly answer: Effect.Effect<MetadataStore.StoredBlob>
  members: number
}

/** A manifest, and the tags that point at it. `answer` and `descriptor` are the results of reads. */
export interface Entry {
  readonly manifest: Manifest
  readonly answer: Effect.Effect<Manifest>
  readonly descriptor: Effect.Effect<Descriptor>
  readonly subject: Digest | undefined
  readonly tags: Set<Tag>
}

const noReferrers = ordered.empty<Digest, Descriptor>()

/** A repository of a metadata store in memory. */
export class Repository {
  readonly blobs = new Map<Digest, Blob>()
  private readonly manifests = new Map<Digest, Entry>()
  private readonly tags = new Map<Tag, Entry>()
  private tagOrder = ordered.empty<Tag, Tag>()
  private readonly referrers = new Map<Digest, ordered.Ordered<Digest, Descriptor>>()

  find(reference: Operation.TagOrDigest): Entry | undefined {
    return Operation.isDigest(reference) ? this.manifests.get(reference) : this.tags.get(reference)
  }

  /** Returns the reason why a manifest cannot be stored, or `undefined` if it can. */
  refusal(
    { blobs, children, ifAbsent, ifMatch, manifest, tags }: MetadataStore.PutManifest
  ): MetadataStore.TypeTaken | MetadataStore.ContentUnknown | MetadataStore.TagTaken | undefined {
    const { digest, mediaType } = manifest.descriptor
    const stored = this.manifests.get(digest)?.manifest.descriptor.mediaType
    if (stored !== undefined && stored !== mediaType) return new MetadataStore.TypeTaken({ mediaType: stored })
    const digests = [
      ...blobs.filter((blob) => !this.blobs.has(blob)),
      ...children.filter((child) => !this.manifests.has(child) && !this.blobs.has(child))
    ]
    if (digests.length > 0) return new MetadataStore.ContentUnknown({ digests })
    for (const tag of ifAbsent || ifMatch !== undefined ? tags : []) {
      const current = this.tags.get(tag)?.manifest.descriptor.digest
      if (current !== digest && current !== ifMatch) return new MetadataStore.TagTaken({ tag, digest: current })
    }
    return undefined
  }

  /** Stores a manifest and moves its tags. */
  put({ manifest, referrer, tags }: MetadataStore.PutManifest): void {
    const { descriptor } = manifest
    let entry = this.manifests.get(descriptor.digest)
    if (entry === undefined) {
      entry = {
        manifest,
        answer: Answer.succeed(manifest),
        descriptor: Answer.succeed(descriptor),
        subject: referrer?.subject,
        tags: new Set()
      }
      this.manifests.set(descriptor.digest, entry)
      if (referrer !== undefined) {
        const others = this.referrers.get(referrer.subject) ?? noReferrers
        this.referrers.set(referrer.subject, ordered.set(others, descriptor.digest, referrer.descriptor))
      }
    }
    for (const tag of tags) {
      this.tags.get(tag)?.tags.delete(tag)
      if (!this.tags.has(tag)) this.tagOrder = ordered.set(this.tagOrder, tag, tag)
      this.tags.set(tag, entry)
      entry.tags.add(tag)
    }
  }

  deleteManifest({ manifest: { descriptor: { digest } }, subject, tags }: Entry): void {
    this.manifests.delete(digest)
    for (const tag of tags) this.deleteTag(tag)
    const referrers = subject === undefined ? undefined : this.referrers.get(subject)
    if (subject === undefined || referrers === undefined) return
    const others = ordered.remove(referrers, digest)
    if (ordered.page(others, undefined, 1).length === 0) this.referrers.delete(subject)
    else this.referrers.set(subject, others)
  }

  deleteTag(tag: Tag): void {
    this.tags.get(tag)?.tags.delete(tag)
    this.tags.delete(tag)
    this.tagOrder = ordered.remove(this.tagOrder, tag)
  }

  listTags(after: Tag | undefined, n: number): ReadonlyArray<Tag> {
    return ordered.page(this.tagOrder, after, n)
  }

  listReferrers(
    subject: Digest,
    artifactType: string | undefined,
    after: Digest | undefined,
    n: number
  ): ReadonlyArray<Descriptor> {
    return ordered.page(
      this.referrers.get(subject) ?? noReferrers,
      after,
      n,
      artifactType === undefined ? undefined : (descriptor) => descriptor.artifactType === artifactType
    )
  }
}
