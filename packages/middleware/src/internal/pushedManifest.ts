import { Digest, MediaType } from "@effect-oci/core"
import type { Descriptor, Operation } from "@effect-oci/core"

/** Returns the digest under which a manifest is pushed. */
export const digestOf = ({ bytes, digest }: Operation.PushManifest): Digest.Digest => digest ?? Digest.fromBytes(bytes)

/** Returns whether a digest is a digest of the manifest that is pushed, by any algorithm that can be verified. */
export const isDigestOf = ({ bytes, digest: declared }: Operation.PushManifest, digest: Digest.Digest): boolean => {
  const algorithm = Digest.verifiable(digest)
  return digest === (algorithm === undefined ? declared : Digest.fromBytes(bytes, algorithm))
}

/** Returns whether a manifest is pushed with the media type of a descriptor. */
export const isTypeOf = ({ mediaType }: Operation.PushManifest, found: Descriptor.Descriptor): boolean =>
  MediaType.essence(mediaType) === MediaType.essence(found.mediaType)
