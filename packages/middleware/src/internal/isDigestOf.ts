import { Digest } from "@effect-oci/core"
import type { Operation } from "@effect-oci/core"

/** Returns whether a digest is a digest of the manifest that is pushed, by any algorithm that can be verified. */
export const isDigestOf = ({ bytes, digest: declared }: Operation.PushManifest, digest: Digest.Digest): boolean => {
  const algorithm = Digest.verifiable(digest)
  return digest === (algorithm === undefined ? declared : Digest.fromBytes(bytes, algorithm))
}
