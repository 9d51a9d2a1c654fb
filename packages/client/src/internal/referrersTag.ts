import type * as Descriptor from "@effect-oci/core/Descriptor"
import * as Digest from "@effect-oci/core/Digest"
import * as Manifest from "@effect-oci/core/Manifest"
import * as MediaType from "@effect-oci/core/MediaType"
import * as Operation from "@effect-oci/core/Operation"
import * as RegistryError from "@effect-oci/core/RegistryError"
import type { RepositoryName } from "@effect-oci/core/RepositoryName"
import * as Tag from "@effect-oci/core/Tag"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type { Exchange } from "./exchange.js"

type Answer<A> = Effect.Effect<A, RegistryError.RegistryError>

/**
 * Returns the tag under which the referrers of a manifest are listed if the registry does not support referrers.
 * [Spec](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#referrers-tag-schema).
 */
export const tagOf = (subject: Digest.Digest): Tag.Tag => {
  const part = (text: string, length: number) => text.slice(0, length).replace(/[^a-zA-Z0-9._-]/g, "-")
  return Tag.make(`${part(Digest.algorithm(subject), 32)}-${part(Digest.encoded(subject), 64)}`)
}

/** Tracks referrers for registries that do not track them. */
export interface ReferrersTag {
  /** Returns the referrers of a manifest. Returns none if the tag is absent, or is not a list of referrers. */
  readonly list: (operation: Operation.ListReferrers) => Answer<ReadonlyArray<Descriptor.Descriptor>>
  /**
   * Adds a manifest that was pushed to the referrers of its subject, if it has a subject. The result then contains the
   * subject.
   */
  readonly attach: (
    operation: Operation.PushManifest,
    pushed: Operation.PushedManifest
  ) => Answer<Operation.PushedManifest>
  /** Deletes a manifest, and removes it from the referrers of its subject, if it has a subject. */
  readonly detach: (operation: Operation.DeleteManifest) => Answer<Operation.Done>
  /** Records that the registry tracks referrers itself: then the client does not change lists. */
  readonly isKept: () => void
}

/**
 * The list under the tag, or `undefined` if there is none. It is `subject` if the registry treats the tag as the digest
 * that it resembles, and answers with the subject itself, as GitLab does. That is never a list, even if the subject is
 * an index.
 */
type Found = Manifest.Index | "subject" | undefined

/** How often the list is written again if other clients write it too. */
const attempts = 4

