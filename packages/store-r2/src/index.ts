/**
 * Blobs in a bucket of Cloudflare R2.
 *
 * @since 0.1.0
 */
export * as R2BlobStore from "./R2BlobStore.js"
