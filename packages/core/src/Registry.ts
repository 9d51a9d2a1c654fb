/**
 * The registry as a service. This page is the contract that every registry and every wrapper keeps: each method, what it
 * guarantees, and its errors.
 *
 * Every method can fail with the errors of any call: `Unauthorized`, `Denied`, `TooManyRequests`, `Unavailable`,
 * `Unsupported` (the registry or a wrapper does not offer the operation), `NameInvalid`, `TransportError`,
 * `ResponseInvalid`, `RealmRefused`, `CredentialError` and `Refused` (a wrapper refuses the operation). The documentation
 * of a method names the errors that it has in addition. A method does nothing until its effect or stream is run, and
 * calls the registry each time it is run.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type * as BlobContent from "./BlobContent.js"
import type * as Body from "./Body.js"
import type { ByteRange } from "./ByteRange.js"
import type * as Descriptor from "./Descriptor.js"
import type * as Digest from "./Digest.js"
import { builtOn } from "./Handler.js"
import type { Handler } from "./Handler.js"
import { loading } from "./internal/loading.js"
import * as methods from "./internal/registryMethods.js"
import type * as Manifest from "./Manifest.js"
import type { Middleware } from "./Middleware.js"
import type * as Operation from "./Operation.js"
import type { RegistryError } from "./RegistryError.js"
import type { RepositoryName } from "./RepositoryName.js"
import type { Tag } from "./Tag.js"

/**
 * The methods that read: pull and resolve, as a service: `Registry.Reader`.
 *
 * @since 0.1.0
 * @category services
 */
export class RegistryReader
  extends Context.Tag("@effect-oci/core/Registry/Reader")<RegistryReader, Registry.ReaderService>()
{}

/**
 * The methods that write: push, mount and upload, as a service: `Registry.Writer`.
 *
 * @since 0.1.0
 * @category services
 */
export class RegistryWriter
  extends Context.Tag("@effect-oci/core/Registry/Writer")<RegistryWriter, Registry.WriterService>()
{}

/**
 * The methods that delete, as a service: `Registry.Deleter`.
 *
 * @since 0.1.0
 * @category services
 */
export class RegistryDeleter
  extends Context.Tag("@effect-oci/core/Registry/Deleter")<RegistryDeleter, Registry.DeleterService>()
{}

/**
 * The methods that list, as a service: `Registry.Lister`.
 *
 * @since 0.1.0
 * @category services
 */
export class RegistryLister
  extends Context.Tag("@effect-oci/core/Registry/Lister")<RegistryLister, Registry.ListerService>()
{}

/**
 * A registry: one handler of operations, with a method for each operation. It may be a client, a store, or either of
 * them with any number of wrappers around it.
 *
 * @since 0.1.0
 * @category services
 * @example
 * ```ts
 * import { Registry, RepositoryName, Tag } from "@effect-oci/core"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const registry = yield* Registry
 *   const manifest = yield* registry.getManifest(RepositoryName.make("team/app"), Tag.make("v1"))
 *   return manifest.descriptor.digest
 * })
 * ```
 */
export class Registry extends Context.Tag("@effect-oci/core/Registry")<Registry, Registry.Service>() {
  /** Creates a registry from its handler. The methods call the handler, and verify content that is not verified yet. */
  static readonly fromHandler = (handler: Handler): Registry.Service => {
    const handle = loading(handler)
    return {
      handle,
      ...methods.reader(handle),
      ...methods.writer(handle),
      ...methods.deleter(handle),
      ...methods.lister(handle)
    }
  }

  /** Creates a layer that provides the registry of a handler. */
  static readonly layerHandler = (handler: Handler): Layer.Layer<Registry> =>
    Layer.sync(Registry, () => Registry.fromHandler(handler))

  /**
   * Creates a layer that requires a registry, and provides that registry with the middleware around it. If the middleware
   * has state, pass an effect that creates the middleware.
   */
  static readonly layerMiddleware = <E = never, R = never>(
    middleware: Middleware | Effect.Effect<Middleware, E, R>
  ): Layer.Layer<Registry, E, Exclude<R, Scope.Scope> | Registry> =>
    Layer.scoped(
      Registry,
      Effect.zipWith(
        Registry,
        Effect.isEffect(middleware) ? middleware : Effect.succeed(middleware),
        (next, apply) => Registry.fromHandler(builtOn(apply(next.handle), next.handle))
      )
    )

