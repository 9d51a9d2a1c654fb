/**
 * Tests of a store in `workerd`. The worker is made with `WorkerChecks`.
 *
 * @since 0.1.0
 */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as NodeWorkers from "./NodeWorkers.js"

/**
 * Defines a Vitest test for each check that a worker runs.
 *
 * @since 0.1.0
 * @category running
 */
export const suite = (
  name: string,
  checks: ReadonlyArray<{ readonly name: string }>,
  options: NodeWorkers.Options & {
    /** Whether checks run at the same time, because most of them wait. The first one runs alone. Default: `false`. */
    readonly concurrent?: boolean
  }
): void => {
  const { concurrent = false } = options
  describe(name, { concurrent }, () => {
    const scope = Effect.runSync(Scope.make())
    let worker: NodeWorkers.Running
    beforeAll(async () => {
      worker = await Effect.runPromise(Scope.extend(NodeWorkers.make(options), scope))
    }, 60_000)
    afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))

    checks.forEach((check, number) =>
      (concurrent && number === 0 ? it.sequential : it)(check.name, async () => {
        const response = await fetch(`${worker.urls[0]}/${number}`, { headers: { connection: "close" } })
        assert.strictEqual(await response.text(), "")
      }, 120_000)
    )
  })
}
