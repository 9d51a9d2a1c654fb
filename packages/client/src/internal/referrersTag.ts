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
import type { HttpExchange, Result } from "./httpExchange.js"
import type { Shared } from "./shared.js"

/**
 * Returns the tag under which the referrers of a manifest are listed if the registry does not support referrers.
 * [Spec](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#referrers-tag-schema).
 */
export const tagOf = (subject: Digest.Digest): Tag.Tag => {
  const part = (text: string, length: number) => text.slice(0, length).replace(/[^a-zA-Z0-9._-]/g, "-")
  return Tag.make(`${part(Digest.algorithm(subject), 32)}-${part(Digest.encoded(subject), 64)}`)
}

/**
 * The list under the tag, or `undefined` if there is none. It is `subject` if the registry treats the tag as the digest
 * that it resembles, and answers with the subject itself, as GitLab does. That is never a list, even if the subject is
 * an index.
 */
type Found = { readonly digest: Digest.Digest; readonly index: Manifest.Index } | "subject" | undefined

/** How often the list is written again if other clients overwrite it, at a registry that ignores conditions. */
const maxWrites = 4

/** How often the list is read again if other clients write it first, at a registry that checks conditions. */
const maxConflicts = 32

/**
 * Returns whether a write with a condition may succeed without it: the registry refused the condition, or does not
 * support conditions. A wrong digest has its own meaning, see {@link Found}.
 */
const isRefused = ({ _tag, status = 0 }: RegistryError.RegistryError): boolean =>
  _tag !== "OciDigestInvalid" && [400, 405, 412, 501].includes(status)

/** The attempts to change a list so far. */
interface Attempts {
  readonly writes: number
  readonly conflicts: number
  /** The list, by its digest, for which the registry refused a write with a condition. */
  readonly refused?: string
}

/** A change of a list of referrers. */
interface Change {
  readonly repository: RepositoryName
  readonly subject: Digest.Digest
  readonly fields: RegistryError.ErrorFields
  readonly isDone: (manifests: ReadonlyArray<Descriptor.Descriptor>) => boolean
  readonly apply: (manifests: ReadonlyArray<Descriptor.Descriptor>) => ReadonlyArray<Descriptor.Descriptor>
}

/** Tracks referrers for registries that do not track them. */
export class ReferrersTag {
  constructor(private readonly http: HttpExchange, private readonly shared: Shared) {}

