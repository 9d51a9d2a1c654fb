/**
 * Verifies signatures of version 4, in the header and in the query.
 * [Signing](https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html).
 */
import { createHash, createHmac } from "node:crypto"
import type { Failure } from "./answer.js"
import { failures } from "./answer.js"

/** Credentials that the small S3 accepts. `expiresAt` is in milliseconds since 1970. */
export interface Credentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
  readonly expiresAt?: number
}

export interface Signed {
  readonly method: string
  readonly url: URL
  readonly headers: Headers
  readonly body: Uint8Array
  readonly now: number
}

/** What a request states about its signature. */
interface Claim {
  readonly accessKeyId: string
  readonly scope: ReadonlyArray<string>
  readonly signedHeaders: ReadonlyArray<string>
  readonly signature: string
  /** As in `x-amz-date`. */
  readonly date: string
  readonly token: string | null
  /** The hash of the payload in the canonical request. */
  readonly payload: string
  /** Seconds; only in a presigned URL. */
  readonly expires?: number
}

const algorithm = "AWS4-HMAC-SHA256"
const maxSkew = 15 * 60 * 1000
const maxExpires = 7 * 24 * 60 * 60
const unsigned = "UNSIGNED-PAYLOAD"

export const sha256 = (data: Uint8Array | string): Buffer => createHash("sha256").update(data).digest()
const hmac = (key: Uint8Array | string, data: string): Buffer => createHmac("sha256", key).update(data).digest()

const uriEncode = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)

const decode = (text: string): string => {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** Parses `20130524T000000Z`. Returns `NaN` for anything else. */
const parseDate = (date: string): number =>
  Date.parse(date.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, "$1-$2-$3T$4:$5:$6Z"))

const canonicalRequest = ({ headers, method, url }: Signed, { payload, signedHeaders }: Claim): string => {
  const query = [...url.searchParams].filter(([name]) => name !== "X-Amz-Signature").map(([name, value]) =>
    [uriEncode(name), uriEncode(value)] as const
  ).sort(([a, x], [b, y]) => a < b ? -1 : a > b ? 1 : x < y ? -1 : 1)
  return [
    method,
    decode(url.pathname).split("/").map(uriEncode).join("/"),
    query.map(([name, value]) => `${name}=${value}`).join("&"),
    ...signedHeaders.map((name) =>
      `${name}:${(name === "host" ? url.host : headers.get(name) ?? "").trim().replace(/ +/g, " ")}`
    ),
    "",
    signedHeaders.join(";"),
    payload
  ].join("\n")
}

/** Returns the signature of a request, as a client with this secret computes it. */
const signatureOf = (signed: Signed, claim: Claim, secret: string): string => {
  const key = claim.scope.reduce<Uint8Array | string>(hmac, `AWS4${secret}`)
  const hash = sha256(canonicalRequest(signed, claim)).toString("hex")
  return hmac(key, [algorithm, claim.date, claim.scope.join("/"), hash].join("\n")).toString("hex")
}

/** Joins the parts of a claim, or returns `undefined` if one is missing. */
const claimOf = (
  credential: string | null,
  signedHeaders: string | null,
  signature: string | null,
  rest: Omit<Claim, "accessKeyId" | "scope" | "signedHeaders" | "signature">
): Claim | undefined => {
  const [accessKeyId = "", ...scope] = (credential ?? "").split("/")
  if (scope.length !== 4 || signedHeaders === null || signature === null) return undefined
  return { ...rest, accessKeyId, scope, signedHeaders: signedHeaders.split(";"), signature }
}

