import * as Caller from "@effect-oci/core/Caller"
import type * as Handler from "@effect-oci/core/Handler"
import type { RepositoryName } from "@effect-oci/core/RepositoryName"
import type { Tag } from "@effect-oci/core/Tag"
import type { ListOperation } from "@effect-oci/protocol/Page"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"

/**
 * Keeps lists that the client had to read whole because the registry does not page them in order. A caller that reads
 * such a list page by page would make the client read the whole list again for every page.
 *
 * A kept list serves only the calls that continue after an item. It belongs to the caller that it was read for, and a
 * write through the client drops the lists that the write may change.
 */
export interface WholeLists {
  /** Returns the whole list that the operation continues, if the client read the list a moment ago. */
  readonly get: (operation: ListOperation) => Effect.Effect<ReadonlyArray<Name> | undefined>
  readonly set: (operation: ListOperation, items: ReadonlyArray<Name>) => Effect.Effect<void>
  /** Returns the operations that change lists. Each of them drops the lists that it may change. */
  readonly dropping: (rows: Changes) => Changes
}

type Name = RepositoryName | Tag

type Changes = Pick<Handler.Table, "PushManifest" | "DeleteManifest" | "DeleteTag">

/** How long a list is kept, in milliseconds. */
const timeToLive = 30_000

/** The largest size of all kept lists together, in bytes. */
const maxBytes = 16 * 1024 * 1024

interface Kept {
  readonly repository: RepositoryName | undefined
  readonly items: ReadonlyArray<Name>
  readonly bytes: number
  readonly until: number
}

const sizeOf = (items: ReadonlyArray<Name>): number => items.reduce((sum, item) => sum + 2 * item.length + 16, 0)

export const make = (): WholeLists => {
  // The oldest list is the first.
  const lists = new Map<string, Kept>()
  let bytes = 0
  const remove = (key: string) => {
    bytes -= lists.get(key)?.bytes ?? 0
    lists.delete(key)
  }
  const keyOf = (operation: ListOperation, caller: Caller.Identity): string | undefined => {
    const repository = operation._tag === "ListRepositories" ? "" : operation.repository
    // Claims may contain values that JSON cannot represent. No list is kept for such a caller.
    return Either.getOrUndefined(
      Either.try(() => JSON.stringify([operation._tag, repository, Caller.key(caller), caller.claims]))
    )
  }
  const here = (operation: ListOperation) =>
    Effect.zipWith(Caller.Caller, Clock.currentTimeMillis, (caller, now) => ({ key: keyOf(operation, caller), now }))
  /** Drops the list of a repository's tags, and the lists of repositories. */
  const forget = (repository: RepositoryName) =>
    Effect.sync(() => {
      for (const [key, kept] of lists) {
        if (kept.repository === undefined || kept.repository === repository) remove(key)
      }
    })
  return {
    get: (operation) =>
      Effect.map(here(operation), ({ key, now }) => {
        const kept = key === undefined ? undefined : lists.get(key)
        return kept !== undefined && kept.until > now ? kept.items : undefined
      }),
    set: (operation, items) =>
      Effect.map(here(operation), ({ key, now }) => {
        if (key === undefined) return
        remove(key)
        const size = sizeOf(items)
        if (size > maxBytes) return
        const repository = operation._tag === "ListRepositories" ? undefined : operation.repository
        lists.set(key, { repository, items, bytes: size, until: now + timeToLive })
        bytes += size
        for (const [oldest, { until }] of lists) {
          if (bytes <= maxBytes && until > now) return
          remove(oldest)
        }
      }),
    dropping: ({ DeleteManifest, DeleteTag, PushManifest }) => ({
      PushManifest: (operation) => Effect.ensuring(PushManifest(operation), forget(operation.repository)),
      DeleteManifest: (operation) => Effect.ensuring(DeleteManifest(operation), forget(operation.repository)),
      DeleteTag: (operation) => Effect.ensuring(DeleteTag(operation), forget(operation.repository))
    })
  }
}
