import * as Digest from "@effect-oci/core/Digest"
import * as RegistryError from "@effect-oci/core/RegistryError"
import type { SyntaxInvalid } from "@effect-oci/core/SyntaxInvalid"
import * as Either from "effect/Either"
import * as Range from "../Range.js"
import * as percent from "./percent.js"

type Read<A> = Either.Either<A, RegistryError.RegistryError>

/** The parameters of a query. */
export type Query = Pick<URLSearchParams, "get" | "getAll" | "has">

/** The parameters of a query in their order, with values that are still percent-encoded. */
class Parameters implements Query {
  constructor(private readonly entries: ReadonlyArray<readonly [name: string, value: string]>) {}

  has(name: string): boolean {
    return this.entries.some((entry) => entry[0] === name)
  }

  get(name: string): string | null {
    const entry = this.entries.find((entry) => entry[0] === name)
    return entry === undefined ? null : decodeValue(entry[1])
  }

  getAll(name: string): Array<string> {
    return this.entries.filter((entry) => entry[0] === name).map((entry) => decodeValue(entry[1]))
  }
}

/** Splits a target at its question mark into the path and the query. */
export const splitTarget = (target: string): readonly [path: string, query: string | undefined] => {
  const mark = target.indexOf("?")
  return mark < 0 ? [target, undefined] : [target.slice(0, mark), target.slice(mark + 1)]
}

/** The empty query, shared because most requests have none. */
export const none: Query = /* @__PURE__ */ new Parameters([])

/**
 * Parses a query without its question mark, as the [URL standard](https://url.spec.whatwg.org/#urlencoded-parsing)
 * does, with two differences. A plus sign is a literal plus sign, as in RFC 3986: no parameter may contain a space, but
 * media types and digests contain plus signs. And a name is found only if it is in ASCII, as all names of the protocol
 * are. `URLSearchParams` is not used, because it can take 15 ms for 64 KiB, and changes some malformed values.
 */
export const parse = (query: string): Query => {
  const entries: Array<readonly [name: string, value: string]> = []
  for (const parameter of query.split("&")) {
    if (parameter === "") continue
    const end = parameter.indexOf("=")
    entries.push(
      end < 0 ? [decodeName(parameter), ""] : [decodeName(parameter.slice(0, end)), parameter.slice(end + 1)]
    )
  }
  return new Parameters(entries)
}

/** Returns the parameters of a query without some of them, as they are written. */
export const without = (query: string, names: ReadonlyArray<string>): ReadonlyArray<string> =>
  query.split("&").filter((parameter) =>
    parameter !== "" && !names.includes(decodeName(parameter.split("=", 1)[0] ?? ""))
  )

const decodeName = (name: string): string =>
  name.includes("%")
    ? name.replace(/%[0-7][0-9a-f]/gi, (escape) => String.fromCharCode(Number.parseInt(escape.slice(1), 16)))
    : name

const utf8 = /* @__PURE__ */ new TextDecoder("utf-8", { ignoreBOM: true })

const decodeEscapes = (escapes: string): string =>
  utf8.decode(Uint8Array.from(escapes.slice(1).split("%"), (digits) => Number.parseInt(digits, 16)))

/** Decodes a value. An invalid escape stays as it is, and what is not UTF-8 or UTF-16 becomes U+FFFD. */
const decodeValue = (value: string): string =>
  /^[!-$&-~]*$/.test(value)
    ? value
    : value.replace(/(?:%[0-9a-f]{2})+/gi, decodeEscapes).replace(/\p{Cs}/gu, "\ufffd")

/** Formats a query, without a question mark. */
export const format = (parameters: ReadonlyArray<readonly [name: string, value: string]>): string =>
  parameters.map(([name, value]) => `${name}=${percent.encode(value)}`).join("&")

export const checked = <A>(result: Either.Either<A, SyntaxInvalid>): Read<A> =>
  Either.mapLeft(result, (error) => RegistryError.fromSyntax(error))

/** Returns an optional parameter. An empty parameter counts as absent, because some clients send it empty. */
export const optional = (query: Query, name: string): string | undefined => {
  const text = query.get(name)
  return text === null || text === "" ? undefined : text
}

/** Returns an optional parameter, parsed by its grammar. */
export const optionalAs = <A>(
  query: Query,
  name: string,
  parse: (text: string) => Either.Either<A, SyntaxInvalid>
): Read<A | undefined> => {
  const text = optional(query, name)
  return text === undefined ? Either.right(undefined) : checked(parse(text))
}

export const digest = (query: Query, name: string): Read<Digest.Digest> => checked(Digest.parse(query.get(name) ?? ""))

/**
 * Returns the requested number of items. The spec defines no error code for an invalid number, so this uses the code of
 * the distribution registry.
 */
export const limit = (query: Query): Read<number | undefined> => {
  const text = query.get("n")
  if (text === null) return Either.right(undefined)
  const count = Range.parseClamped(text)
  return count === undefined
    ? Either.left(
      new RegistryError.UnknownCode({
        code: "PAGINATION_NUMBER_INVALID",
        status: 400,
        reason: `the number of items "n" must be written in decimal digits`
      })
    )
    : Either.right(count)
}
