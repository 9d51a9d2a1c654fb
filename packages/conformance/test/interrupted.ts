/** Pushes and pulls an image through a registry that fails, and verifies the registry after each. */
import {
  Body,
  Descriptor,
  Digest,
  Manifest,
  MediaType,
  type Middleware,
  Registry,
  RegistryError,
  RepositoryName,
  Tag
} from "@effect-oci/core"
import * as Faulty from "@effect-oci/laws/Faulty"
import { BlobStore, Memory, MetadataStore, Store } from "@effect-oci/store"
import { expect } from "@effect/vitest"
import { Cause, Chunk, Context, Effect, Exit, Layer, Option, Stream } from "effect"
import { bytesOf, document } from "../src/Fixtures.js"

const content = (bytes: Uint8Array, mediaType: string) => ({
  bytes,
  descriptor: Descriptor.fromBytes(bytes, mediaType)
})

const tag = Tag.make("v1")

/** Creates a small image with unique content, in a repository of its own. */
const imageOf = (run: number) => {
  const salt = String(run).padStart(4, "0")
  const config = content(bytesOf(`"${salt}"`), MediaType.imageConfig)
  const layers = [content(bytesOf(`a${salt}`), MediaType.layer), content(bytesOf(`longer${salt}`), MediaType.layer)]
  const manifest = document(MediaType.image, {
    config: config.descriptor,
    layers: layers.map(({ descriptor }) => descriptor)
  })
  return { repository: RepositoryName.make(`run-${salt}/app`), config, blobs: [config, ...layers], manifest }
}

type Image = ReturnType<typeof imageOf>

/** The total size of the blobs of an image. */
export const size = imageOf(0).blobs.reduce((total, { bytes }) => total + bytes.byteLength, 0)

let images = 0

/** Creates an image that no registry contains. */
export const newImage = (): Image => imageOf(++images)

/** Pushes an image with a tag. The config is pushed as bytes, each layer as a stream that can be replayed. */
export const push = (registry: Registry["Type"], { blobs, config, manifest, repository }: Image) =>
  Effect.gen(function*() {
    for (const { bytes, descriptor } of blobs) {
      const halves = Stream.make(bytes.subarray(0, 3), bytes.subarray(3))
      const body = descriptor === config.descriptor
        ? Body.bytes(bytes)
        : Body.stream(halves, { size: bytes.byteLength, replayable: true })
      yield* registry.pushBlob(repository, descriptor, body)
    }
    const pushed = yield* registry.pushManifest(repository, { ...manifest, tags: [tag] })
    expect(pushed).toMatchObject({ digest: Digest.fromBytes(manifest.bytes), tags: [tag] })
  })

/** Pulls an image by its tag, and verifies its content. */
export const pull = (registry: Registry["Type"], { blobs, manifest, repository }: Image) =>
  Effect.gen(function*() {
    const tags = yield* Stream.runCollect(registry.listTags(repository))
    expect(Chunk.toReadonlyArray(tags)).toEqual([tag])
    const { bytes } = yield* registry.getManifest(repository, tag)
    expect(Digest.fromBytes(bytes)).toBe(Digest.fromBytes(manifest.bytes))
    for (const { bytes, descriptor } of blobs) {
      const pulled: Array<number> = []
      yield* Effect.scoped(
        Effect.flatMap(
          registry.getBlob(repository, descriptor.digest),
          ({ body }) => Body.forEachChunk(body, (chunk) => void pulled.push(...chunk))
        )
      )
      expect(Uint8Array.from(pulled)).toEqual(bytes)
    }
  })

/** A registry in memory with a plan of faults that can be changed. */
export interface Bench {
  readonly registry: Registry["Type"]
  /** The wrapper that fails by the current plan. */
  readonly faulty: Middleware.Middleware
  readonly set: (plan: Faulty.Plan) => void
  readonly fired: () => ReadonlyArray<Faulty.Fired>
  /** Returns the number of open upload sessions, and ends them. */
  readonly openUploads: Effect.Effect<number>
}