  /** Returns the referrers of a manifest. Returns none if the tag is absent, or is not a list of referrers. */
  list(operation: Operation.ListReferrers): Result<ReadonlyArray<Descriptor.Descriptor>> {
    return this.#read(operation.repository, operation.digest, this.http.fields(operation)).pipe(
      Effect.map((found) => found === undefined || found === "subject" ? [] : found.index.manifests),
      Effect.catchTag("OciManifestInvalid", "OciDigestInvalid", "OciUnsupported", () => Effect.succeed([]))
    )
  }

  /**
   * Adds a manifest that was pushed to the referrers of its subject, if it has a subject. The result then contains the
   * subject.
   */
  attach(operation: Operation.PushManifest, pushed: Operation.PushedManifest): Result<Operation.PushedManifest> {
    if (pushed.subject !== undefined) this.shared.tracksReferrers = true
    const document = this.shared.tracksReferrers ? undefined : documentWithSubject(operation)
    const subject = subjectOf(document)
    if (document === undefined || subject === undefined) return Effect.succeed(pushed)
    const referrer = Manifest.referrer(pushed, document)
    const listed = this.#update({
      repository: operation.repository,
      subject,
      fields: this.http.fields(operation),
      isDone: (manifests) => manifests.some(({ digest }) => digest === referrer.digest),
      apply: (manifests) => [...manifests, referrer]
    })
    return Effect.map(listed, (isListed) => isListed ? { ...pushed, subject } : pushed)
  }

  /** Deletes a manifest, and removes it from the referrers of its subject, if it has a subject. */
  detach(operation: Operation.DeleteManifest): Result<Operation.Done> {
    const deleted = this.http.call(operation)
    if (this.shared.tracksReferrers) return deleted
    const { digest, repository } = operation
    const fields = this.http.fields(operation)
    const subject = this.http.call(new Operation.GetManifest({ repository, reference: digest }), fields).pipe(
      Effect.map(({ bytes, descriptor }) => subjectOf(documentWithSubject({ mediaType: descriptor.mediaType, bytes }))),
      // A caller that may delete is not always allowed to read.
      Effect.orElseSucceed(() => undefined)
    )
    return Effect.flatMap(subject, (subject) =>
      Effect.zipLeft(
        deleted,
        subject === undefined ? Effect.void : this.#update({
          repository,
          subject,
          fields,
          isDone: (manifests) => manifests.every((referrer) => referrer.digest !== digest),
          apply: (manifests) => manifests.filter((referrer) => referrer.digest !== digest)
        })
      ))
  }

  /** Reads the list. Fails with `ManifestInvalid` if the tag is not a list. */
  #read(repository: RepositoryName, subject: Digest.Digest, fields: RegistryError.ErrorFields): Result<Found> {
    return this.http.call(new Operation.GetManifest({ repository, reference: tagOf(subject) }), fields).pipe(
      Effect.flatMap(({ bytes, descriptor }): Result<Found> =>
        descriptor.digest === subject
          ? Effect.succeed("subject")
          : Effect.flatMap(Manifest.parse({ mediaType: descriptor.mediaType, bytes }), (document) =>
            document._tag === "Index" ? Effect.succeed({ digest: descriptor.digest, index: document }) : Effect.fail(
              new RegistryError.ManifestInvalid({
                reason: "the referrers tag of its subject does not point at an index"
              })
            ))
      ),
      Effect.mapError((error) => RegistryError.withFields(error, fields)),
      Effect.catchIf((error) => error.status === 404, () => Effect.sync(() => undefined))
    )
  }

  #write(
    { fields, repository, subject }: Change,
    found: Exclude<Found, "subject">,
    manifests: ReadonlyArray<Descriptor.Descriptor>,
    isConditional: boolean
  ) {
    const { annotations } = found?.index ?? {}
    const document = { schemaVersion: 2, mediaType: MediaType.index, manifests, annotations }
    const condition = found === undefined ? { ifAbsent: true } : { ifMatch: found.digest }
    return this.http.call(
      new Operation.PushManifest({
        repository,
        mediaType: MediaType.index,
        bytes: new TextEncoder().encode(JSON.stringify(document)),
        tags: [tagOf(subject)],
        ...(isConditional ? condition : {})
      }),
      fields
    )
  }

  /**
   * Changes the list, on the condition that no other client has changed it since it was read, and verifies that the change
   * was kept: many registries ignore the condition. Without a condition, the list is written if the registry refuses the
   * condition although the list did not change. Returns whether the registry can store the list.
   * [Spec](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pushing-manifests-with-subject).
   */
  #update(change: Change): Result<boolean> {
    const { fields, repository, subject } = change
    const attempt = ({ conflicts, refused, writes }: Attempts): Result<boolean> =>
      Effect.flatMap(this.#read(repository, subject, fields), (found) => {
        if (found === "subject") return Effect.succeed(false)
        const manifests = found?.index.manifests ?? []
        if (change.isDone(manifests)) return Effect.succeed(true)
        if (writes === maxWrites || conflicts === maxConflicts) {
          const reason = "other clients keep replacing the referrers tag of its subject: try again"
          return Effect.fail(new RegistryError.Unavailable({ ...fields, reason }))
        }
        const current = found?.digest ?? "none"
        const isConditional = refused !== current
        return Effect.matchEffect(this.#write(change, found, change.apply(manifests), isConditional), {
          onFailure: (error) => {
            if (error._tag === "OciDigestInvalid") return Effect.succeed(false)
            return isConditional && isRefused(error)
              ? attempt({ writes, conflicts: conflicts + 1, refused: current })
              : Effect.fail(error)
          },
          onSuccess: () => attempt({ writes: writes + 1, conflicts })
        })
      })
    return this.shared.oneAtATime(attempt({ writes: 0, conflicts: 0 }))
  }
}

/** Parses a manifest that may have a subject. */
const documentWithSubject = (
  manifest: { readonly mediaType: string; readonly bytes: Uint8Array }
): Manifest.Document | undefined =>
  new TextDecoder().decode(manifest.bytes).includes(`"subject"`)
    ? Either.getOrUndefined(Manifest.parse(manifest))
    : undefined

const subjectOf = (document: Manifest.Document | undefined): Digest.Digest | undefined =>
  document === undefined || document._tag === "Unknown" ? undefined : document.subject?.digest
