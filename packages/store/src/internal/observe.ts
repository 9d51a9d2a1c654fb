import * as Body from "@effect-oci/core/Body"
import type { Hasher } from "@effect-oci/core/Digest"
import { SizeInvalid } from "@effect-oci/core/RegistryError"
import type { RegistryError } from "@effect-oci/core/RegistryError"
import * as Effect from "effect/Effect"

/** Counts and hashes the bytes of a body. Fails if a size is declared and the body has another size. */
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

/** Returns a body that is inspected while it flows. Run it once. A body with `bytes` is inspected immediately. */
export const observe = (body: Body.Body, inspector: Body.Inspector): Effect.Effect<Body.Body, RegistryError> => {
  const { bytes } = body
  return bytes === undefined
    ? Effect.succeed(Body.inspect(body, () => inspector))
    : Effect.suspend(() => {
      const error = inspector.update(bytes) ?? inspector.end?.()
      return error === undefined ? Effect.succeed(body) : Effect.fail(error)
    })
}
