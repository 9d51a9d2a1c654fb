/**
 * A blob store in a bucket of Cloudflare R2, by its binding in a worker.
 *
 * @since 0.1.0
 */
import * as Body from "@effect-oci/core/Body"
import type { Span } from "@effect-oci/core/ByteRange"
import * as RegistryError from "@effect-oci/core/RegistryError"
import { BlobKey, BlobStore, type Service } from "@effect-oci/store/BlobStore"
import * as StoreError from "@effect-oci/store/StoreError"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import type { Bucket, ObjectContent } from "./Bucket.js"
import { attempt, failed, list, remove } from "./internal/calls.js"
import * as names from "./internal/names.js"
import { partSize } from "./internal/parts.js"
import { Uploads } from "./internal/uploads.js"

export type { Bucket }

/**
 * Options for {@link layer}.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** The binding of the bucket. */
  readonly bucket: Bucket
}

/** Returns the content of an object. An error in the middle of it says what the store lost. */
const bodyOf = (key: BlobKey, { body }: ObjectContent, size: number): Body.Body => {
  const unavailable = (cause: unknown) => new RegistryError.Unavailable({ cause })
  const content = Stream.fromReadableStream({
    evaluate: () => body,
    onError: (cause) => unavailable(new StoreError.Failed({ cause }))
  })
  let received = 0
  const checked = Stream.tap(content, (chunk) =>
    Effect.sync(() => {
      received += chunk.byteLength
    }))
  const end = Stream.suspend(() =>
    received === size ? Stream.empty : Stream.fail(unavailable(new StoreError.Truncated({ key, size: received })))
  )
  return Body.stream(Stream.concat(checked, end), { size })
}

const get = (bucket: Bucket, key: BlobKey, span: Span | undefined) =>
  Effect.acquireRelease(
    attempt(() => bucket.get(names.blob(key), span === undefined ? {} : { range: span })),
    (object) => object === null ? Effect.void : Effect.promise(() => object.body.cancel().catch(() => {}))
  )

const read = (bucket: Bucket, ...[key, span]: Parameters<Service["read"]>): ReturnType<Service["read"]> =>
  Effect.gen(function*() {
    const isOutside = (size: number) => span !== undefined && span.offset + span.length > size
    const found = yield* Effect.catchAll(get(bucket, key, span), (error) =>
      // R2 fails if the range begins after the end.
      Effect.filterOrFail(
        attempt(() => bucket.head(names.blob(key))),
        (head) => head === null || isOutside(head.size),
        () => error
      ))
    if (found === null) return yield* Effect.fail(new StoreError.NotFound({ key }))
    const { size } = found
    return "body" in found && !isOutside(size)
      ? bodyOf(key, found, span?.length ?? size)
      : yield* Effect.fail(new StoreError.RangeInvalid({ key, size }))
  }).pipe(Effect.catchTag("BucketError", (error) => Effect.fail(failed(error))))

/**
 * Creates a blob store in a bucket.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = ({ bucket }: Options): Service => {
  const uploads = new Uploads(bucket)
  return {
    granularity: partSize,
    put: ({ body, key }) => uploads.put(key, body),
    read: (key, span) => read(bucket, key, span),
    openUpload: ({ id, key }) => uploads.open(id, key),
    append: (append) => uploads.append(append),
    commit: (commit) => uploads.commit(commit),
    abort: (token) => uploads.abort(token),
    delete: (keys) =>
      Effect.mapBoth(remove(bucket, keys.map(names.blob)), { onFailure: failed, onSuccess: () => keys }),
    list: (after, n) =>
      Effect.mapBoth(list(bucket, { prefix: names.blobs, after, n }), {
        onFailure: failed,
        onSuccess: (found) => found.map(({ key, size }) => ({ key: BlobKey(key.slice(names.blobs.length)), size }))
      }),
    listUploads: (after, n) => uploads.list(after, n)
  }
}

/**
 * Creates a layer of the blob store in a bucket.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Memory, Store } from "@effect-oci/store"
 * import { R2BlobStore } from "@effect-oci/store-r2"
 * import { Layer } from "effect"
 *
 * declare const env: { readonly BUCKET: R2BlobStore.Bucket }
 *
 * const registry = Store.layer().pipe(
 *   Layer.provide([R2BlobStore.layer({ bucket: env.BUCKET }), Memory.layerMetadataStore()])
 * )
 * ```
 */
export const layer = (options: Options): Layer.Layer<BlobStore> => Layer.sync(BlobStore, () => make(options))
