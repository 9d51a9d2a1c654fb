import type { OperationTag } from "@effect-oci/core/Operation"
import type * as RegistryError from "@effect-oci/core/RegistryError"
import * as Predicate from "effect/Predicate"

type ErrorTag = RegistryError.RegistryError["_tag"]

/** The code of errors without a code of their own. */
export const unknown = "UNKNOWN"

/** The code and the status of each error. Errors without a code of their own are sent as `UNKNOWN`, with their data. */
export const rows: { readonly [Tag in ErrorTag]: { readonly code: string; readonly status: number } } = {
  BlobUnknown: { code: "BLOB_UNKNOWN", status: 404 },
  BlobUploadInvalid: { code: "BLOB_UPLOAD_INVALID", status: 400 },
  BlobUploadUnknown: { code: "BLOB_UPLOAD_UNKNOWN", status: 404 },
  DigestInvalid: { code: "DIGEST_INVALID", status: 400 },
  ManifestBlobUnknown: { code: "MANIFEST_BLOB_UNKNOWN", status: 400 },
  ManifestInvalid: { code: "MANIFEST_INVALID", status: 400 },
  ManifestUnknown: { code: "MANIFEST_UNKNOWN", status: 404 },
  NameInvalid: { code: "NAME_INVALID", status: 400 },
  NameUnknown: { code: "NAME_UNKNOWN", status: 404 },
  SizeInvalid: { code: "SIZE_INVALID", status: 400 },
  Unauthorized: { code: "UNAUTHORIZED", status: 401 },
  Denied: { code: "DENIED", status: 403 },
  Unsupported: { code: "UNSUPPORTED", status: 405 },
  TooManyRequests: { code: "TOOMANYREQUESTS", status: 429 },
  RangeInvalid: { code: "RANGE_INVALID", status: 416 },
  TagInvalid: { code: "TAG_INVALID", status: 400 },
  ManifestUnverified: { code: "MANIFEST_UNVERIFIED", status: 400 },
  Unavailable: { code: "UNAVAILABLE", status: 503 },
  UnknownCode: { code: unknown, status: 500 },
  TransportError: { code: unknown, status: 502 },
  ResponseInvalid: { code: unknown, status: 502 },
  BodyFailed: { code: unknown, status: 400 },
  RealmRefused: { code: unknown, status: 502 },
  CredentialError: { code: unknown, status: 502 },
  TagConflict: { code: unknown, status: 409 },
  PartialFailure: { code: unknown, status: 502 },
  Refused: { code: unknown, status: 403 }
}

/** The errors with a code of their own, and `UnknownCode` for all others. */
type DecodedTag = Exclude<
  ErrorTag,
  | "TransportError"
  | "ResponseInvalid"
  | "BodyFailed"
  | "RealmRefused"
  | "CredentialError"
  | "TagConflict"
  | "PartialFailure"
  | "Refused"
>

/** The errors by code. */
export const tags = new Map<string, DecodedTag>(
  Object.entries(rows)
    .filter(([, row]) => row.code !== unknown)
    .map(([tag, row]) => [row.code, tag as DecodedTag])
)

/**
 * The errors of an operation that was answered with 404 or 400, without a readable body. A push that was refused with
 * 400 is an error about the pushed content. That is a guess, so the reason of the error states only the status.
 */
