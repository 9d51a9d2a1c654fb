import type * as Digest from "@effect-oci/core/Digest"
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

const digests = (links: ReadonlyArray<Manifest.Link>): ReadonlyArray<Digest.Digest> =>
  Array.from(new Set(links.map(({ descriptor }) => descriptor.digest)))

const toPut = (
  { ifAbsent, ifMatch, repository, tags }: Operation.PushManifest,
  manifest: Manifest.Manifest,
  document: Manifest.Document,
  { sparseIndexes, sparseManifests }: Settings
): MetadataStore.PutManifest => {
  const links = Manifest.references(document)
  const subject = links.find(({ kind }) => kind === "subject")?.descriptor.digest
  return {
    repository,
    manifest,
    blobs: sparseManifests
      ? []
      : digests(links.filter((link) => (link.kind === "config" || link.kind === "blob") && !isForeign(link))),
    children: sparseIndexes ? [] : digests(links.filter((link) => link.kind === "manifest" && !isForeign(link))),
    referrer: subject === undefined
      ? undefined
      : { subject, descriptor: Manifest.referrer(manifest.descriptor, document) },
    tags: Array.from(new Set(tags)),
    ifAbsent: ifAbsent ?? false,
    ifMatch
  }
}

export const pushManifest = (
  { metadata }: Stores,
  settings: Settings
): Handler.Row<"PushManifest"> =>
(operation) =>
  Effect.gen(function*() {
    const { document, manifest } = yield* Either.mapLeft(
      read(operation, settings.maxManifestSize),
      (error) => failure.completed(operation, error)
    )
    const put = toPut(operation, manifest, document, settings)
    yield* Effect.mapError(metadata.putManifest(put), failure.of(operation))
    return { ...manifest.descriptor, subject: put.referrer?.subject, tags: put.tags }
  })
