import * as RegistryError from "@effect-oci/core/RegistryError"
import * as Effect from "effect/Effect"
import type { Received } from "./responseModel.js"

/** The decoded content of a response. */
export type Decoded<A> = Effect.Effect<A, RegistryError.RegistryError>

export const invalid = (reason: string): Decoded<never> =>
  Effect.fail(new RegistryError.ResponseInvalid({ reason: `the registry's answer breaks the protocol: ${reason}` }))

/** Continues if the status is one of the expected ones, and fails otherwise. */
export const expectStatus = <A>(
  response: Received,
  statuses: ReadonlyArray<number>,
  result: () => Decoded<A>
): Decoded<A> =>
  statuses.includes(response.status)
    ? result()
    : invalid(`status ${response.status} instead of ${statuses.join(" or ")}`)

/**
 * Adds `fields` to an error that does not name an operation yet. Code that parses a response does not know the
 * operation.
 */
export const withRequestFields = <A>(fields: RegistryError.ErrorFields, decoded: Decoded<A>): Decoded<A> =>
  Effect.mapError(
    decoded,
    (error) =>
      error.operation === undefined && fields.operation !== undefined ? RegistryError.withFields(error, fields) : error
  )
