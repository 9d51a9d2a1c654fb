/**
 * The media types of manifests and their parts.
 *
 * @since 0.1.0
 */

/**
 * The OCI image manifest. Image spec: [Image
 * Manifest](https://github.com/opencontainers/image-spec/blob/main/manifest.md).
 *
 * @since 0.1.0
 * @category constants
 */
export const image = "application/vnd.oci.image.manifest.v1+json"

/**
 * The OCI image index. Image spec: [Image
 * Index](https://github.com/opencontainers/image-spec/blob/main/image-index.md).
 *
 * @since 0.1.0
 * @category constants
 */
export const index = "application/vnd.oci.image.index.v1+json"

/**
 * The artifact manifest of the release candidates of image-spec 1.1. Programs no longer write it, but registries still
 * contain some.
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
 * Docker's "Image Manifest Version 2, Schema 1". It is not supported: its layers have no sizes, and its digest is not
 * the digest of its bytes.
 *
 * @since 0.1.0
 * @category constants
 */
export const dockerSchema1 = "application/vnd.docker.distribution.manifest.v1+json"

/**
 * Docker's schema 1 with a signature. It is not supported either.
 *
 * @since 0.1.0
 * @category constants
 */
export const dockerSchema1Signed = "application/vnd.docker.distribution.manifest.v1+prettyjws"

/**
 * The config of a container image. Image spec: [Image
 * Configuration](https://github.com/opencontainers/image-spec/blob/main/config.md).
 *
 * @since 0.1.0
 * @category constants
 */
export const imageConfig = "application/vnd.oci.image.config.v1+json"

/**
 * An uncompressed layer. Image spec: [Image Layer Filesystem
 * Changeset](https://github.com/opencontainers/image-spec/blob/main/layer.md).
 *
 * @since 0.1.0
 * @category constants
 */
export const layer = "application/vnd.oci.image.layer.v1.tar"

/**
 * A layer compressed with gzip. Image spec: [Image Layer Filesystem
 * Changeset](https://github.com/opencontainers/image-spec/blob/main/layer.md).
 *
 * @since 0.1.0
 * @category constants
 */
export const layerGzip = "application/vnd.oci.image.layer.v1.tar+gzip"

/**
 * The empty config, `{}`, of an artifact without a config. Image spec: [Guidance for an Empty
 * Descriptor](https://github.com/opencontainers/image-spec/blob/main/manifest.md#guidance-for-an-empty-descriptor).
 *
 * @since 0.1.0
 * @category constants
 */
export const empty = "application/vnd.oci.empty.v1+json"

/**
 * The manifest types that this library parses, in the order in which clients request them. Other types can be stored
 * and served too.
 *
 * @since 0.1.0
 * @category constants
 */
export const manifests: ReadonlyArray<string> = [index, image, dockerList, dockerImage, artifact]

/**
 * Returns whether a layer may be missing from the registry because it must not be distributed. Image spec:
 * [Non-Distributable Layers](https://github.com/opencontainers/image-spec/blob/main/layer.md#non-distributable-layers).
 *
 * @since 0.1.0
 * @category guards
 */
export const isNonDistributable = (mediaType: string): boolean =>
  mediaType.includes(".nondistributable.") || mediaType.startsWith("application/vnd.docker.image.rootfs.foreign.")

/**
 * Returns a media type without its parameters, in lower case.
 *
 * @since 0.1.0
 * @category combinators
 */
export const essence = (mediaType: string): string => {
  const semicolon = mediaType.indexOf(";")
  return (semicolon < 0 ? mediaType : mediaType.slice(0, semicolon)).trim().toLowerCase()
}

// RFC 9110, section 8.3.1, within the lengths of RFC 6838, section 4.2.
const syntax = /^[\w!#$%&'*+.^`|~-]{1,127}\/[\w!#$%&'*+.^`|~-]{1,127}$/

/**
 * Returns whether a text is a media type without parameters.
 *
 * @since 0.1.0
 * @category guards
 */
export const isValid = (mediaType: string): boolean => syntax.test(mediaType)

const generic = new Set([
  "",
  "application/json",
  "text/json",
  "text/plain",
  "application/octet-stream",
  "binary/octet-stream"
])

/**
 * Returns whether a media type is empty or too generic to identify a manifest. Registries behind object stores and CDNs
 * serve manifests under such types.
 *
 * @since 0.1.0
 * @category guards
 */
export const isGeneric = (mediaType: string): boolean => generic.has(essence(mediaType))

const active =
  /^(?:text\/(?:html|css|xml|xsl|calendar|cache-manifest)|image\/svg|application\/(?:pdf|wasm|xml|xhtml|x-shockwave-flash)|message\/.*|multipart\/.*|.*[/+]xml(?:-.*)?|.*\/(?:x-)?(?:java|ecma|live|j)script[\d.]*)$/

/**
 * Returns whether a browser may execute, or act on, content of a media type: HTML, XML of any kind (SVG, XHTML),
 * JavaScript, PDF and similar. No manifest has such a type, so a registry does not store a manifest under one.
 *
 * @since 0.1.0
 * @category guards
 */
export const isActive = (mediaType: string): boolean => active.test(essence(mediaType))
