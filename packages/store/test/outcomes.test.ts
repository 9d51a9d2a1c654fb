import { Body, Digest, MediaType, Registry } from "@effect-oci/core"
import { BlobStore, Memory, MetadataStore, Store, StoreError } from "@effect-oci/store"
import { describe, expect, it } from "@effect/vitest"
import { Duration, Effect, Layer } from "effect"
import { hello, helloDigest, index, list, pullText, pushBytes, repository, tagOf, text, v1 } from "./fixtures.js"

const stores = () => Layer.merge(Memory.layerBlobStore(), Memory.layerMetadataStore())

type Command =
  | "linkBlob"
  | "mount"
  | "unlinkBlob"
  | "putManifest"
  | "deleteManifest"
  | "deleteTag"
  | "createUpload"
  | "claimUpload"
  | "advanceUpload"
  | "endUpload"

interface Losing {
  /** Runs after the first lost answer. */
  readonly between?: (store: MetadataStore.Service) => Effect.Effect<unknown>
  /** Whether later calls fail and have no effect, until `times` calls are over, as while a database restarts. */
  readonly thenFails?: boolean
}

/**
 * Runs a test on a registry whose metadata store loses the answers of a command, so many times. The command has taken
 * effect.
 */
const losing = (
  command: Command,
  times: number,
  { between = () => Effect.void, thenFails = false }: Losing = {},
  pair: Layer.Layer<BlobStore.BlobStore | MetadataStore.MetadataStore> = Layer.suspend(stores)
) =>
<A, E, R>(effect: Effect.Effect<A, E, R>) => {
  const lossy = Layer.effect(
    MetadataStore.MetadataStore,
    Effect.map(MetadataStore.MetadataStore, (store) => {
      let left = times
      const run = (...args: ReadonlyArray<never>): Effect.Effect<unknown, unknown> =>
        Effect.suspend(() => {
          const isFirst = left === times
          if (thenFails && !isFirst && left-- > 0) return Effect.fail(new StoreError.Failed({ cause: "no connection" }))
          const answer = (store[command] as (...args: ReadonlyArray<never>) => Effect.Effect<unknown, unknown>)(
            ...args
          )
          return left-- > 0
            ? Effect.ignore(answer).pipe(
              Effect.zipRight(isFirst ? between(store) : Effect.void),
              Effect.zipRight(Effect.fail(new StoreError.OutcomeUnknown({ cause: "the connection broke" })))
            )
            : answer
        })
      return { ...store, [command]: run }
    })
  )
  return Effect.provide(
    effect,
    Layer.provideMerge(Store.layer(), Layer.provideMerge(lossy, pair))
  )
}

/** Uses every command that writes. */
const everything = Effect.gen(function*() {
  const registry = yield* Registry
  yield* pushBytes(hello)
  const other = yield* registry.startUpload(repository)
  yield* registry.cancelUpload(repository, other.id)
  const { id } = yield* registry.startUpload(repository)
  yield* registry.appendUpload(repository, id, Body.bytes(text("ab")))
  yield* registry.appendUpload(repository, id, Body.bytes(text("cd")))
  yield* registry.completeUpload(repository, id, Digest.fromBytes(text("abcdef")), { body: Body.bytes(text("ef")) })
  expect(yield* pullText(repository, Digest.fromBytes(text("abcdef")))).toBe("abcdef")
  yield* registry.mountBlob(repository, helloDigest, { from: repository })
  const { digest } = yield* registry.pushManifest(repository, {
    mediaType: MediaType.index,
    bytes: index(),
    tags: [v1],
    ifAbsent: true
  })
  yield* registry.deleteTag(repository, v1)
  expect(yield* list(registry.listTags(repository))).toEqual([])
  yield* registry.deleteManifest(repository, digest)
  yield* registry.deleteBlob(repository, helloDigest)
  expect(yield* tagOf(registry.resolveBlob(repository, helloDigest))).toBe("OciBlobUnknown")
  const blobs = yield* BlobStore.BlobStore
  expect(yield* blobs.list(undefined, 10)).toHaveLength(1)
  expect(yield* blobs.listUploads(undefined, 10)).toHaveLength(0)
})

