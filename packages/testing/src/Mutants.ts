/**
 * All mutants: registries that each break one rule, to prove that the suite finds the fault.
 *
 * @since 0.1.0
 */
import type { Check } from "@effect-oci/conformance/Check"
import * as Conformance from "@effect-oci/conformance/Conformance"
import { Wire } from "@effect-oci/conformance/Target"
import { Registry } from "@effect-oci/core/Registry"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { blobDigests } from "./internal/mutants/blobDigests.js"
import { chunks } from "./internal/mutants/chunks.js"
import { dataSets } from "./internal/mutants/dataSets.js"
import { errors } from "./internal/mutants/errors.js"
import { management } from "./internal/mutants/management.js"
import { manifestTypes } from "./internal/mutants/manifestTypes.js"
import { mount } from "./internal/mutants/mount.js"
import { pull } from "./internal/mutants/pull.js"
import { push } from "./internal/mutants/push.js"
import { ranges } from "./internal/mutants/ranges.js"
import { referrers } from "./internal/mutants/referrers.js"
import { tags } from "./internal/mutants/tags.js"
import { upload } from "./internal/mutants/upload.js"
import type { Mutant } from "./Mutant.js"

/**
 * Contains all mutants, in the order of the rules that they break.
 *
 * @since 0.1.0
 * @category mutants
 */
export const all: ReadonlyArray<Mutant> = [
  ...pull,
  ...ranges,
  ...dataSets,
  ...push,
  ...manifestTypes,
  ...upload,
  ...blobDigests,
  ...chunks,
  ...mount,
  ...tags,
  ...referrers,
  ...management,
  ...errors
]

/**
 * Creates a layer that connects the suite to a registry in this process. The mutant makes the registry break its rule.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = ({ middleware, wire: mutate }: Mutant): Layer.Layer<Wire, never, Registry> => {
  const wire = middleware === undefined
    ? Conformance.layerRegistry
    : Layer.provide(Conformance.layerRegistry, Registry.layerMiddleware(middleware))
  return mutate === undefined
    ? wire
    : Layer.map(wire, (context) => Context.make(Wire, { send: mutate(Context.get(context, Wire).send) }))
}

/**
 * Runs the suite against a mutant and returns the checks that fail. Use a registry that passes all checks without the
 * mutant.
 *
 * @since 0.1.0
 * @category running
 * @example
 * ```ts
 * import { Mutants } from "@effect-oci/testing"
 * import { Memory } from "@effect-oci/store"
 * import { Effect } from "effect"
 *
 * const table = Effect.forEach(Mutants.all, (mutant) =>
 *   Effect.map(Mutants.findings(mutant), (checks) => ({ mutant: mutant.id, checks: checks.map(({ id }) => id) })).pipe(
 *     Effect.provide(Memory.layer())
 *   ))
 * ```
 */
export const findings = (
  mutant: Mutant,
  options?: Conformance.Options
): Effect.Effect<ReadonlyArray<Check>, never, Registry> =>
  Conformance.run({ ...options, capabilities: { ...options?.capabilities, ...mutant.capabilities } }).pipe(
    Effect.map(({ results }) => results.flatMap(({ check, outcome }) => outcome._tag === "Failed" ? [check] : [])),
    Effect.provide(layer(mutant))
  )
