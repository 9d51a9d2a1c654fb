import type { Digest } from "@effect-oci/core/Digest"
import * as Manifest from "@effect-oci/core/Manifest"
import type { TagOrDigest } from "@effect-oci/core/Operation"
import type { RepositoryName } from "@effect-oci/core/RepositoryName"
import type { Tag } from "@effect-oci/core/Tag"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Stream from "effect/Stream"
import type { Service } from "../MetadataStore.js"
import * as Pages from "../Pages.js"
import type * as StoreError from "../StoreError.js"

type Failed = StoreError.Failed

const isSource = ({ kind }: Manifest.Link): boolean => kind !== "subject"

/** Adds the parents of damaged manifests, the parents of these, and so on. */
const addParents = (damaged: Set<Digest>, children: ReadonlyMap<Digest, ReadonlyArray<Digest>>): void => {
  for (let size = -1; size !== damaged.size;) {
    size = damaged.size
    for (const [digest, all] of children) if (all.some((child) => damaged.has(child))) damaged.add(digest)
  }
}

/**
 * Returns the manifests of a repository that damage affects: their tags, or their digests. `seeds` are the digests of
 * damaged blobs, and `REPOSITORY@DIGEST` of corrupt manifests.
 */
export const damagedIn = (metadata: Service, repository: RepositoryName, seeds: ReadonlySet<string>) =>
  Effect.gen(function*() {
    const damaged = new Set<Digest>()
    const children = new Map<Digest, ReadonlyArray<Digest>>()
    const manifests = Pages.stream(
      (after: Digest | undefined, n) => metadata.inspectManifests(repository, after, n),
      ({ descriptor }) => descriptor.digest
    )
    yield* Stream.runForEach(
      manifests,
      ({ descriptor: { digest, mediaType } }) =>
        Effect.map(metadata.inspectManifest(repository, digest), (bytes) => {
          const document = Manifest.parse({ mediaType, bytes })
          const links = Either.isRight(document) ? Manifest.references(document.right).filter(isSource) : []
          const linked = links.map(({ descriptor }) => descriptor.digest)
          children.set(digest, linked)
          if (seeds.has(`${repository}@${digest}`) || linked.some((each) => seeds.has(each))) damaged.add(digest)
        }).pipe(Effect.catchTag("OciStoreManifestUnknown", () => Effect.void))
    )
    if (damaged.size === 0) return []
    addParents(damaged, children)
    const named = new Set([...damaged].flatMap((digest) => children.get(digest) ?? []))
    const references: Array<TagOrDigest> = []
    const tags = Pages.stream(
      (after: Tag | undefined, n) => metadata.inspectTags(repository, after, n),
      ({ tag }) => tag
    )
    yield* Stream.runForEach(tags, ({ digest, tag }) =>
      Effect.sync(() => {
        if (!damaged.has(digest)) return
        named.add(digest)
        references.push(tag)
      }))
    return [...references, ...[...damaged].filter((digest) => !named.has(digest))]
      .map((reference) => ({ repository, reference }))
  }).pipe(
    Effect.catchTag("OciStoreRepositoryUnknown", () => Effect.succeed([])),
    Effect.mapError((error): Failed => error)
  )
