import * as Fixtures from "@effect-oci/conformance/Fixtures"
import type { Middleware } from "@effect-oci/core"
import {
  Answer,
  BlobContent,
  Body,
  Descriptor,
  Digest,
  Handler,
  MediaType,
  Operation,
  Registry,
  RegistryError,
  RepositoryName,
  Tag
} from "@effect-oci/core"
import { Memory } from "@effect-oci/store"
import { Chunk, Context, Effect, Layer, Logger, Stream } from "effect"
import { Cache } from "../src/index.js"

/** A registry in memory behind a cache, the operations that the cache has sent to it, and the store of the cache. */

export const repository = RepositoryName.make("team/app")
export const other = RepositoryName.make("team/other")
export const tag = Tag.make("v1")

export const text = (content: string): Uint8Array => new TextEncoder().encode(content)

/** An image with one blob. */
export const image = (content: Uint8Array, annotation = "") => {
  const blob = Descriptor.fromBytes(content, MediaType.empty)
  const manifest = Fixtures.document(MediaType.image, { config: blob, layers: [], annotations: { annotation } })
  return { blob, content, ...manifest, descriptor: Descriptor.fromBytes(manifest.bytes, MediaType.image) }
}

export type Image = ReturnType<typeof image>

/** One side of a cache: a registry, and the names of the operations that reached it. */
export interface Side {
  readonly registry: Registry["Type"]
  readonly seen: Array<string>
}

export const side = (handle: Handler.Handler): Side => {
  const seen: Array<string> = []
  return {
    seen,
    registry: Registry.fromHandler((operation) => {
      seen.push(operation._tag)
      return handle(operation)
    })
  }
}

/** A registry in memory that deletes blobs although manifests refer to them, as some remote registries do. */
export const memory = (options?: Memory.Options) =>
  Effect.map(Layer.build(Memory.layer({ deleteReferenced: true, ...options })), Context.get(Registry))

export interface World {
  /** Asks the upstream without the cache, and without recording the operation. */
  readonly behind: Registry["Type"]
  readonly base: Side
  readonly store: Side
  readonly cache: Registry["Type"]
}

interface Options extends Omit<Cache.Options, "store"> {
  /** Between the cache and the upstream. */
  readonly base?: Middleware.Middleware
  /** Between the cache and its store. */
  readonly between?: Middleware.Middleware
  readonly strict?: boolean
}

export const make = ({ base: round = (next) => next, between = (next) => next, strict, ...options }: Options = {}) =>
  Effect.gen(function*() {
    const behind = yield* memory({ deleteReferenced: true })
    const kept = yield* memory({ sparseManifests: strict !== true })
    const base = side(round(behind.handle))
    const store = side(between(kept.handle))
    const middleware = yield* Cache.middleware({ ...options, store: store.registry })
    const world: World = { behind, base, store, cache: Registry.fromHandler(middleware(base.registry.handle)) }
    return world
  })

/** Pushes an image to the upstream. */
export const push = (
  { behind }: World,
  { blob, bytes, content, mediaType }: Image,
  options: { readonly to?: RepositoryName.RepositoryName; readonly tags?: ReadonlyArray<Tag.Tag> } = {}
) =>
  Effect.zipRight(
    behind.pushBlob(options.to ?? repository, blob, Body.bytes(content)),
    behind.pushManifest(options.to ?? repository, { mediaType, bytes, tags: options.tags ?? [tag] })
  )

/** Returns a digest of content, so that a failing test need not print the content. */
export const sum = (content: Uint8Array): string => `${content.byteLength} bytes, ${Digest.fromBytes(content)}`

/** Returns a digest of all bytes of a stream. */
export const collect = <E>(stream: Stream.Stream<Uint8Array, E>) =>
  Effect.map(Stream.runCollect(stream), (pieces) => sum(Buffer.concat(Chunk.toReadonlyArray(pieces))))

/** Reads a blob to its end. */
export const read = (
  registry: Registry["Type"],
  { digest }: Descriptor.Descriptor,
  of: RepositoryName.RepositoryName = repository
) => Effect.scoped(Effect.flatMap(registry.getBlob(of, digest), ({ stream }) => collect(stream)))

/** Returns the operations that reach a side while an effect runs. */
export const during = <A, E, R>({ seen }: Side, effect: Effect.Effect<A, E, R>) =>
  Effect.suspend(() => {
    const before = seen.length
    return Effect.map(effect, () => seen.slice(before))
  })

/** Answers reads of blobs with other content. */
export const blobs = (change: (content: BlobContent.BlobContent) => Body.Body): Middleware.Middleware => (next) =>
  Handler.override(next, {
    GetBlob: (operation) =>
      Effect.map(
        next(operation),
        (content) => new BlobContent.BlobContent({ ...content, body: change(content), verified: false })
      )
  })

/** Creates a store that fails at some operations. */
export const failing =
  (...tags: ReadonlyArray<Operation.OperationTag>): Middleware.Middleware => (next) => (operation) =>
    tags.includes(operation._tag)
      ? Answer.fail(new RegistryError.Unavailable({ ...Operation.errorFields(operation), reason: "the disk is gone" }))
      : next(operation)

/** Returns the lines that are logged while an effect runs. */
export const logged = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.suspend(() => {
    const lines: Array<string> = []
    const logger = Logger.map(Logger.logfmtLogger, (line) => void lines.push(line))
    return Effect.as(Effect.provide(effect, Logger.replace(Logger.defaultLogger, logger)), lines)
  })
