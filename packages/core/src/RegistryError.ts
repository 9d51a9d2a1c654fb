/**
 * The errors that a registry operation can fail with.
 *
 * Each error is a class, to be handled with `Effect.catchTag`. Each error contains the operation, the repository and
 * the reference of the request, and its message is made from them.
 *
 * @since 0.1.0
 */
import * as Predicate from "effect/Predicate"
import type * as Schema from "effect/Schema"
import type * as Digest from "./Digest.js"
import { errorClass } from "./internal/errorClass.js"
import type { Diagnostic, ErrorFields } from "./internal/errorClass.js"
import { errorSchema, ownFields } from "./internal/errorSchema.js"
import type { SyntaxInvalid } from "./SyntaxInvalid.js"
import type { Tag } from "./Tag.js"

export type { Diagnostic, ErrorFields }

/**
 * The blob is not in this repository: `BLOB_UNKNOWN`. Spec: [Error
 * Codes](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#error-codes), which lists the codes of
 * the errors in this category.
 *
 * @since 0.1.0
 * @category spec errors
 */
export class BlobUnknown extends errorClass("BlobUnknown", "blob unknown to registry") {}

/**
 * The upload session cannot be continued: `BLOB_UPLOAD_INVALID`.
 *
 * @since 0.1.0
 * @category spec errors
 */
export class BlobUploadInvalid extends errorClass("BlobUploadInvalid", "blob upload invalid") {}

/**
 * The upload session does not exist in this repository, or has ended: `BLOB_UPLOAD_UNKNOWN`.
 *
 * @since 0.1.0
 * @category spec errors
 */
export class BlobUploadUnknown extends errorClass("BlobUploadUnknown", "blob upload unknown to registry") {}

/**
 * A digest is malformed, has an unsupported algorithm, or does not match the content: `DIGEST_INVALID`.
 *
 * @since 0.1.0
 * @category spec errors
 */
export class DigestInvalid extends errorClass("DigestInvalid", "provided digest did not match uploaded content") {}

/**
 * A manifest refers to content that is not in its repository: `MANIFEST_BLOB_UNKNOWN`.
 *
 * @since 0.1.0
 * @category spec errors
 */
export class ManifestBlobUnknown
  extends errorClass("ManifestBlobUnknown", "manifest references a manifest or blob unknown to registry")
{}

/**
 * A manifest does not have the form that its media type requires: `MANIFEST_INVALID`.
 *
 * @since 0.1.0
 * @category spec errors
 */
export class ManifestInvalid extends errorClass("ManifestInvalid", "manifest invalid") {}

/**
 * The repository has no manifest with this tag or digest: `MANIFEST_UNKNOWN`.
 *
 * @since 0.1.0
 * @category spec errors
 */
export class ManifestUnknown extends errorClass("ManifestUnknown", "manifest unknown to registry") {}

/**
 * A repository name is malformed: `NAME_INVALID`.
 *
 * @since 0.1.0
 * @category spec errors
 */
export class NameInvalid extends errorClass("NameInvalid", "invalid repository name") {}

/**
 * The repository does not exist: `NAME_UNKNOWN`.
 *
 * @since 0.1.0
 * @category spec errors
 */
export class NameUnknown extends errorClass("NameUnknown", "repository name not known to registry") {}

/**
 * The content does not have the declared length, or is too large: `SIZE_INVALID`.
 *
 * @since 0.1.0
 * @category spec errors
 */
export class SizeInvalid extends errorClass<"SizeInvalid", { readonly limit?: number | undefined }>(
  "SizeInvalid",
  "provided length did not match content length"
) {}

/**
 * The caller is not authenticated: `UNAUTHORIZED`.
 *
 * @since 0.1.0
 * @category spec errors
 */
export class Unauthorized extends errorClass("Unauthorized", "authentication required") {}

/**
 * The caller is not allowed to do this: `DENIED`.
 *
 * @since 0.1.0
 * @category spec errors
 */
export class Denied extends errorClass("Denied", "requested access to the resource is denied") {}

/**
 * The registry does not support this operation: `UNSUPPORTED`.
 *
 * @since 0.1.0
 * @category spec errors
 */
export class Unsupported extends errorClass("Unsupported", "the operation is unsupported") {}

/**
 * The caller sent too many requests: `TOOMANYREQUESTS`. `retryAfter` is the time to wait, if the registry sent one.
 *
 * @since 0.1.0
 * @category spec errors
 */
export class TooManyRequests extends errorClass("TooManyRequests", "too many requests") {}

/**
 * The requested range is outside the content, or a chunk does not start at the current end of the upload. The HTTP
 * status is 416. `size` is the number of bytes that exist.
 *
 * @since 0.1.0
 * @category common errors
 */
export class RangeInvalid
  extends errorClass<"RangeInvalid", { readonly size?: number | undefined }>("RangeInvalid", "invalid content range")
{}

/**
 * A tag is malformed.
 *
 * @since 0.1.0
 * @category common errors
 */
export class TagInvalid extends errorClass("TagInvalid", "manifest tag did not match URI") {}

