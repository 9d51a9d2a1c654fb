/** A client of S3 for the tests: one signed call at a time, as data. */
import * as S3 from "@effect-oci/testing/S3"
import * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import { AwsV4Signer } from "aws4fetch"
import { Clock, Effect } from "effect"

export interface Target {
  readonly origin: string
  readonly bucket: string
  readonly credentials: S3.Credentials
  readonly region: string
}

export const target: Target = {
  origin: "http://s3.test",
  bucket: "bucket",
  credentials: S3.credentials,
  region: "us-east-1"
}

export interface Call {
  readonly key?: string
  readonly query?: { readonly [name: string]: string }
  readonly headers?: { readonly [name: string]: string }
  readonly body?: string | Uint8Array<ArrayBuffer>
}

/** An answer that was read to its end. */
export interface Answered {
  readonly status: number
  readonly headers: { readonly [name: string]: string | undefined }
  readonly bytes: Uint8Array
  readonly text: string
  /** Returns the text of all elements with a name. */
  readonly all: (name: string) => ReadonlyArray<string>
  /** The code of an error. */
  readonly code: string | undefined
}

const dateOf = (millis: number) => new Date(millis).toISOString().replace(/[:-]|\.\d{3}/g, "")

export const urlOf = ({ bucket, origin }: Target, { key = "", query = {} }: Call): URL => {
  const path = key.split("/").map(encodeURIComponent).join("/")
  const url = new URL(`${origin}/${bucket}/${path}`)
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value)
  return url
}

/** How to sign. */
export interface Signing {
  /** The seconds until a presigned URL expires. Default: the signature is in the headers. */
  readonly expires?: number
  /** The difference between the clock of the signature and the clock of the test. */
  readonly minutes?: number
}

export const sign = (to: Target, method: string, call: Call, { expires, minutes = 0 }: Signing = {}) =>
  Effect.flatMap(Clock.currentTimeMillis, (now) =>
    Effect.promise(() => {
      const url = urlOf(to, call)
      if (expires !== undefined) url.searchParams.set("X-Amz-Expires", String(expires))
      return new AwsV4Signer({
        ...to.credentials,
        method,
        url: url.href,
        headers: { ...call.headers },
        ...call.body === undefined ? {} : { body: call.body },
        service: "s3",
        region: to.region,
        datetime: dateOf(now + minutes * 60_000),
        signQuery: expires !== undefined
      }).sign()
    }))

const read = (method: string, url: URL, headers: Headers, body: Call["body"]) =>
  Effect.gen(function*() {
    const client = yield* HttpClient.HttpClient
    const request = HttpClientRequest.make(method as "GET")(url, { headers: Object.fromEntries(headers) })
    const bytes = typeof body === "string" ? new TextEncoder().encode(body) : body
    const sent = bytes === undefined
      ? request
      : HttpClientRequest.setBody(request, HttpBody.uint8Array(bytes, headers.get("content-type") ?? undefined))
    const response = yield* client.execute(sent)
    const received = new Uint8Array(yield* response.arrayBuffer)
    const text = new TextDecoder().decode(received)
    const all = (name: string) =>
      [...text.matchAll(new RegExp(`<${name}>(.*?)</${name}>`, "gs"))].map(([, value = ""]) => value)
    return {
      status: response.status,
      headers: response.headers,
      bytes: received,
      text,
      all,
      code: all("Code")[0]
    } satisfies Answered
  }).pipe(Effect.scoped)

/** Sends a signed call. */
export const send = (to: Target, method: string, call: Call = {}, signing?: Signing) =>
  Effect.flatMap(sign(to, method, call, signing), ({ headers, url }) => read(method, url, headers, call.body))
