/**
 * Mutants: registries that break one rule, by which the checks are checked.
 *
 * @since 0.1.0
 */
import type { Middleware } from "@effect-oci/core/Middleware"
import type { Capabilities, Wire } from "./Target.js"

/**
 * How a request is sent, and its response had.
 *
 * @since 0.1.0
 * @category models
 */
export type Send = typeof Wire.Service["send"]

/**
 * What makes a good registry break a rule: a wrapper of it, or something on the wire to it. Both may hold state, which
 * begins anew wherever they are applied.
 *
 * @since 0.1.0
 * @category models
 */
export interface Mutant {
  /** Unique, in kebab case. */
  readonly id: string
  /** What it does wrongly, as a sentence about the registry. */
  readonly name: string
  /** The numbers of the rules that it breaks. At least one check of one of these must fail. */
  readonly breaks: ReadonlyArray<number>
  /** What the registry says that it does not do. */
  readonly capabilities?: Partial<Capabilities> | undefined
  readonly middleware?: Middleware | undefined
  readonly wire?: ((send: Send) => Send) | undefined
}
