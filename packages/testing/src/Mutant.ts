/**
 * Mutants: registries that break one rule on purpose. They prove that the checks find faults.
 *
 * @since 0.1.0
 */
import type { Capabilities, Wire } from "@effect-oci/conformance/Target"
import type { Middleware } from "@effect-oci/core/Middleware"

/**
 * A function that sends a request and returns the response.
 *
 * @since 0.1.0
 * @category models
 */
export type Send = typeof Wire.Service["send"]

/**
 * A change that makes a correct registry break a rule: a wrapper of the registry, or a change of the requests and
 * responses on the wire. Both may hold state. Each application starts with fresh state.
 *
 * @since 0.1.0
 * @category models
 */
export interface Mutant {
  /** The unique id, in kebab case. */
  readonly id: string
  /** The incorrect behaviour, as a sentence about the registry. */
  readonly name: string
  /** The numbers of the rules that the mutant breaks. At least one check of these rules must fail. */
  readonly breaks: ReadonlyArray<number>
  /** The capabilities that the mutant declares. */
  readonly capabilities?: Partial<Capabilities> | undefined
  readonly middleware?: Middleware | undefined
  readonly wire?: ((send: Send) => Send) | undefined
}
