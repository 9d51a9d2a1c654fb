/**
 * Middleware: functions from one registry handler to another.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { fail, flatMap, succeed } from "./Answer.js"
import * as BlobContent from "./BlobContent.js"
import type { Descriptor } from "./Descriptor.js"
import type * as Digest from "./Digest.js"
import type { Handler } from "./Handler.js"
import { builtOn, forward, wrap } from "./Handler.js"
import * as Manifest from "./ManifestModel.js"
import * as Operation from "./Operation.js"
import { DigestInvalid, withFields } from "./RegistryError.js"

/**
 * A wrapper around a registry. It takes the next handler and returns a handler that may call the next one.
 *
 * @since 0.1.0
 * @category models
 */
export type Middleware = (next: Handler) => Handler

/**
 * A wrapper that changes nothing.
 *
 * @since 0.1.0
 * @category constructors
 */
export const identity: Middleware = (next) => next

/**
 * Combines several wrappers into one. The last wrapper is the outermost, as in a pipe.
 *
 * @since 0.1.0
 * @category combinators
 * @example
 * ```ts
 * import { Middleware } from "@effect-oci/core"
 *
 * const same = Middleware.compose(Middleware.identity, Middleware.verified)
 * ```
 */
export const compose = (...middlewares: ReadonlyArray<Middleware>): Middleware => (next) =>
  middlewares.reduce((handler, middleware) => builtOn(middleware(handler), handler), next)

/**
 * Verifies what the registry returns for a digest: the returned content, descriptor or manifest must match the
 * requested digest, otherwise the operation fails with `DigestInvalid`. Blob content that is not verified yet is hashed
 * as it flows, only once for a whole stack of wrappers.
 *
 * The methods of a `Registry` already include this wrapper. A server puts it around the registry that it serves.
 *
 * @since 0.1.0
 * @category combinators
 */
export const verified: Middleware = (next) =>
  wrap(next, {
    ResolveBlob: (operation) => flatMap(next(operation), (descriptor) => hasDigest(operation, descriptor, descriptor)),
    GetBlob: (operation) =>
      flatMap(next(operation), (content) =>
        hasDigest(operation, content.descriptor, BlobContent.verify(content, Operation.errorFields(operation)))),
    ResolveManifest: (operation) =>
      Operation.isDigest(operation.reference)
        ? flatMap(next(operation), (descriptor) =>
          hasDigest(operation, descriptor, descriptor))
        : next(operation),
    GetManifest: (operation) => {
      const { reference } = operation
      return Operation.isDigest(reference)
        ? flatMap(next(operation), (manifest) =>
          manifestOf(operation, reference, manifest))
        : next(operation)
    },
    ...forward("PushBlob", "MountBlob", "StartUpload", "GetUpload", "AppendUpload", "CompleteUpload", "CancelUpload"),
    ...forward("PushManifest", "DeleteBlob", "DeleteManifest", "DeleteTag"),
    ...forward("ListRepositories", "ListTags", "ListReferrers")
  })

/** Returns the result if its descriptor has the requested digest. */
const hasDigest = <A>(
  operation: Operation.OperationOf<"ResolveBlob" | "GetBlob" | "ResolveManifest">,
  { digest }: Descriptor,
  result: A
): Effect.Effect<A, DigestInvalid> => {
  const fields = Operation.errorFields(operation)
  return digest === fields.reference
    ? succeed(result)
    : fail(new DigestInvalid({ ...fields, reason: `the registry answered with ${digest}` }))
}

/** The bytes of a manifest are in memory, so they can be hashed again with the algorithm of the requested digest. */
const manifestOf = (
  operation: Operation.GetManifest,
  digest: Digest.Digest,
  manifest: Manifest.Manifest
): Effect.Effect<Manifest.Manifest, DigestInvalid> => {
  const { bytes, descriptor: { digest: found, mediaType } } = manifest
  return found === digest
    ? succeed(manifest)
    : Effect.mapError(
      Manifest.make({ mediaType, bytes, digest }),
      (error) => withFields(error, Operation.errorFields(operation))
    )
}
