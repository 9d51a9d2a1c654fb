/**
 * The `Link` header, which contains the target of a list's next page.
 *
 * @since 0.1.0
 */

/**
 * A link in the header: its target as written, which may be relative, and its relations in lower case.
 *
 * @since 0.1.0
 * @category models
 */
export interface Link {
  readonly target: string
  readonly relations: ReadonlyArray<string>
}

/**
 * The links of a header, up to the first malformed part. `malformed` says whether there is one.
 *
 * @since 0.1.0
 * @category models
 */
export interface Links {
  readonly links: ReadonlyArray<Link>
  readonly malformed: boolean
}

/**
 * The maximum length of a header, in characters. A longer header is malformed.
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

/** Returns the end of an unquoted word: a token, or any other characters that registries write without quotes. */
const skipWord = (text: string, at: number): number => {
  let end = at
  while (end < text.length && !isSpace(text[end]) && !`=;,"`.includes(text[end] ?? "")) end++
  return end
}

/** A parsed value, and the position where it ends. */
type Read<A> = readonly [value: A, end: number]

/** Parses a quoted text, starting at its opening quote. */
const readQuoted = (text: string, at: number): Read<string> | undefined => {
  let value = ""
  for (let end = at + 1; end < text.length; end++) {
    if (text[end] === `"`) return [value, end + 1]
    if (text[end] === "\\") end++
    value += text[end] ?? ""
  }
  return undefined
}

/** Parses what follows the name of a parameter: nothing, a word or a quoted text. */
const readValue = (text: string, at: number): Read<string> | undefined => {
  const equals = skipSpaces(text, at)
  if (text[equals] !== "=") return ["", equals]
  const start = skipSpaces(text, equals + 1)
  if (text[start] === `"`) return readQuoted(text, start)
  const end = skipWord(text, start)
  return [text.slice(start, end), end]
}

/**
 * Parses the relations in the parameters of a link. If `rel` is repeated, only the first one counts: [RFC 8288, section
 * 3.3](https://www.rfc-editor.org/rfc/rfc8288#section-3.3).
 */
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
 * Parses a `Link` header. [RFC 8288, section 3](https://www.rfc-editor.org/rfc/rfc8288#section-3).
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
 * Returns the target of the next page as written, which may be relative. Returns `undefined` if there is none, or if
 * the header is malformed before it; use {@link parse} to distinguish the two. Spec: [Listing
 * Tags](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#listing-tags).
 *
 * @since 0.1.0
 * @category decoding
 */
export const next = (header: string | undefined): string | undefined =>
  parse(header).links.find(({ relations }) => relations.includes("next"))?.target

/**
 * Formats the header for the next page. `target` is percent-encoded, as in a request line.
 *
 * @since 0.1.0
 * @category encoding
 */
export const format = (target: string): string => `<${target}>; rel="next"`
