import { Body } from "@effect-oci/core"
import { BlobStore, StoreError } from "@effect-oci/store"
import { Effect, Layer } from "effect"

/** Bytes under a key: those of a blob, or of an upload that is not committed yet. The token of an upload is its key. */
interface Entry extends BlobStore.OpenUpload {
  readonly committed: boolean
  fence: number
  content: Uint8Array
}

const readAll = (body: Body.Body) => Body.toBytes(body, { limit: Infinity, onLimit: () => new Error() as never })

/** A blob store of a map: the backend of the README. */
export const layer = Layer.sync(BlobStore.BlobStore, (): BlobStore.Service => {
  const entries = new Map<string, Entry>()
  const add = (entry: Entry) => entries.set(entry.key, entry)
  const remove = (key: string, committed: boolean) => entries.get(key)?.committed === committed && entries.delete(key)
  const page = (committed: boolean, after: string, n: number) =>
    [...entries.values()].filter((entry) => entry.committed === committed && entry.key > after)
      .sort((a, b) => a.key < b.key ? -1 : 1).slice(0, n)
  const find = (token: BlobStore.UploadToken) =>
    Effect.suspend(() => {
      const entry = entries.get(token)
      return entry?.committed === false ? Effect.succeed(entry) : Effect.fail(new StoreError.UploadUnknown())
    })
  return {
    granularity: 1,
    put: ({ body, key }) =>
      Effect.mapBoth(readAll(body), {
        onFailure: (cause) => new StoreError.BodyBroken({ appended: undefined, cause }),
        onSuccess: (content) => {
          add({ id: key, key, token: BlobStore.UploadToken(key), committed: true, fence: 0, content })
          return content.byteLength
        }
      }),
    read: (key, span) =>
      Effect.gen(function*() {
        const entry = entries.get(key)
        if (entry?.committed !== true) return yield* Effect.fail(new StoreError.NotFound({ key }))
        const { byteLength: size } = entry.content
        const { length, offset } = span ?? { offset: 0, length: size }
        if (offset + length > size) return yield* Effect.fail(new StoreError.RangeInvalid({ key, size }))
        return Body.bytes(entry.content.subarray(offset, offset + length))
      }),
    openUpload: ({ id, key }) =>
      Effect.sync(() => {
        const token = BlobStore.UploadToken(key)
        if (!entries.has(key)) add({ id, key, token, committed: false, fence: 0, content: new Uint8Array(0) })
        return token
      }),
    append: ({ body, fence, offset, token }) =>
      Effect.gen(function*() {
        const entry = yield* find(token)
        const { byteLength: size } = entry.content
        if (fence < entry.fence) return yield* Effect.fail(new StoreError.Stale())
        if (offset > size) return yield* Effect.fail(new StoreError.OffsetMismatch({ offset: size }))
        entry.fence = fence
        entry.content = entry.content.slice(0, offset)
        const appended = { offset, token }
        const chunk = yield* Effect.mapError(readAll(body), (cause) => new StoreError.BodyBroken({ appended, cause }))
        // Meanwhile, the upload may have been aborted, or another append may have begun.
        yield* find(token)
        if (fence < entry.fence) return yield* Effect.fail(new StoreError.Stale())
        entry.content = new Uint8Array([...entry.content, ...chunk])
        return { offset: entry.content.byteLength, token }
      }),
    commit: ({ size, token }) =>
      Effect.gen(function*() {
        const done = entries.get(token)
        if (done?.committed === true && done.content.byteLength === size) return
        const entry = yield* find(token)
        const { byteLength: offset } = entry.content
        if (offset < size) return yield* Effect.fail(new StoreError.OffsetMismatch({ offset }))
        add({ ...entry, committed: true, content: entry.content.subarray(0, size) })
      }),
    abort: (token) => Effect.sync(() => void remove(token, false)),
    delete: (keys) =>
      Effect.sync(() => {
        for (const key of keys) remove(key, true)
        return keys
      }),
    list: (after = BlobStore.BlobKey(""), n) =>
      Effect.sync(() => page(true, after, n).map(({ content, key }) => ({ key, size: content.byteLength }))),
    listUploads: (after = BlobStore.BlobKey(""), n) =>
      Effect.sync(() => page(false, after, n).map(({ id, key, token }) => ({ id, key, token })))
  }
})
