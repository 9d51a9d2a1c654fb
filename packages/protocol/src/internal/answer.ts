import * as RegistryError from "@effect-oci/core/RegistryError"
import * as Effect from "effect/Effect"
import type { Received } from "./responseModel.js"

/** The decoded content of a response. */
export type Answer<A> = Effect.Effect<A, RegistryError.RegistryError>

export const invalid = (reason: string): Answer<never> =>
  Effect.fail(new RegistryError.ResponseInvalid({ reason: `the registry's answer breaks the protocol: ${reason}` }))

/** Continues if the status is one of the expected ones, and fails otherwise. */
export const expectStatus = <A>(
  response: Received,
  statuses: ReadonlyArray<number>,
  result: () => Answer<A>
): Answer<A> =>
  statuses.includes(response.status)
    ? result()
    : invalid(`status ${response.status} where ${statuses.join(" or ")} was expected`)
