/**
 * The classes of errors. Import them from `RegistryError`.
 *
 * @since 0.1.0
 */
import type * as Digest from "./Digest.js"
import { errorClass } from "./internal/errorClass.js"
import type { Tag } from "./Tag.js"

/**
 * The blob is not in this repository: `BLOB_UNKNOWN`. Spec: [Error
 * Codes](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#error-codes), which lists the codes of
 * the errors in this category.
 *
 * @since 0.1.0
 * @category spec errors
 */
export class BlobUnknown extends errorClass("OciBlobUnknown", "blob unknown to registry") {}

/**
 * The upload session cannot be continued: `BLOB_UPLOAD_INVALID`.
 *
 * @since 0.1.0
 * @category spec errors
 */
export class BlobUploadInvalid extends errorClass("OciBlobUploadInvalid", "blob upload invalid") {}

/**
 * The upload session does not exist in this repository, or has ended: `BLOB_UPLOAD_UNKNOWN`.
 *
 * @since 0.1.0
 * @category spec errors
 */
export class BlobUploadUnknown extends errorClass("OciBlobUploadUnknown", "blob upload unknown to registry") {}

/**
 * A digest is malformed, has an unsupported algorithm, or does not match the content: `DIGEST_INVALID`.
 *
 * @since 0.1.0
 * @category spec errors
 */
export class DigestInvalid extends errorClass("OciDigestInvalid", "provided digest did not match uploaded content") {}

/**
 * A manifest refers to content that is not in its repository: `MANIFEST_BLOB_UNKNOWN`.
 *
 * @since 0.1.0
 * @category spec errors
 */
export class ManifestBlobUnknown
  extends errorClass("OciManifestBlobUnknown", "manifest references a manifest or blob unknown to registry")
{}

/**
 * A manifest does not have the form that its media type requires: `MANIFEST_INVALID`.
 *
 * @since 0.1.0
 * @category spec errors
 */
export class ManifestInvalid extends errorClass("OciManifestInvalid", "manifest invalid") {}

/**
 * The repository has no manifest with this tag or digest: `MANIFEST_UNKNOWN`.
 *
 * @since 0.1.0
 * @category spec errors
 */
export class ManifestUnknown extends errorClass("OciManifestUnknown", "manifest unknown to registry") {}

/**
 * A repository name is malformed: `NAME_INVALID`.
 *
 * @since 0.1.0
 * @category spec errors
 */
export class NameInvalid extends errorClass("OciNameInvalid", "invalid repository name") {}

/**
 * The repository does not exist: `NAME_UNKNOWN`.
 *
 * @since 0.1.0
 * @category spec errors
 */
export class NameUnknown extends errorClass("OciNameUnknown", "repository name not known to registry") {}

/**
 * The content does not have the declared length, or is too large: `SIZE_INVALID`.
 *
 * @since 0.1.0
 * @category spec errors
 */
export class SizeInvalid extends errorClass<"OciSizeInvalid", { readonly limit?: number | undefined }>(
  "OciSizeInvalid",
  "provided length did not match content length"
) {}

/**
 * The caller is not authenticated: `UNAUTHORIZED`.
 *
 * @since 0.1.0
 * @category spec errors
 */
export class Unauthorized extends errorClass("OciUnauthorized", "authentication required") {}

/**
 * The caller is not allowed to do this: `DENIED`.
 *
 * @since 0.1.0
 * @category spec errors
 */
export class Denied extends errorClass("OciDenied", "requested access to the resource is denied") {}

/**
 * The registry does not support this operation: `UNSUPPORTED`.
 *
 * @since 0.1.0
 * @category spec errors
 */
export class Unsupported extends errorClass("OciUnsupported", "the operation is unsupported") {}

/**
 * The caller sent too many requests: `TOOMANYREQUESTS`. `retryAfter` is the time to wait, if the registry sent one.
 *
 * @since 0.1.0
 * @category spec errors
 */
export class TooManyRequests extends errorClass("OciTooManyRequests", "too many requests") {}

/**
 * The requested range is outside the content, or a chunk does not start at the current end of the upload. The HTTP
 * status is 416. `size` is the number of bytes that exist.
 *
 * @since 0.1.0
 * @category common errors
 */
export class RangeInvalid extends errorClass<"OciRangeInvalid", { readonly size?: number | undefined }>(
  "OciRangeInvalid",
  "invalid content range"
) {}

