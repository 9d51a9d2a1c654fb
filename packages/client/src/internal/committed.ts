import type { Descriptor } from "@effect-oci/core/Descriptor"
import type * as Digest from "@effect-oci/core/Digest"
import * as Operation from "@effect-oci/core/Operation"
import * as RegistryError from "@effect-oci/core/RegistryError"
import type { RepositoryName } from "@effect-oci/core/RepositoryName"
import * as RetryBudget from "@effect-oci/core/RetryBudget"
import * as Effect from "effect/Effect"
import type { Exchange } from "./exchange.js"

/** A blob that a request commits. */
export interface Commit {
  readonly repository: RepositoryName
  readonly digest: Digest.Digest
  /** The method of the request. */
  readonly method: "PUT" | "POST"
  /** Its size in bytes, if that is known. */
  readonly size?: number | undefined
}

/**
 * Whether the registry may have committed what was sent, though it did not say so. It has not if it answered 429, nor if
 * what failed was another request: for a token, or at the registry that the body comes from.
 */
export const isUnknown = (error: RegistryError.RegistryError, method: string, registry: string | undefined): boolean =>
  RegistryError.isTransient(error) && error._tag !== "TooManyRequests" && error.registry === registry &&
  (error._tag !== "TransportError" || error.method === method)

/** Has a request sent once, without retries. */
export const once = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> =>
  Effect.provideService(effect, RetryBudget.RetryBudget, RetryBudget.make(0))

/**
 * Looks for the blob where the answer to its commit was lost, once, before anything is sent again: a registry that takes
 * longer than a proxy before it waits has often committed the blob.
 */
export const orFound = <A, B>(
  exchange: Exchange,
  { digest, method, repository, size }: Commit,
  fields: RegistryError.ErrorFields,
  commit: Effect.Effect<A, RegistryError.RegistryError>,
  onFound: (found: Descriptor) => B
): Effect.Effect<A | B, RegistryError.RegistryError> =>
  Effect.catchIf(
    commit,
    (error) => isUnknown(error, method, fields.registry),
    (error) =>
      exchange.call(new Operation.ResolveBlob({ repository, digest }), fields).pipe(
        once,
        Effect.filterOrFail((found) => size === undefined || found.size === size),
        Effect.mapBoth({ onFailure: () => error, onSuccess: onFound })
      )
  )
