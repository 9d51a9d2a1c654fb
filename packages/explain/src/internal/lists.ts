import { Operation } from "@effect-oci/core"
import type { Descriptor, Handler, RegistryError, RepositoryName, Tag } from "@effect-oci/core"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { RepositoryChanges } from "./changes.js"

type List<A> = Effect.Effect<Stream.Stream<A, RegistryError.RegistryError>, RegistryError.RegistryError>

/** Returns the items of a list. If the repository `exists` in memory, one that is unknown behind has none. */
const itemsOf = <A>(list: List<A>, exists: boolean): Effect.Effect<ReadonlyArray<A>, RegistryError.RegistryError> =>
  Effect.map(Stream.runCollect(Stream.unwrap(list)), (items) => Array.from(items)).pipe(
    Effect.catchIf((error) => exists && error._tag === "OciNameUnknown", () => Effect.succeed([]))
  )

/** Returns at most `limit` names after `last`, in ASCII order, each once. */
const page = <A extends string>(
  names: ReadonlyArray<A>,
  { last, limit }: { readonly last?: string | undefined; readonly limit?: number | undefined }
): Stream.Stream<A> =>
  Stream.fromIterable(
    Array.from(new Set(names)).filter((name) => last === undefined || name > last).sort().slice(0, limit)
  )

/** Lists the repositories of the next registry and those that the program created. */
export const repositories = (
  next: Handler.Handler,
  changes: ReadonlyMap<RepositoryName.RepositoryName, RepositoryChanges>,
  operation: Operation.ListRepositories
): List<RepositoryName.RepositoryName> => {
  const created = Array.from(changes).flatMap(([name, { exists }]) => exists ? [name] : [])
  return Effect.map(
    itemsOf(next(new Operation.ListRepositories({})), true),
    (names) => page([...names, ...created], operation)
  )
}

/** Lists the tags of the next registry, with the changes. */
export const tags = (
  next: Handler.Handler,
  changes: RepositoryChanges | undefined,
  operation: Operation.ListTags
): List<Tag.Tag> => {
  const { repository } = operation
  return Effect.map(
    itemsOf(next(new Operation.ListTags({ repository })), changes?.exists === true),
    (names) => {
      const kept = names.filter((tag) => changes?.tags.has(tag) !== true)
      const set = Array.from(changes?.tags ?? []).flatMap(([tag, digest]) => digest === undefined ? [] : [tag])
      return page([...kept, ...set], operation)
    }
  )
}

/** Lists the referrers of the next registry, with the changes. */
export const referrers = (
  next: Handler.Handler,
  changes: RepositoryChanges | undefined,
  operation: Operation.ListReferrers
): List<Descriptor.Descriptor> => {
  const { artifactType, digest: subject } = operation
  return Effect.map(itemsOf(next(operation), changes !== undefined), (listed) => {
    const pushed = Array.from(changes?.manifests.values() ?? []).flatMap((each) =>
      each?.referrer?.subject === subject ? [each.referrer.descriptor] : []
    )
    const kept = listed.filter(({ digest }) => changes?.manifests.has(digest) !== true)
    return Stream.fromIterable(
      [...kept, ...pushed].filter((each) => artifactType === undefined || each.artifactType === artifactType)
        .sort((one, other) => one.digest < other.digest ? -1 : 1)
    )
  })
}
