import { Body, RegistryError, Source } from "@effect-oci/core"
import type { ByteRange } from "@effect-oci/core"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import { constants } from "node:fs"
import { mkdir, open, rename, rm, stat } from "node:fs/promises"
import type { FileHandle } from "node:fs/promises"
import { dirname, join } from "node:path"
import { FileError } from "./fileError.js"
import * as owner from "./owner.js"

export { FileError }

type Files<A, R = never> = Effect.Effect<A, FileError, R>

export const tried = <A>(path: string, f: () => Promise<A>): Files<A> =>
  Effect.tryPromise({ try: f, catch: (cause) => new FileError(path, cause as NodeJS.ErrnoException) })

const irregular = (path: string) =>
  new FileError(path, Object.assign(new Error("not a file"), { code: "it is not a regular file" }))

/** Opens a file, and returns its size in bytes. Fails if it is a symbolic link or not a regular file. */
const opened = (path: string): Files<{ readonly handle: FileHandle; readonly size: number }, Scope.Scope> =>
  Effect.acquireRelease(
    tried(path, () => open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)),
    (handle) => Effect.promise(() => handle.close())
  ).pipe(
    Effect.flatMap((handle) =>
      Effect.flatMap(
        tried(path, () => handle.stat()),
        (stat) => stat.isFile() ? Effect.succeed({ handle, size: stat.size }) : Effect.fail(irregular(path))
      )
    )
  )

/** Returns the size of a regular file, or `undefined` if it does not exist. Fails for a symbolic link. */
export const sizeOf = (path: string): Files<number | undefined> =>
  Effect.catchIf(
    Effect.scoped(Effect.map(opened(path), ({ size }): number | undefined => size)),
    (error) => error.missing,
    () => Effect.succeed<number | undefined>(undefined)
  )

/** Reads a whole file. Fails if it is larger than the limit, in bytes. */
export const readAll = (path: string, limit: number): Files<Uint8Array> =>
  Effect.scoped(
    Effect.flatMap(opened(path), ({ handle, size }) =>
      size > limit
        ? Effect.fail(
          new FileError(
            path,
            Object.assign(new Error("too large"), { code: `it is larger than ${limit} bytes` })
          )
        )
        : tried(path, () => handle.readFile()))
  )

/** The size of a read, in bytes. Larger reads are not faster. */
const pieceSize = 256 * 1024

const broken = (reason: string, cause?: unknown) => new RegistryError.Unavailable({ reason, cause })

/**
 * Returns a source of the bytes of an open file between two offsets. It reads only when the sink accepts more. A read that
 * is running when the file is closed is waited for: afterwards another file may get the same file descriptor.
 */
const source = (handle: FileHandle, start: number, end: number): Source.Source => (sink) => {
  let at = start
  let state: "reading" | "waiting" | "over" = "waiting"
  const isOver = () => state === "over"
  const fail = (reason: string, cause?: unknown) => {
    if (isOver()) return
    state = "over"
    sink.fail(broken(reason, cause))
  }
  const step = async () => {
    while (state === "waiting") {
      if (at >= end) {
        state = "over"
        return sink.end()
      }
      state = "reading"
      const piece = Buffer.allocUnsafeSlow(Math.min(pieceSize, end - at))
      const read = await handle.read(piece, 0, piece.byteLength, at).catch((error: unknown) => ({ error }))
      if (isOver()) return
      if ("error" in read) return fail("the file cannot be read", read.error)
      if (read.bytesRead === 0) return fail("the file has become shorter")
      at += read.bytesRead
      state = "waiting"
      if (!sink.data(piece.subarray(0, read.bytesRead))) return
    }
  }
  queueMicrotask(() => void step())
  return {
    resume: () => void step(),
    cancel: () => {
      state = "over"
    }
  }
}

/** Returns the content of a file, or of a span of it. The file is closed with the scope. */
export const read = (path: string, span?: ByteRange.Span): Files<Body.Body, Scope.Scope> =>
  Effect.map(opened(path), ({ handle, size }) => {
    const { length, offset } = span ?? { offset: 0, length: size }
    return Body.fromSource(source(handle, offset, offset + length), { size: length, replayable: true })
  })

/** The number of bytes to gather before a write, and the number of bytes at which the source is paused. */
const enough = 256 * 1024
const tooMuch = 1024 * 1024

/** Writes the bytes of a source into an open file, from an offset. Returns how many bytes were written, and the error. */
const drain = (source: Source.Source, handle: FileHandle, start: number) =>
  Effect.async<{
    readonly written: number
    readonly error: RegistryError.RegistryError | NodeJS.ErrnoException | undefined
  }>((resume) => {
    let gathered: Array<Uint8Array> = []
    let bytes = 0
    let written = 0
    let writing = false
    let paused = false
    let over = false
    let ended: { readonly error: RegistryError.RegistryError | undefined } | undefined
    const step = async () => {
      while (!writing && !over) {
        if (bytes === 0 && ended !== undefined) return resume(Exit.succeed({ written, error: ended.error }))
        if (bytes < enough && ended === undefined) return
        const pieces = gathered
        writing = true
        gathered = []
        bytes = 0
        if (paused && ended === undefined) {
          paused = false
          control.resume()
        }
        const { count, error } = await writeAll(handle, pieces, start + written)
        written += count
        writing = false
        if (error === undefined) continue
        over = true
        control.cancel()
        return resume(Exit.succeed({ written, error }))
      }
    }
    const end = (error: RegistryError.RegistryError | undefined) => {
      ended = { error }
      void step()
    }
    const control = source({
      data: (piece) => {
        gathered.push(piece)
        bytes += piece.byteLength
        void step()
        paused = bytes >= tooMuch
        return !paused
      },
      end: () => end(undefined),
      fail: end
    })
    return Effect.sync(() => {
      over = true
      control.cancel()
    })
  })