const byOperation: {
  readonly [Tag in OperationTag]: { readonly notFound: DecodedTag; readonly refused?: DecodedTag }
} = {
  ResolveBlob: { notFound: "BlobUnknown" },
  GetBlob: { notFound: "BlobUnknown" },
  ResolveManifest: { notFound: "ManifestUnknown" },
  GetManifest: { notFound: "ManifestUnknown" },
  PushBlob: { notFound: "NameUnknown", refused: "BlobUploadInvalid" },
  MountBlob: { notFound: "NameUnknown" },
  StartUpload: { notFound: "NameUnknown", refused: "BlobUploadInvalid" },
  GetUpload: { notFound: "BlobUploadUnknown" },
  AppendUpload: { notFound: "BlobUploadUnknown", refused: "BlobUploadInvalid" },
  CompleteUpload: { notFound: "BlobUploadUnknown", refused: "BlobUploadInvalid" },
  CancelUpload: { notFound: "BlobUploadUnknown" },
  PushManifest: { notFound: "NameUnknown", refused: "ManifestInvalid" },
  DeleteBlob: { notFound: "BlobUnknown" },
  DeleteManifest: { notFound: "ManifestUnknown" },
  DeleteTag: { notFound: "ManifestUnknown" },
  // This request names no repository that could be unknown, so the registry does not offer the list.
  ListRepositories: { notFound: "Unsupported" },
  ListTags: { notFound: "NameUnknown" },
  ListReferrers: { notFound: "NameUnknown" }
}

const byStatus: { readonly [status: number]: DecodedTag } = {
  401: "Unauthorized",
  403: "Denied",
  405: "Unsupported",
  412: "Denied",
  413: "SizeInvalid",
  416: "RangeInvalid",
  429: "TooManyRequests",
  502: "Unavailable",
  503: "Unavailable",
  504: "Unavailable"
}

/**
 * Returns the error for a response without a readable body, such as a response to HEAD. The kind of a not-found error
 * depends on the operation.
 */
const fromStatus = (status: number, operation: OperationTag | undefined): DecodedTag => {
  const errors = operation === undefined ? undefined : byOperation[operation]
  const tag = status === 404 ? errors?.notFound : status === 400 ? errors?.refused : byStatus[status]
  return tag ?? "UnknownCode"
}

const absences: ReadonlyArray<DecodedTag> = [
  "BlobUnknown",
  "BlobUploadUnknown",
  "ManifestBlobUnknown",
  "ManifestUnknown",
  "NameUnknown"
]

/** The errors that each status allows. A status that is not listed allows any error. */
const kinds: { readonly [status: number]: ReadonlyArray<DecodedTag> } = {
  401: ["Unauthorized"],
  403: ["Denied", "Unsupported"],
  404: [...absences, "Unsupported"],
  405: ["Unsupported"],
  413: ["SizeInvalid"],
  416: ["RangeInvalid"],
  429: ["TooManyRequests"],
  507: ["Denied"]
}

/** The errors that a 5xx status allows. A failing registry cannot say whether content exists, or who may access it. */
const kindsOfFaults: ReadonlyArray<DecodedTag> = ["TooManyRequests", "Unavailable", "Unsupported"]

const isKind = (status: number, tag: DecodedTag): boolean =>
  (kinds[status] ?? (status >= 500 ? kindsOfFaults : undefined))?.includes(tag) ?? true

/**
 * Returns the kind of the error in a response. The code is more specific than the status. But if they disagree about
 * the kind of failure, the status decides: existing content must not look absent because of a wrong code.
 *
 * An unknown code becomes `UnknownCode`, unless the status tells callers what to do: content was not found, the caller
 * is not authenticated, the range is invalid, or the caller should retry later.
 */
export const tagOf = (
  status: number,
  first: RegistryError.Diagnostic | undefined,
  operation: OperationTag | undefined
): DecodedTag => {
  if (first === undefined) return fromStatus(status, operation)
  const known = tags.get(first.code)
  if (known !== undefined) return isKind(status, known) ? known : fromStatus(status, operation)
  const isStatusDecisive = status === 401 || status === 404 || status === 416 || status === 429 ||
    (status >= 502 && first.code !== unknown)
  return isStatusDecisive ? fromStatus(status, operation) : "UnknownCode"
}

/** Returns whether a response with this code and status can contain the error in its detail. */
export const isConsistent = (tag: ErrorTag, status: number, { code, detail }: RegistryError.Diagnostic): boolean => {
  if (tag === "UnknownCode") return Predicate.hasProperty(detail, "code") && detail.code === code
  return rows[tag].code === code && (code !== unknown || rows[tag].status === status)
}
