/**
 * The media types of manifests and their parts.
 *
 * @since 0.1.0
 */

/**
 * The image manifest. Image spec: "Image Manifest".
 *
 * @since 0.1.0
 * @category constants
 */
export const image = "application/vnd.oci.image.manifest.v1+json"

/**
 * The image index. Image spec: "Image Index".
 *
 * @since 0.1.0
 * @category constants
 */
export const index = "application/vnd.oci.image.index.v1+json"

/**
 * The artifact manifest of image-spec 1.1's release candidates: no longer written, still met.
 *
 * @since 0.1.0
 * @category constants
 */
export const artifact = "application/vnd.oci.artifact.manifest.v1+json"

/**
 * Docker's "Image Manifest Version 2, Schema 2".
 *
 * @since 0.1.0
 * @category constants
 */
export const dockerImage = "application/vnd.docker.distribution.manifest.v2+json"

/**
 * Docker's manifest list, the index of its schema 2.
 *
 * @since 0.1.0
 * @category constants
 */
export const dockerList = "application/vnd.docker.distribution.manifest.list.v2+json"

/**
 * The config of an image for a container. Image spec: "Image Configuration".
 *
 * @since 0.1.0
 * @category constants
 */
export const imageConfig = "application/vnd.oci.image.config.v1+json"

/**
 * A layer, not compressed. Image spec: "Image Layer Filesystem Changeset".
 *
 * @since 0.1.0
 * @category constants
 */
export const layer = "application/vnd.oci.image.layer.v1.tar"

/**
 * A layer, compressed by gzip. Image spec: "Image Layer Filesystem Changeset".
 *
 * @since 0.1.0
 * @category constants
 */
export const layerGzip = "application/vnd.oci.image.layer.v1.tar+gzip"

/**
 * The config of an artifact that has none: `{}`. Image spec: "Guidance for an Empty Descriptor".
 *
 * @since 0.1.0
 * @category constants
 */
export const empty = "application/vnd.oci.empty.v1+json"

/**
 * The manifests that are understood here, in the order in which they are asked for. Others are stored and served too.
 *
 * @since 0.1.0
 * @category constants
 */
export const manifests: ReadonlyArray<string> = [index, image, dockerList, dockerImage, artifact]

/**
 * Whether a layer need not be in the registry: one that may not be distributed. Image spec: "Non-Distributable Layers".
 *
 * @since 0.1.0
 * @category guards
 */
export const isNonDistributable = (mediaType: string): boolean =>
  mediaType.includes(".nondistributable.") || mediaType.startsWith("application/vnd.docker.image.rootfs.foreign.")

/**
 * A media type without its parameters, in lower case.
 *
 * @since 0.1.0
 * @category combinators
 */
export const essence = (mediaType: string): string => {
  const semicolon = mediaType.indexOf(";")
  return (semicolon < 0 ? mediaType : mediaType.slice(0, semicolon)).trim().toLowerCase()
}
