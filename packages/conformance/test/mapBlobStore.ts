import { Body } from "@effect-oci/core"
import * as BlobStore from "@effect-oci/store/BlobStore"
import * as StoreError from "@effect-oci/store/StoreError"
import { Effect, Layer } from "effect"

interface Upload extends BlobStore.OpenUpload {
  fence: number
  content: Uint8Array
}

const read = (body: Body.Body) => Body.toBytes(body, { limit: Infinity, onLimit: () => new Error() as never })

const page = <A extends { readonly key: BlobStore.BlobKey }>(all: ReadonlyArray<A>, after: string, n: number) =>
  all.filter(({ key }) => key > after).sort((a, b) => a.key < b.key ? -1 : 1).slice(0, n)

/** A blob store of maps: the backend of the README. */
export const layer = Layer.sync(BlobStore.BlobStore, () => {
  const blobs = new Map<BlobStore.BlobKey, Uint8Array>()
  const uploads = new Map<BlobStore.UploadToken, Upload>()
  return {
    granularity: 1,
    put: ({ body, key }) =>
      Effect.mapBoth(read(body), {
        onFailure: (cause) => new StoreError.BodyBroken({ appended: undefined, cause }),
        onSuccess: (content) => blobs.set(key, content) && content.byteLength
      }),
    read: (key, span) =>
      Effect.suspend((): Effect.Effect<Body.Body, StoreError.NotFound | StoreError.RangeInvalid> => {
        const content = blobs.get(key)
        if (content === undefined) return Effect.fail(new StoreError.NotFound({ key }))
        const [start, end] = span === undefined ? [0] : [span.offset, span.offset + span.length]
        return end !== undefined && end > content.byteLength
          ? Effect.fail(new StoreError.RangeInvalid({ key, size: content.byteLength }))
          : Effect.succeed(Body.bytes(content.subarray(start, end)))
      }),
    openUpload: ({ id, key }) =>
      Effect.sync(() => {
        const token = BlobStore.UploadToken(key)
        uploads.set(token, { id, key, token, fence: 0, content: new Uint8Array(0) })
        return token
      }),
    append: ({ body, fence, offset, token }) =>
      Effect.gen(function*() {
        const upload = uploads.get(token)
        if (upload === undefined) return yield* Effect.fail(new StoreError.UploadUnknown())
        const size = upload.content.byteLength
        if (fence < upload.fence) return yield* Effect.fail(new StoreError.Stale())
        if (offset > size) return yield* Effect.fail(new StoreError.OffsetMismatch({ offset: size }))
        upload.fence = fence
        upload.content = upload.content.slice(0, offset)
        const appended = { offset, token }
        const chunk = yield* Effect.mapError(read(body), (cause) => new StoreError.BodyBroken({ appended, cause }))
        if (uploads.get(token) !== upload) return yield* Effect.fail(new StoreError.UploadUnknown())
        if (fence < upload.fence) return yield* Effect.fail(new StoreError.Stale())
        upload.content = new Uint8Array([...upload.content, ...chunk])
        return { offset: upload.content.byteLength, token }
      }),
    commit: ({ size, token }) =>
      Effect.suspend((): Effect.Effect<void, StoreError.UploadUnknown | StoreError.OffsetMismatch> => {
        const upload = uploads.get(token)
        const key = BlobStore.BlobKey(token)
        if (upload === undefined) {
          return blobs.get(key)?.byteLength === size ? Effect.void : Effect.fail(new StoreError.UploadUnknown())
        }
        const offset = upload.content.byteLength
        if (offset < size) return Effect.fail(new StoreError.OffsetMismatch({ offset }))
        blobs.set(key, upload.content.subarray(0, size))
        uploads.delete(token)
        return Effect.void
      }),
    abort: (token) => Effect.sync(() => void uploads.delete(token)),
    delete: (keys) => Effect.sync(() => keys.filter((key) => blobs.delete(key) || true)),
    list: (after, n) =>
      Effect.sync(() => page(Array.from(blobs, ([key, { byteLength: size }]) => ({ key, size })), after ?? "", n)),
    listUploads: (after, n) => Effect.sync(() => page([...uploads.values()], after ?? "", n))
  }
})
