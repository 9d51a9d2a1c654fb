/** What differs between two images. */
import type { Descriptor } from "@effect-oci/core/Descriptor"
import type { Entry } from "./archive.js"
import type { Package } from "./documents.js"
import type { ImageConfig } from "./imageConfig.js"

/** One name with its value on each side. A side without the name has no value. */
export interface Change {
  readonly name: string
  readonly before: string | undefined
  readonly after: string | undefined
}

const changesOf = (
  before: ReadonlyMap<string, string>,
  after: ReadonlyMap<string, string>,
  prefix = ""
): ReadonlyArray<Change> =>
  [...new Set([...before.keys(), ...after.keys()])]
    .filter((name) => before.get(name) !== after.get(name))
    .map((name) => ({ name: prefix + name, before: before.get(name), after: after.get(name) }))

const facts = (config: ImageConfig | undefined): ReadonlyMap<string, string> =>
  new Map(
    [["Created", config?.created], ["Platform", config?.platform], ...config?.facts ?? []].filter(
      (fact): fact is [string, string] => fact[1] !== undefined
    )
  )

/** Compares two configs: facts, environment and labels. */
export const configs = (before: ImageConfig | undefined, after: ImageConfig | undefined): ReadonlyArray<Change> => [
  ...changesOf(facts(before), facts(after)),
  ...changesOf(new Map(before?.environment), new Map(after?.environment), "Environment: "),
  ...changesOf(new Map(before?.labels), new Map(after?.labels), "Label: ")
]

export interface LayerDifference {
  readonly shared: ReadonlyArray<Descriptor>
  readonly removed: ReadonlyArray<Descriptor>
  readonly added: ReadonlyArray<Descriptor>
}

/** Compares the layers of two images. */
export const layers = (
  before: ReadonlyArray<Descriptor>,
  after: ReadonlyArray<Descriptor>
): LayerDifference => {
  const old = new Set(before.map(({ digest }) => digest))
  const now = new Set(after.map(({ digest }) => digest))
  return {
    shared: before.filter(({ digest }) => now.has(digest)),
    removed: before.filter(({ digest }) => !now.has(digest)),
    added: after.filter(({ digest }) => !old.has(digest))
  }
}

const versions = (packages: ReadonlyArray<Package>): ReadonlyMap<string, string> => {
  const byName = new Map<string, Set<string>>()
  for (const { name, version } of packages) byName.set(name, (byName.get(name) ?? new Set()).add(version))
  return new Map([...byName].map(([name, found]) => [name, [...found].sort().join(", ")]))
}

/** Compares the packages of two SBOMs. */
export const packages = (before: ReadonlyArray<Package>, after: ReadonlyArray<Package>): ReadonlyArray<Change> =>
  changesOf(versions(before), versions(after))

const states = (entries: ReadonlyArray<Entry>): ReadonlyMap<string, string> =>
  new Map(
    entries.filter(({ type }) => type !== "directory").map((entry) => [
      entry.path,
      entry.link === undefined ? `${entry.size} bytes, ${entry.modified?.toISOString() ?? ""}` : `link to ${entry.link}`
    ])
  )

/** Compares the files of the layers that only one of two images has. */
export const files = (before: ReadonlyArray<Entry>, after: ReadonlyArray<Entry>): ReadonlyArray<Change> =>
  changesOf(states(before), states(after)).toSorted((one, other) => one.name < other.name ? -1 : 1)
