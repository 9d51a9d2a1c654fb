import { Answer, Operation, RegistryError } from "@effect-oci/core"
import type { Handler } from "@effect-oci/core"
import { identity } from "effect/Function"
import * as Stream from "effect/Stream"
import { atMost } from "../atMost.js"
import { listRepositories } from "../listRepositories.js"
import { mergeLists } from "./mergeLists.js"
import type { Merge } from "./mergeLists.js"
import { capableMembers, dispatch, noMemberError, selectsRepository, selectsTag, shouldTryNext } from "./model.js"
import type { Settings, UnionMember } from "./model.js"

type Rows = Pick<Handler.Table, "ListRepositories" | "ListTags" | "ListReferrers">

/** Creates the handlers of lists. They contain the items of all members, in order and each item once. */
export const lister = (unionMembers: ReadonlyArray<UnionMember>, settings: Settings): Rows => {
  const resolvers = capableMembers(unionMembers, "resolve")
  const referrers = capableMembers(unionMembers, "referrers")
  const triesNext = shouldTryNext(settings)
  const merging = <A>(operation: Operation.OperationOf<keyof Rows>, key: (item: A) => string): Merge<A> => ({
    operation,
    key,
    sortBuffer: settings.sortBuffer,
    isIgnored: (error, authoritative) =>
      RegistryError.isNotFound(error) || (!authoritative && triesNext(error)) ||
      // Many registries cannot list their repositories.
      (operation._tag === "ListRepositories" && error._tag === "OciUnsupported")
  })

  return {
    ListRepositories: (operation) =>
      resolvers.all.length === 0
        ? noMemberError(operation, resolvers)
        : listAllRepositories(operation, resolvers.all, merging(operation, identity)),
    ListTags: (operation) => {
      const list = (members: ReadonlyArray<UnionMember>) => listTags(operation, members, merging(operation, identity))
      return dispatch(
        operation,
        resolvers,
        resolvers.ofRepository(operation.repository),
        (_, members) => list(members),
        (_, member) => member.select === undefined ? member.handle(operation) : list([member])
      )
    },
    ListReferrers: (operation) =>
      dispatch(operation, referrers, referrers.ofRepository(operation.repository), (_, members) =>
        mergeLists(
          merging(operation, ({ digest }) => digest),
          members.map(({ authoritative, handle, name }) => ({ name, authoritative, items: handle(operation) }))
        ))
  }
}

const listAllRepositories = (
  operation: Operation.ListRepositories,
  members: ReadonlyArray<UnionMember>,
  merge: Merge<string>
): Answer.Answer<Operation.ListRepositories> => {
  const lists = members.flatMap((member) =>
    listRepositories(member.handle, operation).map((names) => ({
      name: member.name,
      authoritative: member.authoritative,
      items: Answer.map(
        names,
        (items) => member.select === undefined ? items : Stream.filter(items, (name) => selectsRepository(member, name))
      )
    }))
  )
  return Answer.map(mergeLists(merge, lists), (items) => atMost(items, operation.limit))
}

const listTags = (
  { last, limit, repository }: Operation.ListTags,
  members: ReadonlyArray<UnionMember>,
  merge: Merge<string>
): Answer.Answer<Operation.ListTags> => {
  // The limit applies to the merged list. A member with another order could cut off items that come first.
  const request = new Operation.ListTags({ repository, last, limit: limit === 0 ? 0 : undefined })
  const lists = members.map((member) => ({
    name: member.name,
    authoritative: member.authoritative,
    items: Answer.map(
      member.handle(request),
      Stream.filter((tag) => (last === undefined || tag > last) && selectsTag(member, repository, tag))
    )
  }))
  return Answer.map(
    mergeLists(merge, lists),
    // With `limit` 0, the list is still read, to find out whether the repository exists.
    (items) => limit === 0 ? Stream.filter(items, () => false) : atMost(items, limit)
  )
}
