import * as Digest from "@effect-oci/core/Digest"
import type * as Handler from "@effect-oci/core/Handler"
import * as Manifest from "@effect-oci/core/Manifest"
import * as MediaType from "@effect-oci/core/MediaType"
import * as Operation from "@effect-oci/core/Operation"
import * as RegistryError from "@effect-oci/core/RegistryError"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as MetadataStore from "../MetadataStore.js"
import * as failure from "./failure.js"
import type { Settings, Stores } from "./stores.js"

/** Parses the manifest of an operation. Copies its bytes, so that the stored bytes cannot change. */
const read = (operation: Operation.PushManifest, maxSize: number) =>
  Either.gen(function*() {
    const { bytes, digest } = yield* Operation.withOneCondition(operation)
    if (bytes.byteLength > maxSize) {
      return yield* Either.left(
        new RegistryError.SizeInvalid({ reason: `the manifest is larger than ${maxSize} bytes`, limit: maxSize })
      )
    }
    const mediaType = MediaType.essence(operation.mediaType)
    if (mediaType === "") {
      return yield* Either.left(new RegistryError.ManifestInvalid({ reason: "manifest invalid: it has no media type" }))
    }
    // Checks the type before the digest, so that a client that checks the type fails with the same error as this store.
    const document = yield* Manifest.parse({ mediaType, bytes })
    return { document, manifest: yield* Manifest.make({ mediaType, bytes: new Uint8Array(bytes), digest }) }
  })

/** Returns whether the repository need not have the linked content: it is non-distributable, or has other `urls`. */
const isForeign = ({ descriptor }: Manifest.Link): boolean =>
  MediaType.isNonDistributable(descriptor.mediaType) || (descriptor.urls?.length ?? 0) > 0

/** Returns all references of a manifest, each digest and kind once. */
const referencesOf = (
  links: ReadonlyArray<Manifest.Link>,
  { sparseIndexes, sparseManifests }: Settings
): ReadonlyArray<MetadataStore.Reference> => {
  const references = new Map<string, MetadataStore.Reference>()
  for (const link of links) {
    const { digest } = link.descriptor
    const kind = link.kind === "subject" ? "subject" : link.kind === "manifest" ? "child" : "blob"
    const isSparse = kind === "subject" || (kind === "child" ? sparseIndexes : sparseManifests)
    const required = !isSparse && !isForeign(link)
    const before = references.get(`${kind} ${digest}`)
    references.set(`${kind} ${digest}`, { digest, kind, required: required || before?.required === true })
  }
  return Array.from(references.values())
}

const toPut = (
  { ifAbsent, ifMatch, repository, tags }: Operation.PushManifest,
  manifest: Manifest.Manifest,
  document: Manifest.Document,
  settings: Settings
): MetadataStore.PutManifest => {
  const references = referencesOf(Manifest.references(document), settings)
  return {
    repository,
    manifest,
    references,
    listedAs: subjectOf(references) === undefined ? undefined : Manifest.referrer(manifest.descriptor, document),
    tags: Array.from(new Set(tags)),
    ifAbsent: ifAbsent ?? false,
    ifMatch,
    keep: settings.policy.grace
  }
}

const subjectOf = (references: ReadonlyArray<MetadataStore.Reference>): Digest.Digest | undefined =>
  references.find(({ kind }) => kind === "subject")?.digest

export const pushManifest = (
  { metadata }: Stores,
  settings: Settings
): Handler.Row<"PushManifest"> =>
(operation) =>
  Effect.gen(function*() {
    if (operation.digest !== undefined) yield* Digest.load(operation.digest)
    const { document, manifest } = yield* Either.mapLeft(
      read(operation, settings.maxManifestSize),
      (error) => failure.completed(operation, error)
    )
    const put = toPut(operation, manifest, document, settings)
    yield* Effect.mapError(metadata.putManifest(put), failure.of(operation))
    return { ...manifest.descriptor, subject: subjectOf(put.references), tags: put.tags }
  })
