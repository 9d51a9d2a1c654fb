/**
 * Manifests as bytes with a descriptor, and their media types. Import them from `Manifest`. A client that only pulls
 * needs no other part of it.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import type * as Descriptor from "./Descriptor.js"
import * as Digest from "./Digest.js"
import * as type from "./internal/manifestType.js"
import { unsupported } from "./internal/verifier.js"
import type { DigestInvalid, ManifestInvalid, Unsupported } from "./RegistryError.js"
import { digestMismatch } from "./RegistryError.js"

declare const ManifestBrand: unique symbol

/**
 * A manifest as it is stored and sent: its exact bytes, and a descriptor with their digest and size. Created only by
 * {@link make}, which verifies the digest, so no other code has to.
 *
 * @since 0.1.0
 * @category models
 */
export interface Manifest {
  readonly descriptor: Descriptor.Descriptor
  readonly bytes: Uint8Array
  readonly [ManifestBrand]: true
}

/**
 * Creates a manifest from its bytes. If `digest` is set, the bytes must match it. Otherwise their sha256 digest is
 * computed.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Manifest, MediaType } from "@effect-oci/core"
 *
 * const bytes = new TextEncoder().encode(`{"schemaVersion":2,"manifests":[]}`)
 * const manifest = Manifest.make({ mediaType: MediaType.index, bytes }) // Either.right
 * ```
 */
export const make = (fields: {
  readonly mediaType: string
  readonly bytes: Uint8Array
  readonly digest?: Digest.Digest | undefined
}): Either.Either<Manifest, DigestInvalid> => {
  const { bytes, digest, mediaType } = fields
  const algorithm = digest === undefined ? "sha256" : Digest.verifiable(digest)
  if (digest !== undefined && algorithm === undefined) return Either.left(unsupported(digest))
  const actual = Digest.fromBytes(bytes, algorithm)
  if (digest !== undefined && digest !== actual) return Either.left(digestMismatch(digest, actual))
  const descriptor = { mediaType, digest: actual, size: bytes.byteLength }
  return Either.right({ descriptor, bytes } as Manifest)
}

/**
 * Returns a media type without its parameters, in lower case. Fails with `Unsupported` for Docker's schema 1, and with
 * `ManifestInvalid` for a text that is not a media type, and for media types that no manifest may have (see
 * `MediaType.isActive`).
 *
 * @since 0.1.0
 * @category destructors
 */
export const checkType: (mediaType: string) => Either.Either<string, ManifestInvalid | Unsupported> = type.check

/**
 * Returns the media type of a manifest that a registry served. If the registry sent a generic type such as
 * `application/json`, returns the `mediaType` of the document, or the type of manifests with the same members. Fails as
 * `Manifest.unambiguous` does.
 *
 * @since 0.1.0
 * @category destructors
 * @example
 * ```ts
 * import { Manifest, MediaType } from "@effect-oci/core"
 *
 * const bytes = new TextEncoder().encode(JSON.stringify({ mediaType: MediaType.index, manifests: [] }))
 * const mediaType = Manifest.identify({ mediaType: "application/json", bytes }) // Either.right(MediaType.index)
 * ```
 */
export const identify = (served: {
  readonly mediaType: string
  readonly bytes: Uint8Array
}): Either.Either<string, ManifestInvalid | Unsupported> =>
  Either.map(type.inspect(served, type.asDocument), ({ mediaType }) => mediaType)