/**
 * A tag is malformed.
 *
 * @since 0.1.0
 * @category common errors
 */
export class TagInvalid extends errorClass("OciTagInvalid", "manifest tag did not match URI") {}

/**
 * The signature of a manifest is not valid (old registries).
 *
 * @since 0.1.0
 * @category common errors
 */
export class ManifestUnverified extends errorClass("OciManifestUnverified", "manifest failed signature verification") {}

/**
 * The registry is temporarily unavailable.
 *
 * @since 0.1.0
 * @category common errors
 */
export class Unavailable extends errorClass("OciUnavailable", "service unavailable") {}

/**
 * An error code that neither the spec nor common use defines. `code` contains it.
 *
 * @since 0.1.0
 * @category common errors
 */
export class UnknownCode
  extends errorClass<"OciUnknownCode", { readonly code: string }>("OciUnknownCode", "unknown error")
{}

/**
 * The registry sent no answer: its name does not resolve, the connection was refused or broken, or the request timed
 * out. `url` has no query.
 *
 * @since 0.1.0
 * @category transport errors
 */
export class TransportError
  extends errorClass<"OciTransportError", { readonly method?: string | undefined; readonly url?: string | undefined }>(
    "OciTransportError",
    "the registry cannot be reached"
  )
{}

/**
 * The registry sent an answer that the spec does not allow: for example without the `Location` header, with a range
 * that was not requested, or with a body that is not JSON.
 *
 * @since 0.1.0
 * @category transport errors
 */
export class ResponseInvalid extends errorClass("OciResponseInvalid", "the registry's answer breaks the protocol") {}

/**
 * The stream that the caller passed as a body failed. `cause` is the failure of the stream.
 *
 * @since 0.1.0
 * @category transport errors
 */
export class BodyFailed extends errorClass("OciBodyFailed", "the body to send failed") {}

/**
 * The registry names a token server that must not receive the credentials. `realm` is the URL of the token server.
 *
 * @since 0.1.0
 * @category transport errors
 */
export class RealmRefused extends errorClass<"OciRealmRefused", { readonly realm: string }>(
  "OciRealmRefused",
  "the registry's token server is not trusted with its credentials"
) {}

/**
 * Credentials could not be read, for example because a credential helper failed or a file is malformed. Never contains
 * a secret.
 *
 * @since 0.1.0
 * @category transport errors
 */
export class CredentialError extends errorClass("OciCredentialError", "credentials could not be read") {}

/**
 * Registries that should agree resolve a tag to different digests. `members` contains the answer of each registry.
 *
 * @since 0.1.0
 * @category wrapper errors
 */
export class TagConflict extends errorClass<
  "OciTagConflict",
  {
    readonly tag: Tag
    readonly members: ReadonlyArray<{ readonly name: string; readonly digest: Digest.Digest | undefined }>
  }
>("OciTagConflict", "registries disagree about the tag") {}

/**
 * A write to several registries succeeded on only some of them. `outcomes` contains the result of each registry.
 *
 * @since 0.1.0
 * @category wrapper errors
 */
export class PartialFailure extends errorClass<
  "OciPartialFailure",
  {
    readonly outcomes: ReadonlyArray<{ readonly name: string; readonly error: RegistryError | undefined }>
  }
>("OciPartialFailure", "some registries failed") {}

/**
 * A wrapper refused the operation by a rule of its own. `by` names the wrapper.
 *
 * @since 0.1.0
 * @category wrapper errors
 */
export class Refused extends errorClass<"OciRefused", { readonly by: string }>("OciRefused", "refused by a policy") {}

/**
 * All errors that a registry, or a wrapper around a registry, can fail with.
 *
 * @since 0.1.0
 * @category models
 */
export type RegistryError =
  | BlobUnknown
  | BlobUploadInvalid
  | BlobUploadUnknown
  | DigestInvalid
  | ManifestBlobUnknown
  | ManifestInvalid
  | ManifestUnknown
  | NameInvalid
  | NameUnknown
  | SizeInvalid
  | Unauthorized
  | Denied
  | Unsupported
  | TooManyRequests
  | RangeInvalid
  | TagInvalid
  | ManifestUnverified
  | Unavailable
  | UnknownCode
  | TransportError
  | ResponseInvalid
  | BodyFailed
  | RealmRefused
  | CredentialError
  | TagConflict
  | PartialFailure
  | Refused