/** Creates a bench. It is released when the scope closes. */
export const bench = Effect.gen(function*() {
  const stores = Layer.merge(Memory.layerBlobStore(), Memory.layerMetadataStore())
  const context = yield* Layer.build(Store.layer().pipe(Layer.provideMerge(stores)))
  const blobs = Context.get(context, BlobStore.BlobStore)
  const metadata = Context.get(context, MetadataStore.MetadataStore)
  let current = Faulty.make(Faulty.none)
  const made: Bench = {
    registry: Context.get(context, Registry),
    faulty: (next) => (operation) => current.middleware(next)(operation),
    set: (plan) => {
      current = Faulty.make(plan)
    },
    fired: () => current.fired(),
    openUploads: Effect.gen(function*() {
      const uploads = yield* blobs.listUploads(undefined, 1000)
      const ended = yield* Effect.forEach(uploads, ({ id }) => Effect.isSuccess(metadata.endUpload(id)))
      yield* Effect.forEach(uploads, ({ token }) => blobs.abort(token))
      return ended.filter((wasOpen) => wasOpen).length
    }).pipe(Effect.orDie)
  }
  return made
})

/** Verifies that all blobs of stored manifests exist, and that all content matches its digest. */
const isConsistent = ({ registry }: Bench, { blobs, repository }: Image) =>
  Effect.gen(function*() {
    const tags = yield* Effect.orElseSucceed(Stream.runCollect(registry.listTags(repository)), Chunk.empty)
    for (const reference of tags) {
      const { bytes, descriptor } = yield* registry.getManifest(repository, reference)
      expect(Digest.fromBytes(bytes)).toBe(descriptor.digest)
      const links = Manifest.references(yield* Manifest.parse({ mediaType: descriptor.mediaType, bytes }))
      for (const { descriptor: { digest, size } } of links) {
        expect(yield* registry.resolveBlob(repository, digest)).toMatchObject({ size })
      }
    }
    for (const { descriptor } of blobs) {
      const stored = yield* Effect.option(registry.resolveBlob(repository, descriptor.digest))
      if (Option.isNone(stored)) continue
      expect(stored.value.size).toBe(descriptor.size)
      // The method verifies the digest.
      yield* Effect.scoped(
        Effect.flatMap(registry.getBlob(repository, descriptor.digest), ({ body }) => Body.forEachChunk(body, () => {}))
      )
    }
  })

/** Verifies that an exit is a success or a `RegistryError`. */
const isTyped = (exit: Exit.Exit<unknown, unknown>) => {
  if (Exit.isSuccess(exit)) return
  const error = Option.getOrUndefined(Cause.failureOption(exit.cause))
  if (!RegistryError.isRegistryError(error)) expect.fail(Cause.pretty(exit.cause))
}

/**
 * Pushes, and then pulls, with a fault at position 1, 2, 3, …, until no fault happens. Verifies after each run: the run
 * succeeded or failed with a `RegistryError`, the stored content is correct, no upload session is open, and the same run
 * without a fault succeeds. Returns the number of faults.
 */
export const sweep = (
  bench: Bench,
  registry: Registry["Type"],
  planAt: (k: number) => Faulty.Plan,
  options: {
    /** Whether every run must succeed. */
    readonly succeeds: boolean
    /** Whether an upload session may stay open, because the answer with its id was lost. */
    readonly leavesUploads?: boolean
    readonly step?: number
  }
) =>
  Effect.gen(function*() {
    let faults = 0
    for (const act of [push, pull]) {
      for (let k = 1;; k += options.step ?? 1) {
        const image = newImage()
        if (act === pull) yield* push(bench.registry, image)
        bench.set(planAt(k))
        const exit = yield* Effect.exit(act(registry, image))
        const fired = bench.fired()
        bench.set(Faulty.none)
        if (options.succeeds && Exit.isFailure(exit)) {
          expect.fail(`${act.name}, fault ${k}, ${JSON.stringify(fired)}: ${Cause.pretty(exit.cause)}`)
        }
        isTyped(exit)
        yield* isConsistent(bench, image)
        const open = yield* bench.openUploads
        expect(open).toBeLessThanOrEqual(options.leavesUploads === true ? fired.length : 0)
        if (act === push) yield* push(registry, image)
        yield* pull(registry, image)
        if (fired.length === 0) {
          expect(exit).toEqual(Exit.void)
          break
        }
        faults += 1
      }
    }
    return faults
  })
