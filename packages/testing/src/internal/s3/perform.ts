import { createHash } from "node:crypto"
import type { Answer } from "./answer.js"
import { failed, failures, field } from "./answer.js"
import type { Incoming, Operation } from "./call.js"
import { listObjects, listUploads } from "./lists.js"
import { abortUpload, completeUpload, createUpload, uploadPart } from "./multipart.js"
import { deleteObject, deleteObjects, getObject, putObject } from "./objects.js"
import type { Bucket, State } from "./state.js"
import { emptyBucket } from "./state.js"

const maxKeyBytes = 1024

const operations: {
  readonly [operation in Operation]: (incoming: Incoming, bucket: Bucket, state: State) => Answer
} = {
  PutObject: putObject,
  GetObject: getObject,
  HeadObject: getObject,
  DeleteObject: deleteObject,
  DeleteObjects: deleteObjects,
  ListObjectsV2: listObjects,
  CreateMultipartUpload: createUpload,
  UploadPart: uploadPart,
  CompleteMultipartUpload: completeUpload,
  AbortMultipartUpload: abortUpload,
  ListMultipartUploads: listUploads,
  HeadBucket: () => ({ status: 200 }),
  CreateBucket: () => failed({ status: 409, code: "BucketAlreadyOwnedByYou" }),
  Unknown: () => failed(failures.notImplemented)
}

/** The headers that carry a hash of the body, with the hash that they carry. */
const checksums = { "content-md5": "md5", "x-amz-checksum-sha1": "sha1", "x-amz-checksum-sha256": "sha256" }

const wrongBody = ({ body, headers }: Incoming): Answer | undefined => {
  const length = headers.get("content-length")
  if (headers.has("transfer-encoding")) return failed(failures.notImplemented, field("Header", "Transfer-Encoding"))
  if (length !== null && Number(length) !== body.byteLength) return failed(failures.incompleteBody)
  const wrong = Object.entries(checksums).find(([name, algorithm]) =>
    headers.has(name) && headers.get(name) !== createHash(algorithm).update(body).digest("base64")
  )
  return wrong === undefined ? undefined : failed(failures.badDigest)
}

/** Performs a call whose signature is valid. */
export const perform = (incoming: Incoming, state: State): Answer => {
  const refused = wrongBody(incoming)
  if (refused !== undefined) return refused
  const bucket = state.buckets.get(incoming.bucket)
  if (bucket !== undefined) {
    return Buffer.byteLength(incoming.key) > maxKeyBytes
      ? failed(failures.keyTooLong)
      : operations[incoming.operation](incoming, bucket, state)
  }
  if (incoming.operation !== "CreateBucket") {
    return failed(failures.noSuchBucket, field("BucketName", incoming.bucket))
  }
  state.buckets.set(incoming.bucket, emptyBucket())
  return { status: 200, headers: { location: `/${incoming.bucket}` } }
}
