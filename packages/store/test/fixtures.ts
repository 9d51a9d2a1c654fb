import { Body, Descriptor, Digest, MediaType, Registry, RepositoryName, Tag } from "@effect-oci/core"
import type { RegistryError } from "@effect-oci/core"
import { BlobStore, Store } from "@effect-oci/store"
import type { MetadataStore } from "@effect-oci/store"
import { Effect, Layer, Stream } from "effect"

export const text = (value: string): Uint8Array => new TextEncoder().encode(value)

export const repository = RepositoryName.make("team/app")
export const other = RepositoryName.make("team/other")
export const unknown = RepositoryName.make("team/unknown")
export const v1 = Tag.make("v1")
export const v2 = Tag.make("v2")

export const hello = text("hello, world")
export const helloDigest = Digest.fromBytes(hello)
export const absent = Digest.fromBytes(text("never pushed"))

/** Two stores for a registry. Each call creates new stores. */
export type MakeStores = () => Layer.Layer<BlobStore.BlobStore | MetadataStore.MetadataStore>

/** Runs a test on a registry over new stores. */
export const on = (makeStores: MakeStores, options?: Store.Options) =>
<A, E, R>(
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, E, Exclude<R, Registry | BlobStore.BlobStore | MetadataStore.MetadataStore>> =>
  Effect.provide(effect, Layer.provideMerge(Store.layer(options), makeStores()))

/** A body of bytes in pieces, with or without a declared size. */
export const pieces = (content: Uint8Array, length: number, size?: number): Body.Body =>
  Body.stream(
    Stream.fromIterable(
      Array.from(
        { length: Math.ceil(content.byteLength / length) },
        (_, index) => content.subarray(index * length, (index + 1) * length)
      )
    ),
    { size }
  )

/** A body that fails after its first bytes, with or without a declared size. */
export const broken = (content: Uint8Array, size?: number): Body.Body =>
  Body.stream(Stream.concat(Stream.make(content), Stream.fail(new Error("the line is dead"))), { size })

export const pushBytes = (
  content: Uint8Array,
  to: RepositoryName.RepositoryName = repository,
  algorithm: Digest.Algorithm = "sha256"
) =>
  Effect.flatMap(
    Effect.zipRight(Digest.load(algorithm), Registry),
    (registry) =>
      registry.pushBlob(to, Descriptor.fromBytes(content, Descriptor.octetStream, algorithm), Body.bytes(content))
  )

/** Reads all bytes of a body. */
export const read = (body: Body.Body): Effect.Effect<Uint8Array, RegistryError.RegistryError> =>
  Body.toBytes(body, { limit: Infinity, onLimit: () => new Error("no limit") as never })

/** Returns the number of bytes under a key of the blob store, or `undefined` if the store has none. */
export const sizeOf = (
  key: BlobStore.BlobKey
): Effect.Effect<number | undefined, RegistryError.RegistryError, BlobStore.BlobStore> =>
  Effect.scoped(Effect.flatMap(BlobStore.BlobStore, (blobs) => Effect.flatMap(blobs.read(key), read))).pipe(
    Effect.map(({ byteLength }) => byteLength),
    Effect.catchTag("OciStoreNotFound", () => Effect.sync(() => undefined)),
    Effect.catchTags({ OciStoreRangeInvalid: Effect.die, OciStoreTruncated: Effect.die, OciStoreFailed: Effect.die })
  )

/** Reads the text of a blob. */
export const pullText = (from: RepositoryName.RepositoryName, digest: Digest.Digest) =>
  Effect.scoped(
    Effect.flatMap(Registry, (registry) => registry.getBlob(from, digest)).pipe(
      Effect.flatMap(({ body }) => read(body)),
      Effect.map((bytes) => new TextDecoder().decode(bytes))
    )
  )

export interface ImageFields {
  readonly config?: Descriptor.Descriptor
  readonly layers?: ReadonlyArray<Partial<Descriptor.Descriptor>>
  readonly subject?: Partial<Descriptor.Descriptor>
  readonly [field: string]: unknown
}

export const emptyConfig = Descriptor.fromBytes(text("{}"), MediaType.empty)

/** Returns the bytes of an image manifest. Default: no layers, and the config `{}`. */
export const image = (fields: ImageFields = {}): Uint8Array =>
  text(JSON.stringify({ schemaVersion: 2, mediaType: MediaType.image, config: emptyConfig, layers: [], ...fields }))

export const index = (fields: { readonly manifests?: unknown; readonly [field: string]: unknown } = {}): Uint8Array =>
  text(JSON.stringify({ schemaVersion: 2, mediaType: MediaType.index, manifests: [], ...fields }))

/** Pushes an image and the config to which {@link image} refers. */
export const pushImage = (
  fields?: ImageFields,
  options: { readonly to?: RepositoryName.RepositoryName; readonly tags?: ReadonlyArray<Tag.Tag> } = {}
) =>
  Effect.gen(function*() {
    const registry = yield* Registry
    const to = options.to ?? repository
    yield* pushBytes(text("{}"), to)
    return yield* registry.pushManifest(to, {
      mediaType: MediaType.image,
      bytes: image(fields),
      tags: options.tags ?? []
    })
  })

/** Returns the error of an effect, reduced to the fields that the tests compare. */
export const failureOf = <A, R>(effect: Effect.Effect<A, RegistryError.RegistryError, R>) =>
  Effect.map(Effect.flip(effect), (error) => ({
    tag: error._tag,
    operation: error.operation,
    repository: error.repository,
    reference: error.reference
  }))

export const tagOf = <A, R>(effect: Effect.Effect<A, RegistryError.RegistryError, R>) =>
  Effect.map(Effect.flip(effect), (error) => error._tag)

export const list = <A>(stream: Stream.Stream<A, RegistryError.RegistryError>) =>
  Effect.map(Stream.runCollect(stream), (chunk) => Array.from(chunk))
