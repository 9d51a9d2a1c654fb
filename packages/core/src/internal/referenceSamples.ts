import type { RepositoryName } from "../RepositoryName.js"
import type { Tag } from "../Tag.js"
import { maxNameLength, nameProblem } from "./grammar.js"
import { type Expression, holds, isBelow } from "./referenceSet.js"
import * as Glob from "./tagGlob.js"

/**
 * A set can distinguish two references only by the hosts, names, prefixes and globs that it mentions. So properties of
 * a set are decided with samples: one for each way in which a host, a name or a tag can be related to everything that
 * is mentioned. A set is empty if it contains no combination of its samples.
 */
interface Mentioned {
  readonly hosts: Set<string>
  readonly names: Set<string>
  readonly prefixes: Set<string>
  readonly globs: Map<string, ReadonlyArray<Glob.Glob>>
}

const collect = (set: Expression, into: Mentioned): Mentioned => {
  switch (set._tag) {
    case "Registry":
      set.hosts.forEach((host) => into.hosts.add(host))
      return into
    case "Repository":
      set.names.forEach((name) => into.names.add(name))
      set.prefixes.forEach((prefix) => into.prefixes.add(prefix))
      return into
    case "Tags":
      into.globs.set(set.globs.map(Glob.format).join(), set.globs)
      return into
    case "Union":
    case "Intersection":
      return set.members.reduce((mentioned, member) => collect(member, mentioned), into)
    case "Complement":
      return collect(set.of, into)
  }
}

const mentionedIn = (set: Expression): Mentioned =>
  collect(set, { hosts: new Set(), names: new Set(), prefixes: new Set(), globs: new Map() })

/** Returns every host that is mentioned, and one that is not. That one also represents references without a host. */
const hosts = (mentioned: Mentioned): ReadonlyArray<string> => {
  let other = "example.org"
  for (let count = 1; mentioned.hosts.has(other); count++) other = `${count}.example.org`
  return [...mentioned.hosts, other]
}

const nameCharacters = "0123456789abcdefghijklmnopqrstuvwxyz-._/"

function* words(length: number, start = ""): Iterable<string> {
  if (length === 0) {
    yield start
  } else {
    for (const char of nameCharacters) yield* words(length - 1, start + char)
  }
}

/**
 * Returns a name that starts with `prefix`, is not mentioned, and is not below a longer mentioned prefix. Empty if none
 * exists.
 */
const nameBelow = (prefix: string, mentioned: Mentioned): ReadonlyArray<RepositoryName> => {
  for (let length = 1; length <= maxNameLength - prefix.length; length++) {
    for (const word of words(length)) {
      const name = prefix + word
      if (
        nameProblem(name) === undefined && !mentioned.names.has(name) &&
        !isBelow(name, mentioned.prefixes, prefix.length)
      ) {
        return [name as RepositoryName]
      }
    }
  }
  return []
}

const repositories = (mentioned: Mentioned): ReadonlyArray<RepositoryName> => [
  ...mentioned.names as Set<RepositoryName>,
  ...["", ...mentioned.prefixes].flatMap((prefix) => nameBelow(prefix, mentioned))
]

/** Returns the sample tags, and `undefined` for references without a tag. */
export const tags = (set: Expression): ReadonlyArray<Tag | undefined> => {
  const { globs } = mentionedIn(set)
  return [undefined, ...Glob.samples([...globs.values()])]
}

/** Returns a member of a set, if it has one. */
export const member = (set: Expression, tagSamples: ReadonlyArray<Tag | undefined>): {
  readonly registry: string
  readonly repository: RepositoryName
  readonly tag: Tag | undefined
} | undefined => {
  const mentioned = mentionedIn(set)
  const registrySamples = hosts(mentioned)
  for (const repository of repositories(mentioned)) {
    for (const registry of registrySamples) {
      for (const tag of tagSamples) {
        if (holds(set, registry, repository, tag)) return { registry, repository, tag }
      }
    }
  }
  return undefined
}
