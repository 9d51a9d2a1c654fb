/**
 * The caller of an operation.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Digest from "./Digest.js"
import { canonical } from "./internal/canonical.js"
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
 * The credentials that a caller presented to a server: a name and a password, or a bearer token.
 *
 * @since 0.1.0
 * @category models
 */
export type Presentation =
  | { readonly _tag: "Basic"; readonly username: string; readonly password: Redacted.Redacted }
  | { readonly _tag: "Bearer"; readonly token: Redacted.Redacted }

/**
 * The credentials that the caller of the running operation presented, for a client that acts on behalf of the caller. A
 * guard sets it only if it is configured so. Default: `undefined`.
 *
 * @since 0.1.0
 * @category services
 * @example
 * ```ts
 * import { Caller } from "@effect-oci/core"
 * import { Effect, Redacted } from "effect"
 *
 * const onBehalf = Effect.provideService(Caller.Presented, {
 *   _tag: "Basic",
 *   username: "alice",
 *   password: Redacted.make("secret")
 * })
 * ```
 */
export class Presented extends Context.Reference<Presented>()("@effect-oci/core/Caller/Presented", {
  defaultValue: (): Presentation | undefined => undefined
}) {}

/**
 * Returns a key of everything that a registry's answer can depend on: the identity of the running operation's caller, with
 * its claims and network, and the credentials that the caller presented. Results that are kept for one caller are kept
 * by this key. It contains no secret, and is different in each process. Returns `undefined` if a claim is not JSON: keep
 * nothing for such a caller.
 *
 * @since 0.1.0
 * @category getters
 * @example
 * ```ts
 * import { Caller } from "@effect-oci/core"
 * import { Effect } from "effect"
 *
 * const listsByCaller = new Map<string, ReadonlyArray<string>>()
 *
 * const keptList = Effect.map(Caller.fingerprint, (key) => key === undefined ? undefined : listsByCaller.get(key))
 * ```
 */
export const fingerprint: Effect.Effect<string | undefined> = Effect.zipWith(
  Caller,
  Presented,
  (caller, presented) => {
    const text = canonical([caller.name, caller.network, caller.claims, presented && secretsOf(presented)])
    return text === undefined ? undefined : Digest.fromBytes(new TextEncoder().encode(salt() + text))
  }
)

const secretsOf = (presented: Presentation): ReadonlyArray<string> =>
  presented._tag === "Basic"
    ? ["Basic", presented.username, Redacted.value(presented.password)]
    : ["Bearer", Redacted.value(presented.token)]

let randomSalt: string | undefined

/** Returns random text of this process, so that a key does not allow guesses of a password. */
const salt = (): string => randomSalt ??= crypto.randomUUID()

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
