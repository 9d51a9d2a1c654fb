/** An answer of the small S3, before it becomes an HTTP response. A failure becomes an XML document. */
export interface Answer {
  readonly status: number
  readonly headers?: { readonly [name: string]: string }
  readonly body?: Uint8Array
  readonly failure?: Failure
  /** Further elements of the document of the failure. */
  readonly details?: ReadonlyArray<string>
}

/** An error of S3. [Error responses](https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html). */
export interface Failure {
  readonly status: number
  readonly code: string
  readonly message?: string
}

const encoder = new TextEncoder()

const escapes: { readonly [character: string]: string } = { "&": "&amp;", "<": "&lt;", ">": "&gt;", "\"": "&quot;" }

/** Text of an XML document. References replace the characters that XML would change or refuse. */
export const text = (value: string | number | boolean): string =>
  // eslint-disable-next-line no-control-regex
  String(value).replace(/[&<>"]|[\x00-\x1f]/g, (c) => escapes[c] ?? `&#x${c.charCodeAt(0).toString(16)};`)

/** An element with text, or nothing if the value is `undefined`. */
export const field = (name: string, value: string | number | boolean | undefined): string =>
  value === undefined ? "" : `<${name}>${text(value)}</${name}>`

export const element = (name: string, ...children: ReadonlyArray<string>): string =>
  `<${name}>${children.join("")}</${name}>`

const document = (root: string): Uint8Array => encoder.encode(`<?xml version="1.0" encoding="UTF-8"?>\n${root}`)

const xmlHeaders = { "content-type": "application/xml" }

export const xml = (root: string): Answer => ({ status: 200, headers: xmlHeaders, body: document(root) })

export const failed = (failure: Failure, ...details: ReadonlyArray<string>): Answer => ({
  status: failure.status,
  headers: xmlHeaders,
  failure,
  details
})

/** Returns the bytes of an answer. A failure names the request. */
export const bytesOf = ({ body, details = [], failure }: Answer, requestId: string): Uint8Array | undefined =>
  failure === undefined ? body : document(element(
    "Error",
    field("Code", failure.code),
    field("Message", failure.message ?? failure.code),
    ...details,
    field("RequestId", requestId)
  ))

/** The errors that the small S3 answers with, and that a script can choose. */
export const failures = {
  accessDenied: { status: 403, code: "AccessDenied", message: "Access Denied" },
  authorizationHeaderMalformed: { status: 400, code: "AuthorizationHeaderMalformed" },
  authorizationQueryParameters: { status: 400, code: "AuthorizationQueryParametersError" },
  badDigest: { status: 400, code: "BadDigest" },
  contentSha256Mismatch: { status: 400, code: "XAmzContentSHA256Mismatch" },
  entityTooSmall: { status: 400, code: "EntityTooSmall" },
  expiredToken: { status: 400, code: "ExpiredToken", message: "The provided token has expired." },
  incompleteBody: { status: 400, code: "IncompleteBody" },
  internalError: { status: 500, code: "InternalError", message: "We encountered an internal error. Please try again." },
  invalidAccessKeyId: { status: 403, code: "InvalidAccessKeyId" },
  invalidArgument: { status: 400, code: "InvalidArgument" },
  invalidPart: { status: 400, code: "InvalidPart" },
  invalidPartOrder: { status: 400, code: "InvalidPartOrder" },
  invalidRange: { status: 416, code: "InvalidRange", message: "The requested range is not satisfiable" },
  invalidRequest: { status: 400, code: "InvalidRequest" },
  invalidToken: { status: 400, code: "InvalidToken" },
  keyTooLong: { status: 400, code: "KeyTooLongError" },
  malformedXml: { status: 400, code: "MalformedXML" },
  methodNotAllowed: { status: 405, code: "MethodNotAllowed" },
  noSuchBucket: { status: 404, code: "NoSuchBucket", message: "The specified bucket does not exist" },
  noSuchKey: { status: 404, code: "NoSuchKey", message: "The specified key does not exist." },
  noSuchUpload: { status: 404, code: "NoSuchUpload", message: "The specified upload does not exist." },
  notImplemented: { status: 501, code: "NotImplemented" },
  preconditionFailed: { status: 412, code: "PreconditionFailed" },
  requestTimeout: { status: 400, code: "RequestTimeout" },
  requestTimeTooSkewed: {
    status: 403,
    code: "RequestTimeTooSkewed",
    message: "The difference between the request time and the server's time is too large."
  },
  serviceUnavailable: { status: 503, code: "ServiceUnavailable" },
  signatureDoesNotMatch: { status: 403, code: "SignatureDoesNotMatch" },
  slowDown: { status: 503, code: "SlowDown", message: "Please reduce your request rate." }
} satisfies { readonly [name: string]: Failure }
