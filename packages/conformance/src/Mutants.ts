/**
 * All mutants: registries that each break one rule, to prove that the suite finds the fault.
 *
 * @since 0.1.0
 */
import { Registry } from "@effect-oci/core/Registry"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Check } from "./Check.js"
import * as Conformance from "./Conformance.js"
import * as wire from "./internal/wire.js"
import type { Mutant } from "./Mutant.js"
import { blobDigests } from "./mutants/blobDigests.js"
import { chunks } from "./mutants/chunks.js"
import { dataSets } from "./mutants/dataSets.js"
import { errors } from "./mutants/errors.js"
import { management } from "./mutants/management.js"
import { manifestTypes } from "./mutants/manifestTypes.js"
import { mount } from "./mutants/mount.js"
import { pull } from "./mutants/pull.js"
import { push } from "./mutants/push.js"
import { ranges } from "./mutants/ranges.js"
import { referrers } from "./mutants/referrers.js"
import { tags } from "./mutants/tags.js"
import { upload } from "./mutants/upload.js"
import { Wire } from "./Target.js"

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
export const layer = ({ middleware, wire: mutate }: Mutant): Layer.Layer<Wire, never, Registry> =>
  Layer.effect(
    Wire,
    Effect.map(Registry, ({ handle }) => {
      const send = wire.inProcess(middleware === undefined ? handle : middleware(handle))
      return { send: mutate === undefined ? send : mutate(send) }
    })
  )

/**
 * Runs the suite against a mutant and returns the checks that fail. Use a registry that passes all checks without the
 * mutant.
 *
 * @since 0.1.0
 * @category running
 * @example
 * ```ts
 * import { Mutants } from "@effect-oci/conformance"
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
