import { Body, RegistryError } from "@effect-oci/core"
import type { ByteRange } from "@effect-oci/core"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import * as nodeFs from "node:fs"
import { constants } from "node:fs"
import { mkdir, open, rename, rm, stat } from "node:fs/promises"
import type { FileHandle } from "node:fs/promises"
import { dirname, join } from "node:path"
import { FileError } from "./fileError.js"
import * as owner from "./nodeOwner.js"

export { FileError }

type Files<A, R = never> = Effect.Effect<A, FileError, R>

export const tried = <A>(path: string, f: () => Promise<A>): Files<A> =>
  Effect.tryPromise({ try: f, catch: (cause) => new FileError(path, cause as NodeJS.ErrnoException) })

const irregular = (path: string) =>
  new FileError(path, Object.assign(new Error("not a file"), { code: "it is not a regular file" }))

/** An open file, which is a regular one and no symbolic link, and its size in bytes. */
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

/** The size of a regular file, or `undefined` where there is none. A symbolic link is none. */
export const sizeOf = (path: string): Files<number | undefined> =>
  Effect.catchIf(
    Effect.scoped(Effect.map(opened(path), ({ size }): number | undefined => size)),
    (error) => error.missing,
    () => Effect.succeed<number | undefined>(undefined)
  )

/** All of a file that is not larger than so many bytes. */
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

/** How much is read at a time, in bytes: more is no faster. */
const pieceSize = 256 * 1024

const broken = (reason: string, cause?: unknown) => new RegistryError.Unavailable({ reason, cause })

/**
 * The bytes of an open file from one place to another, with no more read ahead than its taker asks for. What is under
 * way when the file is closed is waited for: its number may be another file's after that.
 */
const source = (handle: FileHandle, start: number, end: number): Body.Source => (sink) => {
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

/** The content of a file, or a span of it; open as long as the scope. */
export const read = (path: string, span?: ByteRange.Span): Files<Body.Body, Scope.Scope> =>
  Effect.map(opened(path), ({ handle, size }) => {
    const { length, offset } = span ?? { offset: 0, length: size }
    return Body.fromSource(source(handle, offset, offset + length), { size: length, replayable: true })
  })

/** From how much on it is worth a write, and from how much on the source waits for the file, in bytes. */
const enough = 256 * 1024
const tooMuch = 1024 * 1024

/** Writes what a source gives into an open file, from a place on: how much was written, and how it ended. */
const drain = (source: Body.Source, handle: FileHandle, start: number) =>
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

/** A write may take less than it was given. */
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

/** A body that breaks, after so many bytes of it were written. */
export class BodyError {
  readonly _tag = "BodyError"
  constructor(readonly written: number, readonly error: RegistryError.RegistryError) {}
}

/**
 * Writes a body into a file, from a place on where the file ends then, and makes it durable: how many bytes it has. A
 * file that is not there is made; one that is must be regular.
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
        const { error, written } = yield* body.source === undefined
          ? streamed(body, handle.fd, from)
          : drain(body.source, handle, from)
        if (error !== undefined && !RegistryError.isRegistryError(error)) {
          return yield* Effect.fail(new FileError(path, error))
        }
        yield* tried(path, () => handle.sync())
        return error === undefined ? written : yield* Effect.fail(new BodyError(written, error))
      }),
    (handle) => Effect.promise(() => handle.close())
  )

const streamed = (body: Body.Body, fd: number, from: number) => {
  let written = 0
  let failed: NodeJS.ErrnoException | undefined
  // What is written at once is on the calling thread: bodies without a native end are small, or come slowly.
  return Body.forEachChunk(body, (piece) => {
    if (failed !== undefined) return
    try {
      for (let at = 0; at < piece.byteLength;) {
        const count = nodeFs.writeSync(fd, piece, at, piece.byteLength - at, from + written)
        at += count
        written += count
      }
    } catch (error) {
      failed = error as NodeJS.ErrnoException
    }
  }).pipe(
    Effect.match({
      onFailure: (error) => ({ written, error: failed ?? error }),
      onSuccess: () => ({ written, error: failed })
    })
  )
}

/** Writes bytes as a file, durably. */
export const create = (path: string, bytes: Uint8Array): Files<void> =>
  Effect.catchTag(
    Effect.asVoid(write(path, Body.bytes(bytes))),
    "BodyError",
    // Bytes in memory do not break.
    Effect.die
  )

const syncFolder = (path: string): Files<void> =>
  Effect.acquireUseRelease(
    tried(path, () => open(path, constants.O_RDONLY)),
    (handle) => tried(path, () => handle.sync()),
    (handle) => Effect.promise(() => handle.close())
  )

/** Puts a file where it belongs, at once and durably; what was there is gone. */
export const move = (from: string, to: string): Files<void> =>
  Effect.zipRight(tried(to, () => rename(from, to)), syncFolder(dirname(to)))

/** Replaces a file by bytes, at once and durably. The bytes are first written into another folder. */
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
 * Makes a folder, and those above it. Node's own `recursive` never returns where a file system makes no folders and says
 * that there is none, as `/proc` does.
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
        ? Object.assign(new Error("no folder"), { code: "no folder can be made there" })
        : again
    })
  }
}

/** Makes a folder, and those above it. */
export const folder = (path: string): Files<void> => tried(path, () => makeFolder(path))

/** Removes a file, or a folder with all in it; what is not there is removed already. */
export const remove = (path: string): Files<void> => tried(path, () => rm(path, { recursive: true, force: true }))
