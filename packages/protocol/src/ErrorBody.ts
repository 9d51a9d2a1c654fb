/**
 * Errors on the wire: the status and the JSON body.
 *
 * @since 0.1.0
 */
import * as Body from "@effect-oci/core/Body"
import type { Operation, OperationTag } from "@effect-oci/core/Operation"
import * as RegistryError from "@effect-oci/core/RegistryError"
import * as Predicate from "effect/Predicate"
import * as Range from "./Range.js"
import type * as Wire from "./Wire.js"

type ErrorTag = RegistryError.RegistryError["_tag"]

/**
 * The longest body of an error that is read, in bytes.
 *
 * @since 0.1.0
 * @category constants
 */
export const maxBytes = 64 * 1024

/** The code and the status of each error. Those without a code of their own travel as `UNKNOWN`, their tag in the detail. */
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
  UnknownCode: { code: "UNKNOWN", status: 500 },
  TransportError: { code: "UNKNOWN", status: 502 },
  ResponseInvalid: { code: "UNKNOWN", status: 502 },
  BodyFailed: { code: "UNKNOWN", status: 400 },
  RealmRefused: { code: "UNKNOWN", status: 502 },
  CredentialError: { code: "UNKNOWN", status: 502 },
  TagConflict: { code: "UNKNOWN", status: 409 },
  PartialFailure: { code: "UNKNOWN", status: 502 },
  Refused: { code: "UNKNOWN", status: 403 }
}

/**
 * The HTTP status of an error, as the answer to an operation: a manifest that is too large is 413, a tag that
 * `If-None-Match: *` protects is 412.
 *
 * @since 0.1.0
 * @category encoding
 */
export const status = (error: RegistryError.RegistryError, operation?: Operation): number => {
  if (error._tag === "SizeInvalid" && operation?._tag === "PushManifest") return 413
  if (error._tag === "SizeInvalid" && error.limit !== undefined) return 413
  if (error._tag === "Denied" && operation?._tag === "PushManifest" && operation.ifAbsent === true) return 412
  if (error._tag === "UnknownCode" && error.status !== undefined && error.status >= 400) return error.status
  return rows[error._tag].status
}

const reason = (error: RegistryError.RegistryError): string => {
  if (error.reason !== undefined && error.reason !== "") return error.reason
  return (error.constructor as unknown as { readonly fallback: string }).fallback
}

const code = (error: RegistryError.RegistryError): string =>
  error._tag === "UnknownCode" ? error.code : rows[error._tag].code

const detail = (error: RegistryError.RegistryError): unknown =>
  rows[error._tag].code === "UNKNOWN" && error._tag !== "UnknownCode" ? { _tag: error._tag } : error.detail

const headers = (error: RegistryError.RegistryError, operation: Operation | undefined): Wire.Headers => ({
  ...(error.retryAfter === undefined ? {} : { "retry-after": String(Math.ceil(error.retryAfter / 1000)) }),
  ...(error._tag !== "RangeInvalid" || error.size === undefined
    ? {}
    : operation?._tag === "GetBlob"
    ? { "content-range": Range.formatContentRange({ span: undefined, size: error.size }) }
    : Range.formatUploadOffset(error.size))
})

/**
 * The answer that says an error. What it says is the error's reason, not its whole message, so that the other side can
 * make the same message of it. Spec: "Error Codes".
 *
 * @since 0.1.0
 * @category encoding
 */
export const encode = (error: RegistryError.RegistryError, operation?: Operation): Wire.Response => {
  const first = { code: code(error), message: reason(error), detail: detail(error) }
  return {
    status: status(error, operation),
    headers: { "content-type": "application/json", ...headers(error, operation) },
    body: Body.bytes(new TextEncoder().encode(stringify({ errors: [first] })))
  }
}

/** A detail that is no JSON (a cycle, a bigint) is left out rather than let it take the answer with it. */
const stringify = (body: { readonly errors: ReadonlyArray<RegistryError.Diagnostic> }): string => {
  try {
    return JSON.stringify(body)
  } catch {
    return JSON.stringify({ errors: body.errors.map(({ code, message }) => ({ code, message })) })
  }
}

/** The errors by code, `UNKNOWN` apart. */
const tags = new Map<string, ErrorTag>(
  Object.entries(rows).filter(([, row]) => row.code !== "UNKNOWN").map(([tag, row]) => [row.code, tag as ErrorTag])
)

/**
 * What an answer without a body that can be read means: all there is on HEAD. Not found is told by what was asked.
 */
const byStatus = (status: number, asked: OperationTag | undefined): ErrorTag => {
  switch (status) {
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

const notFound = (asked: OperationTag | undefined): ErrorTag => {
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
    case undefined:
      return "UnknownCode"
    default:
      return "NameUnknown"
  }
}

/**
 * Reads the errors of a body. Anything else than what the spec says (HTML, nothing, wrong types) gives none. Spec:
 * "Error Codes".
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
    return [{ code: entry.code, message, ...("detail" in entry ? { detail: entry.detail } : {}) }]
  })
}

const parseJson = (bytes: Uint8Array): unknown => {
  try {
    return JSON.parse(new TextDecoder().decode(bytes))
  } catch {
    return undefined
  }
}

/** Seconds or a date, as milliseconds from when the answer was made. RFC 9110, section 10.2.3. */
const retryAfter = (headers: Wire.Headers): number | undefined => {
  const value = headers["retry-after"]
  if (value === undefined) return undefined
  const seconds = Range.parseCount(value.trim())
  if (seconds !== undefined) return seconds * 1000
  const until = Date.parse(value)
  const answered = Date.parse(headers["date"] ?? "")
  return Number.isNaN(until) || Number.isNaN(answered) ? undefined : Math.max(0, until - answered)
}

/** How much there is, where a range was refused. */
const available = (headers: Wire.Headers): number | undefined =>
  Range.parseContentRange(headers["content-range"])?.size ?? Range.parseUploadOffset(headers)

/**
 * The error that an answer is: by the first code in its body that is known, else by its status. `fields` says what was
 * asked, and of which registry.
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
  const diagnostics = parse(response.bytes)
  const known = diagnostics.find((diagnostic) => tags.has(diagnostic.code))
  const first = known ?? diagnostics[0]
  const all: RegistryError.ErrorFields = {
    ...fields,
    reason: first?.message === "" ? undefined : first?.message,
    detail: first?.detail ?? undefined,
    status: response.status,
    diagnostics,
    retryAfter: retryAfter(response.headers)
  }
  const tag = known === undefined
    ? first === undefined || response.status >= 502
      ? byStatus(response.status, fields.operation)
      : "UnknownCode"
    : tags.get(known.code) ?? "UnknownCode"
  switch (tag) {
    case "UnknownCode":
      return new RegistryError.UnknownCode({
        ...all,
        code: first?.code ?? "UNKNOWN",
        reason: all.reason ?? `the registry answered with status ${response.status}`
      })
    case "RangeInvalid":
      return new RegistryError.RangeInvalid({ ...all, size: available(response.headers) })
    default:
      return make(tag, all)
  }
}

type PlainTag = Exclude<
  ErrorTag,
  "UnknownCode" | "RealmRefused" | "TagConflict" | "PartialFailure" | "Refused"
>

const make = (tag: ErrorTag, fields: RegistryError.ErrorFields): RegistryError.RegistryError =>
  new RegistryError[tag as PlainTag](fields)
