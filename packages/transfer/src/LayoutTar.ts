/**
 * OCI image layouts in tar archives, as `skopeo` calls them `oci-archive:`.
 *
 * @since 0.1.0
 */
import { Body } from "@effect-oci/core"
import type { Registry } from "@effect-oci/core"
import { ReadOnly } from "@effect-oci/middleware"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { createTarDecoder, createTarPacker } from "modern-tar"
import type { ParsedTarEntry, TarPackController } from "modern-tar"
import { mkdtemp, readdir, realpath } from "node:fs/promises"
import { tmpdir } from "node:os"
import { basename, dirname, join } from "node:path"
import { indexPath } from "./internal/layoutIndex.js"
import { LayoutInvalid } from "./internal/layoutInvalid.js"
import { maxIndex, unreadable } from "./internal/layoutReader.js"
import * as files from "./internal/nodeFiles.js"
import * as OciLayout from "./OciLayout.js"

/** What a layout is made of. Nothing else is written to the disk, by whatever name it comes. */
const part = /^(?:oci-layout|index\.json|blobs\/(?:sha256\/[0-9a-f]{64}|sha512\/[0-9a-f]{128}))$/

const gzip = [0x1f, 0x8b]

/**
 * An archive of the layout in a folder, as a stream: first what says that it is one, then its blobs, then its index.
 *
 * @since 0.1.0
 * @category archives
 */
export const pack = (layout: string): Stream.Stream<Uint8Array, LayoutInvalid> =>
  Stream.unwrapScoped(Effect.gen(function*() {
    // The index comes last, as it was before the blobs were listed: whoever writes meanwhile adds blobs first.
    const index = yield* Effect.mapError(files.readAll(indexPath(layout), maxIndex), unreadable(layout))
    const names = yield* Effect.mapError(partsOf(layout), unreadable(layout))
    const { controller, readable } = createTarPacker()
    const adding = Effect.forEach(names, (name) => addFile(layout, name, controller), { discard: true }).pipe(
      Effect.zipRight(add(controller, "index.json", Body.bytes(index))),
      Effect.match({
        onFailure: (error) => controller.error(unreadable(layout)(error)),
        onSuccess: () => controller.finalize()
      })
    )
    yield* Effect.forkScoped(adding)
    return Stream.fromReadableStream(
      () => readable as ReadableStream<Uint8Array>,
      (error) => error instanceof LayoutInvalid ? error : new LayoutInvalid({ layout, reason: String(error) })
    )
  }))

const partsOf = (layout: string) =>
  files.tried(layout, async () => {
    const below = await readdir(join(layout, "blobs"), { recursive: true })
    const blobs = below.map((name) => `blobs/${name}`).filter((name) => part.test(name)).sort()
    return ["oci-layout", ...blobs]
  })

const addFile = (layout: string, name: string, controller: TarPackController) =>
  Effect.scoped(Effect.flatMap(files.read(join(layout, name)), (body) => add(controller, name, body)))

const add = (controller: TarPackController, name: string, body: Body.Body) =>
  Effect.gen(function*() {
    const writer = controller.add({ name, size: body.size!, type: "file", mode: 0o644 }).getWriter()
    const write = (piece: Uint8Array) => files.tried(name, () => writer.write(piece))
    yield* Stream.runForEach(body.stream, write).pipe(
      Effect.catchAll((error) =>
        Effect.fail(error instanceof files.FileError ? error : new files.FileError(name, error as never))
      )
    )
    yield* files.tried(name, () => writer.close())
  })

/**
 * Writes the layout in an archive into a folder, which need not exist. Of other files nothing is written; what would
 * lead out of the folder, links and what comes twice are refused. The archive is not compressed.
 *
 * @since 0.1.0
 * @category archives
 */
