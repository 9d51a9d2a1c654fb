import { Manifest, MediaType } from "@effect-oci/core"
import type { Descriptor, Digest } from "@effect-oci/core"
import * as Either from "effect/Either"

/** Returns whether the repository need not have the linked content: it is non-distributable, or has other `urls`. */
const isForeign = ({ descriptor }: Manifest.Link): boolean =>
  MediaType.isNonDistributable(descriptor.mediaType) || (descriptor.urls?.length ?? 0) > 0

/** Returns the descriptors of the blobs that a manifest names. Returns none if it is not valid. */
export const blobsOf = (
  manifest: { readonly mediaType: string; readonly bytes: Uint8Array }
): ReadonlyArray<Descriptor.Descriptor> => {
  const parsed = Manifest.parse({ ...manifest, mediaType: MediaType.essence(manifest.mediaType) })
  return Either.isLeft(parsed) ?
    [] :
    Manifest.references(parsed.right).flatMap(({ descriptor, kind }) =>
      kind === "config" || kind === "blob" ? [descriptor] : []
    )
}

/** Returns the digests of the blobs that a repository must have before a manifest is pushed. */
export const requiredBlobs = (links: ReadonlyArray<Manifest.Link>): ReadonlySet<Digest.Digest> =>
  new Set(
    links.filter((link) => (link.kind === "config" || link.kind === "blob") && !isForeign(link))
      .map(({ descriptor }) => descriptor.digest)
  )
