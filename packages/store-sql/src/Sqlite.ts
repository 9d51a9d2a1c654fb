/**
 * A database of SQLite in a file, for one process. Needs Node: version 22.13 or newer has SQLite; older versions use the
 * package `libsql`, which contains it.
 *
 * Writes run in a worker thread. All writes that wait at the same time share one transaction, so that they cost one
 * fsync. Reads run on a connection of their own in the thread of the caller, and are settled.
 *
 * @since 0.1.0
 */
import type * as StoreError from "@effect-oci/store/StoreError"
import * as Data from "effect/Data"
import type * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as internal from "./internal/node/sqlite.js"
import { SqlBatch } from "./SqlBatch.js"
import type * as SqlBatchModule from "./SqlBatch.js"

/**
 * The database cannot be opened. The message contains the reason, and what to do.
 *
 * @since 0.1.0
 * @category errors
 */
export class OpenFailed extends Data.TaggedError("OciOpenFailed")<{
  /** The path of the database, or of a folder that another process has locked. */
  readonly filename: string
  readonly reason: "damaged" | "in use" | "locked" | "failed"
  readonly problem: string
}> {
  override get message() {
    const what = this.reason === "locked" ? "folder" : "database"
    return `cannot open the ${what} ${this.filename}: ${this.problem}; ${advice[this.reason]}`
  }
}

const advice: { readonly [reason in OpenFailed["reason"]]: string } = {
  damaged: "restore the file from a backup, or save what is readable with `sqlite3 FILE .recover`",
  "in use": "stop the other process first",
  locked: "stop the other process first, or use another folder",
  failed: "check that the folder exists and that the process may write in it"
}

/**
 * Options for {@link layer}.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** The path of the file. SQLite creates the file, and two others with the endings `-wal` and `-shm`. */
  readonly filename: string
}

/**
 * Opens a database. The end of the scope runs the batches that wait, and closes the database.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  options: Options
): Effect.Effect<SqlBatchModule.Service, OpenFailed | StoreError.Failed, Scope.Scope> =>
  internal.make(options.filename, (reason, problem) => new OpenFailed({ filename: options.filename, reason, problem }))

/**
 * Creates a layer with a database.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: Options): Layer.Layer<SqlBatch, OpenFailed | StoreError.Failed> =>
  Layer.scoped(SqlBatch, make(options))

/**
 * Creates a layer with a database that is opened for reading, also while another process writes to it.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerReader = ({ filename }: Options): Layer.Layer<SqlBatch, OpenFailed> =>
  Layer.scoped(
    SqlBatch,
    internal.makeReader(filename, (reason, problem) => new OpenFailed({ filename, reason, problem }))
  )

/**
 * Writes a copy of a database to a new file. The copy has the content of one moment, also while another process writes.
 * Fails if the target exists.
 *
 * @since 0.1.0
 * @category running
 */
export const copy = ({ filename, target }: Options & { readonly target: string }): Effect.Effect<void, OpenFailed> =>
  internal.copy(filename, target, (reason, problem) => new OpenFailed({ filename, reason, problem }))

/**
 * Locks a folder for this process until the scope ends, with a file `lock.db` that SQLite locks. The operating system
 * frees the lock if the process is killed. Fails if another process has the lock.
 *
 * @since 0.1.0
 * @category constructors
 */
export const lock = (directory: string): Effect.Effect<void, OpenFailed, Scope.Scope> =>
  internal.lock(directory, (filename, reason, problem) =>
    reason === "in use"
      ? new OpenFailed({ filename: directory, reason: "locked", problem: "another process uses it" })
      : new OpenFailed({ filename, reason, problem }))
