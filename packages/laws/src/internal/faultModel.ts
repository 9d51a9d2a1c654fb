import type { Operation, OperationTag } from "@effect-oci/core/Operation"
import type { ErrorFields, RegistryError } from "@effect-oci/core/RegistryError"

/**
 * A function that creates the error of a fault from the fields of the operation.
 *
 * @since 0.1.0
 * @category models
 */
export type Failure = (fields: ErrorFields) => RegistryError

/**
 * A fault of an operation. Default of `failure`: a connection that was reset.
 *
 * - `Fail`: the operation is not performed, and fails.
 * - `Lose`: the operation is performed, but its answer is lost.
 * - `Stall`: the operation is not performed, and no answer comes.
 * - `Duplicate`: the operation is performed twice, as by a proxy that repeats it. The second answer is returned. Only
 *   for operations that can be sent twice.
 * - `Lie`: lengths in the answer are wrong by this number of bytes: the size of a blob or manifest, or the offset of an
 *   upload session.
 * - `Cut`: the request or response body breaks after this number of bytes, a list after this number of items. Shorter
 *   content breaks at its end. The content `fails` (default), `ends` as if it were complete, or `stalls`.
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
 * A plan of faults. A plan starts again for each `Faulty.make`: the same operations in the same order have the same
 * faults.
 *
 * @since 0.1.0
 * @category models
 */
export interface Plan {
  readonly begin: () => {
    /** Returns the fault of the next operation, or `undefined`. */
    readonly next: (operation: Operation) => Fault | undefined
    /**
     * Returns how many of the next bytes of a request or response body pass. The body breaks if not all of them pass.
     */
    readonly pass?: (bytes: number) => number
  }
}

/**
 * A fault that happened.
 *
 * @since 0.1.0
 * @category models
 */
export interface Fired {
  readonly operation: OperationTag
  readonly fault: Fault
}
