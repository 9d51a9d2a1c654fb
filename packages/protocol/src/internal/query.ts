import * as Digest from "@effect-oci/core/Digest"
import * as RegistryError from "@effect-oci/core/RegistryError"
import type { SyntaxInvalid } from "@effect-oci/core/SyntaxInvalid"
import * as Either from "effect/Either"
import * as Range from "../Range.js"
import * as percent from "./percent.js"

type Read<A> = Either.Either<A, RegistryError.RegistryError>

/** The empty query, shared because most requests have none. It must not be modified. */
export const none = new URLSearchParams()

/**
 * Parses a query without its question mark. A plus sign is a literal plus sign, as in RFC 3986: no parameter may
 * contain a space, but media types and digests contain plus signs.
 */
export const parse = (query: string): URLSearchParams => new URLSearchParams(query.replaceAll("+", "%2B"))

/** Formats a query, without a question mark. */
export const format = (parameters: ReadonlyArray<readonly [name: string, value: string]>): string =>
  parameters.map(([name, value]) => `${name}=${percent.encode(value)}`).join("&")

export const checked = <A>(result: Either.Either<A, SyntaxInvalid>): Read<A> =>
  Either.mapLeft(result, (error) => RegistryError.fromSyntax(error))

/** Returns an optional parameter. An empty parameter counts as absent, because some clients send it empty. */
export const optional = (query: URLSearchParams, name: string): string | undefined => {
  const text = query.get(name)
  return text === null || text === "" ? undefined : text
}

/** Returns an optional parameter, parsed by its grammar. */
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

/**
 * Returns the requested number of items. The spec defines no error code for an invalid number, so this uses the code of
 * the distribution registry.
 */
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