/**
 * The signature of a manifest is not valid (old registries).
 *
 * @since 0.1.0
 * @category common errors
 */
export class ManifestUnverified extends errorClass("ManifestUnverified", "manifest failed signature verification") {}

/**
 * The registry is temporarily unavailable.
 *
 * @since 0.1.0
 * @category common errors
 */
export class Unavailable extends errorClass("Unavailable", "service unavailable") {}

/**
 * An error code that neither the spec nor common use defines. `code` contains it.
 *
 * @since 0.1.0
 * @category common errors
 */
export class UnknownCode extends errorClass<"UnknownCode", { readonly code: string }>("UnknownCode", "unknown error") {}

/**
 * The registry sent no answer: its name does not resolve, the connection was refused or broken, or the request timed
 * out. `url` has no query.
 *
 * @since 0.1.0
 * @category transport errors
 */
export class TransportError
  extends errorClass<"TransportError", { readonly method?: string | undefined; readonly url?: string | undefined }>(
    "TransportError",
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
export class ResponseInvalid extends errorClass("ResponseInvalid", "the registry's answer breaks the protocol") {}

/**
 * The stream that the caller passed as a body failed. `cause` is the failure of the stream.
 *
 * @since 0.1.0
 * @category transport errors
 */
export class BodyFailed extends errorClass("BodyFailed", "the body to send failed") {}

/**
 * The registry names a token server that must not receive the credentials. `realm` is the URL of the token server.
 *
 * @since 0.1.0
 * @category transport errors
 */
export class RealmRefused extends errorClass<"RealmRefused", { readonly realm: string }>(
  "RealmRefused",
  "the registry's token server is not trusted with its credentials"
) {}

/**
 * Credentials could not be read, for example because a credential helper failed or a file is malformed. Never contains
 * a secret.
 *
 * @since 0.1.0
 * @category transport errors
 */
export class CredentialError extends errorClass("CredentialError", "credentials could not be read") {}

/**
 * Registries that should agree resolve a tag to different digests. `members` contains the answer of each registry.
 *
 * @since 0.1.0
 * @category wrapper errors
 */
export class TagConflict extends errorClass<
  "TagConflict",
  {
    readonly tag: Tag
    readonly members: ReadonlyArray<{ readonly name: string; readonly digest: Digest.Digest | undefined }>
  }
>("TagConflict", "registries disagree about the tag") {}

/**
 * A write to several registries succeeded on only some of them. `outcomes` contains the result of each registry.
 *
 * @since 0.1.0
 * @category wrapper errors
 */
export class PartialFailure extends errorClass<
  "PartialFailure",
  {
    readonly outcomes: ReadonlyArray<{ readonly name: string; readonly error: RegistryError | undefined }>
  }
>("PartialFailure", "some registries failed") {}

/**
 * A wrapper refused the operation by a rule of its own. `by` names the wrapper.
 *
 * @since 0.1.0
 * @category wrapper errors
 */
export class Refused extends errorClass<"Refused", { readonly by: string }>("Refused", "refused by a policy") {}

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

/** The classes by tag. A missing class does not compile. */
const classes: { readonly [Tag in RegistryError["_tag"]]: new(fields: never) => RegistryError } = {
  BlobUnknown,
  BlobUploadInvalid,
  BlobUploadUnknown,
  DigestInvalid,
  ManifestBlobUnknown,
  ManifestInvalid,
  ManifestUnknown,
  NameInvalid,
  NameUnknown,
  SizeInvalid,
  Unauthorized,
  Denied,
  Unsupported,
  TooManyRequests,
  RangeInvalid,
  TagInvalid,
  ManifestUnverified,
  Unavailable,
  UnknownCode,
  TransportError,
  ResponseInvalid,
  BodyFailed,
  RealmRefused,
  CredentialError,
  TagConflict,
  PartialFailure,
  Refused
}

/**
 * Returns whether a value is a `RegistryError`.
 *
 * @since 0.1.0
 * @category guards
 */
export const isRegistryError = (value: unknown): value is RegistryError =>
  Predicate.hasProperty(value, "_tag") && typeof value._tag === "string" && Object.hasOwn(classes, value._tag) &&
  value instanceof classes[value._tag as RegistryError["_tag"]]

/**
 * The schema of errors as JSON: all fields except the cause.
 *
 * @since 0.1.0
 * @category schemas
 * @example
 * ```ts
 * import { RegistryError } from "@effect-oci/core"
 * import { Schema } from "effect"
 * import * as assert from "node:assert"
 *
 * const json = Schema.encodeSync(RegistryError.schema)(new RegistryError.Refused({ by: "Policy", reason: "too old" }))
 *
 * assert.deepEqual(json, { _tag: "Refused", by: "Policy", reason: "too old" })
 * ```
 */
export const schema: Schema.Schema<RegistryError, unknown> = errorSchema<RegistryError>(classes, ownFields)

/**
 * The statuses of temporary problems, from RFC 9110 and RFC 6585. Other 5xx statuses mean that the server will never do
 * it.
 */
const transientStatus: ReadonlySet<number | undefined> = new Set([408, 429, 500, 502, 503, 504])

/**
 * Returns whether a retry may succeed: the registry could not be reached, is temporarily unavailable, or asked the
 * client to wait. A `PartialFailure` is transient if the errors of all failed registries are.
 *
 * @since 0.1.0
 * @category guards
 * @example
 * ```ts
 * import { Registry, RegistryError, RepositoryName, Tag } from "@effect-oci/core"
 * import { Effect, Schedule } from "effect"
 *
 * const program = Effect.flatMap(Registry, (registry) =>
 *   registry.resolveManifest(RepositoryName.make("team/app"), Tag.make("v1")).pipe(
 *     Effect.retry({ while: RegistryError.isTransient, schedule: Schedule.exponential("100 millis"), times: 3 })
 *   ))
 * ```
 */
export const isTransient = (error: RegistryError): boolean => {
  switch (error._tag) {
    case "TransportError":
    case "Unavailable":
    case "TooManyRequests":
      return true
    case "UnknownCode":
      return transientStatus.has(error.status)
    case "PartialFailure": {
      const failed = error.outcomes.flatMap((outcome) => outcome.error ?? [])
      return failed.length > 0 && failed.every(isTransient)
    }
    default:
      return false
  }
}

/**
 * Returns whether the error means that something was not found. An answer to a HEAD request has no body, so it cannot
 * say more than that.
 *
 * @since 0.1.0
 * @category guards
 */
export const isNotFound = (
  error: RegistryError
): error is BlobUnknown | BlobUploadUnknown | ManifestUnknown | NameUnknown => {
  switch (error._tag) {
    case "BlobUnknown":
    case "BlobUploadUnknown":
    case "ManifestUnknown":
    case "NameUnknown":
      return true
    default:
      return false
  }
}

/**
 * Returns the same error with other fields. A wrapper uses it to report the names that its caller knows.
 *
 * @since 0.1.0
 * @category combinators
 * @example
 * ```ts
 * import { Operation, RegistryError } from "@effect-oci/core"
 *
 * const blame = (operation: Operation.Operation) => (error: RegistryError.RegistryError) =>
 *   RegistryError.withFields(error, Operation.errorFields(operation))
 * ```
 */
export const withFields = <E extends RegistryError>(error: E, fields: ErrorFields): E => {
  const Class = classes[error._tag] as unknown as new(args: object) => E
  // The `cause` of an error is not enumerable.
  return new Class({ ...error, ...(error.cause === undefined ? {} : { cause: error.cause }), ...fields })
}

/** The maximum depth of error details, which are JSON of a few levels. Deeper values are left out. */
const maxDepth = 32

/**
 * Changes every text in an error: in its fields, in its detail including the names in it, and in nested errors. The
 * operation and the cause do not change.
 *
 * @since 0.1.0
 * @category combinators
 */
export const mapText = <E extends RegistryError>(error: E, f: (text: string) => string): E => mapErrorText(error, f, 0)

const mapErrorText = <E extends RegistryError>(error: E, f: (text: string) => string, depth: number): E => {
  const fields = Object.entries(error).filter(([name]) => name !== "_tag" && name !== "operation")
  return withFields(error, Object.fromEntries(fields.map(([name, value]) => [name, mapValueText(value, f, depth)])))
}

const mapValueText = (value: unknown, f: (text: string) => string, depth: number): unknown => {
  if (typeof value === "string") return f(value)
  if (!Predicate.isObject(value)) return value
  if (depth === maxDepth) return undefined
  if (isRegistryError(value)) return mapErrorText(value, f, depth + 1)
  if (Array.isArray(value)) return value.map((item) => mapValueText(item, f, depth + 1))
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [f(name), mapValueText(item, f, depth + 1)]))
}

