import { MediaType } from "@effect-oci/core"
import type { Descriptor, Manifest } from "@effect-oci/core"

/** Chooses which content of a manifest is copied. */
export type Filter = (link: Manifest.Link, of: Descriptor.Descriptor) => boolean

/**
 * Returns the blobs that may be copied. See the
 * [image spec](https://github.com/opencontainers/image-spec/blob/main/layer.md#non-distributable-layers).
 */
export const blobs = (links: ReadonlyArray<Manifest.Link>): ReadonlyArray<Descriptor.Descriptor> =>
  links.flatMap(({ descriptor, kind }) =>
    (kind === "config" || kind === "blob") && !MediaType.isNonDistributable(descriptor.mediaType) ? [descriptor] : []
  )

export const isIndex = (mediaType: string): boolean => {
  const essence = MediaType.essence(mediaType)
  return essence === MediaType.index || essence === MediaType.dockerList
}
