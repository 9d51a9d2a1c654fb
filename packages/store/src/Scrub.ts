/**
 * Reads everything that a registry has stored, and reports what is corrupt, missing or unknown. Changes nothing, except
 * by `discard`.
 *
 * @since 0.1.0
 */
import * as Body from "@effect-oci/core/Body"
import * as Digest from "@effect-oci/core/Digest"
import type { TagOrDigest } from "@effect-oci/core/Operation"
import * as RegistryError from "@effect-oci/core/RegistryError"
import type { RepositoryName } from "@effect-oci/core/RepositoryName"
import * as Chunk from "effect/Chunk"
import * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { BlobStore } from "./BlobStore.js"
import type { StoredBytes } from "./BlobStore.js"
import * as counts from "./internal/counts.js"
import { damagedIn } from "./internal/damaged.js"
import * as keys from "./internal/keys.js"
import type { Stores } from "./internal/stores.js"
import { MetadataStore } from "./MetadataStore.js"
import type { CommandFailure, StoredBlob } from "./MetadataStore.js"
import * as Pages from "./Pages.js"
import * as StoreError from "./StoreError.js"

type Failed = StoreError.Failed

/**
 * The bytes of a blob do not have its digest. `actual` is their digest, or `undefined` if they could not be read to
 * their end.
 *
 * @since 0.1.0
 * @category findings
 */
export class CorruptBlob extends Data.TaggedClass("CorruptBlob")<{
  readonly blob: StoredBlob
  readonly actual: Digest.Digest | undefined
}> {}

/**
 * The blob store does not have the bytes of a blob.
 *
 * @since 0.1.0
 * @category findings
 */
export class MissingBlob extends Data.TaggedClass("MissingBlob")<{ readonly blob: StoredBlob }> {}

/**
 * The bytes of a manifest do not have its digest.
 *
 * @since 0.1.0
 * @category findings
 */
export class CorruptManifest extends Data.TaggedClass("CorruptManifest")<{
  readonly repository: RepositoryName
  readonly digest: Digest.Digest
  readonly actual: Digest.Digest
}> {}

/**
 * The blob store has bytes that no metadata names. The collector deletes them when they are old.
 *
 * @since 0.1.0
 * @category findings
 */
export class UnknownBytes extends Data.TaggedClass("UnknownBytes")<StoredBytes> {}

/**
 * A problem that a scrub found.
 *
 * @since 0.1.0
 * @category findings
 */
export type Finding = CorruptBlob | MissingBlob | CorruptManifest | UnknownBytes

/**
 * How far a scrub has come.
 *
 * @since 0.1.0
 * @category models
 */
export interface Progress {
  readonly manifests: number
  readonly blobs: number
  /** The number of bytes of blobs that were read. */
  readonly bytes: number
  /** The number of keys of the blob store that were looked up. */
  readonly keys: number
}

/**
 * Options for a scrub.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** How many bytes are read in a second. Default: no limit. */
  readonly bytesPerSecond?: number | undefined
  /** Is called after each blob, and after each page of manifests and keys. */
  readonly onProgress?: ((progress: Progress) => Effect.Effect<void>) | undefined
}

/**
 * Hashes all manifests and blobs, and looks up all keys of the blob store. Returns the findings as a stream. Fails if a
 * store fails; a blob that cannot be read is a finding.
 *
 * Does not report content that is deleted meanwhile, and unknown bytes that are less than an hour old: they may belong to
 * a push that has not ended.
 *
 * @since 0.1.0
 * @category running
 * @example
 * ```ts
 * import { Scrub } from "@effect-oci/store"
 * import { Console, Stream } from "effect"
 *
 * const program = Stream.runForEach(
 *   Scrub.findings({ bytesPerSecond: 50_000_000 }),
 *   (finding) => Console.log(finding)
 * )
 * ```
 */
export const findings = (options: Options = {}): Stream.Stream<Finding, Failed, BlobStore | MetadataStore> =>
  Stream.unwrap(Effect.gen(function*() {
    const stores = { blobs: yield* BlobStore, metadata: yield* MetadataStore }
    const scrub = new Scrubber(stores, options, yield* Clock.currentTimeMillis)
    return Stream.concat(Stream.concat(scrub.manifests, scrub.blobs), scrub.unknownBytes)
  }))

