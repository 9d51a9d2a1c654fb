import * as fc from "fast-check"

/**
 * A grammar of texts.
 *
 * @since 0.1.0
 * @category models
 */
export interface Grammar {
  /** Generates valid texts. */
  readonly valid: fc.Arbitrary<string>
  /** The pieces of valid texts. In another order they make texts that are almost valid. */
  readonly pieces: ReadonlyArray<string>
}

/** Pieces that break a text of any grammar. */
export const oddities: ReadonlyArray<string> = [
  ..."\0\n\r\t\v\u001b\u007f \"'`\\<>*?#&=+;,.-_~|^${}[]()!@:/",
  "\r\n",
  "\u00a0",
  "\u0085",
  "\u2028",
  "\u200b",
  "\u202e",
  "\ufeff",
  "é",
  "e\u0301",
  // Characters whose lower case is ASCII, or longer than the character.
  "\u212a",
  "\u0130",
  // Characters that some parsers accept as digits.
  "\u0663",
  "\uff11",
  "\u{1d7d8}",
  "😀",
  "\ud800",
  "\udc00",
  "\u{10ffff}",
  "%",
  "%2",
  "%2f",
  "%5C",
  "%00",
  "%0d%0a",
  "%25",
  "%zz",
  "%c0%af",
  "..",
  "../",
  "..\\",
  "//",
  "://",
  "http://",
  "__proto__",
  "constructor",
  "toString",
  "-1",
  "1e9",
  "1.5",
  "0x10",
  "NaN",
  "null",
  "9007199254740991",
  "9007199254740992",
  "18446744073709551616",
  "9".repeat(40),
  "a".repeat(300)
]

/** A change of a text at an index, modulo the length of the text. */
interface Edit {
  readonly at: number
  readonly length: number
  /** The text to insert, or the change of the existing text. */
  readonly change: string | { readonly again: boolean }
}

const apply = (text: string, { at, change, length }: Edit): string => {
  const start = text.length === 0 ? 0 : at % (text.length + 1)
  const end = start + length
  const span = text.slice(start, end)
  if (typeof change === "string") return text.slice(0, start) + change + text.slice(end)
  if (change.again) return text.slice(0, end) + span.repeat(3) + text.slice(end)
  const upper = span.toUpperCase()
  return text.slice(0, start) + (span === upper ? span.toLowerCase() : upper) + text.slice(end)
}

const edits = (pieces: ReadonlyArray<string>): fc.Arbitrary<ReadonlyArray<Edit>> =>
  fc.array(
    fc.record({
      at: fc.nat(2000),
      length: fc.oneof(fc.constant(0), fc.nat(4), fc.nat(80)),
      change: fc.oneof(
        { weight: 2, arbitrary: fc.constantFrom("", { again: true }, { again: false }) },
        { weight: 3, arbitrary: fc.constantFrom(...oddities, ...pieces) }
      )
    }),
    { minLength: 1, maxLength: 3 }
  )

/** Generates texts with a few changes: pieces inserted, removed, repeated, or in another case. */
export const edited = (texts: fc.Arbitrary<string>, pieces: ReadonlyArray<string> = []): fc.Arbitrary<string> =>
  fc.tuple(texts, edits(pieces)).map(([text, edits]) => edits.reduce(apply, text))

/** Generates texts of any characters, lone surrogates included. */
const anything: fc.Arbitrary<string> = fc.oneof(
  fc.string({ unit: "binary", maxLength: 40 }),
  fc.array(fc.nat(0xffff), { maxLength: 40 }).map((units) => String.fromCharCode(...units)),
  fc.array(fc.constantFrom(...oddities), { maxLength: 12 }).map((odd) => odd.join(""))
)

