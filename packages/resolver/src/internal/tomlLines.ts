/** Returns one part of a key without its quotes. */
const unquoted = (part: string): string => {
  const trimmed = part.trim()
  const quote = trimmed[0]
  return trimmed.length > 1 && (quote === "\"" || quote === "'") && trimmed.endsWith(quote)
    ? trimmed.slice(1, -1)
    : trimmed
}

/** Splits a key at its dots, except dots within quotes. */
const partsOf = (key: string): ReadonlyArray<string> => (key.match(/"[^"]*"|'[^']*'|[^.]+/g) ?? []).map(unquoted)

const startsWith = (parts: ReadonlyArray<string>, wanted: ReadonlyArray<string>): boolean =>
  wanted.every((part, index) => parts[index] === part)

/**
 * Returns the line of a key in a table, counted from 1, or the line of the table if the key is not found. Parsers of TOML
 * do not return lines.
 */
export const lineOf = (document: string, table: ReadonlyArray<string>, key: string): number | undefined => {
  const wanted = [...table, ...partsOf(key)]
  let within: ReadonlyArray<string> = []
  let nearest: number | undefined
  for (const [index, line] of document.split("\n").entries()) {
    const header = /^\s*\[\[?([^\]]+)\]\]?\s*(?:#.*)?$/.exec(line)
    const assigned = header === null ? /^\s*((?:"[^"]*"|'[^']*'|[^=#"'])+?)\s*=/.exec(line) : null
    if (header !== null) within = partsOf(header[1]!)
    const here = header !== null ? within : assigned === null ? undefined : [...within, ...partsOf(assigned[1]!)]
    if (here === undefined) continue
    if (startsWith(here, wanted)) return index + 1
    if (header !== null && table.length > 0 && nearest === undefined && startsWith(here, table)) nearest = index + 1
    // The key is inside an inline table.
    if (assigned !== null && here.length < wanted.length && startsWith(wanted, here)) nearest ??= index + 1
  }
  return nearest
}
