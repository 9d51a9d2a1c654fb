import { Operation } from "@effect-oci/core"
import type { Handler, RegistryError, RepositoryName } from "@effect-oci/core"
import * as Stream from "effect/Stream"
import * as answer from "./answer.js"

type Names = Stream.Stream<RepositoryName.RepositoryName, RegistryError.RegistryError>

/**
 * The names that come after `last` in ASCII order, of a registry that may have another order: lists whose union they are.
 *
 * Registries that walk through directories have `a/b` before `a-b`, which in ASCII order is after it. After `a-b` they
 * would not tell of `a/b` any more, so that they are asked for what is below `a/` besides.
 */
export const listRepositories = (
  handle: Handler.Handler,
  { last }: Pick<Operation.ListRepositories, "last">
): ReadonlyArray<answer.AnswerTo<Operation.ListRepositories>> => {
  const from = (start: RepositoryName.RepositoryName | undefined, select: (names: Names) => Names) =>
    answer.map(handle(new Operation.ListRepositories({ last: start })), select)
  if (last === undefined) return [from(undefined, (names) => names)]
  return [
    from(last, Stream.filter((name) => name > last)),
    ...stems(last).map((stem) => from(stem, Stream.takeWhile((name) => name.startsWith(`${stem}/`))))
  ]
}

/** What of a name stands before each `-` and `.`, which come before `/` in ASCII, where that is a name too. */
const stems = (name: RepositoryName.RepositoryName): ReadonlyArray<RepositoryName.RepositoryName> =>
  Array.from(name.matchAll(/(?<=[a-z0-9])[-.]/g), ({ index }) => name.slice(0, index) as RepositoryName.RepositoryName)