export const unpack = <E>(
  archive: Stream.Stream<Uint8Array, E>,
  layout: string
): Effect.Effect<void, LayoutInvalid> =>
  Effect.gen(function*() {
    const seen = new Set<string>()
    const invalid = (reason: string, cause?: unknown) =>
      new LayoutInvalid({ layout, reason: `the archive ${reason}`, cause })
    const decoder = createTarDecoder({ strict: true })
    const started = Stream.mapAccumEffect(archive, true, (first, piece) =>
      first && gzip.every((byte, at) =>
          piece[at] === byte
        )
        ? Effect.fail(invalid("is compressed: decompress it first"))
        : Effect.succeed([false, piece] as const))
    const entries = Stream.fromReadableStream(
      () =>
        Stream.toReadableStream(started).pipeThrough(decoder),
      (error) => error instanceof LayoutInvalid ? error : invalid("is damaged, or none", error)
    )
    const one = ({ body, header }: ParsedTarEntry) =>
      Effect.gen(function*() {
        const name = header.name.replace(/^(?:\.\/)+/, "")
        if (!part.test(name)) return yield* Effect.promise(() => body.cancel())
        if (header.type !== "file") return yield* Effect.fail(invalid(`has ${name} as a ${header.type}, and no file`))
        if (seen.has(name)) return yield* Effect.fail(invalid(`has ${name} twice`))
        seen.add(name)
        const path = join(layout, name)
        yield* Effect.mapError(files.folder(dirname(path)), unreadable(layout))
        const content = Stream.fromReadableStream(() => body, (error) => invalid("is damaged, or cut", error))
        yield* Effect.mapError(
          files.write(path, Body.stream(content)),
          (error) => error._tag === "FileError" ? unreadable(layout)(error) : invalid("is damaged, or cut", error)
        )
      })
    yield* Stream.runForEach(entries, one)
    for (const name of ["oci-layout", "index.json"]) {
      if (!seen.has(name)) yield* Effect.fail(invalid(`has no ${name}: it holds no image layout`))
    }
  })

const scratch = (beside: string) =>
  Effect.acquireRelease(
    Effect.flatMap(
      files.tried(beside, () => realpath(beside)),
      (folder) => files.tried(folder, () => mkdtemp(join(folder, ".oci-archive-")))
    ),
    (folder) => Effect.ignore(files.remove(folder))
  )

/**
 * The layout in an archive as a registry that only reads. It is unpacked beside other temporary files, and gone with the
 * layer.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  archive: string,
  options?: Pick<OciLayout.Options, "repository">
): Layer.Layer<Registry, LayoutInvalid> =>
  Layer.unwrapScoped(Effect.gen(function*() {
    const folder = yield* Effect.mapError(scratch(tmpdir()), unreadable(archive))
    yield* Effect.scoped(Effect.flatMap(
      Effect.mapError(files.read(archive), unreadable(archive)),
      ({ stream }) => unpack(stream, folder)
    )).pipe(Effect.mapError(({ reason }) => new LayoutInvalid({ layout: archive, reason })))
    return OciLayout.layer(folder, options).pipe(ReadOnly.wrap())
  }))

/**
 * Runs an effect that puts things into a registry, and writes that registry as an archive. The file is there, whole, when
 * the effect has succeeded; what was there is replaced then, and stays otherwise.
 *
 * @since 0.1.0
 * @category archives
 * @example
 * ```ts
 * import { Registry, RepositoryName, Tag } from "@effect-oci/core"
 * import { Copy, LayoutTar, OciLayout } from "@effect-oci/transfer"
 * import { Effect } from "effect"
 *
 * const exported = (from: Registry["Type"]) =>
 *   LayoutTar.write(
 *     "app.tar",
 *     Effect.flatMap(Registry, (registry) =>
 *       Copy.copy(
 *         { registry: from, repository: RepositoryName.make("team/app"), reference: Tag.make("v1") },
 *         { registry, repository: OciLayout.repository }
 *       ))
 *   )
 * ```
 */
export const write = <A, E, R>(
  archive: string,
  effect: Effect.Effect<A, E, R>,
  options?: Pick<OciLayout.Options, "repository">
): Effect.Effect<A, E | LayoutInvalid, Exclude<R, Registry>> =>
  Effect.scoped(Effect.gen(function*() {
    const folder = yield* Effect.mapError(scratch(dirname(archive)), unreadable(archive))
    const layout = join(folder, "layout")
    const result = yield* Effect.provide(effect, OciLayout.layer(layout, { ...options, create: true }))
    const whole = join(folder, basename(archive))
    const packed = Body.stream(pack(layout))
    yield* files.write(whole, packed).pipe(
      Effect.zipRight(files.move(whole, archive)),
      Effect.mapError((error) =>
        error._tag === "FileError"
          ? unreadable(archive)(error)
          : new LayoutInvalid({ layout: archive, reason: error.error.message })
      )
    )
    return result
  }))
