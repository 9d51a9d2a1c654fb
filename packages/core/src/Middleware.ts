/**
 * Middleware: a function from one registry to another.
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
 * A wrapper of a registry: what the result does with an operation, it does with the help of `next`.
 *
 * @since 0.1.0
 * @category models
 */
export type Middleware = (next: Handler) => Handler

/**
 * The wrapper that changes nothing.
 *
 * @since 0.1.0
 * @category constructors
 */
export const identity: Middleware = (next) => next

/**
 * Several wrappers as one: the last is outermost, as in a pipe.
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
 * The wrapper at the edge: what leaves it by digest is what was asked for by that digest. Content that nobody has
 * checked is checked as it flows, once for a whole stack, and a descriptor or a manifest of another digest is a
 * `DigestInvalid`. The methods of a `Registry` have it; a server puts it round the registry that it serves.
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

/** The bytes of a manifest are in hand, so that it can be told under another digest too. */
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
