/** Repositories as a tree of their names. */

/** A folder of names: `team/`. */
export interface Folder {
  /** The name from the root, with a slash at its end. Empty for the root. */
  readonly prefix: string
  readonly folders: Map<string, Folder>
  /** The names of the repositories directly in the folder. */
  readonly names: Array<string>
  /** The number of repositories in the folder and below it. */
  total: number
}

const empty = (prefix: string): Folder => ({ prefix, folders: new Map(), names: [], total: 0 })

/** Creates the tree of some names. */
export const make = (names: Iterable<string>): Folder => {
  const root = empty("")
  for (const name of names) {
    let folder = root
    folder.total++
    for (let slash = name.indexOf("/"); slash >= 0; slash = name.indexOf("/", slash + 1)) {
      const prefix = name.slice(0, slash + 1)
      let below = folder.folders.get(prefix)
      if (below === undefined) folder.folders.set(prefix, below = empty(prefix))
      folder = below
      folder.total++
    }
    folder.names.push(name)
  }
  return root
}

/** Returns a function that tests whether a name contains all words of a search, in any order and case. */
export const matching = (search: string): (name: string) => boolean => {
  const words = search.toLowerCase().split(/\s+/).filter((word) => word !== "")
  return (name) => {
    const lower = name.toLowerCase()
    return words.every((word) => lower.includes(word))
  }
}
