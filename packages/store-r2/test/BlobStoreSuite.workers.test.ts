import { BlobStoreSuite } from "@effect-oci/conformance"
import * as NodeWorkers from "@effect-oci/testing/NodeWorkers"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Effect, Exit, Scope } from "effect"
import { fileURLToPath } from "node:url"

describe("the blob store in R2", () => {
  const scope = Effect.runSync(Scope.make())
  let worker: Effect.Effect.Success<ReturnType<typeof NodeWorkers.make>>
  beforeAll(async () => {
    const options = {
      entry: fileURLToPath(new URL("r2/worker.ts", import.meta.url)),
      buckets: BlobStoreSuite.all.map((_, number) => `BUCKET${number}`)
    }
    worker = await Effect.runPromise(Scope.extend(NodeWorkers.make(options), scope))
  }, 60_000)
  afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))

  BlobStoreSuite.all.forEach(({ name }, number) =>
    it(name, async () => {
      const response = await fetch(`${worker.urls[0]}/${number}`, { headers: { connection: "close" } })
      assert.strictEqual(await response.text(), "")
    }, 120_000)
  )
})
