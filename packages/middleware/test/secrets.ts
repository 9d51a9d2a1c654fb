import { RegistryError } from "@effect-oci/core"
import type { Operation } from "@effect-oci/core"
import * as samples from "@effect-oci/testing/RegistrySamples"
import { Effect } from "effect"

/** A URL with a secret in every part that may contain one. */
const url =
  `https://user:${samples.canary}@cdn.example/v2/blob?X-Amz-Signature=${samples.canary}&n=1#t=${samples.canary}`

/** The text of an error, with a secret and control characters for a terminal. */
const reason = `upload ${samples.canary} at ${url} is \u001b[2J\r\ngone`

const cause = Object.assign(new Error(reason), { request: { url, headers: { authorization: samples.canary } } })

/** Failures and defects with a secret in every field that may contain one. */
export const faults: ReadonlyArray<
  { readonly name: string; readonly fault: Effect.Effect<never, RegistryError.RegistryError> }
> = [
  {
    name: "a failure",
    fault: Effect.fail(
      new RegistryError.TransportError({
        url,
        reason,
        cause,
        detail: { location: url, id: samples.canary },
        diagnostics: [{ code: "UNKNOWN", message: reason, detail: { url } }]
      })
    )
  },
  {
    name: "a failure of several",
    fault: Effect.fail(
      new RegistryError.PartialFailure({
        reason,
        outcomes: [{ name: "one", error: new RegistryError.TransportError({ url, reason, cause }) }]
      })
    )
  },
  { name: "a defect", fault: Effect.die(Object.assign(new Error(reason, { cause }), { url })) },
  { name: "a defect that is a text", fault: Effect.die(reason) },
  { name: "a defect that is an object", fault: Effect.die({ authorization: samples.canary }) }
]

/** The operations with the id of an upload, which is secret. */
export const uploads: ReadonlyArray<Operation.Operation> = samples.tags.map((tag) => samples.operations[tag])
  .filter((operation) => "id" in operation)
