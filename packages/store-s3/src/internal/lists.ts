import type { BlobKey, OpenUpload, StoredBytes } from "@effect-oci/store/BlobStore"
import * as Effect from "effect/Effect"
import type { S3Error } from "../S3Error.js"
import type { Api, Multipart } from "./api.js"
import { maxKeys } from "./api.js"
import * as names from "./names.js"
import * as states from "./uploadState.js"

type Result<A> = Effect.Effect<ReadonlyArray<A>, S3Error>

interface Keyed {
  readonly key: BlobKey
}

/** A function that lists items, ordered by key, from where the last page ended. */
type NextPage<A, From> = (from: From | undefined, max: number) => Effect.Effect<
  { readonly items: ReadonlyArray<A>; readonly next: From | undefined },
  S3Error
>

/**
 * Lists at most `n` items after a key, one for each key. Reads further pages while items are left out, such as objects of
 * other programs.
 */
const upTo = <A extends Keyed, From>(after: BlobKey | undefined, n: number, page: NextPage<A, From>): Result<A> => {
  const rest = (from: From | undefined, found: ReadonlyArray<A>): Result<A> =>
    Effect.flatMap(page(from, Math.min(n - found.length + 1, maxKeys)), ({ items, next }) => {
      const all = [...found]
      for (const item of items) {
        const last = all.at(-1)?.key ?? after
        if (last === undefined || item.key > last) all.push(item)
      }
      return next === undefined || all.length >= n ? Effect.succeed(all.slice(0, n)) : rest(next, all)
    })
  return n === 0 ? Effect.succeed([]) : rest(undefined, [])
}

/** Lists blobs, ordered by key. */
export const blobs = (api: Api, after: BlobKey | undefined, n: number): Result<StoredBytes> =>
  upTo(after, n, (next: string | undefined, max) =>
    Effect.map(
      api.listObjects(names.blobsFolder, {
        ...(after === undefined ? {} : { after: names.blob(after) }),
        ...(next === undefined ? {} : { next })
      }, max),
      (page) => ({
        items: page.items.flatMap(({ name, size }) => {
          const key = names.keyOfBlob(name)
          return key === undefined ? [] : { key, size }
        }),
        next: page.next
      })
    ))

/** Lists uploads by their folders, ordered by key. */
const byFolder = (api: Api, after: BlobKey | undefined, n: number): Result<OpenUpload> =>
  upTo(after, n, (next: string | undefined, max) =>
    Effect.map(
      api.listFolders(names.uploadsFolder, {
        ...(after === undefined ? {} : { after: names.uploadsFolder + after }),
        ...(next === undefined ? {} : { next })
      }, max),
      (page) => ({
        items: page.items.flatMap((folder) => {
          const found = names.uploadOf(folder)
          return found === undefined ? [] : openUpload(found)
        }),
        next: page.next
      })
    ))

/** Lists uploads by their multipart uploads, ordered by key. An upload that was put has no folder. */
const byMultipart = (api: Api, after: BlobKey | undefined, n: number): Result<OpenUpload> =>
  upTo(after, n, (next: Multipart | undefined, max) =>
    Effect.map(
      api.listMultipartUploads(names.blobsFolder, {
        after: next?.name ?? (after === undefined ? undefined : names.blob(after)),
        uploadId: next?.uploadId
      }, max),
      (page) => ({
        items: page.items.flatMap(({ name }) => {
          const key = names.keyOfBlob(name)
          return key === undefined ? [] : openUpload({ key, id: key })
        }),
        next: page.next
      })
    ))

const openUpload = ({ id, key }: names.Named): OpenUpload => ({
  id,
  key,
  // It only aborts the upload, so it needs no part size.
  token: states.encode(states.opened(key, id, 1))
})

/** Lists open uploads, ordered by key. */
export const uploads = (api: Api, after: BlobKey | undefined, n: number): Result<OpenUpload> =>
  Effect.map(
    Effect.all([byFolder(api, after, n), byMultipart(api, after, n)], { concurrency: 2 }),
    ([folders, multiparts]) => {
      const byKey = new Map([...multiparts, ...folders].map((upload) => [upload.key, upload]))
      return [...byKey.values()].sort((one, other) => one.key < other.key ? -1 : 1).slice(0, n)
    }
  )
