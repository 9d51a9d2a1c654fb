/**
 * Middleware: functions from one registry handler to another.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as BlobContent from "./BlobContent.js"
import type * as Digest from "./Digest.js"
import type { Handler } from "./Handler.js"
import { builtOn, matchEffect, override } from "./Handler.js"
import * as Manifest from "./Manifest.js"
import * as Operation from "./Operation.js"
import { DigestInvalid, withFields } from "./RegistryError.js"
import type { RegistryError } from "./RegistryError.js"

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
  override(next, {
    ResolveBlob: (operation) =>
      check(next(operation), (descriptor) => asAsked(operation, operation.digest, descriptor.digest, descriptor)),
    GetBlob: (operation) =>
      check(next(operation), (content) =>
        asAsked(
          operation,
          operation.digest,
          content.descriptor.digest,
          BlobContent.verify(content, Operation.errorFields(operation))
        )),
    ResolveManifest: (operation) => {
      const { reference } = operation
      return Operation.isDigest(reference)
        ? check(next(operation), (descriptor) => asAsked(operation, reference, descriptor.digest, descriptor))
        : next(operation)
    },
    GetManifest: (operation) => {
      const { reference } = operation
      return Operation.isDigest(reference)
        ? check(next(operation), (manifest) => manifestAsAsked(operation, reference, manifest))
        : next(operation)
    }
  })

const check = <A, R>(
  answer: Effect.Effect<A, RegistryError, R>,
  onSuccess: (result: A) => Effect.Effect<A, DigestInvalid>
): Effect.Effect<A, RegistryError, R> => matchEffect(answer, { onFailure: Exit.fail, onSuccess })

const asAsked = <A>(
  operation: Operation.Operation,
  asked: Digest.Digest,
  found: Digest.Digest,
  answer: A
): Effect.Effect<A, DigestInvalid> =>
  found === asked
    ? Exit.succeed(answer)
    : Exit.fail(
      new DigestInvalid({ ...Operation.errorFields(operation), reason: `the registry answered with ${found}` })
    )

/** The bytes of a manifest are in memory, so they can be hashed again with the algorithm of the requested digest. */
const manifestAsAsked = (
  operation: Operation.Operation,
  asked: Digest.Digest,
  manifest: Manifest.Manifest
): Effect.Effect<Manifest.Manifest, DigestInvalid> =>
  manifest.descriptor.digest === asked
    ? Exit.succeed(manifest)
    : Effect.mapError(
      Manifest.make({ mediaType: manifest.descriptor.mediaType, bytes: manifest.bytes, digest: asked }),
      (error) => withFields(error, Operation.errorFields(operation))
    )