/** Generates texts that a parser must expect, from attackers and from normal users. */
export const text = (grammar: Grammar): fc.Arbitrary<string> => {
  const { pieces, valid } = grammar
  return fc.oneof(
    { weight: 3, arbitrary: valid },
    { weight: 6, arbitrary: edited(valid, pieces) },
    { weight: 5, arbitrary: fc.array(fc.constantFrom(...pieces), { maxLength: 12 }).map((some) => some.join("")) },
    {
      weight: 2,
      arbitrary: fc.array(fc.constantFrom(...pieces, ...oddities), { maxLength: 8 }).map((all) => all.join(""))
    },
    { weight: 1, arbitrary: anything },
    {
      weight: 1,
      arbitrary: fc.tuple(fc.constantFrom(...worst(pieces)), fc.nat(1500)).map(([{ make }, length]) => make(length))
    }
  )
}

/** A kind of text of any length, to measure the time of a parser. */
export interface Shape {
  readonly name: string
  readonly make: (length: number) => string
}

const fill = (unit: string, length: number): string =>
  unit.repeat(Math.max(0, Math.ceil(length / unit.length))).slice(0, Math.max(0, length))

const shown = (piece: string): string => JSON.stringify(piece.length > 12 ? `${piece.slice(0, 12)}…` : piece)

/**
 * Returns the texts that take a bad parser longest: each piece repeated, alone and alternating with another piece,
 * after a valid start, and with an end that makes the whole text invalid.
 */
export const worst = (pieces: ReadonlyArray<string>): ReadonlyArray<Shape> => {
  const shapes: Array<Shape> = []
  const over = (unit: string, beginning = "", end = "") =>
    shapes.push({
      name: `${beginning === "" ? "" : `${shown(beginning)}, then `}${shown(unit)} repeated${
        end === "" ? "" : `, then ${shown(end)}`
      }`,
      make: (length) => beginning + fill(unit, length - beginning.length - end.length) + end
    })
  for (const piece of pieces) {
    for (const end of ["", "\n", "!", "\ud800"]) over(piece, "", end)
    for (const other of pieces) {
      over(other, piece)
      if (piece < other) over(piece + other)
    }
  }
  for (const odd of oddities) over(odd)
  return shapes
}

/** Returns the bytes of a body: a text in UTF-8, or raw bytes. */
export const bytesOf = (content: string | Uint8Array): Uint8Array =>
  typeof content === "string" ? new TextEncoder().encode(content) : content

/** Wrong values for a member of a document. */
const values: ReadonlyArray<unknown> = [
  null,
  true,
  -1,
  0,
  1.5,
  1e30,
  2 ** 53,
  "",
  "5",
  "__proto__",
  "sha256:../../x",
  "\u001b[2J",
  "\ud800",
  [],
  [[]],
  {},
  { __proto__: null, constructor: {} },
  [null],
  [{}]
]

