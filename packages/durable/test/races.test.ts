import { Durable } from "@effect-oci/durable"
import * as Linearizability from "@effect-oci/testing/Linearizability"
import { expect, it } from "@effect/vitest"
import { Effect, Either, Layer } from "effect"
import * as fc from "fast-check"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

const registry = Layer.unwrapScoped(Effect.map(
  Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "durable-"))),
    (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
  ),
  (directory) => Durable.layer({ directory })
))

it("tags are linearizable for clients that push and delete at once (rule 72)", () =>
  Effect.gen(function*() {
    for (const race of fc.sample(Linearizability.race, { numRuns: 100, seed: 1 })) {
      const checked = Linearizability.check(yield* Linearizability.run(race))
      if (Either.isLeft(checked)) expect.fail(`${checked.left.message}\n\nAs a race:\n  ${fc.stringify(race)}`)
    }
  }).pipe(Effect.provide(registry), Effect.runPromise), 120_000)
