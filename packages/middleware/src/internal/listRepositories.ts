import { Answer, Operation } from "@effect-oci/core"
import type { Handler, RegistryError, RepositoryName } from "@effect-oci/core"
import * as Stream from "effect/Stream"

type Names = Stream.Stream<RepositoryName.RepositoryName, RegistryError.RegistryError>

/**
 * Returns lists whose union contains the names after `last` in ASCII order, for a registry that may use another order.
 *
 * A registry that walks directories lists `a/b` before `a-b`, but in ASCII order `a/b` comes after `a-b`. After
 * `last=a-b`, such a registry no longer lists `a/b`. Therefore an additional list contains the names below `a/`.
 */
export const listRepositories = (
  handle: Handler.Handler,
  { last }: Pick<Operation.ListRepositories, "last">
): ReadonlyArray<Answer.Answer<Operation.ListRepositories>> => {
  const from = (start: RepositoryName.RepositoryName | undefined, select: (names: Names) => Names) =>
    Answer.map(handle(new Operation.ListRepositories({ last: start })), select)
  if (last === undefined) return [from(undefined, (names) => names)]
  return [
    from(last, Stream.filter((name) => name > last)),
    ...stems(last).map((stem) => from(stem, Stream.takeWhile((name) => name.startsWith(`${stem}/`))))
  ]
}

/** Returns the parts of a name before each `-` and `.`, which sort before `/` in ASCII, if the part is a valid name. */
const stems = (name: RepositoryName.RepositoryName): ReadonlyArray<RepositoryName.RepositoryName> =>
  Array.from(name.matchAll(/(?<=[a-z0-9])[-.]/g), ({ index }) => name.slice(0, index) as RepositoryName.RepositoryName)
