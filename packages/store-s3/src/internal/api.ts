import type { Span } from "@effect-oci/core/ByteRange"
import type { HttpClientResponse } from "@effect/platform/HttpClientResponse"
import { md5 } from "@noble/hashes/legacy.js"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Encoding from "effect/Encoding"
import type { S3Error } from "../S3Error.js"
import type { Answer, Call, Client } from "./client.js"
import * as xml from "./xml.js"

/*
 * The calls of S3 that the store makes. Names of objects do not contain the prefix of the store.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html
 */

type Result<A> = Effect.Effect<A, S3Error>

/** A page of a list. */
export interface Page<A> {
  readonly items: ReadonlyArray<A>
  /** Where the next page begins, or `undefined` after the last page. */
  readonly next: string | undefined
}

export interface Stored {
  readonly name: string
  readonly size: number
}

/** A multipart upload. */
export interface Multipart {
  readonly name: string
  readonly uploadId: string
}

/** The number of keys in one DeleteObjects, and in one page of a list. */
export const maxKeys = 1000

/** S3 may assemble a large object for minutes before it answers. */
const completeTimeout = Duration.minutes(10)

const octetStream = { "content-type": "application/octet-stream" }
const xmlContent = { "content-type": "application/xml" }

const unquoted = (etag: string): string => etag.replace(/^"|"$/g, "")

/** Parses an answer whose root element has a name. An `<Error>` in place of it is an error of the service. */
const document = (client: Client, call: Call, root: string) => (answer: Answer): Result<xml.Element> => {
  const parsed = xml.parse(answer.text)
  if (parsed?.name === root) return Effect.succeed(parsed)
  return Effect.fail(
    parsed?.name === "Error"
      ? client.errorWithin(call, answer)
      : client.unexpected(call, answer.status, `the answer is not ${root}`)
  )
}

/** Returns a field of an answer, or fails. */
const field = <A>(client: Client, call: Call, status: number, name: string, value: A | undefined): Result<A> =>
  value === undefined
    ? Effect.fail(client.unexpected(call, status, `the answer has no ${name}`))
    : Effect.succeed(value)

/** Expects an answer without content. An `<Error>` within a 200 is an error of the service. */
const empty = (client: Client, call: Call) => (answer: Answer): Result<void> =>
  xml.parse(answer.text)?.name === "Error" ? Effect.fail(client.errorWithin(call, answer)) : Effect.void

const numberOf = (text: string | undefined): number | undefined =>
  text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined

/** The calls of one store. */
export class Api {
  constructor(private readonly client: Client) {}

  /** Stores an object. Fails if the body does not have the digest. */
  putObject(name: string, body: Uint8Array, sha256?: string): Result<void> {
    const call: Call = {
      call: "PutObject",
      action: "s3:PutObject",
      method: "PUT",
      name,
      headers: octetStream,
      body,
      sha256
    }
    return this.client.send(call, empty(this.client, call))
  }

  /** Opens an object, or a span of it. */
  getObject(name: string, span?: Span): Result<HttpClientResponse> {
    return this.client.open({
      call: "GetObject",
      // Without the second permission, a missing object is answered with 403.
      action: "s3:GetObject and s3:ListBucket",
      method: "GET",
      name,
      headers: span === undefined ? {} : { range: `bytes=${span.offset}-${span.offset + span.length - 1}` }
    })
  }

  /** Returns the error of an answer that does not contain the requested bytes of an object. */
  unexpectedObject(name: string, status: number): S3Error {
    const call: Call = { call: "GetObject", action: "s3:GetObject", method: "GET", name }
    return this.client.unexpected(call, status, "the answer has no Content-Length, or another range")
  }

  /** Returns the size of an object, or `undefined` if the object does not exist. */
  headObject(name: string): Result<number | undefined> {
    const call: Call = { call: "HeadObject", action: "s3:GetObject and s3:ListBucket", method: "HEAD", name }
    return this.client.send(
      call,
      ({ headers, status }) => field(this.client, call, status, "Content-Length", numberOf(headers["content-length"]))
    ).pipe(
      Effect.catchIf(({ status }) => status === 404, () => Effect.succeed(undefined))
    )
  }

