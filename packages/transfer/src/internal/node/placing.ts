import * as files from "@effect-oci/store-files/NodeDurableFile"
import * as Effect from "effect/Effect"
import { constants } from "node:fs"
import { dirname } from "node:path"

/**
 * Moves files to their places, each after its content is on the disk: a file in its place is complete, also after a power
 * failure. The entries in the directories are synced for all files and new directories at once.
 */
export class Placing {
  /** The directories whose entries may not be on the disk yet. */
  private readonly changed = new Set<string>()

  /** Creates a directory and its parents. */
  createDirectory(path: string): files.FileEffect<void> {
    return Effect.map(files.createDirectoryUnsynced(path), (parents) => {
      for (const parent of parents) this.changed.add(parent)
    })
  }

  /** Syncs the content of a file, and moves the file. */
  move(from: string, to: string): files.FileEffect<void> {
    const sync = files.use(from, constants.O_RDWR, (file) => files.attempt("sync", from, () => file.datasync()))
    return Effect.zipRight(sync, this.rename(from, to))
  }

  /** Writes bytes into a file, by way of the file `aside`. */
  put(aside: string, to: string, bytes: Uint8Array): files.FileEffect<void> {
    return this.createDirectory(dirname(aside)).pipe(
      Effect.zipRight(files.create(aside, bytes)),
      Effect.zipRight(this.rename(aside, to)),
      Effect.onError(() => Effect.ignore(files.remove(aside)))
    )
  }

  /** Syncs the directories: waits until all files that were moved are in their places on the disk. */
  get synced(): files.FileEffect<void> {
    return Effect.suspend(() =>
      Effect.forEach([...this.changed], (directory) => {
        this.changed.delete(directory)
        return Effect.onError(files.syncDirectory(directory), () => Effect.sync(() => this.changed.add(directory)))
      }, { concurrency: "unbounded", discard: true })
    )
  }

  private rename(from: string, to: string): files.FileEffect<void> {
    const rename = files.attempt("rename", from, (system) => system.rename(from, to))
    return rename.pipe(
      Effect.catchIf(
        (error) => error.isMissing,
        () => Effect.zipRight(this.createDirectory(dirname(to)), rename)
      ),
      Effect.tap(() => Effect.sync(() => this.changed.add(dirname(to))))
    )
  }
}
