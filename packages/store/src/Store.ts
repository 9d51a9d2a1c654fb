/**
 * Implements a registry over a `BlobStore` and a `MetadataStore`.
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
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { BlobStore } from "./BlobStore.js"
import * as Collector from "./Collector.js"
import * as confirmed from "./internal/confirmed.js"
import * as deleter from "./internal/deleter.js"
import * as failure from "./internal/failure.js"
import * as lister from "./internal/lister.js"
import * as pushBlob from "./internal/pushBlob.js"
import * as reader from "./internal/reader.js"
import * as runningHashes from "./internal/runningHashes.js"
import type { Settings } from "./internal/stores.js"
import * as sweeper from "./internal/sweeper.js"
import { Uploads } from "./internal/uploads.js"
import * as writer from "./internal/writer.js"
import { MetadataStore } from "./MetadataStore.js"

/**
 * Options for behaviour that the spec leaves open.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options extends Collector.Policy {
  /**
   * The size of the largest manifest that the registry accepts, in bytes. A larger manifest fails with `SizeInvalid`,
   * which contains the `limit`. Default: 4 MiB.
   */
  readonly maxManifestSize?: number | undefined
  /** Whether an index may refer to manifests that its repository does not have. Default: `true`. */
  readonly sparseIndexes?: boolean | undefined
  /**
   * Whether an image or an artifact may refer to blobs that its repository does not have. Set it for the store of a
   * cache, which receives manifests before their blobs. Default: `false`.
   */
  readonly sparseManifests?: boolean | undefined
  /**
   * Whether a blob of any repository can be mounted by its digest alone. A caller that knows a digest may not have the
   * right to read the blob. Default: `false`.
   */
  readonly anonymousMount?: boolean | undefined
  /** How long an upload session stays open after its last chunk. Default: 1 hour. */
  readonly uploadTimeToLive?: Duration.DurationInput | undefined
  /**
   * How often the collector runs. It runs at least four times within `uploadTimeToLive`, which is the default. With
   * `"never"`, the registry runs no collector: run `Collector` elsewhere.
   */
  readonly collectEvery?: Duration.DurationInput | "never" | undefined
  /**
   * How many upload sessions may be open at once. Default: 10,000.
   *
   * If this limit or one of the next two is reached, the oldest session whose client has not begun to send content
   * ends. If every session has content, a new session fails with `TooManyRequests`. A `PushBlob` needs no session.
   */
  readonly maxUploads?: number | undefined
  /**
   * How many upload sessions one caller may have open at once. A caller is a user name, or the network of an anonymous
   * client (`Caller.key`). Default: 200.
   */
  readonly maxUploadsPerCaller?: number | undefined
  /** How many upload sessions may be open at once in one repository. Default: 1,000. */
  readonly maxUploadsPerRepository?: number | undefined
  /**
   * Whether a blob or a manifest can be deleted while a manifest of its repository refers to it. If not, the delete
   * fails with `Unsupported`. The subject of a manifest can always be deleted. Default: the value of `sparseManifests`.
   */
  readonly deleteReferenced?: boolean | undefined
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
  },
  deleteReferenced: options?.deleteReferenced ?? options?.sparseManifests ?? false,
  policy: Collector.policy(options)
})

const stores = Effect.all({ blobs: BlobStore, metadata: MetadataStore })

/**
 * Creates a registry that uses the two stores. The collector (see `Collector`) runs at the start and then
 * again and again (see `collectEvery`), until the scope closes.
 *
 * The answer of a read is settled if that of the store is: it has the result at the time of the call. Call the registry's
 * `handle` again to read again.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  options?: Options
): Effect.Effect<Registry.Service, never, BlobStore | MetadataStore | Scope.Scope> =>
  Effect.gen(function*() {
    const settings = settingsOf(options)
    const services = confirmed.make(yield* stores)
    const hashes = runningHashes.make()
    const sweeping = sweeper.make(services, settings, hashes)
    const push = pushBlob.make(services, settings, sweeping)
    const longest = Duration.times(settings.uploadTimeToLive, 0.25)
    const every = options?.collectEvery ?? longest
    // A server may build the registry where it cannot be interrupted, and then could not end its fibers.
    const repeat = (effect: Effect.Effect<void>, interval: Duration.DurationInput) =>
      Effect.forkScoped(Effect.interruptible(Effect.repeat(effect, Schedule.spaced(interval))))
    yield* repeat(sweeping.keepAlive, longest)
    if (every !== "never") yield* repeat(sweeping.sweep, Duration.min(longest, every))
    return Registry.fromHandler(Handler.fromTable({
      ...reader.make(services, settings),
      ...writer.make(services, settings, new Uploads(services, settings, hashes, sweeping, push), push),
      ...deleter.make(services, settings, sweeping),
      ...lister.make(services)
    }))
  })

/**
 * Creates a layer of a registry that uses the two stores.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options?: Options): Layer.Layer<Registry, never, BlobStore | MetadataStore> =>
  Layer.scoped(Registry, make(options))

/**
 * Creates a function that returns a URL at which a client can fetch a blob directly. The URL is valid for `ttl`.
 * Returns `undefined` if the repository does not have the blob or if the blob store has no such URLs. Use it for the
 * `redirect` option of a server, and set the option `readable` of the registry to at least `ttl`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const redirect = (
  ttl: Duration.DurationInput
): Effect.Effect<
  (operation: Operation.GetBlob) => Effect.Effect<URL | undefined, RegistryError.RegistryError>,
  never,
  BlobStore | MetadataStore
> =>
  Effect.map(
    stores,
    ({ blobs, metadata }) => (operation) =>
      metadata.findBlob(operation.repository, operation.digest).pipe(
        Effect.flatMap((blob) =>
          blob === undefined || blobs.redirectUrl === undefined
            ? Effect.succeed(undefined)
            : blobs.redirectUrl(blob.key, Duration.decode(ttl))
        ),
        Effect.mapError(failure.of(operation))
      )
  )
