import type { Descriptor } from "@effect-oci/core/Descriptor"
import type * as Digest from "@effect-oci/core/Digest"
import * as Operation from "@effect-oci/core/Operation"
import * as RegistryError from "@effect-oci/core/RegistryError"
import type { RepositoryName } from "@effect-oci/core/RepositoryName"
import * as RetryBudget from "@effect-oci/core/RetryBudget"
import * as Effect from "effect/Effect"
import { cancelUpload } from "./cancelUpload.js"
import type { HttpExchange } from "./httpExchange.js"

/** A request that commits a blob. */
export interface Commit {
  readonly repository: RepositoryName
  readonly digest: Digest.Digest
  /** The method of the request that commits the blob. */
  readonly method: "PUT" | "POST"
  /** The size of the blob in bytes, if known. */
  readonly size?: number | undefined
  /** The upload session that the request commits, if there is one. */
  readonly upload?: string | undefined
}

/**
 * Returns whether the registry may have committed the content although the request failed. It has not if it answered
 * 429. It also has not if another request failed: a request for a token, or a request to the registry that the body
 * comes from.
 */
export const mayBeCommitted = (
  error: RegistryError.RegistryError,
  method: string,
  registry: string | undefined
): boolean =>
  RegistryError.isTransient(error) && error._tag !== "OciTooManyRequests" && error.registry === registry &&
  (error._tag !== "OciTransportError" || error.method === method)

/** Sends the requests of an effect once, without retries. */
export const withoutRetries = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> =>
  Effect.provideService(effect, RetryBudget.RetryBudget, RetryBudget.make(0))

/**
 * Looks for the blob once if the answer to its commit was lost, before anything is sent again. If the registry takes
 * longer than a proxy in front of it waits, it has often committed the blob. Fails with the commit's error if the blob
 * is not found.
 *
 * The blob may also be there because another client pushed it. The session of the failed commit is then still open, so
 * the client cancels the session.
 */
export const orFindBlob = <A, B>(
  http: HttpExchange,
  { digest, method, repository, size, upload }: Commit,
  fields: RegistryError.ErrorFields,
  commit: Effect.Effect<A, RegistryError.RegistryError>,
  onFound: (found: Descriptor) => B
): Effect.Effect<A | B, RegistryError.RegistryError> =>
  Effect.catchIf(
    commit,
    (error) => mayBeCommitted(error, method, fields.registry),
    (error) =>
      http.call(new Operation.ResolveBlob({ repository, digest }), fields).pipe(
        withoutRetries,
        Effect.filterOrFail((found) => size === undefined || found.size === size),
        Effect.zipLeft(upload === undefined ? Effect.void : cancelUpload(http, repository, upload)),
        Effect.mapBoth({ onFailure: () => error, onSuccess: onFound })
      )
  )