  /** Returns the error of an object that `deleteObjects` did not delete. */
  notDeleted(name: string): S3Error {
    const call: Call = { call: "DeleteObjects", action: "s3:DeleteObject", method: "POST", name }
    return this.client.unexpected(call, 200, "the service did not delete the object")
  }

  /** Deletes at most 1,000 objects. Returns the names of those that do not exist any more. */
  private deleteObjects(names: ReadonlyArray<string>): Result<ReadonlySet<string>> {
    const { prefix } = this.client.settings
    const objects = names.map((name) => xml.format("Object", [xml.format("Key", prefix + name)]))
    const body = new TextEncoder().encode(xml.format("Delete", objects))
    const call: Call = {
      call: "DeleteObjects",
      action: "s3:DeleteObject",
      method: "POST",
      query: { delete: "" },
      // AWS accepts newer checksums too. Other services accept only this one.
      headers: { ...xmlContent, "content-md5": Encoding.encodeBase64(md5(body)) },
      body
    }
    return Effect.map(this.client.send(call, document(this.client, call, "DeleteResult")), (result) => {
      const missing = result.all("Error").filter((error) => error.text("Code") === "NoSuchKey")
      const gone = [...result.all("Deleted"), ...missing].flatMap((item) => item.text("Key") ?? [])
      return new Set(gone.map((key) => key.slice(prefix.length)))
    })
  }

  /** Deletes any number of objects. Returns the names of those that do not exist any more. Fails if none was deleted. */
  deleteAll(all: ReadonlyArray<string>): Result<ReadonlySet<string>> {
    const batches = Array.from(
      { length: Math.ceil(all.length / maxKeys) },
      (_, n) => all.slice(n * maxKeys, (n + 1) * maxKeys)
    )
    return Effect.gen(this, function*() {
      const gone = new Set<string>()
      let failure: S3Error | undefined
      for (const batch of batches) {
        const result = yield* Effect.either(this.deleteObjects(batch))
        if (result._tag === "Right") { for (const name of result.right) gone.add(name) }
        else failure = result.left
      }
      if (gone.size > 0 || all.length === 0) return gone
      return yield* Effect.fail(failure ?? this.notDeleted(all[0]!))
    })
  }

  /** Lists objects whose names begin with `under`, ordered by name, at most 1,000. */
  listObjects(under: string, from: { readonly after?: string; readonly next?: string }, max = maxKeys) {
    return this.list(under, { ...from, max }, (page) =>
      page.all("Contents").flatMap((item) => {
        const [key, size] = [item.text("Key"), numberOf(item.text("Size"))]
        return key === undefined || size === undefined ? [] : { name: this.nameOf(key), size }
      }))
  }

  /** Lists all objects whose names begin with `under`. */
  listAllObjects(under: string): Result<ReadonlyArray<Stored>> {
    const after = (next: string | undefined): Result<ReadonlyArray<Stored>> =>
      Effect.flatMap(this.listObjects(under, next === undefined ? {} : { next }), (page) =>
        page.next === undefined
          ? Effect.succeed(page.items)
          : Effect.map(after(page.next), (rest) => [...page.items, ...rest]))
    return after(undefined)
  }

  /** Lists the folders directly under a folder, ordered by name. The names end with a slash. */
  listFolders(under: string, from: { readonly after?: string; readonly next?: string }, max = maxKeys) {
    return this.list(under, { ...from, max, delimiter: "/" }, (page) =>
      page.all("CommonPrefixes").flatMap((item) => {
        const key = item.text("Prefix")
        return key === undefined ? [] : this.nameOf(key)
      }))
  }

  createMultipartUpload(name: string): Result<string> {
    const call: Call = {
      call: "CreateMultipartUpload",
      action: "s3:PutObject",
      method: "POST",
      name,
      query: { uploads: "" },
      headers: octetStream
    }
    return this.client.send(call, (answer) =>
      Effect.flatMap(
        document(this.client, call, "InitiateMultipartUploadResult")(answer),
        (result) => field(this.client, call, answer.status, "UploadId", result.text("UploadId"))
      ))
  }

  /** Stores a part. Returns its ETag. */
  uploadPart({ name, uploadId }: Multipart, number: number, body: Uint8Array): Result<string> {
    const call: Call = {
      call: "UploadPart",
      action: "s3:PutObject",
      method: "PUT",
      name,
      query: { partNumber: String(number), uploadId },
      body
    }
    return this.client.send(
      call,
      ({ headers, status }) => Effect.map(field(this.client, call, status, "ETag", headers["etag"]), unquoted)
    )
  }

