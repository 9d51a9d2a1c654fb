/**
 * Copies of the directory of a registry, also while the registry runs.
 *
 * @since 0.1.0
 */
import * as NodeBlobStore from "@effect-oci/store-files/NodeBlobStore"
import type * as NodeDirectoryLock from "@effect-oci/store-files/NodeDirectoryLock"
import * as files from "@effect-oci/store-files/NodeDurableFile"
import * as Sqlite from "@effect-oci/store-sql/Sqlite"
import * as SqlMetadataStore from "@effect-oci/store-sql/SqlMetadataStore"
import type { StoredBlob } from "@effect-oci/store/MetadataStore"
import { MetadataStore } from "@effect-oci/store/MetadataStore"
import * as Pages from "@effect-oci/store/Pages"
import type * as StoreError from "@effect-oci/store/StoreError"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { constants } from "node:fs"
import { copyFile, link, rm } from "node:fs/promises"
import { dirname, join, relative } from "node:path"

/**
 * What a copy contains.
 *
 * @since 0.1.0
 * @category models
 */
export interface Summary {
  readonly blobs: number
  readonly bytes: number
}

/**
 * The target of a copy exists already.
 *
 * @since 0.1.0
 * @category errors
 */
export class TargetExists extends Data.TaggedError("OciTargetExists")<{ readonly target: string }> {
  override get message() {
    return `cannot copy the registry to ${this.target}: it exists already; name a new directory`
  }
}

/**
 * The reasons why a copy fails. Their messages say what to do.
 *
 * @since 0.1.0
 * @category errors
 */
export type BackupError =
  | TargetExists
  | files.FileError
  | NodeDirectoryLock.LockFailed
  | Sqlite.OpenFailed
  | SqlMetadataStore.SchemaTooNew
  | StoreError.Failed

/** The number of blobs that are linked at the same time. */
const concurrency = 8

/** Links a file, or copies it if the target is on another disk. */
const linkFile = (from: string, to: string) =>
  files.attempt("create", to, () => link(from, to)).pipe(
    Effect.catchIf(
      ({ cause }) => cause?.code === "EXDEV" || cause?.code === "EPERM" || cause?.code === "EMLINK",
      () => files.attempt("create", to, () => copyFile(from, to, constants.COPYFILE_EXCL))
    )
  )

/** Links the blobs that a copy of the metadata names. */
const linkBlobs = (directory: string, target: string) =>
  Effect.gen(function*() {
    const metadata = yield* MetadataStore
    const source = yield* NodeBlobStore.make({ directory, lock: () => Effect.void })
    const folders = new Set<string>()
    const summary = { blobs: 0, bytes: 0 }
    const add = ({ descriptor: { size }, key }: StoredBlob) =>
      Effect.gen(function*() {
        const from = source.pathOf(key)
        const to = join(target, relative(directory, from))
        if (!folders.has(dirname(to))) {
          yield* files.createDirectory(dirname(to), 0o700)
          folders.add(dirname(to))
        }
        yield* linkFile(from, to)
        summary.blobs++
        summary.bytes += size
      })
    const blobs = Pages.stream(metadata.inspectBlobs, ({ descriptor }) => descriptor.digest, 1000)
    yield* Stream.runDrain(Stream.mapEffect(blobs, add, { concurrency }))
    yield* Effect.forEach(folders, files.syncDirectory, { discard: true })
    yield* files.syncDirectory(target)
    return summary
  })

/**
 * Copies the directory of a registry to a new directory. The copy has the content of one moment, also while the registry
 * runs. It is the directory of a registry itself: open it with `Durable`.
 *
 * The bytes of blobs are not copied but linked if both directories are on the same disk. So the copy takes little time and
 * space; it does not protect from the loss of the disk. Copy it to another disk, or make it there.
 *
 * Upload sessions are not part of the copy.
 *
 * @since 0.1.0
 * @category running
 * @example
 * ```ts
 * import { Backup } from "@effect-oci/durable"
 *
 * const program = Backup.copy({ directory: "/var/lib/registry", target: "/backups/2026-11-30" })
 * ```
 */
export const copy = (
  { directory, target }: { readonly directory: string; readonly target: string }
): Effect.Effect<Summary, BackupError> => {
  const filename = join(target, "metadata.db")
  const clear = files.attempt("remove", target, () => rm(target, { recursive: true, force: true }))
  const attempt = Effect.gen(function*() {
    yield* files.createDirectory(target, 0o700)
    yield* Sqlite.copy({ filename: join(directory, "metadata.db"), target: filename })
    const metadata = Layer.provide(SqlMetadataStore.layer(), Sqlite.layerReader({ filename }))
    return yield* Effect.scoped(Effect.provide(linkBlobs(directory, target), metadata))
  })
  const isDeletedMeanwhile = (error: BackupError) => error._tag === "OciFileError" && error.isMissing
  return Effect.gen(function*() {
    if ((yield* files.stat(target)) !== undefined) return yield* new TargetExists({ target })
    // A blob may be deleted after the copy of the metadata was made. A new copy does not name it.
    return yield* attempt.pipe(
      Effect.tapError(() => Effect.ignore(clear)),
      Effect.retry({ while: isDeletedMeanwhile, times: 5, schedule: Schedule.spaced("100 millis") })
    )
  })
}