/**
 * Discards a corrupt or missing blob, so that a push repairs it: the registry answers 404 for the blob, a client sends the
 * bytes again, and every repository that had the blob has it again. Manifests and tags remain. Does nothing for other
 * findings.
 *
 * `readable` is how long the bytes are kept for reads that have begun. Default: 0.
 *
 * @since 0.1.0
 * @category running
 * @example
 * ```ts
 * import { Scrub } from "@effect-oci/store"
 * import { Stream } from "effect"
 *
 * const program = Stream.runForEach(Scrub.findings(), (finding) => Scrub.discard(finding))
 * ```
 */
export const discard = (
  finding: Finding,
  options: { readonly readable?: Duration.DurationInput | undefined } = {}
): Effect.Effect<void, CommandFailure, MetadataStore> => {
  if (finding._tag !== "CorruptBlob" && finding._tag !== "MissingBlob") return Effect.void
  const { descriptor: { digest }, key } = finding.blob
  const readable = Duration.decode(options.readable ?? 0)
  return Effect.flatMap(MetadataStore, (metadata) => metadata.discardBlob({ digest, key, readable }))
}

/**
 * A manifest that a finding affects: the manifest itself is corrupt, or it refers to damaged content. `reference` is one
 * of its tags, or its digest if it has neither a tag nor a parent that is damaged too.
 *
 * @since 0.1.0
 * @category models
 */
export interface Damaged {
  readonly repository: RepositoryName
  readonly reference: TagOrDigest
}

/**
 * Returns the images and artifacts that findings affect, also after the blobs were discarded. Reads all manifests, unless
 * there are no damaged blobs and manifests.
 *
 * @since 0.1.0
 * @category running
 */
export const damaged = (findings: Iterable<Finding>): Stream.Stream<Damaged, Failed, MetadataStore> => {
  const seeds = new Set<string>()
  for (const finding of findings) {
    if (finding._tag === "CorruptManifest") seeds.add(`${finding.repository}@${finding.digest}`)
    else if (finding._tag !== "UnknownBytes") seeds.add(finding.blob.descriptor.digest)
  }
  if (seeds.size === 0) return Stream.empty
  return Stream.unwrap(
    Effect.map(MetadataStore, (metadata) =>
      Pages.stream(metadata.listRepositories, (name) => name).pipe(
        Stream.mapEffect((repository) => damagedIn(metadata, repository, seeds)),
        Stream.flattenIterables
      ))
  )
}

/** Bytes without metadata that are younger than this, in milliseconds, may belong to a push that has not ended. */
const pushTime = 3_600_000

class Scrubber {
  private progress: Progress = { manifests: 0, blobs: 0, bytes: 0, keys: 0 }

  constructor(
    private readonly stores: Stores,
    private readonly options: Options,
    private readonly startedAt: number
  ) {}

  readonly manifests: Stream.Stream<CorruptManifest, Failed> = Stream.suspend(() => {
    const { metadata } = this.stores
    return Stream.flatMap(Pages.stream(metadata.listRepositories, (name) => name), (repository) =>
      Pages.stream(
        (after: Digest.Digest | undefined, n) => metadata.inspectManifests(repository, after, n),
        ({ descriptor }) => descriptor.digest
      ).pipe(
        Stream.catchTag("OciStoreRepositoryUnknown", () => Stream.empty),
        Stream.mapEffect(({ descriptor }) => this.manifest(repository, descriptor.digest)),
        Stream.flattenIterables
      ))
  })

  readonly blobs: Stream.Stream<CorruptBlob | MissingBlob, Failed> = Stream.suspend(() =>
    Pages.stream(this.stores.metadata.inspectBlobs, ({ descriptor }) => descriptor.digest).pipe(
      Stream.zipWithPrevious,
      Stream.mapEffect(([previous, blob]) =>
        Effect.gen(this, function*() {
          const finding = yield* this.blob(blob)
          yield* this.report({ blobs: 1 })
          if (finding === undefined) return []
          // The blob may have been deleted meanwhile.
          const after = Option.map(previous, ({ descriptor }) => descriptor.digest)
          const current = yield* this.stores.metadata.inspectBlobs(Option.getOrUndefined(after), 100)
          return current.some(({ key }) => key === blob.key) ? [finding] : []
        })
      ),
      Stream.flattenIterables
    )
  )

