import { RegistryError, Tag } from "@effect-oci/core"
import type { Digest, Registry, RepositoryName } from "@effect-oci/core"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"

/**
 * The tag of a list of referrers, at registries without the referrers API. See the
 * [spec](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#referrers-tag-schema).
 */
const fallback = /^sha(?:256-[0-9a-f]{64}|512-[0-9a-f]{64})$/

/** Tags that cosign and other programs make from the digest of a manifest: `sha256-<hex>.sig`. */
const derived = /^(sha(?:256-[0-9a-f]{64}|512-[0-9a-f]{64}))(?:\.[\w.-]+)?$/

export const isFallback = (tag: Tag.Tag): boolean => fallback.test(tag)

export const isDerived = (tag: Tag.Tag): boolean => derived.test(tag)

/** The endings that cosign adds to a digest for signatures, attestations and SBOMs. */
const endings = [".sig", ".att", ".sbom"]

const stem = (digest: Digest.Digest): string => digest.replace(":", "-")

type Answer<A> = Effect.Effect<A, RegistryError.RegistryError>

/** Lists the tags of a repository that are made from digests, by digest. The list begins where such tags begin. */
const listed = (
  registry: Registry["Type"],
  repository: RepositoryName.RepositoryName
): Answer<ReadonlyMap<string, ReadonlyArray<Tag.Tag>>> =>
  registry.listTags(repository, { last: Tag.make("sha256-") }).pipe(
    Stream.takeWhile((tag) => tag.startsWith("sha")),
    Stream.filter((tag) => !isFallback(tag)),
    Stream.runFold(new Map<string, Array<Tag.Tag>>(), (found, tag) => {
      const digest = derived.exec(tag)?.[1]
      if (digest !== undefined) found.set(digest, [...(found.get(digest) ?? []), tag])
      return found
    })
  )

/** Finds the tags of cosign for a digest with one request each, for a registry that cannot list tags. */
const probed = (
  registry: Registry["Type"],
  repository: RepositoryName.RepositoryName,
  digest: Digest.Digest
): Answer<ReadonlyArray<Tag.Tag>> =>
  Effect.filter(
    endings.map((ending) => `${stem(digest)}${ending}`).filter(Tag.is),
    (tag) =>
      registry.resolveManifest(repository, tag).pipe(
        Effect.as(true),
        Effect.catchIf(RegistryError.isNotFound, () => Effect.succeed(false))
      )
  )

/** Returns a function that finds the tags made from a digest. The tags are listed once, when they are first needed. */
export const finder = (
  registry: Registry["Type"],
  repository: RepositoryName.RepositoryName
): Effect.Effect<(digest: Digest.Digest) => Answer<ReadonlyArray<Tag.Tag>>> =>
  Effect.map(Effect.cached(listed(registry, repository)), (list) => (digest) =>
    Effect.matchEffect(list, {
      onFailure: () => probed(registry, repository, digest),
      onSuccess: (tags) => Effect.succeed(tags.get(stem(digest)) ?? [])
    }))
