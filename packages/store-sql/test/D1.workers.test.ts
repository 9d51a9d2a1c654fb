import { MetadataStoreSuite } from "@effect-oci/conformance"
import * as NodeWorkerChecks from "@effect-oci/testing/NodeWorkerChecks"
import { fileURLToPath } from "node:url"

// The first check compares with a model: it keeps the processor busy, and does not wait.
NodeWorkerChecks.suite("the metadata store in D1", MetadataStoreSuite.all, {
  entry: fileURLToPath(new URL("d1/worker.ts", import.meta.url)),
  databases: MetadataStoreSuite.all.map((_, number) => `DB${number}`),
  concurrent: true
})