const commands: ReadonlyArray<Command> = [
  "linkBlob",
  "mount",
  "unlinkBlob",
  "putManifest",
  "deleteManifest",
  "deleteTag",
  "createUpload",
  "claimUpload",
  "advanceUpload",
  "endUpload"
]

describe("a command whose outcome is unknown", () => {
  it.live.each(commands.flatMap((command) => [[command, 1], [command, 3]] as const))(
    "is run again, and succeeds if it took effect: %s, %i lost answers",
    ([command, times]) => everything.pipe(losing(command, times))
  )

  it.live("fails with Unavailable if the outcome stays unknown", () =>
    Effect.gen(function*() {
      const registry = yield* Registry
      expect(yield* tagOf(registry.pushManifest(repository, { mediaType: MediaType.index, bytes: index() })))
        .toBe("OciUnavailable")
    }).pipe(losing("putManifest", 100)))

  it.live.each([...commands])(
    "is run again while the store fails, and succeeds if it took effect: %s",
    (command) => everything.pipe(losing(command, 3, { thenFails: true }))
  )

  it.live("keeps the bytes of a push whose link took effect, although the store fails afterwards", () =>
    Effect.gen(function*() {
      const registry = yield* Registry
      expect(yield* tagOf(pushBytes(hello))).toBe("OciUnavailable")
      expect((yield* registry.resolveBlob(repository, helloDigest)).size).toBe(12)
      expect(yield* pullText(repository, helloDigest)).toBe("hello, world")
    }).pipe(losing("linkBlob", 100, { thenFails: true })))

  it.live("keeps the bytes of a push whose link took effect, although they cannot be read for a moment", () => {
    const unreadable = Layer.effect(
      BlobStore.BlobStore,
      Effect.map(BlobStore.BlobStore, (store): BlobStore.Service => {
        let isFirst = true
        return {
          ...store,
          read: (key, span) => {
            if (!isFirst) return store.read(key, span)
            isFirst = false
            return Effect.fail(new StoreError.Failed({ cause: "503" }))
          }
        }
      })
    )
    return Effect.gen(function*() {
      yield* Effect.either(pushBytes(hello))
      expect(yield* pullText(repository, helloDigest)).toBe("hello, world")
    }).pipe(losing("linkBlob", 1, {}, Layer.provideMerge(unreadable, Layer.suspend(stores))))
  })

  const unlink = (store: MetadataStore.Service) =>
    store.unlinkBlob({ repository, digest: helloDigest, evenIfReferenced: false, readable: Duration.zero }).pipe(
      Effect.orDie
    )

  it.live("does not link the bytes of a push again that are garbage", () =>
    Effect.gen(function*() {
      const registry = yield* Registry
      expect(yield* tagOf(pushBytes(hello))).toBe("OciBlobUploadUnknown")
      expect(yield* tagOf(registry.resolveBlob(repository, helloDigest))).toBe("OciBlobUnknown")
      yield* pushBytes(hello)
      expect(yield* pullText(repository, helloDigest)).toBe("hello, world")
    }).pipe(losing("linkBlob", 1, { between: unlink })))

  it.live("does not link the bytes of a push again that were deleted", () => {
    let blobs: BlobStore.Service | undefined
    const collect = (store: MetadataStore.Service) =>
      Effect.gen(function*() {
        yield* unlink(store)
        const keys = (yield* blobs!.list(undefined, 10)).map(({ key }) => key)
        yield* blobs!.delete(keys)
        yield* store.forgetGarbage(keys)
      }).pipe(Effect.orDie)
    return Effect.gen(function*() {
      blobs = yield* BlobStore.BlobStore
      const registry = yield* Registry
      expect(yield* tagOf(pushBytes(hello))).toBe("OciUnavailable")
      expect(yield* tagOf(registry.resolveBlob(repository, helloDigest))).toBe("OciBlobUnknown")
      yield* pushBytes(hello)
      expect(yield* pullText(repository, helloDigest)).toBe("hello, world")
    }).pipe(losing("linkBlob", 1, { between: collect }))
  })
})
