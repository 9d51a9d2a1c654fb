/**
 * What a registry means, over a store of bytes and a store of facts.
 *
 * @since 0.1.0
 */
import * as Handler from "@effect-oci/core/Handler"
import type * as Operation from "@effect-oci/core/Operation"
import { Registry } from "@effect-oci/core/Registry"
import type * as RegistryError from "@effect-oci/core/RegistryError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { BlobStore } from "./BlobStore.js"
import * as deleter from "./internal/deleter.js"
import * as failure from "./internal/failure.js"
import * as lister from "./internal/lister.js"
import * as reader from "./internal/reader.js"
import * as runningHashes from "./internal/runningHashes.js"
import type { Settings } from "./internal/stores.js"
import * as sweeper from "./internal/sweeper.js"
import * as uploads from "./internal/uploads.js"
import * as writer from "./internal/writer.js"
import { MetadataStore } from "./MetadataStore.js"

/**
 * How a registry behaves where the spec leaves it open.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** The largest manifest that is taken, in bytes: 4 MiB unless said. Beyond it: `SizeInvalid` with `limit`. */
  readonly maxManifestSize?: number | undefined
  /** Whether an index may name manifests that the repository does not have: it may unless said. */
  readonly sparseIndexes?: boolean | undefined
  /**
   * Whether an image or an artifact may name blobs that the repository does not have: not unless said. For the store of
   * a cache, which has manifests before their blobs.
   */
  readonly sparseManifests?: boolean | undefined
  /**
   * Whether a blob of any repository can be mounted by its digest alone: not unless said. Who knows a digest need not
   * have the right to read the blob.
   */
  readonly anonymousMount?: boolean | undefined
  /** How long an upload stays open after its last chunk: an hour unless said. */
  readonly uploadTimeToLive?: Duration.DurationInput | undefined
  /**
   * How many upload sessions may be open at once. Default: 10,000.
   *
   * If this limit or one of the next two is reached, the oldest session whose client has not begun to send content ends.
   * If every session has content, a new one fails with `TooManyRequests`. A `PushBlob` needs no session.
   */
  readonly maxUploads?: number | undefined
  /**
   * How many upload sessions one caller may have open at once. A caller is a name, or the network of an anonymous caller
   * (`Caller.key`). Default: 200.
   */
  readonly maxUploadsPerCaller?: number | undefined
  /** How many upload sessions may be open at once in one repository. Default: 1,000. */
  readonly maxUploadsPerRepository?: number | undefined
}

const settingsOf = (options: Options | undefined): Settings => ({
  maxManifestSize: options?.maxManifestSize ?? 4 * 1024 * 1024,
  sparseIndexes: options?.sparseIndexes ?? true,
  sparseManifests: options?.sparseManifests ?? false,
  anonymousMount: options?.anonymousMount ?? false,
  uploadTimeToLive: Duration.decode(options?.uploadTimeToLive ?? "1 hour"),
  uploadLimits: {
    total: options?.maxUploads ?? 10_000,
    perCaller: options?.maxUploadsPerCaller ?? 200,
    perRepository: options?.maxUploadsPerRepository ?? 1000
  }
})

const stores = Effect.all({ blobs: BlobStore, metadata: MetadataStore })

/**
 * The handler of a registry that keeps what it has in the two stores. Uploads that expire are swept at its start and
 * four times in their time to live, until the scope closes.
 *
 * Reads answer with an `Exit` where the stores do. Such an answer is of the moment of the call: who wants to ask again
 * calls again.
 *
 * @since 0.1.0
 * @category constructors
 */
export const handler = (
  options?: Options
): Effect.Effect<Handler.Handler, never, BlobStore | MetadataStore | Scope.Scope> =>
  Effect.gen(function*() {
    const settings = settingsOf(options)
    const services = yield* stores
    const hashes = runningHashes.make()
    const sweeping = sweeper.make(services, settings, hashes)
    const interval = Duration.times(settings.uploadTimeToLive, 0.25)
    yield* Effect.forkScoped(Effect.repeat(sweeping.sweep, Schedule.spaced(interval)))
    return Handler.fromTable({
      ...reader.make(services),
      ...writer.make(services, settings, uploads.make(services, settings, hashes, sweeping)),
      ...deleter.make(services, sweeping),
      ...lister.make(services)
    })
  })

/**
 * A registry that keeps what it has in the two stores.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options?: Options): Layer.Layer<Registry, never, BlobStore | MetadataStore> =>
  Layer.scoped(Registry, Effect.map(handler(options), Registry.fromHandler))

/**
 * Where a client can fetch a blob itself, for as long as `ttl`, if the repository has it and its store has such
 * addresses. For the `redirect` of a server.
 *
 * @since 0.1.0
 * @category constructors
 */
export const redirect = (
  ttl: Duration.DurationInput
): Effect.Effect<
  (operation: Operation.GetBlob) => Effect.Effect<Option.Option<URL>, RegistryError.RegistryError>,
  never,
  BlobStore | MetadataStore
> =>
  Effect.map(
    stores,
    ({ blobs, metadata }) => (operation) =>
      metadata.hasBlob(operation.repository, operation.digest).pipe(
        Effect.flatMap((blob) =>
          blob === undefined || blobs.redirectUrl === undefined
            ? Effect.succeed(Option.none<URL>())
            : blobs.redirectUrl(blob.key, Duration.decode(ttl))
        ),
        Effect.mapError(failure.of(operation))
      )
  )
