/**
 * Effects that read files, and write files that survive a power failure.
 *
 * A file is durable after its content is synced and the directory that lists it is synced. Functions that write say
 * which of the two they do. No function follows a symbolic link.
 *
 * @since 0.1.0
 */
import * as Body from "@effect-oci/core/Body"
import type { Span } from "@effect-oci/core/ByteRange"
import type { RegistryError } from "@effect-oci/core/RegistryError"
import * as Source from "@effect-oci/core/Source"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { constants } from "node:fs"
import { rm } from "node:fs/promises"
import { dirname } from "node:path"
import { FileError } from "./internal/fileError.js"
import type { Action } from "./internal/fileError.js"
import { receive, writeAll } from "./internal/receive.js"
import { send } from "./internal/send.js"
import { NodeFileSystem } from "./NodeFileSystem.js"
import type { File, FileSystem, Stat } from "./NodeFileSystem.js"

export type { Action }
export { FileError }

/**
 * The error for a body that failed before its end. `written` is the number of bytes that were written before.
 *
 * @since 0.1.0
 * @category errors
 */
export class BodyError {
  readonly _tag = "OciBodyError"
  constructor(readonly written: number, readonly error: RegistryError) {}
}

/**
 * An effect on files.
 *
 * @since 0.1.0
 * @category models
 */
export type FileEffect<A, R = never> = Effect.Effect<A, FileError, R>

/**
 * Runs calls of the file system. A rejection becomes a {@link FileError} that names the action and the path.
 *
 * @since 0.1.0
 * @category constructors
 */
export const attempt = <A>(action: Action, path: string, f: (system: FileSystem) => Promise<A>): FileEffect<A> =>
  Effect.flatMap(NodeFileSystem, (system) =>
    Effect.tryPromise({
      try: () => f(system),
      catch: (cause) => new FileError(action, path, cause as NodeJS.ErrnoException)
    }))

/** Errors after the last sync do not matter: the bytes are on the disk, or their loss was reported. */
const close = (file: File) => Effect.promise(() => file.close().catch(() => {}))

/**
 * Opens a file for the time of an effect. `flags` are those of `node:fs` `constants`. Fails if the file is a symbolic
 * link.
 *
 * @since 0.1.0
 * @category files
 */
export const use = <A, E, R>(
  path: string,
  flags: number,
  f: (file: File) => Effect.Effect<A, E, R>,
  mode?: number
): Effect.Effect<A, E | FileError, R> =>
  Effect.acquireUseRelease(
    attempt("open", path, (system) => system.open(path, flags | constants.O_NOFOLLOW, mode)),
    f,
    close
  )

const irregular = (path: string) => new FileError("open", path, undefined, "it is not a regular file")

/** Returns the size of an open file. Fails if it is not a regular one. */
const regular = (path: string, file: File): FileEffect<number> =>
  Effect.flatMap(
    attempt("open", path, () => file.stat()),
    ({ isFile, size }) => isFile ? Effect.succeed(size) : Effect.fail(irregular(path))
  )

/** An open of a pipe must not wait for its writer. */
const forReading = constants.O_RDONLY | constants.O_NONBLOCK

/**
 * Returns what is known about a path, or `undefined` if it does not exist. Does not follow a symbolic link.
 *
 * @since 0.1.0
 * @category files
 */
export const stat = (path: string): FileEffect<Stat | undefined> =>
  Effect.catchIf(
    attempt("open", path, (system): Promise<Stat | undefined> => system.stat(path)),
    (error) => error.isMissing,
    () => Effect.succeed(undefined)
  )

/**
 * Returns the size of a file, or `undefined` if it does not exist. Fails if it is not a regular file.
 *
 * @since 0.1.0
 * @category files
 */
export const sizeOf = (path: string): FileEffect<number | undefined> =>
  Effect.flatMap(
    stat(path),
    (found) => found === undefined || found.isFile ? Effect.succeed(found?.size) : Effect.fail(irregular(path))
  )

/**
 * Reads a whole file. Fails if it is larger than `limit`, in bytes.
 *
 * @since 0.1.0
 * @category files
 */
