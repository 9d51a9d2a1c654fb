/**
 * The caller of an operation.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as internal from "./internal/network.js"

/**
 * The identity of a caller: anonymous, or a principal with a name and claims. The claims come from whatever
 * authenticated the caller, such as a token or an account. An identity must not contain secrets.
 *
 * @since 0.1.0
 * @category models
 */
export interface Identity {
  /** Absent for an anonymous caller. */
  readonly name: string | undefined
  readonly claims: { readonly [claim: string]: unknown }
  /**
   * The network that the caller's requests come from, as {@link networkOf} returns it. A server sets it for each request;
   * absent for a call within the program.
   */
  readonly network?: string | undefined
}

/**
 * The anonymous caller.
 *
 * @since 0.1.0
 * @category constants
 */
export const anonymous: Identity = { name: undefined, claims: {} }

/**
 * The caller of the running operation. A server's guard, or a program, sets it. It is read at each operation, and never
 * stored while a layer is built. Default: {@link anonymous}.
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

/**
 * Returns the key that a limit counts a caller by: the name, or the network of an anonymous caller. All anonymous callers
 * whose network is unknown share one key.
 *
 * @since 0.1.0
 * @category getters
 * @example
 * ```ts
 * import { Caller } from "@effect-oci/core"
 *
 * const key = Caller.key({ name: "alice", claims: {} }) // "name alice"
 * ```
 */
export const key = ({ name, network }: Identity): string => {
  if (name !== undefined) return `name ${name}`
  return network === undefined ? "anonymous" : `network ${network}`
}

/**
 * Returns the network that limits count an address by: an IPv4 address itself, or the first 64 bits of an IPv6 address,
 * because a user of one IPv6 address usually has all addresses of its /64
 * ([RFC 6177, section 2](https://www.rfc-editor.org/rfc/rfc6177#section-2)). An IPv6 address that stands for an IPv4
 * address becomes that IPv4 address. A text that is not an address is returned unchanged.
 *
 * @since 0.1.0
 * @category getters
 * @example
 * ```ts
 * import { Caller } from "@effect-oci/core"
 *
 * const network = Caller.networkOf("2001:db8:1:2::5") // "2001:db8:1:2"
 * ```
 */
export const networkOf: (address: string) => string = internal.networkOf
