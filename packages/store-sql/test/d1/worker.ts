import { MetadataStoreSuite } from "@effect-oci/conformance"
import { SqlMetadataStore } from "@effect-oci/store-sql"
import * as D1 from "@effect-oci/store-sql/D1"
import * as WorkerChecks from "@effect-oci/testing/WorkerChecks"
import { Effect, Layer } from "effect"

const storeOf = (database: D1.Database) =>
  SqlMetadataStore.layer().pipe(Layer.provide(D1.layer({ database })), Layer.orDie)

/** A worker that runs each check of the metadata store over a database of its own. */
export default {
  fetch: WorkerChecks.handler(
    MetadataStoreSuite.all,
    (bindings: { readonly [name: string]: D1.Database }, number) => ({
      make: Effect.succeed(storeOf(bindings[`DB${number}`]!)),
      durable: true,
      time: { unit: "400 millis", pass: Effect.sleep }
    })
  )
}