export const readAll = (path: string, limit: number): FileEffect<Uint8Array> =>
  use(path, forReading, (file) =>
    Effect.flatMap(regular(path, file), (size) =>
      size > limit
        ? Effect.fail(new FileError("read", path, undefined, `it is larger than ${limit} bytes`))
        : readSpan(path, file, { offset: 0, length: size })))

/** Reads a span of a file, or as much of it as the file has. */
const readSpan = (path: string, file: File, { length, offset }: Span): FileEffect<Uint8Array> =>
  attempt("read", path, async () => {
    const bytes = new Uint8Array(length)
    let size = 0
    while (size < length) {
      const count = await file.readv([bytes.subarray(size)], offset + size)
      if (count === 0) return bytes.subarray(0, size)
      size += count
    }
    return bytes
  })

/**
 * An open file, and its size when it was opened.
 *
 * @since 0.1.0
 * @category models
 */
export interface OpenFile {
  readonly size: number
  /**
   * Returns the content of a span. `onShorter` returns the cause of the error for a file that has become shorter.
   * Default: the whole file.
   */
  readonly body: (span?: Span, onShorter?: (size: number) => unknown) => Effect.Effect<Body.Body, FileError>
}

/** The size up to which a span is read at once, in bytes. */
const small = 64 * 1024

/**
 * Opens a file for reading, until the end of the scope. Fails if it is not a regular file.
 *
 * @since 0.1.0
 * @category files
 */
export const open = (path: string): FileEffect<OpenFile, Scope.Scope> =>
  Effect.acquireRelease(
    attempt("open", path, (system) => system.open(path, forReading | constants.O_NOFOLLOW)),
    close
  ).pipe(
    Effect.flatMap((file) =>
      Effect.map(regular(path, file), (size): OpenFile => ({
        size,
        body: (span = { offset: 0, length: size }, onShorter = () => undefined) => {
          const end = span.offset + span.length
          const fields = { size: span.length, replayable: true }
          const streamed = () => Body.fromSource(send({ file, start: span.offset, end, onShorter }), fields)
          return span.length > small
            ? Effect.sync(streamed)
            : Effect.map(
              readSpan(path, file, span),
              // The source reports the error of a file that is too short.
              (bytes) => bytes.byteLength === span.length ? Body.bytes(bytes) : streamed()
            )
        }
      }))
    )
  )

/**
 * Returns the content of a file. The file is closed at the end of the scope.
 *
 * @since 0.1.0
 * @category files
 */
export const read = (path: string): FileEffect<Body.Body, Scope.Scope> =>
  Effect.flatMap(open(path), (file) => file.body())

/**
 * Writes a body into an open file, from a position. Returns the number of bytes that were written. Does not sync the
 * file. Fails with a {@link BodyError} if the body fails.
 *
 * @since 0.1.0
 * @category files
 */
export const receiveBody = (
  path: string,
  file: File,
  body: Body.Body,
  position: number
): Effect.Effect<number, FileError | BodyError> => {
  const received = body.bytes === undefined
    ? Effect.flatMap(Source.fork, (fork) => receive(Body.toSource(body, fork), file, position))
    : Effect.promise(() => writeAll(file, [body.bytes!], position))
  return Effect.flatMap(received, ({ bodyError, fileError, written }): Effect.Effect<number, FileError | BodyError> => {
    if (fileError !== undefined) return Effect.fail(new FileError("write", path, fileError))
    return bodyError === undefined ? Effect.succeed(written) : Effect.fail(new BodyError(written, bodyError))
  })
}

/**
 * Writes a body into a file, and syncs the file. Returns the number of bytes. An existing file is overwritten; it must
 * be a regular one. The entry of a new file is durable only after its directory is synced, as by {@link move}.
 *
 * @since 0.1.0
 * @category files
 */
export const write = (
  path: string,
  body: Body.Body,
  mode = 0o644
): Effect.Effect<number, FileError | BodyError> =>
  use(path, constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC, (file) =>
    Effect.zipLeft(
      receiveBody(path, file, body, 0),
      attempt("sync", path, () => file.datasync())
    ), mode)

/**
 * Writes bytes as a file, and syncs the file.
 *
 * @since 0.1.0
 * @category files
 */
export const create = (path: string, bytes: Uint8Array): FileEffect<void> =>
  // A body of bytes in memory cannot fail.
  Effect.catchTag(Effect.asVoid(write(path, Body.bytes(bytes))), "OciBodyError", Effect.die)

