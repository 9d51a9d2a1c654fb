import { RegistryError, Tag } from "@effect-oci/core"
import type { Digest, Registry, RepositoryName } from "@effect-oci/core"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"

/** The tag of the list of referrers, where a registry has no API for them. Spec: "Referrers Tag Schema". */
const fallback = /^sha(?:256-[0-9a-f]{64}|512-[0-9a-f]{64})$/

/** Tags that are made from the digest of a manifest, by cosign and others: `sha256-<hex>.sig`. */
const derived = /^(sha(?:256-[0-9a-f]{64}|512-[0-9a-f]{64}))(?:\.[\w.-]+)?$/

export const isFallback = (tag: Tag.Tag): boolean => fallback.test(tag)

export const isDerived = (tag: Tag.Tag): boolean => derived.test(tag)

/** What cosign adds to the digest of what it signs, attests or describes. */
const endings = [".sig", ".att", ".sbom"]

const stem = (digest: Digest.Digest): string => digest.replace(":", "-")

type Answer<A> = Effect.Effect<A, RegistryError.RegistryError>

/** The tags made from digests of a repository, by digest, from one list: it begins where such tags begin. */
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

/** The tags of cosign for a digest, asked for one by one, where a registry has no list of tags. */
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

/** Finds the tags that are made from digests. The repository's tags are listed once, when they are first needed. */
export const finder = (
  registry: Registry["Type"],
  repository: RepositoryName.RepositoryName
): Effect.Effect<(digest: Digest.Digest) => Answer<ReadonlyArray<Tag.Tag>>> =>
  Effect.map(Effect.cached(listed(registry, repository)), (list) => (digest) =>
    Effect.matchEffect(list, {
      onFailure: () => probed(registry, repository, digest),
      onSuccess: (tags) => Effect.succeed(tags.get(stem(digest)) ?? [])
    }))
