/**
 * The `Link` header, by which lists go on.
 *
 * @since 0.1.0
 */

/**
 * One link of the header: its target as it is written, which may be relative, and its relations in lower case.
 *
 * @since 0.1.0
 * @category models
 */
export interface Link {
  readonly target: string
  readonly relations: ReadonlyArray<string>
}

/**
 * The links of a header, up to where it is `malformed`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Links {
  readonly links: ReadonlyArray<Link>
  readonly malformed: boolean
}

/**
 * The longest header that is read, in characters: a longer one is malformed.
 *
 * @since 0.1.0
 * @category constants
 */
export const maxLength = 16 * 1024

const isSpace = (char: string | undefined): boolean => char === " " || char === "\t"

const skipSpaces = (text: string, at: number): number => {
  let end = at
  while (isSpace(text[end])) end++
  return end
}

/** Where the characters end that need no quotes: a token, or as much more as registries write without. */
const skipWord = (text: string, at: number): number => {
  let end = at
  while (end < text.length && !isSpace(text[end]) && !`=;,"`.includes(text[end] ?? "")) end++
  return end
}

/** Something that was read, and where it ended. */
type Read<A> = readonly [value: A, end: number]

/** A quoted text, from its opening quote. */
const readQuoted = (text: string, at: number): Read<string> | undefined => {
  let value = ""
  for (let end = at + 1; end < text.length; end++) {
    if (text[end] === `"`) return [value, end + 1]
    if (text[end] === "\\") end++
    value += text[end] ?? ""
  }
  return undefined
}

/** What follows the name of a parameter: nothing, a word or a quoted text. */
const readValue = (text: string, at: number): Read<string> | undefined => {
  const equals = skipSpaces(text, at)
  if (text[equals] !== "=") return ["", equals]
  const start = skipSpaces(text, equals + 1)
  if (text[start] === `"`) return readQuoted(text, start)
  const end = skipWord(text, start)
  return [text.slice(start, end), end]
}

/** The relations among the parameters of a link. Of several that say them the first counts: RFC 8288, section 3.3. */
const readRelations = (text: string, at: number): Read<ReadonlyArray<string>> | undefined => {
  let relations: string | undefined
  let end = skipSpaces(text, at)
  while (text[end] === ";") {
    const start = skipSpaces(text, end + 1)
    const nameEnd = skipWord(text, start)
    const value = readValue(text, nameEnd)
    if (value === undefined) return undefined
    if (relations === undefined && text.slice(start, nameEnd).toLowerCase() === "rel") {
      relations = value[0].toLowerCase()
    }
    end = skipSpaces(text, value[1])
  }
  return [(relations ?? "").split(" ").filter((relation) => relation !== ""), end]
}

/**
 * Reads a header. RFC 8288, section 3.
 *
 * @since 0.1.0
 * @category decoding
 */
export const parse = (header: string | undefined): Links => {
  const links: Array<Link> = []
  if (header === undefined) return { links, malformed: false }
  if (header.length > maxLength) return { links, malformed: true }
  let at = skipSpaces(header, 0)
  while (at < header.length) {
    if (header[at] === "<") {
      const close = header.indexOf(">", at)
      const relations = close < 0 ? undefined : readRelations(header, close + 1)
      if (relations === undefined) return { links, malformed: true }
      const target = header.slice(at + 1, close)
      at = relations[1]
      if (at < header.length && header[at] !== ",") return { links, malformed: true }
      links.push({ target, relations: relations[0] })
    } else if (header[at] !== ",") return { links, malformed: true }
    at = skipSpaces(header, at + 1)
  }
  return { links, malformed: false }
}

/**
 * The target of the next page, as it is written: it may be relative. `undefined` where there is none, or the header is
 * malformed before it, which {@link parse} tells apart. Spec: "Listing Tags".
 *
 * @since 0.1.0
 * @category decoding
 */
export const next = (header: string | undefined): string | undefined =>
  parse(header).links.find(({ relations }) => relations.includes("next"))?.target

/**
 * The header for a next page. `target` is written as it is in a request line, percent-encoded.
 *
 * @since 0.1.0
 * @category encoding
 */
export const format = (target: string): string => `<${target}>; rel="next"`
