/** Blobs of the tests, and what a store leaves in the small S3. */
import * as Body from "@effect-oci/core/Body"
import type { Span } from "@effect-oci/core/ByteRange"
import * as BlobStore from "@effect-oci/store/BlobStore"
import type * as S3 from "@effect-oci/testing/S3"
import { Effect, Stream } from "effect"

/** Key number `n`. Keys ascend with their numbers. */
export const key = (n: number): BlobStore.BlobKey =>
  BlobStore.BlobKey(`01900000-0000-7000-8000-${String(n).padStart(12, "0")}`)

/** Bytes that differ for each seed, and at each position. */
export const bytes = (length: number, seed = 1): Uint8Array<ArrayBuffer> => {
  const words = new Uint32Array(Math.ceil(length / 4))
  for (let i = 0; i < words.length; i++) words[i] = Math.imul(i + seed * 7919, 2654435761)
  return new Uint8Array(words.buffer, 0, length)
}

/** The size of the parts in tests. */
export const part = 64 * 1024

/** Returns equal bytes, so that a test can tell the bytes of several requests apart. */
export const filled = (size: number, value: number): Uint8Array => new Uint8Array(size).fill(value)

/** A body that arrives in chunks, and then fails if `error` is given. */
export const chunked = (content: Uint8Array, size: number, error?: unknown): Body.Body => {
  const chunks = Array.from(
    { length: Math.ceil(content.byteLength / size) },
    (_, n) => content.subarray(n * size, (n + 1) * size)
  )
  const stream = Stream.fromIterable(chunks)
  return Body.stream(error === undefined ? stream : Stream.concat(stream, Stream.fail(error)))
}

export const readAll = (store: BlobStore.Service, which: BlobStore.BlobKey, span?: Span) =>
  Effect.scoped(Effect.flatMap(store.read(which, span), (body) => {
    const chunks: Array<Uint8Array> = []
    return Effect.map(Body.forEachChunk(body, (chunk) => chunks.push(chunk)), () => Buffer.concat(chunks))
  }))

/** Returns the names of the objects that the S3 has apart from blobs, and the objects of its multipart uploads. */
export const leftovers = (s3: S3.S3): ReadonlyArray<string> => [
  ...[...s3.objects().keys()].filter((name) => !name.includes("blobs/")),
  ...[...s3.uploads().values()].map((name) => `multipart upload of ${name}`)
]
