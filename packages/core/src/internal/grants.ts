import * as ResourceScope from "../ResourceScope.js"

/**
 * What a limited scope grants: the actions on each resource, under the resource's text as it stands in a scope up to
 * and with the last colon (`repository:team/app:`). An opaque scope is a resource without actions, under its whole
 * text; no text is both, since one of the first kind reads as a resource with the empty action. Where `*` is among the
 * actions of a resource it is the only one.
 *
 * Nothing here is sorted until it is shown: a scope that a stranger wrote is read and compared in linear time.
 */
export type Grants = ReadonlyMap<string, ReadonlySet<string>>

type Growing = Map<string, Set<string>>

const anyAction = "*"

/** Shared by all opaque scopes, and never grown: no actions are added under the text of one. */
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

/** A resource's text may hold colons, its type and its actions may not, and neither type nor resource is empty. */
const addWord = (grants: Growing, word: string): void => {
  const first = word.indexOf(":")
  const last = word.lastIndexOf(":")
  if (first > 0 && last > first + 1) add(grants, word.slice(0, last + 1), word.slice(last + 1).split(","))
  else if (word !== "") add(grants, word, noActions)
}

/** What a text grants. */
export const parse = (text: string): Grants => {
  const grants: Growing = new Map()
  for (const word of text.split(/\s+/)) addWord(grants, word)
  return grants
}

/** What resource scopes grant, each as its text reads. */
export const make = (resourceScopes: Iterable<ResourceScope.ResourceScope>): Grants => {
  const grants: Growing = new Map()
  for (const resourceScope of resourceScopes) addWord(grants, ResourceScope.format(resourceScope))
  return grants
}

const holds = (held: ReadonlySet<string>, action: string): boolean => held.has(anyAction) || held.has(action)

/** Whether `self` grants all that `that` does. */
export const includes = (self: Grants, that: Grants): boolean => {
  if (that.size > self.size) return false
  for (const [resource, actions] of that) {
    const held = self.get(resource)
    if (held === undefined) return false
    for (const action of actions) if (!holds(held, action)) return false
  }
  return true
}

export const union = (all: Iterable<Grants>): Grants => {
  const grants: Growing = new Map()
  for (const each of all) for (const [resource, actions] of each) add(grants, resource, actions)
  return grants
}

/** The resources that both know, with those actions of either that the other holds. */
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

/** What `required` grants and `held` does not. */
export const difference = (required: Grants, held: Grants): Grants => {
  const grants: Growing = new Map()
  for (const [resource, actions] of required) {
    const others = held.get(resource)
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

/** One resource, with its actions as the action of a resource scope: `type`, `resource` and `pull,push`. */
const byResource = (self: Grants): ReadonlyArray<ResourceScope.ResourceScope> =>
  Array.from(self, ([resource, actions]) => {
    if (actions.size === 0) return ResourceScope.make(resource, "", "")
    const colon = resource.indexOf(":")
    return ResourceScope.make(resource.slice(0, colon), resource.slice(colon + 1, -1), [...actions].sort().join(","))
  }).sort(ResourceScope.Order)

/** The resource scopes of which it is made, in canonical order. */
export const values = (self: Grants): ReadonlyArray<ResourceScope.ResourceScope> =>
  byResource(self).flatMap(({ action, resource, type }) =>
    action.split(",").map((each) => ResourceScope.make(type, resource, each))
  )

/** The canonical text. */
export const format = (self: Grants): string => byResource(self).map(ResourceScope.format).join(" ")