  readonly unknownBytes: Stream.Stream<UnknownBytes, Failed> = Stream.suspend(() => {
    const { blobs, metadata } = this.stores
    return Pages.stream(blobs.list, ({ key }) => key).pipe(
      Stream.mapChunksEffect((page) =>
        Effect.gen(this, function*() {
          const old = Chunk.filter(page, ({ key }) => (keys.timeOf(key) ?? 0) < this.startedAt - pushTime)
          const unknown = new Set(yield* metadata.unknownKeys(Chunk.toReadonlyArray(old).map(({ key }) => key)))
          yield* this.report({ keys: page.length })
          return Chunk.filter(old, ({ key }) => unknown.has(key))
        })
      ),
      Stream.map((bytes) => new UnknownBytes(bytes))
    )
  })

  private report(more: Partial<Progress>): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.progress = counts.add(this.progress, more)
      return this.options.onProgress?.(this.progress) ?? Effect.void
    })
  }

  private manifest(repository: RepositoryName, digest: Digest.Digest) {
    return Effect.flatMap(Digest.load(digest), () => this.stores.metadata.inspectManifest(repository, digest)).pipe(
      Effect.map((bytes) => {
        const actual = Digest.fromBytes(bytes, Digest.verifiable(digest))
        return actual === digest ? [] : [new CorruptManifest({ repository, digest, actual })]
      }),
      Effect.catchTags({
        OciStoreRepositoryUnknown: () => Effect.succeed([]),
        OciStoreManifestUnknown: () => Effect.succeed([])
      }),
      Effect.zipLeft(this.report({ manifests: 1 }))
    )
  }

  private blob(blob: StoredBlob): Effect.Effect<CorruptBlob | MissingBlob | undefined, Failed> {
    const { descriptor: { digest }, key } = blob
    return Effect.scoped(
      Effect.flatMap(Effect.suspend(() => this.stores.blobs.read(key)), (body) => this.digestOf(body, digest))
    ).pipe(
      Effect.map((actual) => actual === digest ? undefined : new CorruptBlob({ blob, actual })),
      Effect.catchAll((error) => {
        const problem = RegistryError.isRegistryError(error) ? error.cause : error
        if (problem instanceof StoreError.Failed) return Effect.fail(problem)
        return Effect.succeed(
          problem instanceof StoreError.NotFound
            ? new MissingBlob({ blob })
            : new CorruptBlob({ blob, actual: undefined })
        )
      })
    )
  }

  /** Hashes a body by the algorithm of the expected digest, no faster than the limit. */
  private digestOf(body: Body.Body, expected: Digest.Digest) {
    const { bytesPerSecond } = this.options
    return Effect.gen(this, function*() {
      yield* Digest.load(expected)
      const hasher = Digest.hasher(Digest.verifiable(expected) ?? "sha256")
      const add = (chunk: Uint8Array) => {
        hasher.update(chunk)
        this.progress = { ...this.progress, bytes: this.progress.bytes + chunk.byteLength }
      }
      yield* bytesPerSecond === undefined
        ? Body.forEachChunk(body, add)
        : Stream.runForEach(
          body.stream,
          (chunk) => Effect.zipRight(Effect.sync(() => add(chunk)), this.pause(bytesPerSecond))
        )
      return hasher.digest()
    })
  }

  /** Waits until the time at which the limit allows as many bytes as were read. */
  private pause(bytesPerSecond: number): Effect.Effect<void> {
    return Effect.flatMap(Clock.currentTimeMillis, (now) => {
      const wait = this.startedAt + this.progress.bytes / bytesPerSecond * 1000 - now
      return wait > 0 ? Effect.sleep(wait) : Effect.void
    })
  }
}
