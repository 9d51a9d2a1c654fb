import type { Answer, Failure } from "./answer.js"
import { failed, failures } from "./answer.js"

/** The operations that the small S3 has. */
export type Operation =
  | "PutObject"
  | "GetObject"
  | "HeadObject"
  | "DeleteObject"
  | "DeleteObjects"
  | "ListObjectsV2"
  | "CreateMultipartUpload"
  | "UploadPart"
  | "CompleteMultipartUpload"
  | "AbortMultipartUpload"
  | "ListMultipartUploads"
  | "HeadBucket"
  | "CreateBucket"
  | "Unknown"

/** A request that S3 has read: its place, its parameters and its body. */
export interface Incoming {
  readonly operation: Operation
  readonly bucket: string
  /** Empty for an operation on a bucket. */
  readonly key: string
  readonly query: URLSearchParams
  readonly headers: Headers
  readonly body: Uint8Array
  /** Milliseconds since 1970. */
  readonly now: number
  /** The error with which DeleteObjects refuses every second key. */
  readonly refuse?: Failure
}

/** Parameters that choose an operation. The request is for another operation with each of them. */
const selectors = ["acl", "delete", "list-type", "partNumber", "tagging", "uploadId", "uploads", "versionId"]

const operations: { readonly [request: string]: Operation } = {
  "PUT bucket": "CreateBucket",
  "HEAD bucket": "HeadBucket",
  "GET bucket list-type": "ListObjectsV2",
  "GET bucket uploads": "ListMultipartUploads",
  "POST bucket delete": "DeleteObjects",
  "PUT key": "PutObject",
  "GET key": "GetObject",
  "HEAD key": "HeadObject",
  "DELETE key": "DeleteObject",
  "PUT key partNumber uploadId": "UploadPart",
  "POST key uploads": "CreateMultipartUpload",
  "POST key uploadId": "CompleteMultipartUpload",
  "DELETE key uploadId": "AbortMultipartUpload"
}

const decoded = (path: string): string => {
  try {
    return decodeURIComponent(path)
  } catch {
    return path
  }
}

/**
 * Returns what a request is for. The bucket is in the host (virtual-hosted style) if the host begins with the name of an
 * existing bucket, and else the first segment of the path.
 */
export const route = (method: string, url: URL, buckets: Iterable<string>) => {
  const hosted = [...buckets].find((bucket) => url.hostname.startsWith(`${bucket}.`))
  const path = url.pathname.slice(1)
  const slash = path.indexOf("/")
  const end = slash < 0 ? path.length : slash
  const [bucket, key] = hosted === undefined ? [path.slice(0, end), path.slice(end + 1)] : [hosted, path]
  const query = url.searchParams
  const line = [method, key === "" ? "bucket" : "key", ...selectors.filter((name) => query.has(name))].join(" ")
  return { operation: operations[line] ?? "Unknown", bucket: decoded(bucket), key: decoded(key), query } as const
}

/** Parses a count in the query, such as `max-keys`. Returns an error for anything but digits. */
export const countOf = (query: URLSearchParams, name: string, otherwise: number): number | Answer => {
  const value = query.get(name)
  if (value === null) return otherwise
  return /^\d{1,10}$/.test(value)
    ? Number(value)
    : failed({ ...failures.invalidArgument, message: `${name} is not a number` })
}