  /** Completes a multipart upload. The parts are numbered from 1. */
  completeMultipartUpload({ name, uploadId }: Multipart, etags: ReadonlyArray<string>): Result<void> {
    const parts = etags.map((etag, n) =>
      xml.format("Part", [xml.format("PartNumber", String(n + 1)), xml.format("ETag", `"${etag}"`)])
    )
    const call: Call = {
      call: "CompleteMultipartUpload",
      action: "s3:PutObject",
      method: "POST",
      name,
      query: { uploadId },
      headers: xmlContent,
      body: new TextEncoder().encode(xml.format("CompleteMultipartUpload", parts)),
      timeout: completeTimeout
    }
    return Effect.asVoid(this.client.send(call, document(this.client, call, "CompleteMultipartUploadResult")))
  }

  /** Aborts a multipart upload. Succeeds if it does not exist. */
  abortMultipartUpload({ name, uploadId }: Multipart): Result<void> {
    const call: Call = {
      call: "AbortMultipartUpload",
      action: "s3:AbortMultipartUpload",
      method: "DELETE",
      name,
      query: { uploadId }
    }
    return Effect.catchIf(
      this.client.send(call, empty(this.client, call)),
      ({ code, status }) => status === 404 && code !== "NoSuchBucket",
      () => Effect.void
    )
  }

  /** Aborts all multipart uploads of an object. */
  abortMultipartUploads(name: string): Result<void> {
    return Effect.flatMap(
      this.listMultipartUploads(name, {}),
      ({ items }) =>
        Effect.forEach(items, (upload) => this.abortMultipartUpload(upload), { discard: true, concurrency: 4 })
    )
  }

  /** Lists multipart uploads whose objects have names that begin with `under`, ordered by name, at most 1,000. */
  listMultipartUploads(
    under: string,
    from: { readonly after?: string | undefined; readonly uploadId?: string | undefined },
    max = maxKeys
  ): Result<{ readonly items: ReadonlyArray<Multipart>; readonly next: Multipart | undefined }> {
    const { prefix } = this.client.settings
    const call: Call = {
      call: "ListMultipartUploads",
      action: "s3:ListBucketMultipartUploads",
      method: "GET",
      query: {
        uploads: "",
        prefix: prefix + under,
        "max-uploads": String(max),
        ...(from.after === undefined ? {} : { "key-marker": prefix + from.after }),
        ...(from.uploadId === undefined ? {} : { "upload-id-marker": from.uploadId })
      }
    }
    return Effect.map(this.client.send(call, document(this.client, call, "ListMultipartUploadsResult")), (page) => {
      const items = page.all("Upload").flatMap((item) => {
        const [key, uploadId] = [item.text("Key"), item.text("UploadId")]
        return key === undefined || uploadId === undefined ? [] : { name: this.nameOf(key), uploadId }
      })
      return { items, next: page.text("IsTruncated") === "true" ? items.at(-1) : undefined }
    })
  }

  private nameOf(key: string): string {
    return key.slice(this.client.settings.prefix.length)
  }

  private list<A>(
    under: string,
    { after, delimiter, max, next }: {
      readonly after?: string
      readonly next?: string
      readonly max: number
      readonly delimiter?: string
    },
    itemsOf: (page: xml.Element) => ReadonlyArray<A>
  ): Result<Page<A>> {
    const { prefix } = this.client.settings
    const call: Call = {
      call: "ListObjectsV2",
      action: "s3:ListBucket",
      method: "GET",
      query: {
        "list-type": "2",
        prefix: prefix + under,
        "max-keys": String(max),
        ...(delimiter === undefined ? {} : { delimiter }),
        ...(after === undefined ? {} : { "start-after": prefix + after }),
        ...(next === undefined ? {} : { "continuation-token": next })
      }
    }
    return Effect.map(this.client.send(call, document(this.client, call, "ListBucketResult")), (page) => ({
      items: itemsOf(page),
      next: page.text("IsTruncated") === "true" ? page.text("NextContinuationToken") : undefined
    }))
  }
}
