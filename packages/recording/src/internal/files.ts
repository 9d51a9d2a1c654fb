import { Body, Digest, RegistryError } from "@effect-oci/core"
import type { PlatformError } from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"

/** Returns the path of a blob. File names on some systems must not contain a colon. */
const pathOf = (folder: string, digest: Digest.Digest): string => `${folder}/${digest.replace(":", "-")}`

/** Runs effects until one fails. Logs that failure, and ignores all later effects. */
const untilFailure = (path: string) => {
  let failed = false
  return <R>(effect: Effect.Effect<unknown, PlatformError, R>): Effect.Effect<void, never, R> =>
    Effect.suspend(() => failed ? Effect.void : effect).pipe(
      Effect.catchAll((error) => {
        failed = true
        return Effect.logWarning(`cannot write the recording ${path}: ${error.message}; the recording ends here`)
      }),
      Effect.asVoid
    )
}

type Attempt = ReturnType<typeof untilFailure>

/** Creates a sink that writes lines to a file and large content to a folder. */
export const sink = (path: string, folder: string | undefined) =>
  Effect.gen(function*() {
    const files = yield* FileSystem.FileSystem
    const file = yield* files.open(path, { flag: "w" })
    const mutex = yield* Effect.makeSemaphore(1)
    const attempt = untilFailure(path)
    const write = (line: string) => mutex.withPermits(1)(attempt(file.writeAll(new TextEncoder().encode(`${line}\n`))))
    if (folder === undefined) return { write }
    yield* files.makeDirectory(folder, { recursive: true })
    return { write, store: (body: Body.Body) => stored(files, folder, attempt, body) }
  })

/**
 * Copies the bytes of a body to a temporary file, and renames the file when the body is complete. A reader that knows
 * the size may stop without reading the end marker.
 */
const stored = (files: FileSystem.FileSystem, folder: string, attempt: Attempt, body: Body.Body): Body.Body => {
  const copied = Stream.unwrapScoped(Effect.gen(function*() {
    const path = `${folder}/${crypto.randomUUID()}.part`
    const hasher = Digest.hasher("sha256")
    let size = 0
    let ended = false
    let write: FileSystem.File["writeAll"] = () => Effect.void
    yield* Effect.addFinalizer(() =>
      attempt(
        ended || size === body.size
          ? files.rename(path, pathOf(folder, hasher.digest()))
          : files.remove(path, { force: true })
      )
    )
    yield* attempt(Effect.map(files.open(path, { flag: "wx" }), (file) => {
      write = (chunk) => file.writeAll(chunk)
    }))
    const copy = (chunk: Uint8Array) => {
      hasher.update(chunk)
      size += chunk.byteLength
      return attempt(write(chunk))
    }
    const end = Stream.execute(Effect.sync(() => {
      ended = true
    }))
    return Stream.concat(Stream.tap(body.stream, copy), end)
  }))
  return Body.stream(copied, { size: body.size, replayable: body.replayable })
}

/** Reads the text of a recording, and returns a function that opens its content in the folder. */
export const source = (path: string, folder: string | undefined) =>
  Effect.gen(function*() {
    const files = yield* FileSystem.FileSystem
    const text = yield* files.readFileString(path)
    if (folder === undefined) return { text, load: undefined }
    const load = (digest: Digest.Digest): Effect.Effect<Body.Body | undefined> =>
      Effect.match(files.stat(pathOf(folder, digest)), {
        onFailure: () => undefined,
        onSuccess: ({ size }) =>
          Body.stream(
            Stream.mapError(
              files.stream(pathOf(folder, digest)),
              (cause) => new RegistryError.Unavailable({ reason: `cannot read ${digest} of the recording`, cause })
            ),
            { size: Number(size), replayable: true }
          )
      })
    return { text, load }
  })
