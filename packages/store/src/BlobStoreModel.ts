/**
 * The keys of stored bytes, and the state of their uploads. Import them from `BlobStore`.
 *
 * @since 0.1.0
 */
import * as Brand from "effect/Brand"

/**
 * The key of stored bytes: a UUID of version 7, which begins with the time of its creation. A key is not a digest and
 * is never used twice: bytes that are pushed again after a delete have a new key, so a late delete cannot remove them.
 *
 * @since 0.1.0
 * @category models
 */
export type BlobKey = string & Brand.Brand<"BlobKey">

/**
 * Creates a {@link BlobKey} from a string. Does not validate the string.
 *
 * @since 0.1.0
 * @category constructors
 */
export const BlobKey: Brand.Brand.Constructor<BlobKey> = Brand.nominal<BlobKey>()

/**
 * The state that a store needs to resume an upload, as text. The token is stored with the metadata of the upload
 * session, and may change with each chunk.
 *
 * @since 0.1.0
 * @category models
 */
export type UploadToken = string & Brand.Brand<"UploadToken">

/**
 * Creates an {@link UploadToken} from a string. Does not validate the string.
 *
 * @since 0.1.0
 * @category constructors
 */
export const UploadToken: Brand.Brand.Constructor<UploadToken> = Brand.nominal<UploadToken>()

/**
 * The result of an append: how many bytes of the upload are durable, and the token to resume with.
 *
 * @since 0.1.0
 * @category models
 */
export interface Appended {
  readonly offset: number
  readonly token: UploadToken
}
