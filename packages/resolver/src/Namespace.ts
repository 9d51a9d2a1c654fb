/**
 * Runs operations on references: each function finds the registry of a reference and runs an operation there.
 *
 * @since 0.1.0
 */
import { BlobPush, RegistryError } from "@effect-oci/core"
import type {
  BlobContent,
  ByteRange,
  Descriptor,
  Digest,
  Manifest,
  Operation,
  Reference,
  Registry,
  Tag
} from "@effect-oci/core"
import * as Body from "@effect-oci/core/Body"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Platform from "./Platform.js"
import { Resolver } from "./Resolver.js"
import type { HostUnknown } from "./Resolver.js"

/**
 * The errors of these functions: an error of the registry, or {@link HostUnknown} if there is no registry for the host.
 *
 * @since 0.1.0
 * @category errors
 */
export type NamespaceError = RegistryError.RegistryError | HostUnknown

/** Runs an effect with the registry of a reference. The registry stays open while the effect runs. */
const within = <A>(
  reference: Reference.Reference,
  f: (registry: Registry["Type"]) => Effect.Effect<A, RegistryError.RegistryError>
): Effect.Effect<A, NamespaceError, Resolver> =>
  Effect.scoped(
    Effect.flatMap(Resolver, (resolver) => Effect.flatMap(resolver.registry(reference.registry), f))
  )

const refused = (operation: Operation.OperationTag, reference: Reference.Reference, reason: string) =>
  new RegistryError.NameInvalid({ operation, repository: reference.repository, reason })

/**
 * Returns the tag or the digest of a reference. For a reference with both, returns the digest. The tag must then point at
 * that digest, or not exist: a tag may be deleted after someone has noted the reference.
 *
 * Fails with `TagConflict`, which names both digests, if the tag points at another one, and with `NameInvalid` if the
 * reference has neither.
 *
 * @since 0.1.0
 * @category manifests
 */
export const named = (
  operation: "GetManifest" | "ResolveManifest",
  reference: Reference.Reference,
  registry: Registry["Type"]
): Effect.Effect<Operation.TagOrDigest, RegistryError.RegistryError> => {
  const { digest, repository, tag } = reference
  if (digest === undefined) {
    return tag === undefined
      ? Effect.fail(
        refused(operation, reference, `${String(reference)} has neither a tag nor a digest; add one to name a manifest`)
      )
      : Effect.succeed(tag)
  }
  if (tag === undefined) return Effect.succeed(digest)
  return registry.resolveManifest(repository, tag).pipe(
    Effect.flatMap((found) =>
      found.digest === digest ? Effect.void : Effect.fail(moved(operation, reference, tag, digest, found))
    ),
    Effect.catchIf(RegistryError.isNotFound, () => Effect.void),
    Effect.as(digest)
  )
}

const moved = (
  operation: Operation.OperationTag,
  { registry, repository }: Reference.Reference,
  tag: Tag.Tag,
  digest: Digest.Digest,
  found: Descriptor.Descriptor
) =>
  new RegistryError.TagConflict({
    operation,
    repository,
    reference: tag,
    tag,
    members: [{ name: "the reference", digest }, { name: registry, digest: found.digest }],
    reason: `the tag points at ${found.digest}, not at the digest ${digest} of the reference`
  })

/** Returns the digest of a reference to a blob. Fails if the reference has a tag: only manifests have tags. */
const blobOf = (
  operation: Operation.OperationTag,
  reference: Reference.Reference
): Effect.Effect<Digest.Digest, RegistryError.RegistryError> => {
  if (reference.tag !== undefined) {
    return Effect.fail(refused(operation, reference, "a blob has no tag; name the blob by its digest"))
  }
  return reference.digest === undefined
    ? Effect.fail(refused(operation, reference, "the reference has no digest; name the blob by its digest"))
    : Effect.succeed(reference.digest)
}

/**
 * Returns the manifest that a reference names. With `platform`, returns the image for that platform. Fails with
 * `TagConflict` if the reference has a digest and a tag that points at another digest.
 *
 * @since 0.1.0
 * @category manifests
 * @example
 * ```ts
 * import { Reference } from "@effect-oci/core"
 * import { Namespace, Resolver } from "@effect-oci/resolver"
 * import { FetchHttpClient } from "@effect/platform"
 * import { Effect, Layer } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const reference = yield* Reference.parseFamiliar("alpine")
 *   return yield* Namespace.getManifest(reference, { platform: { os: "linux", architecture: "arm64" } })
 * }).pipe(Effect.provide(Resolver.layerHosts().pipe(Layer.provide(FetchHttpClient.layer))))
 * ```
 */
export const getManifest = (
  reference: Reference.Reference,
  options?: { readonly platform?: Platform.Platform | undefined }
): Effect.Effect<Manifest.Manifest, NamespaceError, Resolver> =>
  within(reference, (registry) => {
    const { repository } = reference
    const manifest = Effect.flatMap(
      named("GetManifest", reference, registry),
      (name) => registry.getManifest(repository, name)
    )
    const platform = options?.platform
    return platform === undefined
      ? manifest
      : Effect.flatMap(manifest, (manifest) => Platform.image(registry, repository, manifest, platform))
  })

/**
 * Returns the descriptor of the manifest that a reference names. Fails with `TagConflict` if the reference has a digest
 * and a tag that points at another digest.
 *
 * @since 0.1.0
 * @category manifests
 */
export const resolveManifest = (
  reference: Reference.Reference
): Effect.Effect<Descriptor.Descriptor, NamespaceError, Resolver> =>
  within(reference, (registry) =>
    Effect.flatMap(
      reference.tag !== undefined && reference.digest === undefined
        ? Effect.succeed(reference.tag)
        : named("ResolveManifest", reference, registry),
      (name) => registry.resolveManifest(reference.repository, name)
    ))

