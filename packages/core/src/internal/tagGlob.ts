import type { Tag } from "../Tag.js"
import { maxTagLength } from "./grammar.js"

/** A glob of tags, as what stands between its stars. */
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

/** The bits from one position up to, but not with, another. */
const bits = (from: number, to: number): bigint => bit(to) - bit(from)

/** The globs of one group, of which a tag has to match any. */
interface Group {
  readonly all: bigint
  readonly accept: bigint
  /** The ends of globs whose last character is a star: whoever comes there stays. */
  readonly open: bigint
  /** For each glob its stars, the last one first, each with the positions of the glob before it. */
  readonly stars: ReadonlyArray<ReadonlyArray<{ readonly at: bigint; readonly before: bigint }>>
}

/**
 * All globs of all groups side by side as one automaton, whose state is a set of positions in them, one bit each
 * (Baeza-Yates and Gonnet's shift-and).
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

  /** The characters that globs speak of, and one for all the others. */
  get alphabet(): ReadonlyArray<string> {
    const other = [...initials, ...others].find((char) => !this.advance.has(char))
    return other === undefined ? [...this.advance.keys()] : [...this.advance.keys(), other]
  }

  step(state: bigint, char: string): bigint {
    return this.reduce(((state & (this.advance.get(char) ?? 0n)) << 1n) | (state & this.loops))
  }

  /** Which groups a tag that ends in this state is in. */
  verdict(state: bigint): string {
    return this.groups.map((group) => (state & group.accept) === 0n ? "0" : "1").join("")
  }

  /**
   * The same state without what can no longer matter: in a glob, what is before the last star that was reached, since
   * that star takes whatever they take; in a group, all but one glob that takes anything from here. Without it states
   * multiply.
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

/**
 * For each way in which a tag can be in some of the groups and not in the others, one of the shortest tags of that way.
 */
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