/**
 * Syncs a directory: waits until the names in it are on the disk.
 *
 * @since 0.1.0
 * @category directories
 */
export const syncDirectory = (path: string): FileEffect<void> =>
  use(path, constants.O_RDONLY | constants.O_DIRECTORY, (file) => attempt("sync", path, () => file.sync()))

/**
 * Moves a file atomically, and syncs the directory into which the file is moved. An existing file is replaced.
 *
 * @since 0.1.0
 * @category files
 */
export const move = (from: string, to: string): FileEffect<void> =>
  Effect.uninterruptible(
    Effect.zipRight(attempt("rename", from, (system) => system.rename(from, to)), syncDirectory(dirname(to)))
  )

/**
 * Replaces a file by bytes, atomically and durably. The bytes are first written to the file `aside`, in another
 * directory of the same file system.
 *
 * @since 0.1.0
 * @category files
 */
export const replace = (path: string, bytes: Uint8Array, aside: string): FileEffect<void> =>
  createDirectory(dirname(aside)).pipe(
    Effect.zipRight(create(aside, bytes)),
    Effect.zipRight(move(aside, path)),
    Effect.onError(() => Effect.ignore(remove(aside)))
  )

/**
 * Removes a file. Succeeds if it does not exist. Does not sync the directory.
 *
 * @since 0.1.0
 * @category files
 */
export const remove = (path: string): FileEffect<void> =>
  Effect.catchIf(
    attempt("remove", path, (system) => system.unlink(path)),
    (error) => error.isMissing,
    () => Effect.void
  )

/**
 * Removes a directory with its content. Succeeds if it does not exist. For temporary directories: the calls are not those
 * of `NodeFileSystem`.
 *
 * @since 0.1.0
 * @category directories
 */
export const removeDirectory = (path: string): FileEffect<void> =>
  attempt("remove", path, () => rm(path, { recursive: true, force: true }))

/**
 * Creates a directory and its parents, and syncs the parents of those that are new.
 *
 * @since 0.1.0
 * @category directories
 */
export const createDirectory = (path: string, mode?: number): FileEffect<void> =>
  Effect.flatMap(
    createDirectoryUnsynced(path, mode),
    (parents) => Effect.forEach(parents, syncDirectory, { concurrency: "unbounded", discard: true })
  )

/**
 * Creates a directory and its parents. Returns the parents of those that are new: the caller syncs them with
 * {@link syncDirectory}. Node's own `recursive` never returns on a file system such as `/proc`, where creating a directory
 * fails with ENOENT.
 *
 * @since 0.1.0
 * @category directories
 */
export const createDirectoryUnsynced = (path: string, mode?: number): FileEffect<ReadonlyArray<string>> => {
  const parent = dirname(path)
  return attempt("create", path, (system) => system.mkdir(path, mode)).pipe(
    Effect.as([parent]),
    Effect.catchAll((error) => {
      if (error.cause?.code === "EEXIST") return Effect.as(requireDirectory(path), [])
      return error.cause?.code !== "ENOENT" || parent === path
        ? Effect.fail(error)
        : Effect.zipWith(createDirectoryUnsynced(parent, mode), createIn(path, mode), (before, own) => [...before, own])
    })
  )
}

/** Creates a directory whose parent exists, and returns the parent. */
const createIn = (path: string, mode?: number): FileEffect<string> =>
  attempt("create", path, (system) => system.mkdir(path, mode)).pipe(
    Effect.catchIf((error) => error.cause?.code === "EEXIST", () => Effect.void),
    Effect.mapBoth({
      onFailure: (error) =>
        error.isMissing ? new FileError("create", path, error.cause, "a folder cannot be created there") : error,
      onSuccess: () => dirname(path)
    })
  )

/** Fails if a path is not a directory. Follows symbolic links: a data directory is often one. */
const requireDirectory = (path: string): FileEffect<void> =>
  Effect.mapError(
    attempt("open", path, async (system) => {
      const file = await system.open(path, constants.O_RDONLY | constants.O_DIRECTORY)
      await file.close()
    }),
    (error) =>
      error.cause?.code === "ENOTDIR"
        ? new FileError("create", path, error.cause, "it is a file, not a folder")
        : error
  )
