/**
 * Reads and writes OCI image layouts in tar archives. `skopeo` calls these archives `oci-archive:`.
 *
 * @since 0.1.0
 */
import type { Registry } from "@effect-oci/core"
import { Body } from "@effect-oci/core"
import * as files from "@effect-oci/store-files/NodeDurableFile"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { readdir } from "node:fs/promises"
import { dirname, join } from "node:path"
import * as archives from "./internal/node/archiveFile.js"
import type { Limits } from "./internal/node/decompress.js"
import { indexPath } from "./internal/node/layoutIndex.js"
import type { LayoutInvalid } from "./internal/node/layoutInvalid.js"
import { maxIndex, unreadable } from "./internal/node/layoutReader.js"
import { archiveInvalid, entries } from "./internal/node/tarEntries.js"
import type { Entry } from "./internal/node/tarEntries.js"
import type * as NodeOciLayout from "./NodeOciLayout.js"

export type { LayoutInvalid, Limits }

/**
 * Options for reading an archive.
 *
 * @since 0.1.0
 * @category options
 */
export interface Options extends Limits {
  /** The name of the layout's only repository. Default: `layout`. */
  readonly repository?: NodeOciLayout.Options["repository"]
}

/** Matches the names of the files of a layout. No other file of an archive is written to the disk. */
const part = /^(?:oci-layout|index\.json|blobs\/(?:(?:sha256|blake3)\/[0-9a-f]{64}|sha512\/[0-9a-f]{128}))$/

/**
 * Returns an archive of the layout in a folder, as a stream: first the file `oci-layout`, then the blobs, then the index.
 *
 * @since 0.1.0
 * @category archives
 */
export const pack = (layout: string): Stream.Stream<Uint8Array, LayoutInvalid> =>
  Stream.unwrapScoped(Effect.gen(function*() {
    // The index is read before the blobs are listed, so that the archive has all blobs of the index even while another
    // process writes to the layout: a writer adds blobs before it changes the index.
    const index = yield* Effect.mapError(files.readAll(indexPath(layout), maxIndex), unreadable(layout))
    const names = yield* Effect.mapError(partsOf(layout), unreadable(layout))
    return archives.packed(layout, [
      ...names.map((name) => ({ name, content: join(layout, name) })),
      { name: "index.json", content: index }
    ])
  }))

const partsOf = (layout: string) =>
  files.attempt("list", layout, async () => {
    const below = await readdir(join(layout, "blobs"), { recursive: true })
    const blobs = below.map((name) => `blobs/${name}`).filter((name) => part.test(name)).sort()
    return ["oci-layout", ...blobs]
  })

/**
 * Writes the layout in an archive into a folder. The folder is created if it does not exist. Other files in the archive are
 * skipped. An archive that is compressed with gzip or zstd is decompressed while it is read.
 *
 * Fails with `LayoutInvalid` if the archive contains no layout, is damaged, is compressed in another way, contains a link
 * as a part of the layout or the same file twice, or expands to more than the limits.
 *
 * @since 0.1.0
 * @category archives
 */
export const unpack = <E>(
  archive: Stream.Stream<Uint8Array, E>,
  layout: string,
  limits?: Limits
): Effect.Effect<void, LayoutInvalid> =>
  Effect.gen(function*() {
    const seen = new Set<string>()
    const invalid = archiveInvalid(layout)
    const one = ({ content, name, skip, type }: Entry) =>
      Effect.gen(function*() {
        if (!part.test(name)) return yield* skip
        if (type !== "file") return yield* Effect.fail(invalid(`contains ${name} as a ${type}; it must be a file`))
        if (seen.has(name)) return yield* Effect.fail(invalid(`contains ${name} twice`))
        seen.add(name)
        const path = join(layout, name)
        yield* Effect.mapError(files.createDirectory(dirname(path)), unreadable(layout))
        yield* Effect.mapError(
          files.write(path, Body.stream(content)),
          (error) =>
            error._tag === "OciFileError" ? unreadable(layout)(error) : invalid("is damaged or truncated", error)
        )
      })
    yield* Stream.runForEach(entries(archive, layout, limits), one)
    for (const name of ["oci-layout", "index.json"]) {
      if (!seen.has(name)) yield* Effect.fail(invalid(`contains no ${name}, so it is not an image layout`))
    }
  })

/**
 * Unpacks an archive into a temporary folder, and returns the folder's path: a layout for `NodeOciLayout.layer` and
 * `NodeLayoutImages.find`. The folder is removed with the scope.
 *
 * @since 0.1.0
 * @category archives
 */
export const unpacked = (archive: string, limits?: Limits): Effect.Effect<string, LayoutInvalid, Scope.Scope> =>
  archives.unpacked(archive, (pieces, layout) => unpack(pieces, layout, limits))

/**
 * Creates a layer of a registry that reads the layout in an archive. The archive is unpacked into a temporary folder,
 * which is removed with the layer.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (archive: string, options?: Options): Layer.Layer<Registry, LayoutInvalid> =>
  archives.layer(unpacked(archive, options), options)

/**
 * Runs an effect that fills a registry, and writes the content of that registry as an archive. The archive is written after
 * the effect has succeeded, and then replaces a file of that name as a whole. If the effect fails, the old file stays.
 *
 * @since 0.1.0
 * @category archives
 * @example
 * ```ts
 * import { Registry, RepositoryName, Tag } from "@effect-oci/core"
 * import { Copy } from "@effect-oci/transfer"
 * import * as NodeLayoutTar from "@effect-oci/transfer/NodeLayoutTar"
 * import * as NodeOciLayout from "@effect-oci/transfer/NodeOciLayout"
 * import { Effect } from "effect"
 *
 * const exported = (from: Registry["Type"]) =>
 *   NodeLayoutTar.write(
 *     "app.tar",
 *     Effect.flatMap(Registry, (registry) =>
 *       Copy.copy(
 *         { registry: from, repository: RepositoryName.make("team/app"), reference: Tag.make("v1") },
 *         { registry, repository: NodeOciLayout.repository }
 *       ))
 *   )
 * ```
 */
export const write = <A, E, R>(
  archive: string,
  effect: Effect.Effect<A, E, R>,
  options?: Pick<NodeOciLayout.Options, "repository">
): Effect.Effect<A, E | LayoutInvalid, Exclude<R, Registry>> => archives.written(archive, effect, pack, options)
