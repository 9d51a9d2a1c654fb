import * as Body from "@effect-oci/core/Body"
import type { Hasher } from "@effect-oci/core/Digest"
import { SizeInvalid } from "@effect-oci/core/RegistryError"
import type { RegistryError } from "@effect-oci/core/RegistryError"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"

/** Counts and hashes what passes. Where a size is said, the body must have it. */
export const counter = (said: number | undefined, hasher: Hasher | undefined): Body.Inspector => {
  let received = 0
  return {
    update: (chunk) => {
      received += chunk.byteLength
      if (said !== undefined && received > said) {
        return new SizeInvalid({ reason: `content is longer than the ${said} bytes said` })
      }
      hasher?.update(chunk)
      return undefined
    },
    end: () =>
      said !== undefined && received < said
        ? new SizeInvalid({ reason: `content ended after ${received} of the ${said} bytes said` })
        : undefined
  }
}

/** The same body, looked at as it flows, to be run once. Bytes in hand are looked at at once, and stay in hand. */
export const observe = (body: Body.Body, inspector: Body.Inspector): Effect.Effect<Body.Body, RegistryError> => {
  const { bytes } = body
  return bytes === undefined
    ? Effect.succeed(Body.inspect(body, () => Either.right(inspector)))
    : Effect.suspend(() => {
      const error = inspector.update(bytes) ?? inspector.end()
      return error === undefined ? Effect.succeed(body) : Effect.fail(error)
    })
}
