import { Answer, Operation } from "@effect-oci/core"
import type { RegistryError } from "@effect-oci/core"
import type * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { mergeSorted } from "../mergeSorted.js"
import { askAll } from "./askAll.js"
import * as memberErrors from "./memberErrors.js"
import type { MemberError } from "./memberErrors.js"

type Items<A> = Stream.Stream<A, RegistryError.RegistryError>

/** The list of a member: its items, or an effect that opens the list. */
export interface MemberList<Items> {
  readonly name: string
  readonly authoritative: boolean
  readonly items: Items
}

/** How to merge lists. */
export interface Merge<A> {
  readonly operation: Operation.Operation
  /** Returns the key by which items are sorted and compared. */
  readonly key: (item: A) => string
  /** How many items of each list are buffered, so that items that are out of order can be sorted. */
  readonly sortBuffer: number
  /** Returns whether the merged list continues without a member that failed. */
  readonly isIgnored: (error: RegistryError.RegistryError, authoritative: boolean) => boolean
}

/**
 * Merges the lists of members. A list can fail at once or when it is read. In both cases the other lists may succeed.
 */
export const mergeLists = <A>(
  merge: Merge<A>,
  lists: ReadonlyArray<MemberList<Effect.Effect<Items<A>, RegistryError.RegistryError>>>
): Effect.Effect<Items<A>, RegistryError.RegistryError> =>
  Answer.flatMap(askAll(lists, ({ items }) => items), (outcomes) => {
    const failed: Array<MemberError> = []
    const opened: Array<MemberList<Items<A>>> = []
    for (const [index, { answer, name }] of outcomes.entries()) {
      const { authoritative } = lists[index]!
      if (answer._tag === "Right") opened.push({ name, authoritative, items: answer.right })
      else {
        failed.push({ name, error: answer.left })
        if (!merge.isIgnored(answer.left, authoritative)) {
          return Answer.fail(memberErrors.combine(merge.operation, failed, answer.left))
        }
      }
    }
    return opened.length === 0
      ? Answer.fail(memberErrors.combine(merge.operation, failed))
      : Answer.succeed(mergeOpened(merge, failed, opened))
  })

/** Merges lists that members have started to return. Fails if all members fail and no item was received. */
const mergeOpened = <A>(
  { sortBuffer, isIgnored, key, operation }: Merge<A>,
  failedBefore: ReadonlyArray<MemberError>,
  lists: ReadonlyArray<MemberList<Items<A>>>
): Items<A> =>
  Stream.suspend(() => {
    const failed = [...failedBefore]
    let isEmpty = true
    const readable = lists.map(({ authoritative, items, name }) => ({
      name,
      items: Stream.catchAll(items, (error) => {
        failed.push({ name, error })
        return isIgnored(error, authoritative)
          ? Stream.empty
          : Stream.fail(memberErrors.combine(operation, failed, error))
      })
    }))
    const merged = Stream.mapChunks(
      mergeSorted(readable, Operation.errorFields(operation), { key, sortBuffer }),
      (chunk) => {
        isEmpty = false
        return chunk
      }
    )
    const end = Stream.suspend(() =>
      isEmpty && failed.length === lists.length + failedBefore.length
        ? Stream.fail(memberErrors.combine(operation, failed))
        : Stream.empty
    )
    return Stream.concat(merged, end)
  })