  /**
   * Puts a middleware around the registry of a layer. In a pipe, the last wrapper is the outermost:
   * `layer.pipe(Registry.wrap(middleware))` equals `Layer.provide(Registry.layerMiddleware(middleware), layer)`.
   */
  static readonly wrap =
    <E1 = never, R1 = never>(middleware: Middleware | Effect.Effect<Middleware, E1, R1>) =>
    <E, R>(registry: Layer.Layer<Registry, E, R>): Layer.Layer<
      Registry,
      E | E1,
      R | Exclude<Exclude<R1, Scope.Scope> | Registry, Registry>
    > => Layer.provide(Registry.layerMiddleware(middleware), registry)

  /**
   * The methods that read: pull and resolve.
   *
   * @since 0.1.0
   * @category services
   */
  static readonly Reader = RegistryReader
  /**
   * The methods that write: push, mount and upload.
   *
   * @since 0.1.0
   * @category services
   */
  static readonly Writer = RegistryWriter
  /**
   * The methods that delete.
   *
   * @since 0.1.0
   * @category services
   */
  static readonly Deleter = RegistryDeleter
  /**
   * The methods that list.
   *
   * @since 0.1.0
   * @category services
   */
  static readonly Lister = RegistryLister

  /**
   * Provides the four facets of a registry. Each facet is an object with only its own methods.
   *
   * @example
   * ```ts
   * import { Registry, RepositoryName } from "@effect-oci/core"
   * import { Effect, Layer, Stream } from "effect"
   *
   * // The type of this program says that it only lists.
   * const tags = Stream.unwrap(
   *   Effect.map(Registry.Lister, (lister) => lister.listTags(RepositoryName.make("team/app")))
   * )
   * const listed = (registry: Layer.Layer<Registry>) =>
   *   Stream.runCollect(tags).pipe(Effect.provide(Layer.provide(Registry.facets, registry)))
   * ```
   */
  static readonly facets: Layer.Layer<
    RegistryReader | RegistryWriter | RegistryDeleter | RegistryLister,
    never,
    Registry
  > = Layer.effectContext(
    Effect.map(Registry, (registry) =>
      Context.empty().pipe(
        Context.add(RegistryReader, methods.reader(registry.handle)),
        Context.add(RegistryWriter, methods.writer(registry.handle)),
        Context.add(RegistryDeleter, methods.deleter(registry.handle)),
        Context.add(RegistryLister, methods.lister(registry.handle))
      ))
  )
}

/**
 * The methods of a registry, and the identifiers of its facets.
 *
 * @since 0.1.0
 * @category models
 */
export declare namespace Registry {
  /**
   * The effect of a method. It fails with the errors that the method documents.
   *
   * @since 0.1.0
   * @category models
   */
  export type Result<A, R = never> = Effect.Effect<A, RegistryError, R>

  /**
   * The requirement of an effect that only reads: `Effect<A, E, Registry.Reader>`.
   *
   * @since 0.1.0
   * @category services
   */
  export type Reader = RegistryReader
  /**
   * The requirement of an effect that only writes: `Effect<A, E, Registry.Writer>`.
   *
   * @since 0.1.0
   * @category services
   */
  export type Writer = RegistryWriter
  /**
   * The requirement of an effect that only deletes: `Effect<A, E, Registry.Deleter>`.
   *
   * @since 0.1.0
   * @category services
   */
  export type Deleter = RegistryDeleter
  /**
   * The requirement of an effect that only lists: `Effect<A, E, Registry.Lister>`.
   *
   * @since 0.1.0
   * @category services
   */
  export type Lister = RegistryLister

  /**
   * All methods of a registry, and the handler that they call.
   *
   * @since 0.1.0
   * @category models
   */
  export interface Service extends ReaderService, WriterService, DeleterService, ListerService {
    /**
     * Handles any operation. Unlike `getBlob`, it may return content that is not verified: `verified` of the content
     * says so. An answer that is settled (`Answer.settled`) does not change when it is run again.
     */
    readonly handle: Handler
  }

  /**
   * The methods that read.
   *
   * @since 0.1.0
   * @category models
   */
  export interface ReaderService {
    /**
     * Looks up a blob and returns its descriptor, with the size in bytes. Finds a blob only in the repository that it
     * was pushed to or mounted into. A blob is found as soon as its push has succeeded.
     *
     * Fails with `BlobUnknown`; `DigestInvalid` if the algorithm of the digest is not supported. Spec: [Checking if
     * content exists](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#checking-if-content-exists-in-the-registry).
     */
    readonly resolveBlob: (repository: RepositoryName, digest: Digest.Digest) => Result<Descriptor.Descriptor>

