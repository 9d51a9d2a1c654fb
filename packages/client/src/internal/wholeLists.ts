import * as Caller from "@effect-oci/core/Caller"
import { LruMap } from "@effect-oci/core/LruMap"
import type { RepositoryName } from "@effect-oci/core/RepositoryName"
import type { Tag } from "@effect-oci/core/Tag"
import type { ListOperation } from "@effect-oci/protocol/Page"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { Shared } from "./shared.js"

/**
 * Keeps lists that the client had to read whole because the registry does not page them in order. A caller that reads
 * such a list page by page would make the client read the whole list again for every page.
 *
 * A kept list serves only the calls that continue after an item. It belongs to the caller that it was read for, and a
 * write through the client drops the lists that the write may change (`Shared.dropLists`).
 */
export interface WholeLists {
  /** Returns the whole list that the operation continues, if the client read the list a moment ago. */
  readonly get: (operation: ListOperation) => Effect.Effect<ReadonlyArray<Name> | undefined>
  readonly set: (operation: ListOperation, items: ReadonlyArray<Name>) => Effect.Effect<void>
}

type Name = RepositoryName | Tag

/** How long a list is kept, in milliseconds. */
const timeToLive = 30_000

/** The largest size of all kept lists together, in bytes. */
const maxBytes = 16 * 1024 * 1024

interface CachedList {
  readonly repository: RepositoryName | undefined
  readonly items: ReadonlyArray<Name>
  readonly until: number
}

const sizeOf = ({ items }: CachedList): number => items.reduce((sum, item) => sum + 2 * item.length + 16, 0)

export const make = (shared: Shared): WholeLists => {
  const lists = new LruMap<string, CachedList>(maxBytes, sizeOf)
  const keyAndTime = (operation: ListOperation) =>
    Effect.zipWith(Caller.fingerprint, Clock.currentTimeMillis, (caller, now) => ({
      key: caller === undefined ? undefined : keyOf(operation, caller),
      now
    }))
  shared.dropLists = (repository) =>
    lists.deleteWhere((_, list) => list.repository === undefined || list.repository === repository)
  return {
    get: (operation) =>
      Effect.map(keyAndTime(operation), ({ key, now }) => {
        const list = key === undefined ? undefined : lists.get(key)
        return list !== undefined && list.until > now ? list.items : undefined
      }),
    set: (operation, items) =>
      Effect.map(keyAndTime(operation), ({ key, now }) => {
        if (key === undefined) return
        lists.deleteWhere((_, { until }) => until <= now)
        const repository = operation._tag === "ListRepositories" ? undefined : operation.repository
        lists.set(key, { repository, items, until: now + timeToLive })
      })
  }
}

const keyOf = (operation: ListOperation, caller: string): string =>
  `${operation._tag} ${operation._tag === "ListRepositories" ? "" : operation.repository} ${caller}`
