import type { Operation, OperationTag } from "@effect-oci/core/Operation"
import type { ErrorFields, RegistryError } from "@effect-oci/core/RegistryError"

/**
 * The error that a fault ends in, of the operation that it meets.
 *
 * @since 0.1.0
 * @category models
 */
export type Failure = (fields: ErrorFields) => RegistryError

/**
 * What goes wrong with an operation. Where no `failure` is said, it is a connection that was reset.
 *
 * - `Fail`: it is not done, and fails.
 * - `Lose`: it is done, and the answer is lost.
 * - `Stall`: it is not done, and nothing answers.
 * - `Duplicate`: it is done twice, as by a proxy that repeats it; the answer is the second one's. Only of what can be
 *   sent twice.
 * - `Lie`: lengths in its answer are off by so many bytes: the size of a blob or a manifest, or how far an upload is.
 * - `Cut`: its body, going in or coming out, breaks after so many bytes, a list after so many items; a shorter one at
 *   its very end. It `fails` unless said, or `ends` as if that were all, or `stalls`.
 *
 * @since 0.1.0
 * @category models
 */
export type Fault =
  | { readonly _tag: "Fail"; readonly failure?: Failure }
  | { readonly _tag: "Lose"; readonly failure?: Failure }
  | { readonly _tag: "Stall" }
  | { readonly _tag: "Duplicate" }
  | { readonly _tag: "Lie"; readonly by: number }
  | {
    readonly _tag: "Cut"
    readonly after: number
    readonly how?: "fails" | "ends" | "stalls"
    readonly failure?: Failure
  }

/**
 * When what goes wrong. A plan begins anew for each `Faulty.make`: the same operations in the same order meet the same
 * faults.
 *
 * @since 0.1.0
 * @category models
 */
export interface Plan {
  readonly begin: () => {
    /** What goes wrong with the next operation. */
    readonly next: (operation: Operation) => Fault | undefined
    /**
     * How many of the next bytes of a body pass, going in or coming out: where it is not all of them, it breaks there.
     */
    readonly pass?: (bytes: number) => number
  }
}

/**
 * A fault that was met.
 *
 * @since 0.1.0
 * @category models
 */
export interface Fired {
  readonly operation: OperationTag
  readonly fault: Fault
}