/** Writes all pieces. A single write may write fewer bytes than it was given. */
const writeAll = async (handle: FileHandle, pieces: ReadonlyArray<Uint8Array>, position: number) => {
  let count = 0
  let rest = [...pieces]
  try {
    while (rest.length > 0) {
      const { bytesWritten } = await handle.writev(rest, position + count)
      count += bytesWritten
      let left = bytesWritten
      rest = rest.flatMap((piece) => {
        const taken = Math.min(left, piece.byteLength)
        left -= taken
        return taken === piece.byteLength ? [] : [piece.subarray(taken)]
      })
    }
    return { count, error: undefined }
  } catch (error) {
    return { count, error: error as NodeJS.ErrnoException }
  }
}

/** The error for a body that breaks off, with the number of bytes that were written before. */
export class BodyError {
  readonly _tag = "BodyError"
  constructor(readonly written: number, readonly error: RegistryError.RegistryError) {}
}

/**
 * Writes a body into a file, durably. The file is truncated at the offset first. Returns how many bytes were written. The
 * file is created if it does not exist; an existing file must be a regular one.
 */
export const write = (
  path: string,
  body: Body.Body,
  from = 0
): Effect.Effect<number, FileError | BodyError> =>
  Effect.acquireUseRelease(
    tried(path, () => open(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o644)),
    (handle) =>
      Effect.gen(function*() {
        yield* tried(path, () => handle.truncate(from))
        const fork = yield* Source.fork
        const { error, written } = yield* drain(Body.toSource(body, fork), handle, from)
        if (error !== undefined && !RegistryError.isRegistryError(error)) {
          return yield* Effect.fail(new FileError(path, error))
        }
        yield* tried(path, () => handle.sync())
        return error === undefined ? written : yield* Effect.fail(new BodyError(written, error))
      }),
    (handle) => Effect.promise(() => handle.close())
  )

/** Writes bytes as a file, durably. */
export const create = (path: string, bytes: Uint8Array): Files<void> =>
  Effect.catchTag(
    Effect.asVoid(write(path, Body.bytes(bytes))),
    "BodyError",
    // A body of bytes in memory cannot fail.
    Effect.die
  )

const syncFolder = (path: string): Files<void> =>
  Effect.acquireUseRelease(
    tried(path, () => open(path, constants.O_RDONLY)),
    (handle) => tried(path, () => handle.sync()),
    (handle) => Effect.promise(() => handle.close())
  )

/** Moves a file, atomically and durably. An existing file is replaced. */
export const move = (from: string, to: string): Files<void> =>
  Effect.zipRight(tried(to, () => rename(from, to)), syncFolder(dirname(to)))

/** Replaces a file by bytes, atomically and durably. The bytes are first written to a file in another folder. */
export const replace = (path: string, bytes: Uint8Array, aside: string): Files<void> =>
  Effect.suspend(() => {
    const whole = join(aside, `file-${crypto.randomUUID()}${owner.suffix()}`)
    return folder(aside).pipe(
      Effect.zipRight(create(whole, bytes)),
      Effect.zipRight(move(whole, path)),
      Effect.onError(() => Effect.ignore(remove(whole)))
    )
  })

/**
 * Creates a folder, and its parents. Node's own `recursive` never returns on a file system such as `/proc`, where creating
 * a folder fails with ENOENT.
 */
const makeFolder = async (path: string): Promise<void> => {
  try {
    await mkdir(path)
  } catch (cause) {
    const error = cause as NodeJS.ErrnoException
    if (error.code === "EEXIST") {
      if ((await stat(path)).isDirectory()) return
      throw Object.assign(new Error("not a folder"), { code: "it is a file, not a folder" })
    }
    const parent = dirname(path)
    if (error.code !== "ENOENT" || parent === path) throw error
    await makeFolder(parent)
    await mkdir(path).catch(async (again: NodeJS.ErrnoException) => {
      if (again.code === "EEXIST") return
      throw again.code === "ENOENT"
        ? Object.assign(new Error("no folder"), { code: "a folder cannot be created there" })
        : again
    })
  }
}

/** Creates a folder, and its parents. */
export const folder = (path: string): Files<void> => tried(path, () => makeFolder(path))

/** Removes a file, or a folder with its content. Succeeds if it does not exist. */
export const remove = (path: string): Files<void> => tried(path, () => rm(path, { recursive: true, force: true }))
