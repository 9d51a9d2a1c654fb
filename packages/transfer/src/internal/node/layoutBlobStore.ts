import { Digest } from "@effect-oci/core"
import type { Body } from "@effect-oci/core"
import { BlobStore } from "@effect-oci/store"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { readdir, stat } from "node:fs/promises"
import { join } from "node:path"
import * as files from "./files.js"
import * as layout from "./layoutIndex.js"
import * as owner from "./owner.js"

/** Returns the key of a blob. The bytes of a blob are stored under its digest. */
export const keyOf = (digest: Digest.Digest): BlobStore.BlobKey => BlobStore.BlobKey(digest.replace(":", "-"))

/** Returns the digest of a key, or `undefined` for the key of an upload. Only known algorithms count as digests. */
const digestOf = (key: BlobStore.BlobKey): Digest.Digest | undefined => {
  const parsed = Digest.parse(key.replace("-", ":"))
  return parsed._tag === "Right" && Digest.verifiable(parsed.right) !== undefined ? parsed.right : undefined
}

const ingest = layout.ingestPath

/** Lists the files of `ingest` that were last written before a time, in milliseconds since 1970. */
const filesBefore = (path: string, olderThan: number) =>
  Effect.catchIf(
    files.tried(ingest(path), async () => {
      const found: Array<string> = []
      for (const name of await readdir(ingest(path))) {
        const { mtimeMs } = await stat(join(ingest(path), name))
        if (mtimeMs < olderThan) found.push(name)
      }
      return found
    }),
    (error) => error.missing,
    () => Effect.succeed<Array<string>>([])
  )

/** How long files of other machines are kept, in milliseconds: their processes may still be running. */
const day = 24 * 60 * 60 * 1000

/**
 * Removes the files that killed processes left in `ingest`: the files of processes of this machine that have ended, and
 * files of other machines that have not changed for a day. Errors are ignored.
 */
export const sweep = (path: string): Effect.Effect<void> =>
  Effect.gen(function*() {
    const now = yield* Clock.currentTimeMillis
    const old = new Set(yield* filesBefore(path, now - day))
    const names = yield* filesBefore(path, Infinity)
    yield* Effect.forEach(
      names.filter((name) => owner.isAbandoned(name) ?? old.has(name)),
      (name) => files.remove(join(ingest(path), name)),
      { discard: true }
    )
  }).pipe(Effect.ignore)

/** Returns the path of a blob whose bytes are complete, but whose digest is not yet in the metadata. */
export const receivedPath = (path: string, key: BlobStore.BlobKey): string =>
  join(ingest(path), `blob-${key}${owner.suffix()}`)

const uploadPath = (path: string, token: BlobStore.UploadToken) =>
  join(ingest(path), `upload-${token}${owner.suffix()}`)

const failed = (error: files.FileError) => new BlobStore.Failed({ cause: error })

const sizeOf = (file: string) => Effect.mapError(files.sizeOf(file), failed)

/** Creates the append of a store. Refuses an append while another one runs: it would overwrite the bytes of the other. */
const appendTo = (path: string): BlobStore.Service["append"] => {
  /** The offsets of the appends that are running. */
  const running = new Map<BlobStore.UploadToken, number>()
  const write = (token: BlobStore.UploadToken, offset: number, body: Body.Body) =>
    Effect.gen(function*() {
      const file = uploadPath(path, token)
      const size = (yield* sizeOf(file)) ?? 0
      if (size !== offset) return yield* Effect.fail(new BlobStore.OffsetMismatch({ offset: size }))
      return { offset: offset + (yield* files.write(file, body, offset)), token }
    })
  return (token, offset, body) =>
    Effect.acquireUseRelease(
      Effect.suspend(() => {
        const other = running.get(token)
        return other === undefined
          ? Effect.sync(() => running.set(token, offset))
          : Effect.fail(new BlobStore.OffsetMismatch({ offset: other }))
      }),
      () => write(token, offset, body),
      () => Effect.sync(() => running.delete(token))
    ).pipe(Effect.catchTags({
      BodyError: ({ error, written }) =>
        Effect.fail(new BlobStore.BodyBroken({ offset: offset + written, cause: error })),
      FileError: (error) => Effect.fail(error.full ? new BlobStore.Full() : failed(error))
    }))
}

const commitIn = (path: string): BlobStore.Service["commit"] => (token, key, expected) =>
  Effect.gen(function*() {
    const received = receivedPath(path, key)
    const size = yield* sizeOf(uploadPath(path, token))
    if (size === undefined) {
      if ((yield* sizeOf(received)) === expected) return
      if (expected > 0) return yield* Effect.fail(new BlobStore.UploadUnknown())
      return yield* Effect.mapError(files.create(received, new Uint8Array(0)), failed)
    }
    if (size !== expected) return yield* Effect.fail(new BlobStore.OffsetMismatch({ offset: size }))
    yield* Effect.mapError(files.move(uploadPath(path, token), received), failed)
  })

const uploadsBefore = (path: string, olderThan: number) =>
  Effect.map(Effect.mapError(filesBefore(path, olderThan), failed), (names) => {
    const end = owner.suffix()
    const ids = names.flatMap((name) =>
      name.startsWith("upload-") && name.endsWith(end) ? [name.slice("upload-".length, -end.length)] : []
    )
    return Stream.fromIterable(ids.map((id) => ({ id, token: BlobStore.UploadToken(id) })))
  })

/** Creates the blob store of a layout, which stores bytes in the files of the layout. */
export const blobStore = (path: string): BlobStore.Service => {
  const fileOf = (key: BlobStore.BlobKey) => {
    const digest = digestOf(key)
    return digest === undefined ? receivedPath(path, key) : layout.blobPath(path, digest)
  }
  return {
    read: (key, span) =>
      Effect.gen(function*() {
        const size = yield* sizeOf(fileOf(key))
        if (size === undefined) return yield* Effect.fail(new BlobStore.NotFound({ key }))
        if (span !== undefined && span.offset + span.length > size) {
          return yield* Effect.fail(new BlobStore.RangeInvalid({ key, size }))
        }
        return yield* Effect.mapError(files.read(fileOf(key), span), failed)
      }),
    openUpload: (id) => Effect.mapError(Effect.as(files.folder(ingest(path)), BlobStore.UploadToken(id)), failed),
    append: appendTo(path),
    commit: commitIn(path),
    abort: (token) => Effect.mapError(files.remove(uploadPath(path, token)), failed),
    listUploads: (olderThan) => Stream.unwrap(uploadsBefore(path, olderThan)),
    delete: (key) => Effect.mapError(files.remove(fileOf(key)), failed)
  }
}
