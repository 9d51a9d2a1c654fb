/**
 * Puts a blob into a repository, and sends its bytes only if the registry needs them.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { Digest } from "./Digest.js"
import type { Upload } from "./Operation.js"
import type { Registry } from "./Registry.js"
import * as RegistryError from "./RegistryError.js"
import type { RepositoryName } from "./RepositoryName.js"

/**
 * How a repository received a blob: it was mounted from another repository, it existed, or its bytes were uploaded.
 *
 * @since 0.1.0
 * @category models
 */
export type Result =
  | { readonly _tag: "Mounted"; readonly from: RepositoryName }
  | { readonly _tag: "Existed" }
  | { readonly _tag: "Uploaded" }

/**
 * Returns whether a repository has a blob.
 *
 * @since 0.1.0
 * @category blobs
 */
export const exists = (
  registry: Pick<Registry.Service, "resolveBlob">,
  repository: RepositoryName,
  digest: Digest
): Effect.Effect<boolean, RegistryError.RegistryError> =>
  registry.resolveBlob(repository, digest).pipe(
    Effect.as(true),
    Effect.catchIf(RegistryError.isNotFound, () => Effect.succeed(false))
  )

/**
 * Cancels an upload session that is no longer needed. Waits at most 5 seconds, and ignores errors: the registry ends idle
 * sessions itself.
 *
 * @since 0.1.0
 * @category blobs
 */
export const cancel = (
  registry: Pick<Registry.Service, "cancelUpload">,
  repository: RepositoryName,
  id: string
): Effect.Effect<void> =>
  registry.cancelUpload(repository, id).pipe(Effect.interruptible, Effect.timeoutOption("5 seconds"), Effect.ignore)

/** Mounts a blob. Returns `undefined` if the registry refuses the mount, because the caller can still upload the blob. */
const mount = (
  registry: Pick<Registry.Service, "mountBlob">,
  repository: RepositoryName,
  digest: Digest,
  from: RepositoryName
) =>
  Effect.catchIf(
    registry.mountBlob(repository, digest, { from }),
    (error) => !RegistryError.isTransient(error),
    () => Effect.succeed(undefined)
  )

/**
 * Ensures that a repository has a blob. Tries to mount the blob from each of the `mountFrom` repositories, then asks
 * whether the repository has it, and then runs `upload`. A registry may answer a mount with an open upload session:
 * `upload` receives this session, and must complete or cancel it.
 *
 * See [mounting a blob](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#mounting-a-blob-from-another-repository).
 *
 * @since 0.1.0
 * @category blobs
 * @example
 * ```ts
 * import { BlobPush, Body, Descriptor } from "@effect-oci/core"
 * import type { Registry, RepositoryName } from "@effect-oci/core"
 *
 * const pushed = (registry: Registry["Type"], repository: RepositoryName.RepositoryName, bytes: Uint8Array) => {
 *   const body = Body.hashed(bytes)
 *   const blob = Descriptor.fromBody(body)
 *   return BlobPush.ensure(registry, repository, blob.digest, {
 *     upload: () => registry.pushBlob(repository, blob, body)
 *   })
 * }
 * ```
 */
export const ensure = <E, R>(
  registry: Pick<Registry.Service, "cancelUpload" | "mountBlob" | "resolveBlob">,
  repository: RepositoryName,
  digest: Digest,
  options: {
    readonly mountFrom?: ReadonlyArray<RepositoryName> | undefined
    readonly upload: (opened: Upload | undefined) => Effect.Effect<unknown, E, R>
  }
): Effect.Effect<Result, RegistryError.RegistryError | E, R> =>
  Effect.gen(function*() {
    let opened: Upload | undefined
    for (const from of options.mountFrom ?? []) {
      if (opened !== undefined) yield* cancel(registry, repository, opened.id)
      const answer = yield* mount(registry, repository, digest, from)
      if (answer?._tag === "Mounted") return { _tag: "Mounted", from }
      opened = answer?.upload
    }
    if (opened === undefined && (yield* exists(registry, repository, digest))) return { _tag: "Existed" }
    yield* options.upload(opened)
    return { _tag: "Uploaded" }
  })
