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
 * Docker's "Image Manifest Version 2, Schema 1", which is not supported: its layers have no sizes, and its digest is not
 * that of its bytes.
 *
 * @since 0.1.0
 * @category constants
 */
export const dockerSchema1 = "application/vnd.docker.distribution.manifest.v1+json"

/**
 * Docker's schema 1 with its signature. Not supported either.
 *
 * @since 0.1.0
 * @category constants
 */
export const dockerSchema1Signed = "application/vnd.docker.distribution.manifest.v1+prettyjws"

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
 * Returns whether a media type says nothing about a manifest, or is empty. Registries behind object stores and content
 * networks serve manifests under such types.
 *
 * @since 0.1.0
 * @category guards
 */
export const isGeneric = (mediaType: string): boolean => generic.has(essence(mediaType))

const active =
  /^(?:text\/(?:html|css|xml|xsl|calendar|cache-manifest)|image\/svg|application\/(?:pdf|wasm|xml|xhtml|x-shockwave-flash)|message\/.*|multipart\/.*|.*[/+]xml(?:-.*)?|.*\/(?:x-)?(?:java|ecma|live|j)script[\d.]*)$/

/**
 * Returns whether a browser may run, or act on, content of a media type: HTML, XML of every kind (SVG, XHTML),
 * JavaScript, PDF and the like. No manifest has such a type, so a registry stores none under it.
 *
 * @since 0.1.0
 * @category guards
 */
export const isActive = (mediaType: string): boolean => active.test(essence(mediaType))
