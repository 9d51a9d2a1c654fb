import * as Digest from "@effect-oci/core/Digest"
import type { PushManifest } from "@effect-oci/core/Operation"
import * as RegistryError from "@effect-oci/core/RegistryError"
import * as Either from "effect/Either"
import type * as Wire from "../Wire.js"

type Conditions = Pick<PushManifest, "ifAbsent" | "ifMatch">

/** Returns the conditions that a request expresses: without tags they have no effect. */
export const normal = ({ ifAbsent, ifMatch, tags }: PushManifest): Conditions =>
  tags.length === 0
    ? { ifAbsent: undefined, ifMatch: undefined }
    : { ifAbsent: ifAbsent === true ? true : undefined, ifMatch }

/**
 * Returns the headers for the conditions of a push. The entity tag of a manifest is its digest. Spec: [RFC 9110, section
 * 13.1](https://www.rfc-editor.org/rfc/rfc9110#section-13.1).
 */
export const headersOf = ({ ifAbsent, ifMatch }: Conditions): Wire.Headers => ({
  ...(ifAbsent === true ? { "if-none-match": "*" } : {}),
  ...(ifMatch === undefined ? {} : { "if-match": `"${ifMatch}"` })
})

/** Reads the conditions of a push. `If-Match` must be one digest, with or without quotes. */
export const read = (headers: Wire.Headers): Either.Either<Conditions, RegistryError.RegistryError> => {
  const ifAbsent = headers["if-none-match"]?.trim() === "*" ? true : undefined
  const text = headers["if-match"]?.trim()
  return text === undefined
    ? Either.right({ ifAbsent, ifMatch: undefined })
    : Either.mapBoth(Digest.parse(text.replace(/^"(.*)"$/, "$1")), {
      onLeft: () =>
        new RegistryError.DigestInvalid({
          reason: `If-Match must be the digest of one manifest, such as "sha256:…"; lists, "*" and weak entity tags ` +
            "are not supported"
        }),
      onRight: (ifMatch) => ({ ifAbsent, ifMatch })
    })
}
