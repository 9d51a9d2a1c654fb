import { printable } from "@effect-oci/core/Printable"
import * as HttpFailure from "@effect-oci/transport/HttpFailure"
import type { HttpClientError } from "@effect/platform/HttpClientError"
import { S3Error } from "../S3Error.js"
import * as xml from "./xml.js"

/** A call of S3 as its errors describe it. */
export interface Described {
  readonly call: string
  /** The permission that the call needs. */
  readonly action: string
  /** The bucket and the object, for example `s3://bucket/key`. */
  readonly target: string
  /** The host of the service. */
  readonly host: string
}

/** The head and the text of an answer that reports an error. */
export interface ErrorAnswer {
  readonly status: number
  readonly headers: { readonly [name: string]: string | undefined }
  readonly text: string
}

const transientStatus = new Set([408, 429, 500, 502, 503, 504])

const transientCode = new Set([
  "InternalError",
  "OperationAborted",
  "RequestTimeout",
  "ServiceUnavailable",
  "SlowDown",
  "Throttling",
  "ThrottlingException",
  "TooManyRequests"
])

/** The error codes of a service that is full. */
const fullCode = new Set(["QuotaExceeded", "InsufficientStorage", "XMinioStorageFull", "StorageFull"])

export const isFull = ({ code, status }: S3Error): boolean =>
  status === 507 || (code !== undefined && fullCode.has(code))

/** The codes with which services report that a body does not have the digest of its signature. */
const digestCode = new Set(["XAmzContentSHA256Mismatch", "BadDigest", "XAmzContentChecksumMismatch"])

export const isDigestWrong = ({ code }: S3Error): boolean => code !== undefined && digestCode.has(code)

/** The codes with which services report that the token of temporary credentials has expired. */
const expiredCode = new Set(["ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"])

/** Whether the credentials have expired, or may have: the answer to a HEAD has no code, and its status is 400. */
export const isExpired = ({ call, code, status }: S3Error): boolean =>
  code === undefined ? call === "HeadObject" && status === 400 : expiredCode.has(code)

/** Returns how far the clock of this machine is from that of the service, in seconds. */
const skewOf = ({ headers, text }: ErrorAnswer): number | undefined => {
  const serverTime = xml.parse(text)?.text("ServerTime") ?? headers["date"]
  const millis = serverTime === undefined ? NaN : Date.parse(serverTime)
  return Number.isNaN(millis) ? undefined : Math.round((wallClock() - millis) / 1000)
}

/** The time that signatures contain. It is not Effect's clock, which a test may stop. */
const wallClock = (): number => Date.now()

const wrongRegion = (answer: ErrorAnswer): string => {
  const region = answer.headers["x-amz-bucket-region"] ?? xml.parse(answer.text)?.text("Region")
  return region === undefined
    ? "set the options region and endpoint to those of the bucket"
    : `set the option region to ${printable(region, 40)}, and the option endpoint to that of the region`
}

const wrongClock = (answer: ErrorAnswer): string => {
  const skew = skewOf(answer)
  const difference = skew === undefined ? "" : ` by ${Math.abs(skew)} seconds (${skew > 0 ? "ahead" : "behind"})`
  return `the clock of this machine differs from that of the service${difference}; correct it`
}

const allow = (_answer: ErrorAnswer, { action }: Described): string => `allow ${action} to these credentials`
const renew = () => "renew the session token of the credentials"
const wait = () => "try again later, or send fewer requests"

/** What to do about the codes of S3. */
const advices = new Map<string, (answer: ErrorAnswer, call: Described) => string>([
  ["AccessDenied", allow],
  ["AllAccessDisabled", allow],
  ["AuthorizationHeaderMalformed", wrongRegion],
  ["ExpiredToken", renew],
  ["IllegalLocationConstraintException", wrongRegion],
  ["InvalidAccessKeyId", () => "correct the access key id"],
  ["InvalidToken", renew],
  ["NoSuchBucket", () => "create the bucket, or correct the options bucket, endpoint and forcePathStyle"],
  ["QuotaExceeded", () => "raise the quota of the bucket, or delete content"],
  ["RequestTimeTooSkewed", wrongClock],
  ["ServiceUnavailable", wait],
  ["SignatureDoesNotMatch", () => "correct the secret access key and the option region"],
  ["SlowDown", wait],
  ["TokenRefreshRequired", renew]
])

/** Returns what to do about an error. */
const advice = (call: Described, code: string | undefined, answer: ErrorAnswer): string | undefined => {
  const known = code === undefined ? undefined : advices.get(code)
  if (known !== undefined) return known(answer, call)
  if (answer.status === 403) return allow(answer, call)
  if (answer.status >= 300 && answer.status < 400) return wrongRegion(answer)
  return transientStatus.has(answer.status) ? "try again later" : undefined
}

const attempted = ({ call, host, target }: Described): string => `${call} of ${target} at ${host} failed`

/** Returns the error of an answer that reports one. `redact` removes secrets that the answer repeats. */
export const fromAnswer = (call: Described, answer: ErrorAnswer, redact: (text: string) => string): S3Error => {
  const root = xml.parse(answer.text)
  const { status } = answer
  const code = root?.name === "Error" ? root.text("Code") : root?.text("Error", "Code")
  const said = root?.name === "Error" ? root.text("Message") : root?.text("Error", "Message")
  const message = said === undefined || said === "" ? "" : ` (${printable(redact(said), 200)})`
  const todo = advice(call, code, answer)
  return new S3Error({
    call: call.call,
    status,
    code,
    isTransient: transientStatus.has(status) || (code !== undefined && transientCode.has(code)),
    message: `${attempted(call)}: the service answered ${status}${
      code === undefined ? "" : ` ${printable(code, 60)}`
    }${message}${todo === undefined ? "" : `; ${todo}`}`
  })
}

/** Returns the error of an answer that does not follow the protocol. */
export const unexpected = (call: Described, status: number, problem: string): S3Error =>
  new S3Error({
    call: call.call,
    status,
    code: undefined,
    isTransient: true,
    message: `${attempted(call)}: ${problem}; check that the endpoint is an S3 service, and what proxies change`
  })

/** Returns the error of a request without an answer. The error of the platform contains the request, so it is left out. */
export const fromTransport = (call: Described, error: HttpClientError): S3Error =>
  new S3Error({
    call: call.call,
    status: undefined,
    code: undefined,
    isTransient: HttpFailure.faultOf(error) !== "lasting",
    message: `${attempted(call)}: ${HttpFailure.phrase(error)}; check the option endpoint and the network`
  })

/** Returns the error of a request that took too long. */
export const timedOut = (call: Described, limit: string): S3Error =>
  new S3Error({
    call: call.call,
    status: undefined,
    code: undefined,
    isTransient: true,
    message: `${attempted(call)}: no answer for ${limit}; try again later, or raise the option timeout`
  })

/** Returns the error of a call for which there are no credentials. */
export const withoutCredentials = (call: Described, cause: Error): S3Error =>
  new S3Error({
    call: call.call,
    status: undefined,
    code: undefined,
    isTransient: false,
    message: `${attempted(call)}: ${cause.message}`,
    cause
  })