const raw: ReadonlyArray<string> = [
  `{"__proto__":{"polluted":true}}`,
  `{"constructor":{"prototype":{"polluted":true}}}`,
  `1e999`,
  `-0`,
  `12345678901234567890123`,
  `"\\u0000"`,
  `"\\ud800"`,
  `${"[".repeat(500)}${"]".repeat(500)}`,
  `${`{"a":`.repeat(500)}1${"}".repeat(500)}`,
  `[${"0,".repeat(500)}0]`,
  `{"a":1,"a":2}`
]

/** A marker that is replaced by a piece of JSON when the document is written. */
const mark = (index: number): string => `\u0001${index}\u0001`

const withMarks = (json: string): string =>
  json.replace(/"\\u0001(\d+)\\u0001"/g, (_, index: string) => raw[Number(index)] ?? "null")

interface Change {
  readonly at: number
  readonly value: unknown
  readonly name: string | undefined
}

/** Changes the value or the name of one member of a document. The member is selected by its index among all members. */
const changed = (document: unknown, { at, name, value }: Change): unknown => {
  let count = 0
  const visit = (part: unknown): unknown => {
    if (Array.isArray(part)) return part.map((item: unknown) => count++ === at ? value : visit(item))
    if (typeof part !== "object" || part === null) return part
    return Object.fromEntries(
      Object.entries(part).flatMap(([key, member]) => {
        if (count++ !== at) return [[key, visit(member)]]
        return name === undefined ? [[key, value]] : name === "" ? [] : [[key, member], [name, member]]
      })
    )
  }
  return visit(document)
}

const changes: fc.Arbitrary<ReadonlyArray<Change>> = fc.array(
  fc.record({
    at: fc.nat(20),
    value: fc.oneof(fc.constantFrom(...values), fc.nat(raw.length - 1).map(mark), fc.jsonValue({ maxDepth: 3 })),
    name: fc.option(fc.constantFrom("", "__proto__", "constructor", "Config", "LAYERS", "mediatype", "\u212aey"), {
      nil: undefined
    })
  }),
  { minLength: 1, maxLength: 3 }
)

/** JSON, or a text that resembles JSON. */
export type Content = string | Uint8Array

type Treatment = (document: unknown) => Content

/** Damages to a document in transit. */
export const treatment: fc.Arbitrary<Treatment> = fc.oneof(
  { weight: 3, arbitrary: fc.constant((document: unknown) => JSON.stringify(document)) },
  {
    weight: 6,
    arbitrary: changes.map((changes): Treatment => (document) =>
      withMarks(JSON.stringify(changes.reduce(changed, document)) ?? "null")
    )
  },
  {
    weight: 2,
    arbitrary: edits([]).map((edits): Treatment => (document) => edits.reduce(apply, JSON.stringify(document)))
  },
  { weight: 1, arbitrary: fc.constant((document: unknown) => `\ufeff${JSON.stringify(document)}`) },
  {
    weight: 1,
    arbitrary: fc.constant((document: unknown) => bytesOf(`${JSON.stringify(document)}\u00e9`).slice(0, -1))
  },
  { weight: 1, arbitrary: fc.constantFrom("", "null", "[]", "{}", "<html>", ...raw).map((other) => () => other) },
  { weight: 1, arbitrary: fc.jsonValue().map((value) => () => JSON.stringify(value)) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 20 }).map((bytes) => () => bytes) }
)

/** Generates JSON documents that are almost valid, as the text that a registry or client sends. */
export const json = (documents: fc.Arbitrary<unknown>): fc.Arbitrary<Content> =>
  fc.tuple(documents, treatment).map(([document, treat]) => treat(document))

/** Returns the documents that take a bad decoder longest. `item` is the JSON of one item of a list in the document. */
export const worstJson = (member: string, item: string, rest = ""): ReadonlyArray<Shape> => {
  const document = (name: string, members: (length: number) => string): Shape => ({
    name,
    make: (length) => `{${rest}${members(length - rest.length)}}`
  })
  const times = (text: string, length: number) =>
    Array.from({ length: Math.max(0, length / (text.length + 1)) }, () => text).join(",")
  const deep = (length: number) => fill("[", length / 2) + fill("]", length / 2)
  const named = (value: string) => `"${member}":${value}`
  return [
    document("as many items as fit", (length) => named(`[${times(item, length)}]`)),
    document("as many empty items as fit", (length) => named(`[${times("{}", length)}]`)),
    document("as many numbers as fit", (length) => named(`[${times("0", length)}]`)),
    document("arrays in arrays", (length) => named(deep(length))),
    document("arrays in arrays, in an item", (length) => named(`[{"digest":${deep(length)}}]`)),
    document("one name over and over", (length) => times(named("[]"), length)),
    document(
      "as many names as fit",
      (length) => Array.from({ length: Math.max(0, length / 9) }, (_, index) => `"${index.toString(36)}":1`).join(",")
    ),
    document("one long text", (length) => named(`"${fill("a", length)}"`)),
    document("one long text of escapes", (length) => named(`"${fill("\\u0000", length - length % 6)}"`)),
    document("one long name", (length) => `"${fill("\u0130", length / 2)}":1`),
    document("one long number", (length) => named(fill("9", length))),
    { name: "nested objects without an end", make: (length) => fill(`{${named("")}`, length) },
    { name: "nested arrays without an end", make: (length) => fill("[", length) }
  ]
}