/**
 * Returns the error for a text that is not a valid name, tag, digest or manifest.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromSyntax = (
  error: SyntaxInvalid,
  fields?: ErrorFields
): NameInvalid | TagInvalid | DigestInvalid | ManifestInvalid => {
  const all = { reason: error.message, ...fields }
  switch (error.expected) {
    case "tag":
    case "tag glob":
      return new TagInvalid(all)
    case "digest":
      return new DigestInvalid(all)
    case "repository name":
    case "repository prefix":
    case "reference":
    case "registry":
      return new NameInvalid(all)
    case "descriptor":
    case "manifest":
    case "media type":
    case "platform":
      return new ManifestInvalid(all)
  }
}

/**
 * Returns the error for content that does not match its digest. `fields` describes the operation.
 *
 * @since 0.1.0
 * @category constructors
 */
export const digestMismatch = (digest: Digest.Digest, actual: Digest.Digest, fields?: ErrorFields): DigestInvalid =>
  new DigestInvalid({ reference: digest, ...fields, reason: `content does not match its digest, it has ${actual}` })

/**
 * Converts any failure of a caller's stream to a `RegistryError`. A failure that is a `RegistryError` already is
 * returned unchanged.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromBodyFailure = (failure: unknown): RegistryError =>
  isRegistryError(failure) ? failure : new BodyFailed({
    cause: failure,
    reason: failure instanceof Error ? `the body to send failed: ${failure.message}` : undefined
  })
