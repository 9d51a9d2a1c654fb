import { BlobStoreSuite } from "@effect-oci/conformance"
import { R2BlobStore } from "@effect-oci/store-r2"
import * as WorkerChecks from "@effect-oci/testing/WorkerChecks"
import { Effect } from "effect"

/** A worker that runs each check of the blob store over a bucket of its own. */
export default {
  fetch: WorkerChecks.handler(
    BlobStoreSuite.all,
    (bindings: { readonly [name: string]: R2BlobStore.Bucket }, number) => ({
      make: Effect.succeed(R2BlobStore.layer({ bucket: bindings[`BUCKET${number}`]! })),
      durable: true
    })
  )
}
