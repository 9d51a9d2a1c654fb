import { Digest } from "@effect-oci/core"
import type { Operation } from "@effect-oci/core"

/** Returns whether a digest is a digest of the manifest that is pushed, by any algorithm that can be verified. */
export const isContent = ({ bytes, digest: said }: Operation.PushManifest, found: Digest.Digest): boolean => {
  const algorithm = Digest.verifiable(found)
  return found === (algorithm === undefined ? said : Digest.fromBytes(bytes, algorithm))
}
