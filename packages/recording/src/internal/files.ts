import { Body, Digest, RegistryError } from "@effect-oci/core"
import type { PlatformError } from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"

/** Returns the path of a blob. File names on some systems must not contain a colon. */
const pathOf = (folder: string, digest: Digest.Digest): string => `${folder}/${digest.replace(":", "-")}`

/** Runs effects until one fails. Logs that failure, and ignores all later effects. */
const untilFailure = (path: string) => {
  let over = false
  return <R>(effect: Effect.Effect<unknown, PlatformError, R>): Effect.Effect<void, never, R> =>
    Effect.suspend(() => over ? Effect.void : effect).pipe(
      Effect.catchAll((error) => {
        over = true
        return Effect.logWarning(`the recording ${path} ends here: ${error.message}`)
      }),
      Effect.asVoid
    )
}

export const sink = (path: string, folder: string | undefined) =>
  Effect.gen(function*() {
    const files = yield* FileSystem.FileSystem
    const file = yield* files.open(path, { flag: "w" })
    const one = yield* Effect.makeSemaphore(1)
    const attempt = untilFailure(path)
    const write = (line: string) => one.withPermits(1)(attempt(file.writeAll(new TextEncoder().encode(`${line}\n`))))
    if (folder === undefined) return { write }
    yield* files.makeDirectory(folder, { recursive: true })
    return { write, keep: keep(files, folder, attempt) }
  })

/**
 * Copies the bytes of a body to a temporary file, and renames the file when the body is complete. A reader that knows
 * the size may stop without reading the end marker.
 */
const keep =
  (files: FileSystem.FileSystem, folder: string, attempt: ReturnType<typeof untilFailure>) =>
  (body: Body.Body): Body.Body => {
    const passed = Stream.unwrapScoped(Effect.gen(function*() {
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
        write = (piece) => file.writeAll(piece)
      }))
      const see = (piece: Uint8Array) => {
        hasher.update(piece)
        size += piece.byteLength
        return attempt(write(piece))
      }
      const end = Stream.execute(Effect.sync(() => {
        ended = true
      }))
      return Stream.concat(Stream.tap(body.stream, see), end)
    }))
    return Body.stream(passed, { size: body.size, replayable: body.replayable })
  }

export const source = (path: string, folder: string | undefined) =>
  Effect.gen(function*() {
    const files = yield* FileSystem.FileSystem
    const text = yield* files.readFileString(path)
    const load = folder === undefined ?
      undefined :
      (digest: Digest.Digest): Effect.Effect<Body.Body | undefined> =>
        Effect.match(files.stat(pathOf(folder, digest)), {
          onFailure: () => undefined,
          onSuccess: ({ size }) =>
            Body.stream(
              Stream.mapError(
                files.stream(pathOf(folder, digest)),
                (cause) => new RegistryError.Unavailable({ reason: "the recording cannot be read", cause })
              ),
              { size: Number(size), replayable: true }
            )
        })
    return { text, load }
  })
