import { RegistryError } from "@effect-oci/core"
import type { Operation } from "@effect-oci/core"
import { Effect } from "effect"
import * as samples from "./samples.js"

/** A URL that holds a secret wherever a URL may. */
const url =
  `https://user:${samples.canary}@cdn.example/v2/blob?X-Amz-Signature=${samples.canary}&n=1#t=${samples.canary}`

/** Why something failed, in words that hold a secret, and what a terminal would obey. */
const reason = `upload ${samples.canary} at ${url} is \u001b[2J\r\ngone`

const cause = Object.assign(new Error(reason), { request: { url, headers: { authorization: samples.canary } } })

/** Failures and defects with a secret in every field that may hold one. */
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

/** The operations that name an upload by its id, which is secret. */
export const uploads: ReadonlyArray<Operation.Operation> = samples.tags.map((tag) => samples.operations[tag])
  .filter((operation) => "id" in operation)
