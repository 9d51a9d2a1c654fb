/**
 * Challenges: the values of `WWW-Authenticate`, by which a registry requires authentication with status 401.
 *
 * @since 0.1.0
 */

/**
 * One challenge. [RFC 9110, section 11.6.1](https://www.rfc-editor.org/rfc/rfc9110#section-11.6.1).
 *
 * @since 0.1.0
 * @category models
 */
export interface Challenge {
  /** The scheme in lower case: `bearer`, `basic`. */
  readonly scheme: string
  /** The parameters by their names in lower case. If the challenge repeats a parameter, the first value counts. */
  readonly parameters: ReadonlyMap<string, string>
  /** The value that some schemes have in place of parameters: `abc==` in `Negotiate abc==`. */
  readonly token68: string | undefined
}

/**
 * The longest text that {@link parse} reads, in characters: 16 KiB. It ignores the rest.
 *
 * @since 0.1.0
 * @category constants
 */
export const maxLength = 16 * 1024

/**
 * Parses the values of all `WWW-Authenticate` headers. Each value may contain several challenges. Never fails: at a
 * syntax error, parsing of that value stops, and the challenges before the error count. Takes linear time.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Challenge } from "@effect-oci/auth"
 *
 * const [bearer] = Challenge.parse(`Bearer realm="https://auth.example.com/token", service="registry.example.com"`)
 * const realm = bearer?.parameters.get("realm")
 * ```
 */
export const parse = (values: string | Iterable<string>): ReadonlyArray<Challenge> => {
  const challenges: Array<Challenge> = []
  let left = maxLength
  for (const value of typeof values === "string" ? [values] : values) {
    if (left <= 0) break
    read(value.slice(0, left), challenges)
    left -= value.length
  }
  return challenges
}

interface Draft extends Challenge {
  readonly parameters: Map<string, string>
  token68: string | undefined
}

const read = (text: string, challenges: Array<Challenge>): void => {
  let current: Draft | undefined
  for (let at = 0;;) {
    at = skip(separators, text, at)
    const end = skip(token, text, at)
    if (end === at) return
    const name = text.slice(at, end).toLowerCase()
    const equals = skip(space, text, end)
    if (text[equals] === "=") {
      const value = readValue(text, skip(space, text, equals + 1))
      if (current === undefined || current.token68 !== undefined || value === undefined) return
      if (!current.parameters.has(name)) current.parameters.set(name, value.text)
      at = skip(space, text, value.end)
      if (!isEnd(text, at)) return
    } else {
      if (equals === end && !isEnd(text, end)) return
      challenges.push(current = { scheme: name, parameters: new Map(), token68: undefined })
      at = skip(token68, text, equals)
      const rest = skip(space, text, at)
      if (at > equals && isEnd(text, rest)) current.token68 = text.slice(equals, at)
      else at = equals
      // After a scheme and a space, only a parameter is valid.
      if (current.token68 === undefined && !isEnd(text, at) && !isParameter(text, at)) return
    }
  }
}

const separators = /[\s,]*/y
const space = /[ \t]*/y
const token = /[!#$%&'*+.^_`|~\w-]*/y
const token68 = /[\w.~+/-]+=*/y

/** Returns the end of the match of `pattern` at a position. Returns the position itself if the match is empty. */
const skip = (pattern: RegExp, text: string, at: number): number => {
  pattern.lastIndex = at
  return pattern.test(text) ? pattern.lastIndex : at
}

const isEnd = (text: string, at: number): boolean => at >= text.length || text[at] === ","

const isParameter = (text: string, at: number): boolean => text[skip(space, text, skip(token, text, at))] === "="

/** Reads a token or a quoted string. Returns its text, and the position after it. */
const readValue = (text: string, at: number): { readonly text: string; readonly end: number } | undefined => {
  if (text[at] !== `"`) {
    const end = skip(token, text, at)
    return end === at ? undefined : { text: text.slice(at, end), end }
  }
  const pieces: Array<string> = []
  let from = at + 1
  for (let to = from; to < text.length; to++) {
    if (text[to] === `"`) {
      pieces.push(text.slice(from, to))
      return { text: pieces.join(""), end: to + 1 }
    }
    if (text[to] === "\\") {
      pieces.push(text.slice(from, to))
      from = ++to
    }
  }
  return undefined
}

/**
 * Returns the challenge to answer: the first `bearer` with a realm, else the first `basic`.
 *
 * @since 0.1.0
 * @category getters
 */
export const preferred = (challenges: ReadonlyArray<Challenge>): Challenge | undefined =>
  challenges.find(({ parameters, scheme }) => scheme === "bearer" && parameters.has("realm")) ??
    challenges.find(({ scheme }) => scheme === "basic")
