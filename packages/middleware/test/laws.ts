import * as History from "@effect-oci/conformance/History"
import type { Middleware } from "@effect-oci/core"
import { Registry } from "@effect-oci/core"
import { Memory } from "@effect-oci/store"
import { Effect } from "effect"
import type { Layer } from "effect"
import * as fc from "fast-check"

/** A new, empty registry in memory behind wrappers, the last of which is outermost. */
export const memory = (...wrappers: ReadonlyArray<Middleware.Middleware>): Layer.Layer<Registry> =>
  wrappers.reduce((registry, wrapper) => Registry.wrap(wrapper)(registry), Memory.layer())

/** What a registry tells of a history. */
export const told = (
  registry: Layer.Layer<Registry>,
  history: ReadonlyArray<History.Step>
): Effect.Effect<ReadonlyArray<History.Told>> => Effect.provide(History.run(history), registry)

/** Two registries tell the same of every history: results, errors and messages. */
export const same = (
  left: () => Layer.Layer<Registry>,
  right: () => Layer.Layer<Registry>,
  options?: { readonly numRuns?: number; readonly length?: number }
): Promise<void> =>
  fc.assert(
    fc.asyncProperty(History.history(options?.length ?? 25), async (history) => {
      const [one, other] = await Effect.runPromise(Effect.all([told(left(), history), told(right(), history)]))
      if (JSON.stringify(one) !== JSON.stringify(other)) {
        const at = one.findIndex((step, index) => JSON.stringify(step) !== JSON.stringify(other[index]))
        throw new Error(`${JSON.stringify(one[at])} is not ${JSON.stringify(other[at])}, at step ${at}`)
      }
    }),
    { numRuns: options?.numRuns ?? 100, seed: 20_261_121 }
  )