    /**
     * Returns the content of a blob, or of a range of it. The content streams, and can be read until the scope closes.
     * A whole blob is verified against its size and digest before its end is reported. A range cannot be verified.
     *
     * Fails with `BlobUnknown`; `RangeInvalid` if the range begins after the end of the blob. The body fails with
     * `DigestInvalid` or `SizeInvalid` if the content is wrong, and with `TransportError` if the connection breaks.
     * Spec: [Pulling blobs](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-blobs).
     */
    readonly getBlob: (
      repository: RepositoryName,
      digest: Digest.Digest,
      options?: { readonly range?: ByteRange | undefined }
    ) => Result<BlobContent.BlobContent, Scope.Scope>

    /**
     * Looks up a manifest by tag or digest, and returns its descriptor: media type, digest, and size in bytes.
     *
     * Fails with `ManifestUnknown`; `NameUnknown` if the registry does not know the repository. A registry without the
     * repository may fail with either. Spec: [Checking if content
     * exists](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#checking-if-content-exists-in-the-registry).
     */
    readonly resolveManifest: (
      repository: RepositoryName,
      reference: Operation.TagOrDigest
    ) => Result<Descriptor.Descriptor>

    /**
     * Returns a manifest: its descriptor, and the exact bytes that were pushed. The bytes are verified against the
     * digest. The media type is the one in the document, if it contains one.
     *
     * Fails with `ManifestUnknown`, `NameUnknown`; `DigestInvalid`, `SizeInvalid` or `ManifestInvalid` if the registry
     * returns other content. Spec: [Pulling manifests](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests).
     */
    readonly getManifest: (
      repository: RepositoryName,
      reference: Operation.TagOrDigest
    ) => Result<Manifest.Manifest>
  }

  /**
   * The methods that write.
   *
   * @since 0.1.0
   * @category models
   */
  export interface WriterService {
    /**
     * Pushes a blob and returns its descriptor. The blob exists only after the content is verified. A failed push
     * leaves no blob and no upload session. A push of a blob that already exists succeeds.
     *
     * Fails with `DigestInvalid` or `SizeInvalid` if the body does not match the descriptor; `BodyFailed` if the body
     * fails. A client verifies a body in memory before it sends anything, so these errors come before a denial. Spec: [Pushing blobs](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pushing-blobs).
     */
    readonly pushBlob: (
      repository: RepositoryName,
      descriptor: Descriptor.Descriptor,
      body: Body.Body
    ) => Result<Descriptor.Descriptor>

    /**
     * Mounts a blob of another repository into this one, without sending its content. Without `from`, the registry may
     * use any repository that the caller can read. If the registry cannot mount the blob, or the caller cannot read it,
     * returns a new upload session instead. The caller must complete or cancel it.
     *
     * Fails with `DigestInvalid`. Spec: [Mounting a blob](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#mounting-a-blob-from-another-repository).
     */
    readonly mountBlob: (
      repository: RepositoryName,
      digest: Digest.Digest,
      options?: { readonly from?: RepositoryName | undefined }
    ) => Result<Operation.Mounted | Operation.UploadStarted>

    /**
     * Starts an upload session. `algorithm` is the algorithm of the digest that will complete it. Default: `sha256`. A
     * session expires when it is idle for too long. Its id may change with every answer: the newest one counts. An id
     * is valid for this repository only.
     *
     * Fails with `DigestInvalid` if the algorithm is not supported. Spec: [Pushing a blob in
     * chunks](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pushing-a-blob-in-chunks).
     */
    readonly startUpload: (
      repository: RepositoryName,
      options?: { readonly algorithm?: string | undefined }
    ) => Result<Operation.Upload>

    /** Returns how many bytes an upload session has, to resume it. Fails with `BlobUploadUnknown`. */
    readonly getUpload: (repository: RepositoryName, id: string) => Result<Operation.Upload>

    /**
     * Appends a chunk to an upload session. If it fails, the session keeps the bytes that it has: ask `getUpload`
     * before the next chunk.
     *
     * Fails with `BlobUploadUnknown`; `RangeInvalid` if `offset` is not the number of bytes that the session has;
     * `SizeInvalid` if the body is shorter or longer than its size.
     */
    readonly appendUpload: (
      repository: RepositoryName,
      id: string,
      body: Body.Body,
      options?: { readonly offset?: number | undefined }
    ) => Result<Operation.Upload>