/**
 * Returns the content of the blob that a reference names by its digest. The content stays open until the scope closes.
 *
 * @since 0.1.0
 * @category blobs
 */
export const getBlob = (
  reference: Reference.Reference,
  options?: { readonly range?: ByteRange.ByteRange | undefined }
): Effect.Effect<BlobContent.BlobContent, NamespaceError, Resolver | Scope.Scope> =>
  Effect.gen(function*() {
    const digest = yield* blobOf("GetBlob", reference)
    const registry = yield* (yield* Resolver).registry(reference.registry)
    return yield* registry.getBlob(reference.repository, digest, options)
  })

/**
 * Returns the descriptor of the blob that a reference names by its digest.
 *
 * @since 0.1.0
 * @category blobs
 */
export const resolveBlob = (
  reference: Reference.Reference
): Effect.Effect<Descriptor.Descriptor, NamespaceError, Resolver> =>
  within(
    reference,
    (registry) =>
      Effect.flatMap(blobOf("ResolveBlob", reference), (digest) => registry.resolveBlob(reference.repository, digest))
  )

/**
 * Copies one manifest, without the content that it points at. To copy all content, use `@effect-oci/transfer`. The copy
 * gets the tag of the target, if the target has one. If the target has a digest, it must be the digest of the manifest.
 *
 * @since 0.1.0
 * @category copies
 */
export const copyManifest = (
  source: Reference.Reference,
  target: Reference.Reference
): Effect.Effect<Operation.PushedManifest, NamespaceError, Resolver> =>
  Effect.flatMap(
    getManifest(source),
    ({ bytes, descriptor }) =>
      within(target, (registry) =>
        registry.pushManifest(target.repository, {
          mediaType: descriptor.mediaType,
          bytes,
          digest: target.digest ?? (target.tag === undefined ? descriptor.digest : undefined),
          tags: target.tag === undefined ? [] : [target.tag]
        }))
  )

/**
 * Copies one blob into the repository of another reference. Within a registry, the blob is mounted if the registry allows
 * it. Otherwise the blob is streamed, if the target does not have it.
 *
 * @since 0.1.0
 * @category copies
 */
export const copyBlob = (
  source: Reference.Reference,
  target: Reference.Reference
): Effect.Effect<Descriptor.Descriptor, NamespaceError, Resolver> =>
  Effect.scoped(Effect.gen(function*() {
    const digest = yield* blobOf("GetBlob", source)
    const resolver = yield* Resolver
    const from = yield* resolver.registry(source.registry)
    const to = yield* resolver.registry(target.registry)
    const { repository } = target
    const blob = yield* from.resolveBlob(source.repository, digest)
    const content = from.getBlob(source.repository, digest)
    const push = () =>
      to.pushBlob(
        repository,
        blob,
        Body.stream(Stream.unwrapScoped(Effect.map(content, ({ stream }) => stream)), {
          size: blob.size,
          replayable: true
        })
      )
    const complete = ({ id }: Operation.Upload) =>
      Effect.flatMap(content, ({ body }) => to.completeUpload(repository, id, digest, { body })).pipe(
        Effect.onError(() => BlobPush.cancel(to, repository, id))
      )
    yield* BlobPush.ensure(to, repository, digest, {
      mountFrom: source.registry === target.registry && source.repository !== repository ? [source.repository] : [],
      upload: (opened) => opened === undefined ? push() : complete(opened)
    })
    return blob
  }))

/**
 * Lists the tags of the repository that a reference names, in order.
 *
 * @since 0.1.0
 * @category lists
 */
export const tags = (reference: Reference.Reference): Stream.Stream<Tag.Tag, NamespaceError, Resolver> =>
  Stream.unwrapScoped(
    Effect.flatMap(
      Resolver,
      (resolver) =>
        Effect.map(resolver.registry(reference.registry), (registry) => registry.listTags(reference.repository))
    )
  )

/**
 * Lists the referrers of the manifest that a reference names.
 *
 * @since 0.1.0
 * @category lists
 */
export const referrers = (
  reference: Reference.Reference,
  options?: { readonly artifactType?: string | undefined }
): Stream.Stream<Descriptor.Descriptor, NamespaceError, Resolver> =>
  Stream.unwrapScoped(Effect.gen(function*() {
    const registry = yield* (yield* Resolver).registry(reference.registry)
    const name = yield* named("ResolveManifest", reference, registry)
    const digest = name === reference.digest
      ? reference.digest
      : (yield* registry.resolveManifest(reference.repository, name)).digest
    return registry.listReferrers(reference.repository, digest, options)
  }))

/**
 * Deletes the tag of a reference. If the reference has a digest too, the tag must not point at another digest. Without a
 * tag, deletes the manifest of the digest.
 *
 * @since 0.1.0
 * @category deletes
 */
const remove = (reference: Reference.Reference): Effect.Effect<Operation.Done, NamespaceError, Resolver> =>
  within(reference, (registry) => {
    const { digest, repository, tag } = reference
    if (tag === undefined) {
      return digest === undefined
        ? Effect.fail(
          refused(
            "DeleteManifest",
            reference,
            `${String(reference)} has neither a tag nor a digest; add one to name a manifest`
          )
        )
        : registry.deleteManifest(repository, digest)
    }
    return Effect.zipRight(
      digest === undefined ? Effect.void : named("ResolveManifest", reference, registry),
      registry.deleteTag(repository, tag)
    )
  })

export { remove as delete }
