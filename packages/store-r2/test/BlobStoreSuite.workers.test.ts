import { BlobStoreSuite } from "@effect-oci/conformance"
import * as NodeWorkerChecks from "@effect-oci/testing/NodeWorkerChecks"
import { fileURLToPath } from "node:url"

NodeWorkerChecks.suite("the blob store in R2", BlobStoreSuite.all, {
  entry: fileURLToPath(new URL("r2/worker.ts", import.meta.url)),
  buckets: BlobStoreSuite.all.map((_, number) => `BUCKET${number}`)
})
