/**
 * Who asks.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"

/**
 * Who asks: nobody known, or a principal by its name, with what the one who vouches for it (a token, an account) says
 * of it. Nothing secret belongs here.
 *
 * @since 0.1.0
 * @category models
 */
export interface Identity {
  /** Absent for an anonymous caller. */
  readonly name: string | undefined
  readonly claims: { readonly [claim: string]: unknown }
}

/**
 * Nobody known.
 *
 * @since 0.1.0
 * @category constants
 */
export const anonymous: Identity = { name: undefined, claims: {} }

/**
 * The caller of the running operation: anonymous unless a server's guard, or a program, says who it is. It is read at
 * each operation, and never kept when a layer is built.
 *
 * @since 0.1.0
 * @category services
 * @example
 * ```ts
 * import { Caller } from "@effect-oci/core"
 * import { Effect } from "effect"
 *
 * const asAlice = Effect.provideService(Caller.Caller, { name: "alice", claims: {} })
 * ```
 */
export class Caller extends Context.Reference<Caller>()("@effect-oci/core/Caller", {
  defaultValue: (): Identity => anonymous
}) {}
