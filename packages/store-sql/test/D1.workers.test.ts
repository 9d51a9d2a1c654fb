import { MetadataStoreSuite } from "@effect-oci/conformance"
import * as NodeWorkers from "@effect-oci/testing/NodeWorkers"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Effect, Exit, Scope } from "effect"
import { fileURLToPath } from "node:url"

describe.concurrent("the metadata store in D1", () => {
  const scope = Effect.runSync(Scope.make())
  let worker: Effect.Effect.Success<ReturnType<typeof NodeWorkers.make>>
  beforeAll(async () => {
    const options = {
      entry: fileURLToPath(new URL("d1/worker.ts", import.meta.url)),
      databases: MetadataStoreSuite.all.map((_, number) => `DB${number}`)
    }
    worker = await Effect.runPromise(Scope.extend(NodeWorkers.make(options), scope))
  }, 60_000)
  afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))

  MetadataStoreSuite.all.forEach(({ name }, number) =>
    // The first check compares with a model: it keeps the processor busy, and does not wait. Most others wait.
    (number === 0 ? it.sequential : it)(name, async () => {
      const response = await fetch(`${worker.urls[0]}/${number}`, { headers: { connection: "close" } })
      assert.strictEqual(await response.text(), "")
    }, 120_000)
  )
})
