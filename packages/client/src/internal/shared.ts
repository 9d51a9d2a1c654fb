import type { RepositoryName } from "@effect-oci/core/RepositoryName"
import * as Effect from "effect/Effect"

/** What the rows of one client share. The client loads them at different times. */
export interface Shared {
  /** Whether the registry tracks referrers itself. Then the client does not change referrers tags. */
  tracksReferrers: boolean
  /** Runs updates of referrers tags one after another, so that those of one client do not overwrite each other. */
  readonly oneAtATime: <A, E, R>(update: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** Drops the kept lists that a change of a repository may change. */
  dropLists: (repository: RepositoryName) => void
}

export const make = (): Shared => ({
  tracksReferrers: false,
  oneAtATime: Effect.unsafeMakeSemaphore(1).withPermits(1),
  dropLists: () => {}
})
