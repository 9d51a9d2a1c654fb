import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"

type Tagged = { readonly _tag: string }

/**
 * Returns the schema of the instances of some tagged classes as JSON. A class whose fields are not listed does not
 * compile. `normal` changes a value before it is encoded.
 */
export const taggedSchema = <A extends Tagged>(
  classes: { readonly [T in A["_tag"]]: new(fields: never) => A },
  fields: { readonly [T in A["_tag"]]: object },
  normal: (value: A) => object = (value) => value
): Schema.Schema<A, unknown> => {
  const structs = (Object.keys(fields) as ReadonlyArray<A["_tag"]>).map((tag) =>
    Schema.TaggedStruct(tag, fields[tag] as Schema.Struct.Fields)
  )
  const isA = (value: unknown): value is A =>
    Predicate.hasProperty(value, "_tag") && typeof value._tag === "string" && Object.hasOwn(fields, value._tag)
  return Schema.transform(
    Schema.Union(...structs) as unknown as Schema.Schema<{ readonly _tag: A["_tag"] }, unknown>,
    Schema.declare(isA),
    {
      strict: true,
      decode: ({ _tag, ...fields }) => new classes[_tag](fields as never),
      encode: (value) => ({ ...normal(value) }) as { readonly _tag: A["_tag"] }
    }
  )
}
