import { Descriptor, Digest, Operation, RegistryError, RepositoryName, Tag } from "@effect-oci/core"
import * as Either from "effect/Either"
import * as ParseResult from "effect/ParseResult"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"

const Count = Schema.NonNegativeInt

const Ended = Schema.optional(Schema.Union(Schema.Literal("early"), Schema.Struct({ error: RegistryError.schema })))

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/** Encodes bytes as text if they are valid UTF-8, and otherwise as base64. */
const encodeBytes = (bytes: Uint8Array) =>
  Either.match(Either.try(() => utf8.decode(bytes)), {
    onLeft: () => ({ base64: bytes }),
    onRight: (text) => ({ text })
  })

const Content = Schema.transformOrFail(
  Schema.Struct({
    digest: Digest.schema,
    size: Count,
    text: Schema.optional(Schema.String),
    base64: Schema.optional(Schema.Uint8ArrayFromBase64),
    ended: Ended
  }),
  Schema.typeSchema(
    Schema.Struct({
      digest: Digest.schema,
      size: Count,
      bytes: Schema.optional(Schema.Uint8ArrayFromSelf),
      ended: Ended
    })
  ),
  {
    strict: true,
    decode: ({ base64, text, ...content }, _, ast) => {
      const bytes = text === undefined ? base64 : new TextEncoder().encode(text)
      const digest = bytes && Digest.fromBytes(bytes)
      return digest === undefined || digest === content.digest
        ? ParseResult.succeed({ ...content, bytes })
        : ParseResult.fail(new ParseResult.Type(ast, content, `content has digest ${digest}, not ${content.digest}`))
    },
    encode: ({ bytes, ...content }) =>
      ParseResult.succeed({ ...content, ...(bytes === undefined ? {} : encodeBytes(bytes)) })
  }
)

const listOf = (item: Schema.Schema.Any) => Schema.Struct({ items: Schema.Array(item), ended: Ended })

/** The result of each operation. Content and lists say how they ended. */
const results: { readonly [T in Operation.OperationTag]: Schema.Schema.Any } = {
  ...Operation.resultSchemas,
  GetBlob: Schema.Struct({
    descriptor: Descriptor.schema,
    range: Schema.optional(Schema.Struct({ offset: Count, length: Count })),
    content: Content
  }),
  GetManifest: Schema.Struct({ descriptor: Descriptor.schema, content: Content }),
  ListRepositories: listOf(RepositoryName.schema),
  ListTags: listOf(Tag.schema),
  ListReferrers: listOf(Descriptor.schema)
}

/** Returns the schemas of an operation, and of a line of it with its result or its error. */
const schemasOf = (tag: Operation.OperationTag, fields: object) => {
  const operation = Schema.TaggedStruct(tag, fields as Schema.Struct.Fields)
  const line = { version: Schema.Literal(1), operation }
  return {
    operation,
    result: Schema.Struct({ ...line, result: results[tag] }),
    error: Schema.Struct({ ...line, error: RegistryError.schema })
  } as unknown as { readonly [part in "operation" | "result" | "error"]: Schema.Schema<unknown> }
}

const schemas = new Map<unknown, ReturnType<typeof schemasOf>>(
  Object.entries(Operation.fieldSchemas(Content, Content))
    .map(([tag, fields]) => [tag, schemasOf(tag as Operation.OperationTag, fields)])
)

/** Returns the schema of a line by its operation and by whether it has an error, for specific error messages. */
export const schemaOf = (line: unknown): Schema.Schema<unknown> | undefined =>
  Predicate.hasProperty(line, "operation") && Predicate.hasProperty(line.operation, "_tag")
    ? schemas.get(line.operation._tag)?.["error" in line ? "error" : "result"]
    : undefined

/** Returns a key that is equal for equivalent operations only. */
export const keyOf = <O extends { readonly _tag: Operation.OperationTag }>(operation: O): string =>
  JSON.stringify(Schema.encodeSync(schemas.get(operation._tag)!.operation)(operation))
