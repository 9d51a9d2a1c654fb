import { Body, Digest, MediaType, Reference } from "@effect-oci/core"
import type { Descriptor } from "@effect-oci/core"
import * as files from "@effect-oci/store-files/NodeDurableFile"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { open } from "node:fs/promises"
import { join, posix } from "node:path"
import type { Limits } from "./decompress.js"
import { blobPath, indexPath, namesOf } from "./layoutIndex.js"
import type { LayoutInvalid } from "./layoutInvalid.js"
import { unreadable } from "./layoutReader.js"
import { archiveInvalid, entries } from "./tarEntries.js"
import type { Entry } from "./tarEntries.js"

/** The maximum number of files and links in an archive: more than any real archive has. */
const maxFiles = 65_536
const maxManifest = 16 * 1024 * 1024
const maxLinks = 8

export const manifestName = "manifest.json"

/** The content of a file, stored as a blob of the layout. */
type Stored = Pick<Descriptor.Descriptor, "digest" | "size">

/** The files of the archive by their names, and the links between names. */
interface Files {
  readonly stored: Map<string, Stored>
  readonly links: Map<string, string>
}

const Manifest = Schema.parseJson(Schema.Array(Schema.Struct({
  Config: Schema.String,
  RepoTags: Schema.optional(Schema.NullOr(Schema.Array(Schema.String))),
  Layers: Schema.NullOr(Schema.Array(Schema.String))
})))

const normalize = (name: string): string => posix.normalize(name).replace(/^\/+/, "")

/** Stores each file of the archive under its digest. No name of the archive becomes a path. */
const store = <E>(archive: Stream.Stream<Uint8Array, E>, layout: string, limits: Limits | undefined) =>
  Effect.gen(function*() {
    const invalid = archiveInvalid(layout)
    const stored: Files["stored"] = new Map()
    const links: Files["links"] = new Map()
    const ingest = join(layout, "ingest")
    yield* Effect.mapError(files.createDirectory(join(layout, "blobs", "sha256")), unreadable(layout))
    yield* Effect.mapError(files.createDirectory(ingest), unreadable(layout))
    const keep = (name: string, { content }: Entry) =>
      Effect.gen(function*() {
        const hasher = Digest.hasher("sha256")
        const hashed = Stream.map(content, (piece) => {
          hasher.update(piece)
          return piece
        })
        const part = join(ingest, "file")
        const size = yield* Effect.mapError(
          files.write(part, Body.stream(hashed)),
          (error) =>
            error._tag === "OciFileError" ? unreadable(layout)(error) : invalid("is damaged or truncated", error)
        )
        const digest = hasher.digest()
        yield* Effect.mapError(files.move(part, blobPath(layout, digest)), unreadable(layout))
        stored.set(name, { digest, size })
      })
    yield* Stream.runForEach(
      entries(archive, layout, limits),
      (entry) =>
        Effect.suspend((): Effect.Effect<void, LayoutInvalid> => {
          const name = normalize(entry.name)
          if (stored.size + links.size > maxFiles) return Effect.fail(invalid(`contains more than ${maxFiles} files`))
          if (entry.type === "file") return keep(name, entry)
          if (entry.link === undefined || (entry.type !== "symlink" && entry.type !== "link")) return entry.skip
          links.set(name, normalize(entry.type === "link" ? entry.link : posix.join(posix.dirname(name), entry.link)))
          return entry.skip
        })
    )
    return { stored, links }
  })

/** Returns the content of a file, through links: `docker save` writes links for layers that images share. */
const find = ({ links, stored }: Files, name: string): Stored | undefined => {
  let at = normalize(name)
  for (let count = 0; count < maxLinks; count++) {
    const found = stored.get(at)
    const next = links.get(at)
    if (found !== undefined || next === undefined) return found
    at = next
  }
  return undefined
}

const layerType = "application/vnd.docker.image.rootfs.diff.tar"

/** Returns the media type of a layer, by the compression of its file. */
const layerTypeOf = (path: string) =>
  files.attempt("read", path, async () => {
    const handle = await open(path)
    try {
      const { buffer } = await handle.read(Buffer.alloc(4), 0, 4, 0)
      if (buffer[0] === 0x1f && buffer[1] === 0x8b) return `${layerType}.gzip`
      return buffer.readUInt32LE(0) === 0xfd2fb528 ? `${layerType}.zstd` : layerType
    } finally {
      await handle.close()
    }
  })

const encode = (value: unknown) => new TextEncoder().encode(JSON.stringify(value))

/** Returns the descriptors of an image for the index: one for each of its names. */
const linesOf = (descriptor: Descriptor.Descriptor, tags: ReadonlyArray<string>) => {
  const names = tags.map((text) => Either.getOrUndefined(Reference.parseFamiliar(text))).filter((name) =>
    name?.tag !== undefined
  )
  return names.length === 0
    ? [descriptor]
    : names.map((name) => ({ ...descriptor, annotations: namesOf(String(name), name!.tag!) }))
}

/**
 * Creates a layout of the images in an archive of `docker save`. Each image becomes a Docker manifest. Its config and its
 * layers are copied byte for byte.
 */
export const unpack = <E>(
  archive: Stream.Stream<Uint8Array, E>,
  layout: string,
  limits?: Limits
): Effect.Effect<void, LayoutInvalid> =>
  Effect.gen(function*() {
    const invalid = archiveInvalid(layout)
    const found = yield* store(archive, layout, limits)
    const named = (name: string) => {
      const stored = find(found, name)
      return stored === undefined
        ? Effect.fail(invalid(`contains no ${name}, to which its ${manifestName} refers`))
        : Effect.succeed({ ...stored, path: blobPath(layout, stored.digest) })
    }
    if (!found.stored.has(manifestName)) {
      yield* Effect.fail(invalid(`contains no ${manifestName}, so \`docker save\` did not write it`))
    }
    const { path } = yield* named(manifestName)
    const text = yield* Effect.mapError(files.readAll(path, maxManifest), unreadable(layout))
    const images = yield* Effect.mapError(
      Schema.decodeUnknown(Manifest)(new TextDecoder().decode(text)),
      () => invalid(`contains a ${manifestName} that is not a list of images with Config and Layers`)
    )
    const manifests = yield* Effect.forEach(images, ({ Config, Layers, RepoTags }) =>
      Effect.gen(function*() {
        const config = yield* named(Config)
        const layers = yield* Effect.forEach(Layers ?? [], (name) =>
          Effect.flatMap(named(name), ({ digest, path, size }) =>
            Effect.map(
              Effect.mapError(layerTypeOf(path), unreadable(layout)),
              (mediaType) => ({ mediaType, size, digest })
            )))
        const bytes = encode({
          schemaVersion: 2,
          mediaType: MediaType.dockerImage,
          config: {
            mediaType: "application/vnd.docker.container.image.v1+json",
            size: config.size,
            digest: config.digest
          },
          layers
        })
        const digest = Digest.fromBytes(bytes)
        yield* Effect.mapError(files.create(blobPath(layout, digest), bytes), unreadable(layout))
        return linesOf({ mediaType: MediaType.dockerImage, digest, size: bytes.byteLength }, RepoTags ?? [])
      }))
    const index = encode({ schemaVersion: 2, mediaType: MediaType.index, manifests: manifests.flat() })
    yield* files.create(join(layout, "oci-layout"), encode({ imageLayoutVersion: "1.0.0" })).pipe(
      Effect.zipRight(files.create(indexPath(layout), index)),
      Effect.mapError(unreadable(layout))
    )
  })