/** Reads the signature of a presigned URL, or of the `Authorization` header. */
const readClaim = ({ headers, url }: Signed): Claim | Failure => {
  const query = url.searchParams
  const contentHash = headers.get("x-amz-content-sha256")
  if (query.has("X-Amz-Signature")) {
    const expires = Number(query.get("X-Amz-Expires") ?? Number.NaN)
    const claim = claimOf(
      query.get("X-Amz-Credential"),
      query.get("X-Amz-SignedHeaders"),
      query.get("X-Amz-Signature"),
      {
        date: query.get("X-Amz-Date") ?? "",
        token: query.get("X-Amz-Security-Token"),
        payload: contentHash ?? unsigned,
        expires
      }
    )
    const valid = claim !== undefined && query.get("X-Amz-Algorithm") === algorithm &&
      Number.isInteger(expires) && expires >= 1 && expires <= maxExpires
    return valid ? claim : failures.authorizationQueryParameters
  }
  const authorization = headers.get("authorization")
  if (authorization === null) return failures.accessDenied
  const parameter = (name: string) => new RegExp(`[\\s,]${name}=([^,\\s]+)`).exec(authorization)?.[1] ?? null
  const claim = claimOf(parameter("Credential"), parameter("SignedHeaders"), parameter("Signature"), {
    date: headers.get("x-amz-date") ?? "",
    token: headers.get("x-amz-security-token"),
    payload: contentHash ?? ""
  })
  if (claim === undefined || !authorization.startsWith(`${algorithm} `)) return failures.authorizationHeaderMalformed
  return contentHash === null
    ? { ...failures.invalidRequest, message: "Missing required header for this request: x-amz-content-sha256" }
    : claim
}

const wrongTime = ({ date, expires, scope }: Claim, now: number): Failure | undefined => {
  const time = parseDate(date)
  if (Number.isNaN(time)) {
    return { ...failures.accessDenied, message: "AWS authentication requires a valid Date or x-amz-date header" }
  }
  if (!date.startsWith(scope[0] ?? "")) return failures.signatureDoesNotMatch
  if (expires !== undefined) {
    if (now > time + expires * 1000) return { ...failures.accessDenied, message: "Request has expired" }
    return now < time - maxSkew ? { ...failures.accessDenied, message: "Request is not valid yet" } : undefined
  }
  return Math.abs(now - time) > maxSkew ? failures.requestTimeTooSkewed : undefined
}

const wrongToken = ({ token }: Claim, { expiresAt, sessionToken }: Credentials, now: number): Failure | undefined => {
  if (sessionToken !== undefined && token === null) return failures.invalidAccessKeyId
  if (token !== null && token !== sessionToken) return failures.invalidToken
  return expiresAt !== undefined && now >= expiresAt ? failures.expiredToken : undefined
}

const wrongPayload = ({ payload }: Claim, body: Uint8Array): Failure | undefined => {
  if (payload === unsigned) return undefined
  if (payload.startsWith("STREAMING-")) return failures.notImplemented
  return payload === sha256(body).toString("hex") ? undefined : failures.contentSha256Mismatch
}

const missesHeaders = ({ signedHeaders }: Claim, headers: Headers): boolean =>
  !signedHeaders.includes("host") ||
  [...headers.keys()].some((name) => name.startsWith("x-amz-") && !signedHeaders.includes(name))

/** Returns the error of a request whose signature S3 refuses, or `undefined`. */
export const refused = (
  signed: Signed,
  credentials: ReadonlyArray<Credentials>,
  region: string
): Failure | undefined => {
  const claim = readClaim(signed)
  if ("code" in claim) return claim
  const owner = credentials.find(({ accessKeyId }) => accessKeyId === claim.accessKeyId)
  if (owner === undefined) return failures.invalidAccessKeyId
  if (claim.scope.slice(1).join("/") !== `${region}/s3/aws4_request`) {
    return {
      ...claim.expires === undefined ? failures.authorizationHeaderMalformed : failures.authorizationQueryParameters,
      message: `the region '${claim.scope[1]}' is wrong; expecting '${region}'`
    }
  }
  if (missesHeaders(claim, signed.headers)) {
    const message = "There were headers present in the request which were not signed"
    return { ...failures.accessDenied, message }
  }
  if (signatureOf(signed, claim, owner.secretAccessKey) !== claim.signature) return failures.signatureDoesNotMatch
  return wrongTime(claim, signed.now) ?? wrongToken(claim, owner, signed.now) ?? wrongPayload(claim, signed.body)
}
