import { Digest } from "@effect-oci/core"
import type { Operation } from "@effect-oci/core"

/** Whether a digest that was found is that of a manifest to be pushed, by whichever algorithm. */
export const isContent = ({ bytes, digest: said }: Operation.PushManifest, found: Digest.Digest): boolean => {
  const algorithm = Digest.verifiable(found)
  return found === (algorithm === undefined ? said : Digest.fromBytes(bytes, algorithm))
}
