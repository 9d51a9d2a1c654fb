import * as ResourceScope from "../ResourceScope.js"

/**
 * The grants of a limited scope: a map from each resource to its actions. The key is the text of the resource in a
 * scope, including the last colon (`repository:team/app:`). If the actions of a resource include `*`, they contain
 * nothing else.
 *
 * An opaque scope is a key without actions: the whole text of the scope. No text can be both, because a text of the
 * first form reads as a resource with an empty action.
 *
 * The map is sorted only for display. A scope from an untrusted source is therefore read and compared in linear time.
 */
export type Grants = ReadonlyMap<string, ReadonlySet<string>>

type Growing = Map<string, Set<string>>

const anyAction = "*"

/**
 * The empty set of actions that all opaque scopes share. It is never modified, because an opaque scope has no actions.
 */
const noActions: Set<string> = new Set()

const add = (grants: Growing, resource: string, actions: ReadonlyArray<string> | ReadonlySet<string>): void => {
  let granted = grants.get(resource)
  if (granted === undefined) grants.set(resource, granted = actions === noActions ? noActions : new Set())
  for (const action of actions) {
    if (granted.has(anyAction)) return
    if (action === anyAction) granted.clear()
    granted.add(action)
  }
}

/**
 * Adds the word of one resource scope. The resource may contain colons, but the type and the actions may not. A word
 * with an empty type or resource is opaque.
 */
const addWord = (grants: Growing, word: string): void => {
  const first = word.indexOf(":")
  const last = word.lastIndexOf(":")
  if (first > 0 && last > first + 1) add(grants, word.slice(0, last + 1), word.slice(last + 1).split(","))
  else if (word !== "") add(grants, word, noActions)
}

/** Returns the grants of a text. */
export const parse = (text: string): Grants => {
  const grants: Growing = new Map()
  for (const word of text.split(/\s+/)) addWord(grants, word)
  return grants
}

/** Returns the grants of resource scopes. Each resource scope is interpreted by its text. */
export const make = (resourceScopes: Iterable<ResourceScope.ResourceScope>): Grants => {
  const grants: Growing = new Map()
  for (const resourceScope of resourceScopes) addWord(grants, ResourceScope.format(resourceScope))
  return grants
}

const holds = (granted: ReadonlySet<string>, action: string): boolean => granted.has(anyAction) || granted.has(action)

/** Returns whether `self` grants everything that `that` grants. */
export const includes = (self: Grants, that: Grants): boolean => {
  if (that.size > self.size) return false
  for (const [resource, actions] of that) {
    const granted = self.get(resource)
    if (granted === undefined) return false
    for (const action of actions) if (!holds(granted, action)) return false
  }
  return true
}

export const union = (all: Iterable<Grants>): Grants => {
  const grants: Growing = new Map()
  for (const each of all) for (const [resource, actions] of each) add(grants, resource, actions)
  return grants
}

/** Returns the resources in both, with the actions that both grant. */
export const intersection = (self: Grants, that: Grants): Grants => {
  const grants: Growing = new Map()
  for (const [resource, actions] of self) {
    const others = that.get(resource)
    if (others === undefined) continue
    const both = actions.has(anyAction) ? [...others] : [...actions].filter((action) => holds(others, action))
    if (actions.size === 0) add(grants, resource, actions)
    else if (both.length > 0) add(grants, resource, both)
  }
  return grants
}

/** Returns what `required` grants and `granted` does not. */
export const difference = (required: Grants, granted: Grants): Grants => {
  const grants: Growing = new Map()
  for (const [resource, actions] of required) {
    const others = granted.get(resource)
    if (others === undefined) {
      add(grants, resource, actions)
      continue
    }
    const missing = [...actions].filter((action) => !holds(others, action))
    if (missing.length > 0) add(grants, resource, missing)
  }
  return grants
}

export const size = (self: Grants): number => {
  let count = 0
  for (const actions of self.values()) count += Math.max(actions.size, 1)
  return count
}

/** Returns the parts of one resource. The actions become one text: `type`, `resource` and `pull,push`. */
const byResource = (self: Grants): ReadonlyArray<ResourceScope.ResourceScope> =>
  Array.from(self, ([resource, actions]) => {
    if (actions.size === 0) return ResourceScope.make(resource, "", "")
    const colon = resource.indexOf(":")
    return ResourceScope.make(resource.slice(0, colon), resource.slice(colon + 1, -1), [...actions].sort().join(","))
  }).sort(ResourceScope.Order)

/** Returns the resource scopes, in canonical order. */
export const values = (self: Grants): ReadonlyArray<ResourceScope.ResourceScope> =>
  byResource(self).flatMap(({ action, resource, type }) =>
    action.split(",").map((each) => ResourceScope.make(type, resource, each))
  )

/** Returns the canonical text. */
export const format = (self: Grants): string => byResource(self).map(ResourceScope.format).join(" ")
