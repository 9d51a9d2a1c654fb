import type { Tag } from "../Tag.js"
import { maxTagLength } from "./grammar.js"

/** A tag glob, as the texts between its stars. */
export type Glob = ReadonlyArray<string>

export const make = (text: string): Glob => text.split("*")

export const format = (glob: Glob): string => glob.join("*")

export const matches = (glob: Glob, tag: string): boolean => {
  const first = glob[0]!
  if (glob.length === 1) return tag === first
  const last = glob[glob.length - 1]!
  let from = first.length
  const end = tag.length - last.length
  if (from > end || !tag.startsWith(first) || !tag.endsWith(last)) return false
  for (let index = 1; index < glob.length - 1; index++) {
    const part = glob[index]!
    const at = tag.indexOf(part, from)
    if (at < 0 || at + part.length > end) return false
    from = at + part.length
  }
  return true
}

const initials = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_"
const others = ".-"

const bit = (position: number): bigint => 1n << BigInt(position)

/** Returns the bits from one position up to, but not including, another. */
const bits = (from: number, to: number): bigint => bit(to) - bit(from)

/** A group of globs. A tag is in the group if it matches any of them. */
interface Group {
  readonly all: bigint
  readonly accept: bigint
  /** The end positions of globs whose last character is a star. Once reached, such a position stays active. */
  readonly open: bigint
  /** The stars of each glob, the last star first, each with the positions of the glob before it. */
  readonly stars: ReadonlyArray<ReadonlyArray<{ readonly at: bigint; readonly before: bigint }>>
}

/**
 * One automaton that runs all globs of all groups at once. Its state is a set of positions in the globs, one bit each
 * (the shift-and algorithm of Baeza-Yates and Gonnet).
 */
class Automaton {
  private readonly advance = new Map<string, bigint>()
  private readonly groups: ReadonlyArray<Group>
  private loops = 0n
  readonly start: bigint

  constructor(groups: ReadonlyArray<ReadonlyArray<Glob>>) {
    let position = 0
    let start = 0n
    this.groups = groups.map((globs) => {
      const first = position
      let accept = 0n
      let open = 0n
      const stars = globs.map((glob) => {
        const base = position
        const found: Array<{ at: bigint; before: bigint }> = []
        start |= bit(base)
        glob.forEach((part, index) => {
          if (index > 0) {
            found.unshift({ at: bit(position), before: bits(base, position) })
            this.loops |= bit(position)
          }
          for (const char of part) this.advance.set(char, (this.advance.get(char) ?? 0n) | bit(position++))
        })
        accept |= bit(position)
        if (glob.length > 1 && glob[glob.length - 1] === "") open |= bit(position)
        position++
        return found
      })
      return { all: bits(first, position), accept, open, stars }
    })
    this.start = this.reduce(start)
  }

  /** The characters that the globs mention, and one that represents all others. */
  get alphabet(): ReadonlyArray<string> {
    const other = [...initials, ...others].find((char) => !this.advance.has(char))
    return other === undefined ? [...this.advance.keys()] : [...this.advance.keys(), other]
  }

  step(state: bigint, char: string): bigint {
    return this.reduce(((state & (this.advance.get(char) ?? 0n)) << 1n) | (state & this.loops))
  }

  /** Returns which groups contain a tag that ends in this state. */
  verdict(state: bigint): string {
    return this.groups.map((group) => (state & group.accept) === 0n ? "0" : "1").join("")
  }

  /**
   * Returns the same state without the positions that no longer matter: in a glob, the positions before the last star
   * reached, because that star accepts everything that they accept; in a group, all globs except one, if that one
   * accepts any further characters. Without this step the number of states would explode.
   */
  private reduce(state: bigint): bigint {
    let reduced = state
    for (const { all, open, stars } of this.groups) {
      if ((reduced & open) !== 0n) {
        reduced = (reduced & ~all) | (open & -open)
        continue
      }
      for (const glob of stars) {
        const reached = glob.find(({ at }) => (reduced & at) !== 0n)
        if (reached !== undefined) reduced &= ~reached.before
      }
    }
    return reduced
  }
}

/** Returns sample tags: for each possible combination of groups that a tag can be in, one of the shortest such tags. */
export const samples = (groups: ReadonlyArray<ReadonlyArray<Glob>>): ReadonlyArray<Tag> => {
  const automaton = new Automaton(groups)
  const alphabet = automaton.alphabet
  const found = new Map<string, string>()
  const seen = new Set<string>()
  let frontier: ReadonlyArray<readonly [state: bigint, tag: string]> = [[automaton.start, ""]]
  for (let length = 1; length <= maxTagLength && frontier.length > 0; length++) {
    const reached: Array<readonly [bigint, string]> = []
    for (const [state, tag] of frontier) {
      for (const char of alphabet) {
        if (length === 1 && others.includes(char)) continue
        const next = automaton.step(state, char)
        const key = next.toString(32)
        if (seen.has(key)) continue
        seen.add(key)
        reached.push([next, tag + char])
        const verdict = automaton.verdict(next)
        if (!found.has(verdict)) found.set(verdict, tag + char)
      }
    }
    frontier = reached
  }
  return [...found.values()] as unknown as ReadonlyArray<Tag>
}
