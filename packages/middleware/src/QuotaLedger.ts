/**
 * The ledger of a quota: knows how much repositories contain, and reserves space for pushes.
 *
 * @since 0.1.0
 */
import type { RepositoryName } from "@effect-oci/core"
import * as KeyedMutex from "@effect-oci/core/KeyedMutex"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

/**
 * An amount of content: bytes of blobs and manifests, and numbers of manifests, tags and repositories. A blob counts in
 * each repository that has it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Amount {
  readonly bytes: number
  readonly manifests: number
  readonly tags: number
  readonly repositories: number
}

/**
 * The most that may exist of each kind.
 *
 * @since 0.1.0
 * @category models
 */
export type Limits = { readonly [Kind in keyof Amount]?: number | undefined }

/**
 * The most that a repository and all repositories below it may contain together. Without `prefix`, the most that the
 * whole registry may contain. What has no limit is not counted.
 *
 * @since 0.1.0
 * @category models
 */
export interface Limit extends Limits {
  /** For `team`, the limit is for `team` and `team/app`, and not for `teams`. */
  readonly prefix?: RepositoryName.RepositoryName | undefined
}

/**
 * A reservation of space for a push.
 *
 * @since 0.1.0
 * @category models
 */
export interface Reservation {
  readonly limit: Limit
  readonly amount: Amount
  /** How long the push may take. After that the reservation may end without its scope. */
  readonly lease: Duration.Duration
}

/**
 * A limit that a push would exceed.
 *
 * @since 0.1.0
 * @category models
 */
export interface Exceeded {
  readonly what: keyof Amount
  /** How much the repositories contain. */
  readonly used: number
  /** How much is reserved for pushes that have not ended. */
  readonly reserved: number
}

/**
 * Knows how much repositories contain, and reserves space for pushes. `SqlQuota` of `@effect-oci/store-sql` is one that
 * nodes share; {@link local} is one for a single process.
 *
 * @since 0.1.0
 * @category models
 */
export interface Ledger {
  /** Returns how much a repository and those below it contain, or the whole registry. */
  readonly used: (prefix: RepositoryName.RepositoryName | undefined) => Effect.Effect<Amount, unknown>
  /**
   * Reserves space until the scope closes, or returns the limit for which there is not enough. No two reservations
   * together exceed a limit.
   */
  readonly reserve: (reservation: Reservation) => Effect.Effect<Exceeded | undefined, unknown, Scope.Scope>
}

/**
 * The amount of nothing.
 *
 * @since 0.1.0
 * @category constants
 */
export const nothing: Amount = { bytes: 0, manifests: 0, tags: 0, repositories: 0 }

/**
 * What is counted.
 *
 * @since 0.1.0
 * @category constants
 */
export const kinds = Object.keys(nothing) as ReadonlyArray<keyof Amount>

/**
 * Returns the limit that an amount would exceed, for implementations of {@link Ledger}.
 *
 * @since 0.1.0
 * @category getters
 */
export const exceeded = (limit: Limit, amount: Amount, used: Amount, reserved: Amount): Exceeded | undefined => {
  const what = kinds.find((kind) =>
    amount[kind] > 0 && used[kind] + reserved[kind] + amount[kind] > (limit[kind] ?? Infinity)
  )
  return what && { what, used: used[what], reserved: reserved[what] }
}

/**
 * Creates a ledger for one process. `used` returns how much a repository and those below it contain, or the whole
 * registry: the ledger reads it for each push. If `used` is exact and no other process pushes, no limit is exceeded.
 *
 * @since 0.1.0
 * @category constructors
 */
export const local = (used: Ledger["used"]): Ledger => {
  const locked = KeyedMutex.make()
  const held = new Map<Reservation, string>()
  const reservedFor = (key: string) => {
    const sum = { ...nothing }
    for (const [{ amount }, of] of held) if (of === key) { for (const kind of kinds) sum[kind] += amount[kind] }
    return sum
  }
  return {
    used,
    reserve: ({ amount, lease, limit }) => {
      const key = limit.prefix ?? ""
      const reservation = { amount, lease, limit }
      const reserve = Effect.suspend(() => {
        // A push that ends while `used` is read counts twice, rather than not at all.
        const reserved = reservedFor(key)
        return Effect.map(used(limit.prefix), (used) => {
          const excess = exceeded(limit, amount, used, reserved)
          if (excess === undefined) held.set(reservation, key)
          return excess
        })
      })
      return Effect.acquireRelease(locked(key)(reserve), () => Effect.sync(() => held.delete(reservation)))
    }
  }
}