export const make = (exchange: Exchange): ReferrersTag => {
  let kept = false
  // Updates of one client do not overwrite each other.
  const alone = Effect.unsafeMakeSemaphore(1).withPermits(1)

  /** Reads the list. Fails with `ManifestInvalid` if the tag is not a list. */
  const read = (
    repository: RepositoryName,
    subject: Digest.Digest,
    fields: RegistryError.ErrorFields
  ): Answer<Found> =>
    exchange.call(new Operation.GetManifest({ repository, reference: tagOf(subject) }), fields).pipe(
      Effect.flatMap(({ bytes, descriptor }): Answer<Found> =>
        descriptor.digest === subject
          ? Effect.succeed("subject")
          : Effect.flatMap(Manifest.parse({ mediaType: descriptor.mediaType, bytes }), (document) =>
            document._tag === "Index" ? Effect.succeed(document) : Effect.fail(
              new RegistryError.ManifestInvalid({ reason: "the tag of its subject's referrers is no index" })
            ))
      ),
      Effect.mapError((error) => RegistryError.withFields(error, fields)),
      Effect.catchIf((error) => error.status === 404, () => Effect.sync(() => undefined))
    )

  const write = (
    repository: RepositoryName,
    subject: Digest.Digest,
    index: Manifest.Index | undefined,
    manifests: ReadonlyArray<Descriptor.Descriptor>,
    fields: RegistryError.ErrorFields
  ) => {
    const document = { schemaVersion: 2, mediaType: MediaType.index, manifests, annotations: index?.annotations }
    return exchange.call(
      new Operation.PushManifest({
        repository,
        mediaType: MediaType.index,
        bytes: new TextEncoder().encode(JSON.stringify(document)),
        tags: [tagOf(subject)]
      }),
      fields
    )
  }

  /**
   * Changes the list, and verifies that the change was kept. Returns whether the registry can store the list.
   * [Spec](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pushing-manifests-with-subject).
   */
  const update = (
    repository: RepositoryName,
    subject: Digest.Digest,
    isDone: (manifests: ReadonlyArray<Descriptor.Descriptor>) => boolean,
    change: (manifests: ReadonlyArray<Descriptor.Descriptor>) => ReadonlyArray<Descriptor.Descriptor>,
    fields: RegistryError.ErrorFields
  ): Answer<boolean> => {
    const attempt = (left: number): Answer<boolean> =>
      Effect.flatMap(read(repository, subject, fields), (found) => {
        if (found === "subject") return Effect.succeed(false)
        const manifests = found?.manifests ?? []
        if (isDone(manifests)) return Effect.succeed(true)
        return left === 0
          ? Effect.fail(
            new RegistryError.Unavailable({ ...fields, reason: "others keep changing the referrers of its subject" })
          )
          : Effect.matchEffect(write(repository, subject, found, change(manifests), fields), {
            // A caller that may delete is not always allowed to read.
            onFailure: (error) => error._tag === "DigestInvalid" ? Effect.succeed(false) : Effect.fail(error),
            onSuccess: () => attempt(left - 1)
          })
      })
    return alone(attempt(attempts))
  }

  return {
    list: (operation) =>
      read(operation.repository, operation.digest, exchange.fields(operation)).pipe(
        Effect.map((found) => found === undefined || found === "subject" ? [] : found.manifests),
        Effect.catchTag("ManifestInvalid", "DigestInvalid", "Unsupported", () => Effect.succeed([]))
      ),

    attach: (operation, pushed) => {
      if (pushed.subject !== undefined) kept = true
      if (kept || !mayHaveSubject(operation.bytes)) return Effect.succeed(pushed)
      const document = Either.getOrUndefined(Manifest.parse(operation))
      const subject = subjectOf(document)
      if (document === undefined || subject === undefined) return Effect.succeed(pushed)
      const referrer = Manifest.referrer(pushed, document)
      const listed = update(
        operation.repository,
        subject,
        (manifests) => manifests.some(({ digest }) => digest === referrer.digest),
        (manifests) => [...manifests, referrer],
        exchange.fields(operation)
      )
      return Effect.map(listed, (isListed) => isListed ? { ...pushed, subject } : pushed)
    },

    detach: (operation) => {
      const deleted = exchange.call(operation)
      if (kept) return deleted
      const { digest, repository } = operation
      const fields = exchange.fields(operation)
      const subject = exchange.call(new Operation.GetManifest({ repository, reference: digest }), fields).pipe(
        Effect.map(({ bytes, descriptor }) =>
          mayHaveSubject(bytes)
            ? subjectOf(Either.getOrUndefined(Manifest.parse({ mediaType: descriptor.mediaType, bytes })))
            : undefined
        ),
        // Returns whether a manifest may have a subject, without parsing it.
        Effect.orElseSucceed(() => undefined)
      )
      return Effect.flatMap(subject, (subject) =>
        Effect.zipLeft(
          deleted,
          subject === undefined ? Effect.void : update(
            repository,
            subject,
            (manifests) => manifests.every((referrer) => referrer.digest !== digest),
            (manifests) => manifests.filter((referrer) => referrer.digest !== digest),
            fields
          )
        ))
    },

    isKept: () => {
      kept = true
    }
  }
}

const subjectOf = (document: Manifest.Document | undefined): Digest.Digest | undefined =>
  document === undefined || document._tag === "Unknown" ? undefined : document.subject?.digest

/** Whether it is worth while to read a manifest for its subject. */
const mayHaveSubject = (bytes: Uint8Array): boolean => new TextDecoder().decode(bytes).includes(`"subject"`)
