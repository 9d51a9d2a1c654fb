import { AwsV4Signer } from "aws4fetch"
import * as Redacted from "effect/Redacted"
import type { Credentials } from "../S3CredentialsModel.js"
import type { Settings } from "./settings.js"
import * as sha256 from "./sha256.js"

/** A request to S3 that is not signed yet. */
export interface Unsigned {
  readonly method: "GET" | "HEAD" | "PUT" | "POST" | "DELETE"
  /** The name of the object without the prefix of the store, or `undefined` for a request to the bucket. */
  readonly name?: string | undefined
  readonly query?: Readonly<Record<string, string>> | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly body?: Uint8Array | undefined
  /** The sha256 digest of the body, if known, as hexadecimal digits. */
  readonly sha256?: string | undefined
}

export interface Signed {
  readonly url: string
  readonly headers: Record<string, string>
}

/** Encodes a name as a path, in the way in which the service encodes the path to verify the signature. */
const pathOf = (name: string): string =>
  name.split("/").map((segment) =>
    encodeURIComponent(segment).replace(
      /[!'()*]/g,
      (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`
    )
  ).join("/")

/** Returns the URL of an object, or of the bucket. */
const urlOf = (bucketUrl: URL, prefix: string, { name, query }: Unsigned): URL => {
  const url = new URL(bucketUrl)
  if (name !== undefined) url.pathname += pathOf(prefix + name)
  for (const [key, value] of Object.entries(query ?? {})) url.searchParams.set(key, value)
  return url
}

/** Keys that are derived from a secret, for a day and a region. Old ones are dropped with the whole map. */
const maxDerivedKeys = 32

/**
 * Signs requests ([Signature Version 4](https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html)). The
 * signature covers the method, the path, the query, the headers and the digest of the body.
 */
export class Signer {
  private derivedKeys = new Map<string, ArrayBuffer>()

  constructor(private readonly settings: Settings) {}

  async sign(request: Unsigned, credentials: Credentials): Promise<Signed> {
    const digest = request.sha256 ?? (request.body === undefined ? sha256.ofNothing : await sha256.of(request.body))
    const { bucketUrl, prefix } = this.settings
    const signer = this.signerOf(request.method, urlOf(bucketUrl, prefix, request), credentials, {
      headers: { ...request.headers, "x-amz-content-sha256": digest }
    })
    const { headers, url } = await signer.sign()
    return { url: url.href, headers: Object.fromEntries(headers) }
  }

  /** Returns a URL with a signature that is valid for some seconds. */
  async presign(name: string, bucketUrl: URL, seconds: number, credentials: Credentials): Promise<URL> {
    const query = { "X-Amz-Expires": String(seconds) }
    const url = urlOf(bucketUrl, this.settings.prefix, { method: "GET", name, query })
    const signed = await this.signerOf("GET", url, credentials, { signQuery: true }).sign()
    return signed.url
  }

  private signerOf(
    method: string,
    url: URL,
    { accessKeyId, secretAccessKey, sessionToken }: Credentials,
    rest: { readonly headers?: Record<string, string>; readonly signQuery?: boolean }
  ): AwsV4Signer {
    if (this.derivedKeys.size > maxDerivedKeys) this.derivedKeys = new Map()
    return new AwsV4Signer({
      ...rest,
      method,
      url: url.href,
      accessKeyId,
      secretAccessKey: Redacted.value(secretAccessKey),
      ...(sessionToken === undefined ? {} : { sessionToken: Redacted.value(sessionToken) }),
      service: "s3",
      region: this.settings.region,
      cache: this.derivedKeys
    })
  }
}
