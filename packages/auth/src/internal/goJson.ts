import * as Either from "effect/Either"
import * as ParseResult from "effect/ParseResult"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"

/** Sets the message of a schema. The default message contains the value, which may be a secret. */
const failingWith = (message: string) => ({ message: () => ({ message, override: true }) })

/** A field that contains a text, and is empty if it is absent. */
export const text = (problem: string) =>
  Schema.optionalWith(Schema.String.annotations(failingWith(problem)), { default: () => "" })

/** A field that contains an object, and is empty if it is absent. */
export const object = (problem: string) =>
  Schema.optionalWith(Schema.declare(Predicate.isRecord).annotations(failingWith(problem)), { default: () => ({}) })

/**
 * Decodes a JSON object as Go's `encoding/json` reads a struct: names match in any case, the last of several spellings
 * counts, and `null` leaves a field unset. The names of the schema are in lower case. Fails with the message of the first
 * wrong field, or with `notObject`.
 */
export const decode = <A, I>(
  schema: Schema.Schema<A, I>,
  json: unknown,
  notObject: string
): Either.Either<A, string> => {
  if (!Predicate.isNullable(json) && !Predicate.isRecord(json)) return Either.left(notObject)
  const fields: Record<string, unknown> = { __proto__: null }
  for (const [name, value] of Object.entries(json ?? {})) {
    if (value !== null) fields[name.toLowerCase()] = value
  }
  return Either.mapLeft(
    Schema.decodeUnknownEither(schema)(fields),
    (error) => ParseResult.ArrayFormatter.formatErrorSync(error)[0]!.message
  )
}
