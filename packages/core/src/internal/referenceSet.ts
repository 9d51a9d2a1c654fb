import * as Glob from "./tagGlob.js"

/**
 * A set as the expression that created it. A reference is in the set if the expression is true for it. An empty union
 * contains nothing, and an empty intersection contains everything.
 */
export type Expression =
  | { readonly _tag: "Registry"; readonly hosts: ReadonlySet<string> }
  | { readonly _tag: "Repository"; readonly names: ReadonlySet<string>; readonly prefixes: ReadonlySet<string> }
  | { readonly _tag: "Tags"; readonly globs: ReadonlyArray<Glob.Glob> }
  | { readonly _tag: "Union"; readonly members: ReadonlyArray<Expression> }
  | { readonly _tag: "Intersection"; readonly members: ReadonlyArray<Expression> }
  | { readonly _tag: "Complement"; readonly of: Expression }

export const none: Expression = { _tag: "Union", members: [] }
export const all: Expression = { _tag: "Intersection", members: [] }

/** Returns whether a reference is in a set. It runs for every operation behind a filter, so it allocates nothing. */
export const holds = (
  set: Expression,
  registry: string | undefined,
  repository: string,
  tag: string | undefined
): boolean => {
  switch (set._tag) {
    case "Registry":
      return registry !== undefined && (set.hosts.has(registry) || set.hosts.has(registry.toLowerCase()))
    case "Repository":
      return set.names.has(repository) || isBelow(repository, set.prefixes)
    case "Tags":
      if (tag === undefined) return false
      for (const glob of set.globs) if (Glob.matches(glob, tag)) return true
      return false
    case "Union":
      for (const member of set.members) if (holds(member, registry, repository, tag)) return true
      return false
    case "Intersection":
      for (const member of set.members) if (!holds(member, registry, repository, tag)) return false
      return true
    case "Complement":
      return !holds(set.of, registry, repository, tag)
  }
}

/** Returns whether a name is below one of the prefixes. Each prefix ends with a slash at position `from` or later. */
export const isBelow = (name: string, prefixes: ReadonlySet<string>, from = 0): boolean => {
  if (prefixes.size === 0) return false
  for (let slash = name.indexOf("/", from); slash >= 0; slash = name.indexOf("/", slash + 1)) {
    if (prefixes.has(name.slice(0, slash + 1))) return true
  }
  return false
}

const isNone = (set: Expression): boolean => set._tag === "Union" && set.members.length === 0
const isAll = (set: Expression): boolean => set._tag === "Intersection" && set.members.length === 0

const membersOf = (set: Expression, kind: "Union" | "Intersection"): ReadonlyArray<Expression> =>
  set._tag === kind ? set.members : [set]

/** Merges sets of one kind, so that a union of many names needs one lookup and not a loop. */
const join = (members: ReadonlyArray<Expression>): ReadonlyArray<Expression> => {
  const joined: Array<Expression> = []
  for (const member of members) {
    const at = joined.findIndex((other) => other._tag === member._tag)
    const other = joined[at]
    if (other?._tag === "Registry" && member._tag === "Registry") {
      joined[at] = { _tag: "Registry", hosts: new Set([...other.hosts, ...member.hosts]) }
    } else if (other?._tag === "Repository" && member._tag === "Repository") {
      joined[at] = {
        _tag: "Repository",
        names: new Set([...other.names, ...member.names]),
        prefixes: new Set([...other.prefixes, ...member.prefixes])
      }
    } else if (other?._tag === "Tags" && member._tag === "Tags") {
      joined[at] = { _tag: "Tags", globs: [...other.globs, ...member.globs] }
    } else {
      joined.push(member)
    }
  }
  return joined
}

export const union = (one: Expression, other: Expression): Expression => {
  if (isAll(one) || isAll(other)) return all
  const members = join([...membersOf(one, "Union"), ...membersOf(other, "Union")])
  return members.length === 1 ? members[0]! : { _tag: "Union", members }
}

/** Merges complements, so that their sets can be merged too: `!a & !b` becomes `!(a | b)`. */
export const intersection = (one: Expression, other: Expression): Expression => {
  if (isNone(one) || isNone(other)) return none
  const members: Array<Expression> = []
  let left: Expression = none
  for (const member of [...membersOf(one, "Intersection"), ...membersOf(other, "Intersection")]) {
    if (member._tag === "Complement") left = union(left, member.of)
    else members.push(member)
  }
  if (!isNone(left)) members.push(complement(left))
  return members.length === 1 ? members[0]! : { _tag: "Intersection", members }
}

export const complement = (set: Expression): Expression => {
  if (isNone(set)) return all
  if (isAll(set)) return none
  return set._tag === "Complement" ? set.of : { _tag: "Complement", of: set }
}

const shown = 8

const listed = (name: string, values: Iterable<string>): ReadonlyArray<string> => {
  const texts = [...values]
  if (texts.length === 0) return []
  const rest = texts.length > shown ? `, and ${texts.length - shown} more` : ""
  return [`${name}(${texts.slice(0, shown).join(", ")}${rest})`]
}

/** Returns the texts of the sets whose union a set is. */
const alternatives = (set: Expression): ReadonlyArray<string> => {
  switch (set._tag) {
    case "Union":
      return set.members.flatMap(alternatives)
    case "Repository":
      return [...listed("repository", set.names), ...listed("prefix", set.prefixes)]
    case "Registry":
      return listed("registry", set.hosts)
    case "Tags":
      return listed("tags", set.globs.map(Glob.format))
    case "Intersection":
      return [set.members.length === 0 ? "all" : set.members.map(enclosed).join(" & ")]
    case "Complement":
      return [`!${set.of._tag === "Intersection" ? `(${format(set.of)})` : enclosed(set.of)}`]
  }
}

const enclosed = (set: Expression): string => {
  const texts = alternatives(set)
  return texts.length > 1 ? `(${texts.join(" | ")})` : texts[0] ?? "none"
}

export const format = (set: Expression): string => alternatives(set).join(" | ") || "none"
