/** The operations on multipart uploads. */
import type { Answer } from "./answer.js"
import { element, failed, failures, field, xml } from "./answer.js"
import type { Incoming } from "./call.js"
import { elements, parse, valueOf } from "./document.js"
import { refusedWrite } from "./objects.js"
import type { Bucket, Part, State } from "./state.js"
import { md5 } from "./state.js"

const maxParts = 10_000

const uploadOf = ({ key, query }: Incoming, { uploads }: Bucket) => {
  const upload = uploads.get(query.get("uploadId") ?? "")
  return upload?.key === key ? upload : undefined
}

/** <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateMultipartUpload.html> */
export const createUpload = ({ bucket: name, headers, key, now }: Incoming, bucket: Bucket, state: State): Answer => {
  const id = state.newId()
  const contentType = headers.get("content-type") ?? "binary/octet-stream"
  bucket.uploads.set(id, { id, key, contentType, initiated: now, parts: new Map() })
  return xml(element(
    "InitiateMultipartUploadResult",
    field("Bucket", name),
    field("Key", key),
    field("UploadId", id)
  ))
}

/** <https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPart.html> */
export const uploadPart = (incoming: Incoming, bucket: Bucket): Answer => {
  const upload = uploadOf(incoming, bucket)
  const number = Number(incoming.query.get("partNumber"))
  if (!Number.isInteger(number) || number < 1 || number > maxParts) {
    return failed({ ...failures.invalidArgument, message: `Part number must be between 1 and ${maxParts}` })
  }
  if (upload === undefined) return failed(failures.noSuchUpload)
  const etag = md5(incoming.body).toString("hex")
  upload.parts.set(number, { bytes: incoming.body, etag })
  return { status: 200, headers: { etag: `"${etag}"` } }
}

interface Listed {
  readonly number: number
  readonly etag: string
}

/** Returns the parts that a document names. Empty if the document is malformed. */
const listedParts = (body: Uint8Array): ReadonlyArray<Listed> => {
  const listed = elements(parse(body, "CompleteMultipartUpload") ?? "", "Part").map((part) => ({
    number: Number(valueOf(part, "PartNumber")),
    etag: valueOf(part, "ETag")?.replace(/"/g, "") ?? ""
  }))
  return listed.every(({ number }) => Number.isInteger(number)) ? listed : []
}

/** Returns the named parts, or the error of a list that S3 refuses. */
const chosenParts = (
  listed: ReadonlyArray<Listed>,
  stored: ReadonlyMap<number, Part>,
  { dialect, minPartSize }: State
): ReadonlyArray<Part> | Answer => {
  if (listed.some(({ number }, i) => i > 0 && number <= (listed[i - 1]?.number ?? 0))) {
    return failed(dialect === "ceph" ? failures.invalidPart : failures.invalidPartOrder)
  }
  if (dialect === "ceph" && listed.length !== stored.size) return failed(failures.invalidPart)
  const parts: Array<Part> = []
  for (const [index, { etag, number }] of listed.entries()) {
    const part = stored.get(number)
    if (part === undefined || part.etag !== etag) return failed(failures.invalidPart, field("PartNumber", number))
    if (index < listed.length - 1 && part.bytes.byteLength < minPartSize) {
      return failed(failures.entityTooSmall, field("ProposedSize", part.bytes.byteLength), field("PartNumber", number))
    }
    parts.push(part)
  }
  return parts
}

const completed = ({ bucket, key }: Incoming, etag: string): Answer =>
  xml(element(
    "CompleteMultipartUploadResult",
    field("Location", `/${bucket}/${key}`),
    field("Bucket", bucket),
    field("Key", key),
    field("ETag", `"${etag}"`)
  ))

/**
 * Ceph ignores `If-None-Match` and requires that the document names all parts. For an upload that it does not have, Ceph
 * answers 200 if the key has an object of the same parts, and else 500.
 * <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html>
 */
export const completeUpload = (incoming: Incoming, bucket: Bucket, state: State): Answer => {
  const { key, now } = incoming
  const ceph = state.dialect === "ceph"
  const listed = listedParts(incoming.body)
  const hash = md5(Buffer.concat(listed.map(({ etag }) => Buffer.from(etag, "hex")))).toString("hex")
  const etag = `${hash}-${listed.length}`
  const upload = uploadOf(incoming, bucket)
  if (upload === undefined) {
    if (!ceph) return failed(failures.noSuchUpload)
    return bucket.objects.get(key)?.etag === etag ? completed(incoming, etag) : failed(failures.internalError)
  }
  const parts = listed.length === 0 ? failed(failures.malformedXml) : chosenParts(listed, upload.parts, state)
  if ("status" in parts) return parts
  const refused = ceph ? undefined : refusedWrite(incoming, bucket)
  if (refused !== undefined) return refused
  const bytes = Buffer.concat(parts.map(({ bytes }) => bytes))
  bucket.objects.set(key, { bytes, etag, contentType: upload.contentType, modified: now })
  bucket.uploads.delete(upload.id)
  return completed(incoming, etag)
}

/** <https://docs.aws.amazon.com/AmazonS3/latest/API/API_AbortMultipartUpload.html> */
export const abortUpload = (incoming: Incoming, bucket: Bucket): Answer => {
  const upload = uploadOf(incoming, bucket)
  if (upload === undefined) return failed(failures.noSuchUpload)
  bucket.uploads.delete(upload.id)
  return { status: 204 }
}