    /**
     * Completes an upload session, with a last chunk if there is a `body`. The blob exists only after its content is
     * verified. A completed session is gone.
     *
     * Fails with `BlobUploadUnknown`, `RangeInvalid`, `SizeInvalid`; `DigestInvalid` if the content does not match.
     */
    readonly completeUpload: (
      repository: RepositoryName,
      id: string,
      digest: Digest.Digest,
      options?: { readonly offset?: number | undefined; readonly body?: Body.Body | undefined }
    ) => Result<Descriptor.Descriptor>

    /** Cancels an upload session and discards its bytes. Fails with `BlobUploadUnknown`. */
    readonly cancelUpload: (repository: RepositoryName, id: string) => Result<Operation.Done>

    /**
     * Pushes a manifest under its digest and any number of tags. Stores exactly these bytes. Moves all tags or none; a
     * reader sees the old manifest or the new one. A digest has one media type. A `subject` need not exist.
     *
     * With `ifAbsent`, no tag moves: every tag is new. With `ifMatch`, a tag moves only from the manifest with this
     * digest. If one of the tags does not meet the condition, nothing changes. A tag that already points at the pushed
     * manifest meets both conditions. A registry of another project may ignore the condition, move the tag and answer
     * with success.
     *
     * Fails with `ManifestInvalid`; `ManifestBlobUnknown` if the repository lacks content that the manifest refers to;
     * `DigestInvalid` if `digest` is not a digest of the bytes; `SizeInvalid` if the manifest is too large; `TagInvalid`;
     * `Denied` if a tag does not meet the condition, if a push has both conditions, and if a wrapper keeps the tag from
     * moving. Spec: [Pushing
     * Manifests](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pushing-manifests).
     */
    readonly pushManifest: (
      repository: RepositoryName,
      manifest: {
        readonly mediaType: string
        readonly bytes: Uint8Array
        readonly digest?: Digest.Digest | undefined
        readonly tags?: ReadonlyArray<Tag> | undefined
        readonly ifAbsent?: boolean | undefined
        readonly ifMatch?: Digest.Digest | undefined
      }
    ) => Result<Operation.PushedManifest>
  }

  /**
   * The methods that delete. Spec: [Content management](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#content-management).
   *
   * @since 0.1.0
   * @category models
   */
  export interface DeleterService {
    /** Deletes a blob from one repository. Other repositories keep it. Fails with `BlobUnknown`. */
    readonly deleteBlob: (repository: RepositoryName, digest: Digest.Digest) => Result<Operation.Done>

    /** Deletes a manifest, and all tags that point to it, from one repository. Fails with `ManifestUnknown`. */
    readonly deleteManifest: (repository: RepositoryName, digest: Digest.Digest) => Result<Operation.Done>

    /** Deletes a tag. The manifest stays. Fails with `ManifestUnknown`. */
    readonly deleteTag: (repository: RepositoryName, tag: Tag) => Result<Operation.Done>
  }

  /**
   * The methods that list. Each list is a stream in the order of the registry, and contains each item once. `last` is
   * the item after which the list begins; it need not exist. `limit` is the maximum number of items in all, not in a
   * page. An item that is added or deleted while the list is read may be missing.
   *
   * @since 0.1.0
   * @category models
   */
  export interface ListerService {
    /** Lists the repositories that the caller can see, in lexical order. */
    readonly listRepositories: (options?: {
      readonly last?: RepositoryName | undefined
      readonly limit?: number | undefined
    }) => Stream.Stream<RepositoryName, RegistryError>

    /**
     * Lists the tags of a repository in lexical order. Fails with `NameUnknown`. Spec: [Listing
     * Tags](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#listing-tags).
     */
    readonly listTags: (
      repository: RepositoryName,
      options?: { readonly last?: Tag | undefined; readonly limit?: number | undefined }
    ) => Stream.Stream<Tag, RegistryError>

    /**
     * Lists the manifests whose subject has the digest: their descriptors, with `artifactType` and annotations. With
     * `artifactType`, only those of that type. Empty if nothing refers to the digest, also if the registry does not know
     * the repository. Spec: [Listing Referrers](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#listing-referrers).
     */
    readonly listReferrers: (
      repository: RepositoryName,
      digest: Digest.Digest,
      options?: { readonly artifactType?: string | undefined }
    ) => Stream.Stream<Descriptor.Descriptor, RegistryError>
  }
}
