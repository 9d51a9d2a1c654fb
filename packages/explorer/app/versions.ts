/** The orders of tags. */

/** A version in a tag: `v1.2.3-rc.1` is [1, 2, 3] before `1.2.3`. */
interface Version {
  readonly numbers: ReadonlyArray<number>
  readonly rest: string
}

const parse = (tag: string): Version | undefined => {
  const found = /^v?(\d{1,9}(?:\.\d{1,9}){0,3})(?:[-+._](.*))?$/.exec(tag)
  return found === null ? undefined : { numbers: found[1]!.split(".").map(Number), rest: found[2] ?? "" }
}

const collator = new Intl.Collator("en", { numeric: true })

const compareVersions = (one: Version, other: Version): number => {
  for (let at = 0; at < 4; at++) {
    const difference = (one.numbers[at] ?? -1) - (other.numbers[at] ?? -1)
    if (difference !== 0) return difference
  }
  if (one.rest === "" || other.rest === "") return one.rest === other.rest ? 0 : one.rest === "" ? 1 : -1
  return collator.compare(one.rest, other.rest)
}

/** Sorts tags: the newest version first, and after the versions the other tags by name. */
export const byVersion = (tags: ReadonlyArray<string>): ReadonlyArray<string> => {
  const parsed = tags.map((tag) => ({ tag, version: parse(tag) }))
  return parsed.toSorted((one, other) => {
    if (one.version === undefined || other.version === undefined) {
      if (one.version !== other.version) return one.version === undefined ? 1 : -1
      return collator.compare(one.tag, other.tag)
    }
    return compareVersions(other.version, one.version) || collator.compare(one.tag, other.tag)
  }).map(({ tag }) => tag)
}
