import { Body } from "@effect-oci/core"
import type { Registry } from "@effect-oci/core"
import * as ReadOnly from "@effect-oci/middleware/ReadOnly"
import * as files from "@effect-oci/store-files/NodeDurableFile"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { createTarPacker } from "modern-tar"
import type { TarPackController } from "modern-tar"
import { mkdtemp, realpath } from "node:fs/promises"
import { tmpdir } from "node:os"
import { basename, dirname, join } from "node:path"
import * as NodeOciLayout from "../../NodeOciLayout.js"
import { LayoutInvalid } from "./layoutInvalid.js"
import { unreadable } from "./layoutReader.js"

/** A file of an archive. `content` is its bytes, or the path of a file on disk. */
export interface Part {
  readonly name: string
  readonly content: Uint8Array | string
}

const add = (controller: TarPackController, { name, content }: Part): Effect.Effect<void, files.FileError> =>
  Effect.scoped(Effect.gen(function*() {
    const body = typeof content === "string" ? yield* files.read(content) : Body.bytes(content)
    const writer = controller.add({ name, size: body.size!, type: "file", mode: 0o644 }).getWriter()
    const write = (piece: Uint8Array) => files.attempt("write", name, () => writer.write(piece))
    yield* Stream.runForEach(body.stream, write).pipe(
      Effect.mapError((error) =>
        error instanceof files.FileError ? error : new files.FileError("write", name, error as never)
      )
    )
    yield* files.attempt("write", name, () => writer.close())
  }))

/** Returns a tar archive of files, as a stream. */
export const packed = (layout: string, parts: ReadonlyArray<Part>): Stream.Stream<Uint8Array, LayoutInvalid> =>
  Stream.unwrapScoped(Effect.gen(function*() {
    const { controller, readable } = createTarPacker()
    yield* Effect.forEach(parts, (part) => add(controller, part), { discard: true }).pipe(
      Effect.match({
        onFailure: (error) => controller.error(unreadable(layout)(error)),
        onSuccess: () => controller.finalize()
      }),
      Effect.forkScoped
    )
    return Stream.fromReadableStream(
      () => readable as ReadableStream<Uint8Array>,
      (error) => error instanceof LayoutInvalid ? error : new LayoutInvalid({ layout, reason: String(error) })
    )
  }))

const scratch = (beside: string) =>
  Effect.acquireRelease(
    Effect.flatMap(
      files.attempt("open", beside, () => realpath(beside)),
      (folder) => files.attempt("create", folder, () => mkdtemp(join(folder, ".oci-archive-")))
    ),
    (folder) => Effect.ignore(files.removeDirectory(folder))
  )

/** Unpacks an archive into a temporary folder and returns the folder's path. The folder is removed with the scope. */
export const unpacked = (
  archive: string,
  unpack: (pieces: Stream.Stream<Uint8Array, unknown>, layout: string) => Effect.Effect<void, LayoutInvalid>
): Effect.Effect<string, LayoutInvalid, Scope.Scope> =>
  Effect.gen(function*() {
    const folder = yield* Effect.mapError(scratch(tmpdir()), unreadable(archive))
    yield* Effect.scoped(Effect.flatMap(
      Effect.mapError(files.read(archive), unreadable(archive)),
      ({ stream }) => unpack(stream, folder)
    )).pipe(Effect.mapError(({ cause, reason }) => new LayoutInvalid({ layout: archive, reason, cause })))
    return folder
  })

/** Creates a layer of a registry that reads the layout in a temporary folder. The folder is removed with the layer. */
export const layer = (
  folder: Effect.Effect<string, LayoutInvalid, Scope.Scope>,
  options?: Pick<NodeOciLayout.Options, "repository">
): Layer.Layer<Registry, LayoutInvalid> =>
  Layer.unwrapScoped(Effect.map(folder, (path) => NodeOciLayout.layer(path, options).pipe(ReadOnly.wrap())))

/**
 * Runs an effect that fills a layout, and writes an archive of the layout. The archive is written to a temporary file
 * first, and moved to its path when it is complete. An existing file stays until then.
 */
export const written = <A, E, R>(
  archive: string,
  effect: Effect.Effect<A, E, R>,
  pack: (layout: string) => Stream.Stream<Uint8Array, LayoutInvalid>,
  options?: Pick<NodeOciLayout.Options, "repository">
): Effect.Effect<A, E | LayoutInvalid, Exclude<R, Registry>> =>
  Effect.scoped(Effect.gen(function*() {
    const folder = yield* Effect.mapError(scratch(dirname(archive)), unreadable(archive))
    const layout = join(folder, "layout")
    const result = yield* Effect.provide(effect, NodeOciLayout.layer(layout, { ...options, create: true }))
    const whole = join(folder, basename(archive))
    yield* files.write(whole, Body.stream(pack(layout))).pipe(
      Effect.zipRight(files.move(whole, archive)),
      Effect.mapError((error) =>
        error._tag === "OciFileError"
          ? unreadable(archive)(error)
          : new LayoutInvalid({ layout: archive, reason: error.error.message })
      )
    )
    return result
  }))
