import * as Digest from "@effect-oci/core/Digest"
import * as RegistryError from "@effect-oci/core/RegistryError"
import type { SyntaxInvalid } from "@effect-oci/core/SyntaxInvalid"
import * as Either from "effect/Either"
import * as Range from "../Range.js"
import * as percent from "./percent.js"

type Read<A> = Either.Either<A, RegistryError.RegistryError>

/** Most requests have no query, and nobody writes into one. */
export const none = new URLSearchParams()

/**
 * Reads a query, without its question mark. A plus sign stands for itself, as in RFC 3986: none of the parameters may
 * hold a space, and media types and digests have plus signs.
 */
export const parse = (query: string): URLSearchParams => new URLSearchParams(query.replaceAll("+", "%2B"))

/** A query, without its question mark. */
export const format = (parameters: ReadonlyArray<readonly [name: string, value: string]>): string =>
  parameters.map(([name, value]) => `${name}=${percent.encode(value)}`).join("&")

export const checked = <A>(result: Either.Either<A, SyntaxInvalid>): Read<A> =>
  Either.mapLeft(result, (error) => RegistryError.fromSyntax(error))

/** A parameter that need not be there. Some clients send it empty instead. */
export const optional = (query: URLSearchParams, name: string): string | undefined => {
  const text = query.get(name)
  return text === null || text === "" ? undefined : text
}

/** A parameter that need not be there, read by its grammar if it is. */
export const optionalAs = <A>(
  query: URLSearchParams,
  name: string,
  parse: (text: string) => Either.Either<A, SyntaxInvalid>
): Read<A | undefined> => {
  const text = optional(query, name)
  return text === undefined ? Either.right(undefined) : checked(parse(text))
}

export const digest = (query: URLSearchParams, name: string): Read<Digest.Digest> =>
  checked(Digest.parse(query.get(name) ?? ""))

/** How many items are asked for. The spec has no code for a count that is none; this is what distribution says. */
export const limit = (query: URLSearchParams): Read<number | undefined> => {
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
