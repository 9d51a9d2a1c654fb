import type * as Descriptor from "@effect-oci/core/Descriptor"
import * as Operation from "@effect-oci/core/Operation"
import type * as RegistryError from "@effect-oci/core/RegistryError"
import * as Effect from "effect/Effect"
import type { HttpExchange } from "./httpExchange.js"
import type { Incoming } from "./incoming.js"

/** Statuses other than 201 with which registries have answered the end of an upload: Nexus, Amazon ECR. */
const ambiguousStatuses = new Set([200, 202])

/**
 * Returns the descriptor of a blob whose upload has ended. If the status does not confirm that the registry has the
 * blob, the client looks for the blob.
 * [Spec](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#post-then-put).
 */
export const decode = (
  http: HttpExchange,
  operation: Operation.CompleteUpload,
  answer: Incoming,
  fields: RegistryError.ErrorFields
): Effect.Effect<Descriptor.Descriptor, RegistryError.RegistryError> => {
  if (!ambiguousStatuses.has(answer.status)) return http.decode(operation, answer, fields)
  return http.call(new Operation.ResolveBlob(operation), fields).pipe(
    Effect.tap(() => answer.release()),
    Effect.catchIf((error) => error.status === 404, () => http.decode(operation, answer, fields))
  )
}
