/**
 * Errors as HTTP responses: the status, the headers and the JSON body.
 *
 * @since 0.1.0
 */
import * as Body from "@effect-oci/core/Body"
import { isConditional } from "@effect-oci/core/Operation"
import type { Operation } from "@effect-oci/core/Operation"
import * as RegistryError from "@effect-oci/core/RegistryError"
import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"
import { endpoints, methods } from "./Endpoint.js"
import { isConsistent, rows, tagOf, tags, unknown } from "./internal/errorCodes.js"
import * as errorData from "./internal/errorData.js"
import * as Range from "./Range.js"
import * as RetryAfter from "./RetryAfter.js"
import type * as Wire from "./Wire.js"

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

/**
 * Returns the HTTP status of an error of an operation. A manifest that is too large is 413, and a tag that does not meet
 * the condition of a push is 412. A `Denied` with the status 507 keeps it: the registry has no room.
 *
 * @since 0.1.0
 * @category encoding
 */
export const status = (error: RegistryError.RegistryError, operation?: Operation): number => {
  if (error._tag === "OciSizeInvalid" && operation?._tag === "PushManifest") return 413
  if (error._tag === "OciSizeInvalid" && (error.limit !== undefined || error.status === 413)) return 413
  if (error._tag === "OciDenied" && error.status === 507) return 507
  if (error._tag === "OciDenied" && operation?._tag === "PushManifest" && isConditional(operation)) return 412
  if (error._tag === "OciUnknownCode" && isFailure(error.status)) return error.status
  return rows[error._tag].status
}

const isFailure = (status: number | undefined): status is number =>
  status !== undefined && Number.isInteger(status) && status >= 400 && status < 600

const reason = (error: RegistryError.RegistryError): string =>
  RegistryError.reason(error).slice(0, errorData.maxReason.whole)

const code = (error: RegistryError.RegistryError): string =>
  error._tag === "OciUnknownCode" ? error.code : rows[error._tag].code

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
    !(error._tag === "OciSizeInvalid" && error.limit !== undefined)
  if (!plain) return errorData.write(error, size)
  return size === "whole" ? error.detail : undefined
}

const headers = (error: RegistryError.RegistryError, operation: Operation | undefined): Wire.Headers => ({
  "content-type": "application/json",
  ...(error.retryAfter === undefined || !Number.isFinite(error.retryAfter)
    ? {}
    : { "retry-after": String(Math.max(0, Math.ceil(error.retryAfter / 1000))) }),
  ...(error._tag === "OciRangeInvalid" ? available(error.size, operation) : {}),
  ...(error._tag === "OciUnsupported" && operation !== undefined ? { allow: otherMethods(operation).join(", ") } : {})
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
  const message = first?.message === "" ? undefined : first?.message
  const all: RegistryError.ErrorFields = {
    ...fields,
    reason: first === undefined && status === 400 ? answered : message,
    detail: first?.detail ?? undefined,
    status,
    diagnostics,
    retryAfter: RetryAfter.parse(headers)
  }
  const same = fromDetail(status, first, all)
  if (same !== undefined) return same
  const tag = tagOf(status, first, fields.operation)
  switch (tag) {
    case "OciUnknownCode":
      return new RegistryError.UnknownCode({
        ...all,
        code: first?.code ?? unknown,
        reason: all.reason ?? answered
      })
    case "OciRangeInvalid": {
      const size = Range.parseContentRange(headers["content-range"])?.size ?? Range.parseUploadOffset(headers)
      return new RegistryError.RangeInvalid({ ...all, size })
    }
    case "OciSizeInvalid": {
      const tooLarge = status === 413 ? "the content is larger than the limit of the registry" : undefined
      return new RegistryError.SizeInvalid({ ...all, reason: all.reason ?? tooLarge })
    }
    default:
      return new RegistryError.classes[tag](all)
  }
}
