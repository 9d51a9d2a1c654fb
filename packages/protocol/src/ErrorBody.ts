/**
 * Errors as HTTP responses: the status, the headers and the JSON body.
 *
 * @since 0.1.0
 */
import * as Body from "@effect-oci/core/Body"
import type { Operation, OperationTag } from "@effect-oci/core/Operation"
import * as RegistryError from "@effect-oci/core/RegistryError"
import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"
import { endpoints, methods } from "./Endpoint.js"
import * as errorData from "./internal/errorData.js"
import * as Range from "./Range.js"
import * as RetryAfter from "./RetryAfter.js"
import type * as Wire from "./Wire.js"

type ErrorTag = RegistryError.RegistryError["_tag"]

/**
 * The maximum size of an error body that is read, in bytes.
 *
 * @since 0.1.0
 * @category constants
 */
export const maxBytes = 64 * 1024

/**
 * The maximum depth of a `detail` that is read, in levels. A deeper detail is left out, because it could overflow the
 * stack, or fill the disk, of a program that logs the error as JSON.
 *
 * @since 0.1.0
 * @category constants
 */
export const maxDepth = 32

/** The code of errors without a code of their own. */
const unknown = "UNKNOWN"

/** The code and the status of each error. Errors without a code of their own are sent as `UNKNOWN`, with their data. */
const rows: { readonly [Tag in ErrorTag]: { readonly code: string; readonly status: number } } = {
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

/**
 * Returns the HTTP status of an error of an operation. A manifest that is too large is 413, and a tag protected by
 * `If-None-Match: *` is 412.
 *
 * @since 0.1.0
 * @category encoding
 */
export const status = (error: RegistryError.RegistryError, operation?: Operation): number => {
  if (error._tag === "SizeInvalid" && operation?._tag === "PushManifest") return 413
  if (error._tag === "SizeInvalid" && (error.limit !== undefined || error.status === 413)) return 413
  if (error._tag === "Denied" && operation?._tag === "PushManifest" && operation.ifAbsent === true) return 412
  if (error._tag === "UnknownCode" && isFailure(error.status)) return error.status
  return rows[error._tag].status
}

const isFailure = (status: number | undefined): status is number =>
  status !== undefined && Number.isInteger(status) && status >= 400 && status < 600

const reason = (error: RegistryError.RegistryError): string => {
  if (error.reason !== undefined && error.reason !== "") return error.reason.slice(0, errorData.maxReason.whole)
  return (error.constructor as unknown as { readonly fallback: string }).fallback
}

const code = (error: RegistryError.RegistryError): string =>
  error._tag === "UnknownCode" ? error.code : rows[error._tag].code

/**
 * Returns the detail of the response. If the code and the status identify the error completely, it is the detail of the
 * error. Otherwise it is the error's data with its tag, from which {@link decode} creates the same error again.
 */
const detail = (
  error: RegistryError.RegistryError,
  operation: Operation | undefined,
  size: errorData.Size
): unknown => {
  const plain = tagOf(status(error, operation), { code: code(error) }, operation?._tag) === error._tag &&
    !(error._tag === "SizeInvalid" && error.limit !== undefined)
  if (!plain) return errorData.write(error, size)
  return size === "whole" ? error.detail : undefined
}

const headers = (error: RegistryError.RegistryError, operation: Operation | undefined): Wire.Headers => ({
  "content-type": "application/json",
  ...(error.retryAfter === undefined || !Number.isFinite(error.retryAfter)
    ? {}
    : { "retry-after": String(Math.max(0, Math.ceil(error.retryAfter / 1000))) }),
  ...(error._tag === "RangeInvalid" ? available(error.size, operation) : {}),
  ...(error._tag === "Unsupported" && operation !== undefined ? { allow: otherMethods(operation).join(", ") } : {})
})

/** Returns the headers with the available size of a blob or an upload, for a refused range. */
const available = (size: number | undefined, operation: Operation | undefined): Wire.Headers => {
  if (size === undefined) return {}
  return operation?._tag === "GetBlob"
    ? { "content-range": Range.formatContentRange({ span: undefined, size }) }
    : Range.formatUploadOffset(size)
}

/**
 * Returns the other methods of the path. A 405 response must list the supported methods: [RFC 9110, section
 * 15.5.6](https://www.rfc-editor.org/rfc/rfc9110#section-15.5.6).
 */
const otherMethods = (operation: Operation): ReadonlyArray<Wire.Method> => {
  const { method, route } = endpoints[operation._tag]
  return methods(route).filter((other) => other !== method)
}

/**
 * Creates the response for an error. The body contains its code and reason, and its data as detail, so that a client of
 * this project creates the same error from it. Never sent: causes, the URL of a failed request, and user names,
 * passwords and queries of other URLs. Spec: [Error
 * Codes](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#error-codes).
 *
 * @since 0.1.0
 * @category encoding
 */
export const encode = (error: RegistryError.RegistryError, operation?: Operation): Wire.Response => ({
  status: status(error, operation),
  headers: headers(error, operation),
  body: Body.bytes(json(error, operation))
})

/** Returns the JSON body. Leaves out a detail that is not JSON, or that makes the body larger than {@link maxBytes}. */
const json = (error: RegistryError.RegistryError, operation: Operation | undefined): Uint8Array => {
  const bare = { code: code(error), message: reason(error) }
  for (const size of ["whole", "brief"] as const) {
    const bytes = Either.getOrUndefined(Either.try(() => utf8({ ...bare, detail: detail(error, operation, size) })))
    if (bytes !== undefined && bytes.byteLength <= maxBytes) return bytes
  }
  return utf8(bare)
}

const utf8 = (error: RegistryError.Diagnostic): Uint8Array =>
  new TextEncoder().encode(JSON.stringify({ errors: [error] }))

/**
 * The header that repeats the error of the body in responses to HEAD, and therefore also to GET. It contains the JSON
 * of the body with all non-ASCII characters escaped. Other servers do not send this header, and other clients do not
 * read it.
 *
 * @since 0.1.0
 * @category constants
 */
export const header = "effect-oci-error"

/** The maximum size of the header, in bytes. Servers and proxies limit the size of response heads. */
const maxHeaderBytes = 4096

/**
 * Returns the response with {@link header} added, if its body contains an error.
 *
 * @since 0.1.0
 * @category encoding
 */
export const withHeader = (response: Wire.Response): Wire.Response => {
  const bytes = response.body?.bytes
  if (bytes === undefined || parse(bytes).length === 0) return response
  const text = ascii(new TextDecoder().decode(bytes))
  return text.length > maxHeaderBytes ? response : { ...response, headers: { ...response.headers, [header]: text } }
}

/**
 * Returns the same JSON with everything except printable ASCII escaped. In this JSON such characters occur only in
 * strings.
 */
const ascii = (json: string): string =>
  json.replace(/[^\x20-\x7e]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`)

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
const tags = new Map<string, DecodedTag>(
  Object.entries(rows)
    .filter(([, row]) => row.code !== unknown)
    .map(([tag, row]) => [row.code, tag as DecodedTag])
)

/**
 * Returns the error for a response without a readable body, such as a response to HEAD. The kind of a not-found error
 * depends on the operation.
 */
const byStatus = (status: number, asked: OperationTag | undefined): DecodedTag => {
  switch (status) {
    case 400:
      return refused(asked)
    case 401:
      return "Unauthorized"
    case 403:
    case 412:
      return "Denied"
    case 404:
      return notFound(asked)
    case 405:
      return "Unsupported"
    case 413:
      return "SizeInvalid"
    case 416:
      return "RangeInvalid"
    case 429:
      return "TooManyRequests"
    case 502:
    case 503:
    case 504:
      return "Unavailable"
    default:
      return "UnknownCode"
  }
}

/**
 * Returns the error for a push that was refused with 400 and no reason: an error about the pushed content. That is a
 * guess, so the reason of the error states only the status.
 */
const refused = (asked: OperationTag | undefined): DecodedTag => {
  switch (asked) {
    case "PushManifest":
      return "ManifestInvalid"
    case "PushBlob":
    case "StartUpload":
    case "AppendUpload":
    case "CompleteUpload":
      return "BlobUploadInvalid"
    case "ResolveBlob":
    case "GetBlob":
    case "ResolveManifest":
    case "GetManifest":
    case "MountBlob":
    case "GetUpload":
    case "CancelUpload":
    case "DeleteBlob":
    case "DeleteManifest":
    case "DeleteTag":
    case "ListRepositories":
    case "ListTags":
    case "ListReferrers":
    case undefined:
      return "UnknownCode"
  }
}

const notFound = (asked: OperationTag | undefined): DecodedTag => {
  switch (asked) {
    case "ResolveBlob":
    case "GetBlob":
    case "DeleteBlob":
      return "BlobUnknown"
    case "ResolveManifest":
    case "GetManifest":
    case "DeleteManifest":
    case "DeleteTag":
      return "ManifestUnknown"
    case "GetUpload":
    case "AppendUpload":
    case "CompleteUpload":
    case "CancelUpload":
      return "BlobUploadUnknown"
    // This request names no repository that could be unknown, so the registry does not offer the list.
    case "ListRepositories":
      return "Unsupported"
    case undefined:
      return "UnknownCode"
    case "PushBlob":
    case "MountBlob":
    case "StartUpload":
    case "PushManifest":
    case "ListTags":
    case "ListReferrers":
      return "NameUnknown"
  }
}

/**
 * Parses the errors in a body. Returns an empty array for anything that does not follow the spec, such as HTML, an
 * empty body or wrong types. Spec: [Error
 * Codes](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#error-codes).
 *
 * @since 0.1.0
 * @category decoding
 */
export const parse = (bytes: Uint8Array | undefined): ReadonlyArray<RegistryError.Diagnostic> => {
  if (bytes === undefined || bytes.byteLength === 0 || bytes.byteLength > maxBytes) return []
  const json = parseJson(bytes)
  if (!Predicate.hasProperty(json, "errors") || !Array.isArray(json.errors)) return []
  return json.errors.flatMap((entry: unknown) => {
    if (!Predicate.hasProperty(entry, "code") || typeof entry.code !== "string") return []
    const message = Predicate.hasProperty(entry, "message") && typeof entry.message === "string"
      ? entry.message
      : undefined
    const detail = "detail" in entry && !isDeep(entry.detail) ? { detail: entry.detail } : {}
    return [{ code: entry.code, message, ...detail }]
  })
}

/** Returns the errors in the body of a response, or the errors in its header if the body contains none. */
const parsed = (response: {
  readonly headers: Wire.Headers
  readonly bytes: Uint8Array | undefined
}): ReadonlyArray<RegistryError.Diagnostic> => {
  const { bytes, headers } = response
  const inBody = parse(bytes)
  const text = headers[header]
  return inBody.length > 0 || text === undefined ? inBody : parse(new TextEncoder().encode(text))
}

const isDeep = (json: unknown): boolean => {
  let level = [json]
  for (let depth = 0; depth <= maxDepth && level.length > 0; depth++) {
    level = level.flatMap((value) => typeof value === "object" && value !== null ? Object.values(value) : [])
  }
  return level.length > 0
}

const parseJson = (bytes: Uint8Array): unknown =>
  Either.getOrUndefined(Either.try((): unknown => JSON.parse(new TextDecoder().decode(bytes))))

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
  429: ["TooManyRequests"]
}

/** The errors that a 5xx status allows. A failing registry cannot say whether content exists, or who may access it. */
const kindsOfFaults: ReadonlyArray<DecodedTag> = ["TooManyRequests", "Unavailable", "Unsupported"]

const isKind = (status: number, tag: DecodedTag): boolean =>
  (status >= 500 ? kindsOfFaults : kinds[status])?.includes(tag) ?? true

/**
 * Returns the kind of the error in a response. The code is more specific than the status. But if they disagree about
 * the kind of failure, the status decides: existing content must not look absent because of a wrong code.
 *
 * An unknown code becomes `UnknownCode`, unless the status tells callers what to do: content was not found, the caller
 * is not authenticated, the range is invalid, or the caller should retry later.
 */
const tagOf = (
  status: number,
  first: RegistryError.Diagnostic | undefined,
  asked: OperationTag | undefined
): DecodedTag => {
  if (first === undefined) return byStatus(status, asked)
  const known = tags.get(first.code)
  if (known !== undefined) return isKind(status, known) ? known : byStatus(status, asked)
  const telling = status === 401 || status === 404 || status === 416 || status === 429 ||
    (status >= 502 && first.code !== unknown)
  return telling ? byStatus(status, asked) : "UnknownCode"
}

/** Returns whether a response with this code and status can contain the error in its detail. */
const isConsistent = (tag: ErrorTag, status: number, { code, detail }: RegistryError.Diagnostic): boolean => {
  if (tag === "UnknownCode") return Predicate.hasProperty(detail, "code") && detail.code === code
  return rows[tag].code === code && (code !== unknown || rows[tag].status === status)
}

/**
 * Returns the error whose data the detail contains, if a server of this project wrote the detail: see {@link encode}.
 */
const fromDetail = (
  status: number,
  first: RegistryError.Diagnostic | undefined,
  fields: RegistryError.ErrorFields
): RegistryError.RegistryError | undefined => {
  const error = errorData.read(first?.detail)
  if (first === undefined || error === undefined || !isConsistent(error._tag, status, first)) return undefined
  return RegistryError.withFields(error, { ...fields, detail: error.detail })
}

/**
 * Returns the error of a response. If a server of this project wrote the response, it is the same error that the server
 * had. Otherwise the first known code in the body decides if it agrees with the status, and if not the status decides.
 * `fields` describes the request and the registry.
 *
 * @since 0.1.0
 * @category decoding
 */
export const decode = (
  response: {
    readonly status: number
    readonly headers: Wire.Headers
    readonly bytes: Uint8Array | undefined
  },
  fields: RegistryError.ErrorFields
): RegistryError.RegistryError => {
  const { headers, status } = response
  const diagnostics = parsed(response)
  const first = diagnostics.find(({ code }) => tags.has(code)) ?? diagnostics[0]
  const answered = `the registry answered with status ${status}`
  const said = first?.message === "" ? undefined : first?.message
  const all: RegistryError.ErrorFields = {
    ...fields,
    reason: first === undefined && status === 400 ? answered : said,
    detail: first?.detail ?? undefined,
    status,
    diagnostics,
    retryAfter: RetryAfter.parse(headers)
  }
  const same = fromDetail(status, first, all)
  if (same !== undefined) return same
  const tag = tagOf(status, first, fields.operation)
  switch (tag) {
    case "UnknownCode":
      return new RegistryError.UnknownCode({
        ...all,
        code: first?.code ?? unknown,
        reason: all.reason ?? answered
      })
    case "RangeInvalid": {
      const size = Range.parseContentRange(headers["content-range"])?.size ?? Range.parseUploadOffset(headers)
      return new RegistryError.RangeInvalid({ ...all, size })
    }
    case "SizeInvalid": {
      const tooLarge = status === 413 ? "the content is larger than the registry takes" : undefined
      return new RegistryError.SizeInvalid({ ...all, reason: all.reason ?? tooLarge })
    }
    default:
      return new RegistryError[tag](all)
  }
}
