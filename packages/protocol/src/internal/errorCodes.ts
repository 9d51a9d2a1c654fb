import type { OperationTag } from "@effect-oci/core/Operation"
import type * as RegistryError from "@effect-oci/core/RegistryError"
import * as Predicate from "effect/Predicate"

type ErrorTag = RegistryError.RegistryError["_tag"]

/** The code of errors without a code of their own. */
export const unknown = "UNKNOWN"

/** The code and the status of each error. Errors without a code of their own are sent as `UNKNOWN`, with their data. */
export const rows: { readonly [Tag in ErrorTag]: { readonly code: string; readonly status: number } } = {
  OciBlobUnknown: { code: "BLOB_UNKNOWN", status: 404 },
  OciBlobUploadInvalid: { code: "BLOB_UPLOAD_INVALID", status: 400 },
  OciBlobUploadUnknown: { code: "BLOB_UPLOAD_UNKNOWN", status: 404 },
  OciDigestInvalid: { code: "DIGEST_INVALID", status: 400 },
  OciManifestBlobUnknown: { code: "MANIFEST_BLOB_UNKNOWN", status: 400 },
  OciManifestInvalid: { code: "MANIFEST_INVALID", status: 400 },
  OciManifestUnknown: { code: "MANIFEST_UNKNOWN", status: 404 },
  OciNameInvalid: { code: "NAME_INVALID", status: 400 },
  OciNameUnknown: { code: "NAME_UNKNOWN", status: 404 },
  OciSizeInvalid: { code: "SIZE_INVALID", status: 400 },
  OciUnauthorized: { code: "UNAUTHORIZED", status: 401 },
  OciDenied: { code: "DENIED", status: 403 },
  OciUnsupported: { code: "UNSUPPORTED", status: 405 },
  OciTooManyRequests: { code: "TOOMANYREQUESTS", status: 429 },
  OciRangeInvalid: { code: "RANGE_INVALID", status: 416 },
  OciTagInvalid: { code: "TAG_INVALID", status: 400 },
  OciManifestUnverified: { code: "MANIFEST_UNVERIFIED", status: 400 },
  OciUnavailable: { code: "UNAVAILABLE", status: 503 },
  OciUnknownCode: { code: unknown, status: 500 },
  OciTransportError: { code: unknown, status: 502 },
  OciResponseInvalid: { code: unknown, status: 502 },
  OciBodyFailed: { code: unknown, status: 400 },
  OciRealmRefused: { code: unknown, status: 502 },
  OciCredentialError: { code: unknown, status: 502 },
  OciTagConflict: { code: unknown, status: 409 },
  OciPartialFailure: { code: unknown, status: 502 },
  OciRefused: { code: unknown, status: 403 }
}

/** The errors with a code of their own, and `UnknownCode` for all others. */
type DecodedTag = Exclude<
  ErrorTag,
  | "OciTransportError"
  | "OciResponseInvalid"
  | "OciBodyFailed"
  | "OciRealmRefused"
  | "OciCredentialError"
  | "OciTagConflict"
  | "OciPartialFailure"
  | "OciRefused"
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
  ResolveBlob: { notFound: "OciBlobUnknown" },
  GetBlob: { notFound: "OciBlobUnknown" },
  ResolveManifest: { notFound: "OciManifestUnknown" },
  GetManifest: { notFound: "OciManifestUnknown" },
  PushBlob: { notFound: "OciNameUnknown", refused: "OciBlobUploadInvalid" },
  MountBlob: { notFound: "OciNameUnknown" },
  StartUpload: { notFound: "OciNameUnknown", refused: "OciBlobUploadInvalid" },
  GetUpload: { notFound: "OciBlobUploadUnknown" },
  AppendUpload: { notFound: "OciBlobUploadUnknown", refused: "OciBlobUploadInvalid" },
  CompleteUpload: { notFound: "OciBlobUploadUnknown", refused: "OciBlobUploadInvalid" },
  CancelUpload: { notFound: "OciBlobUploadUnknown" },
  PushManifest: { notFound: "OciNameUnknown", refused: "OciManifestInvalid" },
  DeleteBlob: { notFound: "OciBlobUnknown" },
  DeleteManifest: { notFound: "OciManifestUnknown" },
  DeleteTag: { notFound: "OciManifestUnknown" },
  // This request names no repository that could be unknown, so the registry does not offer the list.
  ListRepositories: { notFound: "OciUnsupported" },
  ListTags: { notFound: "OciNameUnknown" },
  ListReferrers: { notFound: "OciNameUnknown" }
}

const byStatus: { readonly [status: number]: DecodedTag } = {
  401: "OciUnauthorized",
  403: "OciDenied",
  405: "OciUnsupported",
  412: "OciDenied",
  413: "OciSizeInvalid",
  416: "OciRangeInvalid",
  429: "OciTooManyRequests",
  502: "OciUnavailable",
  503: "OciUnavailable",
  504: "OciUnavailable"
}

/**
 * Returns the error for a response without a readable body, such as a response to HEAD. The kind of a not-found error
 * depends on the operation.
 */
const fromStatus = (status: number, operation: OperationTag | undefined): DecodedTag => {
  const errors = operation === undefined ? undefined : byOperation[operation]
  const tag = status === 404 ? errors?.notFound : status === 400 ? errors?.refused : byStatus[status]
  return tag ?? "OciUnknownCode"
}

const absences: ReadonlyArray<DecodedTag> = [
  "OciBlobUnknown",
  "OciBlobUploadUnknown",
  "OciManifestBlobUnknown",
  "OciManifestUnknown",
  "OciNameUnknown"
]

/** The errors that each status allows. A status that is not listed allows any error. */
const kinds: { readonly [status: number]: ReadonlyArray<DecodedTag> } = {
  401: ["OciUnauthorized"],
  403: ["OciDenied", "OciUnsupported"],
  404: [...absences, "OciUnsupported"],
  405: ["OciUnsupported"],
  413: ["OciSizeInvalid"],
  416: ["OciRangeInvalid"],
  429: ["OciTooManyRequests"],
  507: ["OciDenied"]
}

/** The errors that a 5xx status allows. A failing registry cannot say whether content exists, or who may access it. */
const kindsOfFaults: ReadonlyArray<DecodedTag> = ["OciTooManyRequests", "OciUnavailable", "OciUnsupported"]

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
  return isStatusDecisive ? fromStatus(status, operation) : "OciUnknownCode"
}

/** Returns whether a response with this code and status can contain the error in its detail. */
export const isConsistent = (tag: ErrorTag, status: number, { code, detail }: RegistryError.Diagnostic): boolean => {
  if (tag === "OciUnknownCode") return Predicate.hasProperty(detail, "code") && detail.code === code
  return rows[tag].code === code && (code !== unknown || rows[tag].status === status)
}
