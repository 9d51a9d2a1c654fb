/**
 * A blob store in S3.
 *
 * @since 0.1.0
 */
export * as S3BlobStore from "./S3BlobStore.js"
export * as S3Credentials from "./S3Credentials.js"
export * as S3Error from "./S3Error.js"
