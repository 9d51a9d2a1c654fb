import { Handler, Operation, RegistryError } from "@effect-oci/core"
import type * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Stream from "effect/Stream"
import * as answer from "../answer.js"
import { atMost } from "../atMost.js"
import { listRepositories } from "../listRepositories.js"
import { defaultHold, mergeSorted } from "../mergeSorted.js"
import { everywhere } from "./askAll.js"
import type { Attempt } from "./memberErrors.js"
import * as attempts from "./memberErrors.js"
import type { Options, Target } from "./model.js"
import * as model from "./model.js"

type Rows = Pick<Handler.Table, "ListRepositories" | "ListTags" | "ListReferrers">

type Items<A> = Stream.Stream<A, RegistryError.RegistryError>

/** A list that a member is asked for. */
interface Asked<A> {
  readonly name: string
  readonly authoritative: boolean
  readonly items: Effect.Effect<Items<A>, RegistryError.RegistryError>
}

/** A list that a member has started to return. */
interface Begun<A> {
  readonly name: string
  readonly authoritative: boolean
  readonly items: Items<A>
}

/** Creates the handlers of lists. They contain the items of all members, in order and each item once. */
export const lister = (targets: ReadonlyArray<Target>, { hold = defaultHold, passOver }: Options): Rows => {
  const resolve = model.able(targets, "resolve")
  const referrers = model.able(targets, "referrers")
  const movesOn = model.movesOn(passOver)
  /**
   * Returns whether a failure of a member is ignored. Many registries cannot list their repositories; the lists of
   * other members count then.
   */
  const isPassedOver = (operation: Operation.Operation, authoritative: boolean, error: RegistryError.RegistryError) =>
    RegistryError.isNotFound(error) || (!authoritative && movesOn(error)) ||
    (operation._tag === "ListRepositories" && error._tag === "Unsupported")

  /**
   * Merges the lists of the members. A list can fail at once or when it is read. In both cases the other lists may
   * succeed.
   */
  const merged = <A>(
    operation: Operation.Operation,
    lists: ReadonlyArray<Asked<A>>,
    key: (item: A) => string
  ): Effect.Effect<Items<A>, RegistryError.RegistryError> =>
    Handler.matchEffect(everywhere(lists, ({ items }) => items), {
      onFailure: Exit.fail,
      onSuccess: (outcomes) => {
        const failed: Array<Attempt> = []
        const begun: Array<Begun<A>> = []
        for (const [index, { answer, name }] of outcomes.entries()) {
          const { authoritative } = lists[index]!
          if (answer._tag === "Right") begun.push({ name, authoritative, items: answer.right })
          else if (isPassedOver(operation, authoritative, answer.left)) failed.push({ name, error: answer.left })
          else return Exit.fail(attempts.asOne(operation, [...failed, { name, error: answer.left }], answer.left))
        }
        return begun.length === 0
          ? Exit.fail(attempts.asOne(operation, failed))
          : Exit.succeed(read(operation, failed, begun, key))
      }
    })

  const read = <A>(
    operation: Operation.Operation,
    before: ReadonlyArray<Attempt>,
    lists: ReadonlyArray<Begun<A>>,
    key: (item: A) => string
  ): Items<A> =>
    Stream.suspend(() => {
      const failed = [...before]
      let empty = true
      const passing = lists.map(({ authoritative, items, name }) => ({
        name,
        items: Stream.catchAll(items, (error) => {
          failed.push({ name, error })
          return isPassedOver(operation, authoritative, error)
            ? Stream.empty
            : Stream.fail(attempts.asOne(operation, failed, error))
        })
      }))
      const all = Stream.mapChunks(mergeSorted(passing, Operation.errorFields(operation), { key, hold }), (chunk) => {
        empty = false
        return chunk
      })
      const found = Stream.suspend(() =>
        empty && failed.length === lists.length + before.length
          ? Stream.fail(attempts.asOne(operation, failed))
          : Stream.empty
      )
      return Stream.concat(all, found)
    })

  return {
    ListRepositories: (operation) => {
      const { limit } = operation
      if (resolve.all.length === 0) return model.nobody(operation, resolve)
      const lists = resolve.all.flatMap(({ authoritative, handle, name, select }) =>
        listRepositories(handle, operation).map((names) => ({
          name,
          authoritative,
          items: answer.map(
            names,
            (items) =>
              select === undefined ? items : Stream.filter(items, (repository) => model.touches(select, repository))
          )
        }))
      )
      return answer.map(merged(operation, lists, same), (items) => atMost(items, limit))
    },
    ListTags: (operation) => {
      const { last, limit, repository } = operation
      const members = resolve.within(repository)
      const [only] = members
      if (only === undefined) return model.nobody(operation, resolve)
      if (members.length === 1 && only.select === undefined) return only.handle(operation)
      // The limit applies to the merged list. A member with another order could cut off items that come first.
      const asked = new Operation.ListTags({ repository, last, limit: limit === 0 ? 0 : undefined })
      const lists = members.map(({ authoritative, handle, name, select }) => ({
        name,
        authoritative,
        items: answer.map(
          handle(asked),
          (items) =>
            Stream.filter(items, (tag) => (last === undefined || tag > last) && model.contains(select, repository, tag))
        )
      }))
      return answer.map(
        merged(operation, lists, same),
        // With `limit` 0, the list is still read, to find out whether the repository exists.
        (items) => limit === 0 ? Stream.filter(items, () => false) : atMost(items, limit)
      )
    },
    ListReferrers: (operation) => {
      const members = referrers.within(operation.repository)
      const [only] = members
      if (only === undefined) return model.nobody(operation, referrers)
      if (members.length === 1) return only.handle(operation)
      const lists = members.map(({ authoritative, handle, name }) => ({
        name,
        authoritative,
        items: handle(operation)
      }))
      return merged(operation, lists, ({ digest }) => digest)
    }
  }
}

const same = (item: string): string => item
