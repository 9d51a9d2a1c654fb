import { Digest } from "@effect-oci/core"
import { BlobStore } from "@effect-oci/store"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { readdir, stat } from "node:fs/promises"
import { join } from "node:path"
import * as layout from "./layoutIndex.js"
import * as files from "./nodeFiles.js"
import * as owner from "./nodeOwner.js"

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

/** Creates the blob store of a layout, which stores bytes in the files of the layout. */
export const blobStore = (path: string): BlobStore.Service => {
  const upload = (token: BlobStore.UploadToken) => join(ingest(path), `upload-${token}${owner.suffix()}`)
  const received = (key: BlobStore.BlobKey) => receivedPath(path, key)
  const fileOf = (key: BlobStore.BlobKey) => {
    const digest = digestOf(key)
    return digest === undefined ? received(key) : layout.blobPath(path, digest)
  }
  const broken = (error: files.FileError) => new BlobStore.Failed({ cause: error })
  const size = (file: string) => Effect.mapError(files.sizeOf(file), broken)
  /** The offsets of the uploads that are receiving a chunk. */
  const receiving = new Map<BlobStore.UploadToken, number>()

  /** Runs an append. Fails if another append to the same upload is running: they would overwrite each other's bytes. */
  const alone = <A, E>(token: BlobStore.UploadToken, offset: number, effect: Effect.Effect<A, E>) =>
    Effect.acquireUseRelease(
      Effect.suspend(() => {
        const stands = receiving.get(token)
        return stands === undefined
          ? Effect.sync(() => receiving.set(token, offset))
          : Effect.fail(new BlobStore.OffsetMismatch({ offset: stands }))
      }),
      () => effect,
      () => Effect.sync(() => receiving.delete(token))
    )

  return {
    stat: (key) => size(fileOf(key)),
    read: (key, span) =>
      Effect.gen(function*() {
        const found = yield* size(fileOf(key))
        if (found === undefined) return yield* Effect.fail(new BlobStore.NotFound({ key }))
        if (span !== undefined && span.offset + span.length > found) {
          return yield* Effect.fail(new BlobStore.RangeInvalid({ key, size: found }))
        }
        return yield* Effect.mapError(files.read(fileOf(key), span), broken)
      }),
    openUpload: (id) =>
      Effect.mapError(
        Effect.as(files.folder(ingest(path)), BlobStore.UploadToken(id)),
        broken
      ),
    append: (token, offset, body) =>
      alone(
        token,
        offset,
        Effect.gen(function*() {
          const stands = (yield* size(upload(token))) ?? 0
          if (stands !== offset) return yield* Effect.fail(new BlobStore.OffsetMismatch({ offset: stands }))
          const written = yield* files.write(upload(token), body, offset)
          return { offset: offset + written, token }
        })
      ).pipe(Effect.catchTags({
        BodyError: ({ error, written }) =>
          Effect.fail(new BlobStore.BodyBroken({ offset: offset + written, cause: error })),
        FileError: (error) => Effect.fail(error.full ? new BlobStore.Full() : broken(error))
      })),
    commit: (token, key, expected) =>
      Effect.gen(function*() {
        const stands = yield* size(upload(token))
        if (stands === undefined) {
          if ((yield* size(received(key))) === expected) return
          if (expected > 0) return yield* Effect.fail(new BlobStore.UploadUnknown())
          return yield* Effect.mapError(files.create(received(key), new Uint8Array(0)), broken)
        }
        if (stands !== expected) return yield* Effect.fail(new BlobStore.OffsetMismatch({ offset: stands }))
        yield* Effect.mapError(files.move(upload(token), received(key)), broken)
      }),
    abort: (token) => Effect.mapError(files.remove(upload(token)), broken),
    listUploads: (olderThan) =>
      Stream.unwrap(Effect.map(
        Effect.mapError(filesBefore(path, olderThan), broken),
        (names) => {
          const end = owner.suffix()
          const ids = names.flatMap((name) =>
            name.startsWith("upload-") && name.endsWith(end) ? [name.slice("upload-".length, -end.length)] : []
          )
          return Stream.fromIterable(ids.map((id) => ({ id, token: BlobStore.UploadToken(id) })))
        }
      )),
    delete: (key) => Effect.mapError(files.remove(fileOf(key)), broken)
  }
}
