/** The operations on objects. */
import * as ByteRange from "@effect-oci/core/ByteRange"
import * as Range from "@effect-oci/protocol/Range"
import type { Answer } from "./answer.js"
import { element, failed, failures, field, xml } from "./answer.js"
import type { Incoming } from "./call.js"
import { elements, parse, valueOf } from "./document.js"
import type { Bucket, StoredObject } from "./state.js"
import { md5 } from "./state.js"

/**
 * Returns an error if a conditional write must not happen.
 * [Conditional writes](https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html).
 */
export const refusedWrite = ({ headers, key }: Incoming, bucket: Bucket): Answer | undefined => {
  const absent = headers.get("if-none-match")
  const match = headers.get("if-match")
  const current = bucket.objects.get(key)
  if (absent !== null && absent !== "*") return failed(failures.notImplemented, field("Header", "If-None-Match"))
  if (absent !== null && current !== undefined) {
    return failed(failures.preconditionFailed, field("Condition", "If-None-Match"))
  }
  if (match === null) return undefined
  if (current === undefined) return failed(failures.noSuchKey, field("Key", key))
  return match.replace(/"/g, "") === current.etag
    ? undefined
    : failed(failures.preconditionFailed, field("Condition", "If-Match"))
}

/** <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html> */
export const putObject = (incoming: Incoming, bucket: Bucket): Answer => {
  const { body, headers, key, now } = incoming
  const refused = refusedWrite(incoming, bucket)
  if (refused !== undefined) return refused
  const etag = md5(body).toString("hex")
  const contentType = headers.get("content-type") ?? "binary/octet-stream"
  bucket.objects.set(key, { bytes: body, etag, contentType, modified: now })
  return { status: 200, headers: { etag: `"${etag}"` } }
}

const headersOf = ({ contentType, etag, modified }: StoredObject, { query }: Incoming) => ({
  "accept-ranges": "bytes",
  "content-type": contentType,
  etag: `"${etag}"`,
  "last-modified": new Date(modified).toUTCString(),
  ...Object.fromEntries(
    [...query].flatMap(([name, value]) => name.startsWith("response-") ? [[name.slice("response-".length), value]] : [])
  )
})

/** <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html>, and HeadObject. */
export const getObject = (incoming: Incoming, bucket: Bucket): Answer => {
  const found = bucket.objects.get(incoming.key)
  if (found === undefined) return failed(failures.noSuchKey, field("Key", incoming.key))
  const size = found.bytes.byteLength
  const range = Range.parse(incoming.headers.get("range") ?? undefined)
  const headers = headersOf(found, incoming)
  if (range === "none") return { status: 200, headers, body: found.bytes }
  const span = range === "invalid" ? undefined : ByteRange.resolve(range, size)
  if (span === undefined) {
    const details = [field("RangeRequested", incoming.headers.get("range") ?? ""), field("ActualObjectSize", size)]
    const answer = failed(failures.invalidRange, ...details)
    return { ...answer, headers: { ...answer.headers, "content-range": `bytes */${size}` } }
  }
  const end = span.offset + span.length
  return {
    status: 206,
    headers: { ...headers, "content-range": `bytes ${span.offset}-${end - 1}/${size}` },
    body: found.bytes.subarray(span.offset, end)
  }
}

/** <https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObject.html> */
export const deleteObject = ({ key }: Incoming, bucket: Bucket): Answer => {
  bucket.objects.delete(key)
  return { status: 204 }
}

/**
 * Deletes up to 1,000 keys. S3 requires a checksum of the document.
 * <https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html>
 */
export const deleteObjects = ({ body, headers, refuse }: Incoming, bucket: Bucket): Answer => {
  if (!headers.has("content-md5") && ![...headers.keys()].some((name) => name.startsWith("x-amz-checksum-"))) {
    const message = "Missing required header for this request: Content-MD5 OR x-amz-checksum-*"
    return failed({ ...failures.invalidRequest, message })
  }
  const root = parse(body, "Delete")
  const keys = root === undefined ? [] : elements(root, "Object").map((object) => valueOf(object, "Key") ?? "")
  if (root === undefined || keys.length === 0 || keys.length > 1000 || keys.includes("")) {
    return failed(failures.malformedXml)
  }
  const quiet = valueOf(root, "Quiet")?.toLowerCase() === "true"
  const results = keys.map((key, index) => {
    if (refuse !== undefined && index % 2 === 0) {
      const { code, message = code } = refuse
      return element("Error", field("Key", key), field("Code", code), field("Message", message))
    }
    bucket.objects.delete(key)
    return quiet ? "" : element("Deleted", field("Key", key))
  })
  return xml(element("DeleteResult", ...results))
}
