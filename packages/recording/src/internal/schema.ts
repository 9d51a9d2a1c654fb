import { Descriptor, Digest, RegistryError, RepositoryName, Tag } from "@effect-oci/core"
import type { Operation } from "@effect-oci/core"
import * as Either from "effect/Either"
import * as ParseResult from "effect/ParseResult"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"

const Count = Schema.NonNegativeInt

const Ended = Schema.optional(Schema.Union(Schema.Literal("early"), Schema.Struct({ error: RegistryError.schema })))

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/** Encodes bytes as text if they are valid UTF-8, and otherwise as base64. */
const shown = (bytes: Uint8Array) =>
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
    encode: ({ bytes, ...content }) => ParseResult.succeed({ ...content, ...(bytes === undefined ? {} : shown(bytes)) })
  }
)

const repository = RepositoryName.schema
const digest = Digest.schema
const id = Schema.String
const reference = Schema.Union(Digest.schema, Tag.schema)
const optional = Schema.optional

const Range = Schema.Union(
  Schema.Struct({ offset: Count, length: optional(Count) }),
  Schema.Struct({ suffix: Count })
)

/** The fields of each operation. An operation that is missing here is a type error. */
const operations: { readonly [T in Operation.OperationTag]: Schema.Struct.Fields } = {
  ResolveBlob: { repository, digest },
  GetBlob: { repository, digest, range: optional(Range) },
  ResolveManifest: { repository, reference },
  GetManifest: { repository, reference },
  PushBlob: { repository, descriptor: Descriptor.schema, body: Content },
  MountBlob: { repository, digest, from: optional(repository) },
  StartUpload: { repository, algorithm: optional(Schema.String) },
  GetUpload: { repository, id },
  AppendUpload: { repository, id, offset: optional(Count), body: Content },
  CompleteUpload: { repository, id, digest, offset: optional(Count), body: optional(Content) },
  CancelUpload: { repository, id },
  PushManifest: {
    repository,
    mediaType: Schema.String,
    bytes: Content,
    digest: optional(digest),
    tags: Schema.Array(Tag.schema),
    ifAbsent: optional(Schema.Boolean)
  },
  DeleteBlob: { repository, digest },
  DeleteManifest: { repository, digest },
  DeleteTag: { repository, tag: Tag.schema },
  ListRepositories: { last: optional(repository), limit: optional(Count) },
  ListTags: { repository, last: optional(Tag.schema), limit: optional(Count) },
  ListReferrers: { repository, digest, artifactType: optional(Schema.String) }
}

const Upload = Schema.Struct({ id, offset: Count, minChunkSize: optional(Count) })
const Done = Schema.TaggedStruct("Done", {})
const listOf = (item: Schema.Schema.All) =>
  Schema.Struct({ items: Schema.Array(item as Schema.Schema<unknown>), ended: Ended })

/** The result of each operation. */
const results: { readonly [T in Operation.OperationTag]: Schema.Schema.All } = {
  ResolveBlob: Descriptor.schema,
  GetBlob: Schema.Struct({
    descriptor: Descriptor.schema,
    range: optional(Schema.Struct({ offset: Count, length: Count })),
    content: Content
  }),
  ResolveManifest: Descriptor.schema,
  GetManifest: Schema.Struct({ descriptor: Descriptor.schema, content: Content }),
  PushBlob: Descriptor.schema,
  MountBlob: Schema.Union(
    Schema.TaggedStruct("Mounted", { digest }),
    Schema.TaggedStruct("UploadStarted", { upload: Upload })
  ),
  StartUpload: Upload,
  GetUpload: Upload,
  AppendUpload: Upload,
  CompleteUpload: Descriptor.schema,
  CancelUpload: Done,
  PushManifest: Schema.Struct({
    descriptor: Descriptor.schema,
    subject: optional(digest),
    tags: Schema.Array(Tag.schema)
  }),
  DeleteBlob: Done,
  DeleteManifest: Done,
  DeleteTag: Done,
  ListRepositories: listOf(repository),
  ListTags: listOf(Tag.schema),
  ListReferrers: listOf(Descriptor.schema)
}

/** Returns the schemas of a line of an operation, with its result or its error. */
const lines = (operation: Operation.OperationTag) => {
  const asked = { version: Schema.Literal(1), operation: Schema.TaggedStruct(operation, operations[operation]) }
  return {
    result: Schema.Struct({ ...asked, result: results[operation] as Schema.Schema<unknown> }),
    error: Schema.Struct({ ...asked, error: RegistryError.schema })
  }
}

const schemas = new Map<unknown, ReturnType<typeof lines>>(
  (Object.keys(operations) as ReadonlyArray<Operation.OperationTag>).map((tag) => [tag, lines(tag)])
)

/** Returns the schema of a line by its operation and by whether it has an error. So error messages can be specific. */
export const schemaOf = (line: unknown): Schema.Schema<unknown> | undefined => {
  if (!Predicate.hasProperty(line, "operation") || !Predicate.hasProperty(line.operation, "_tag")) return undefined
  const schema = schemas.get(line.operation._tag)?.["error" in line ? "error" : "result"]
  return schema as unknown as Schema.Schema<unknown> | undefined
}

const encoders = new Map<unknown, (asked: unknown) => unknown>(
  Object.entries(operations).map(([tag, fields]) => [tag, Schema.encodeSync(Schema.TaggedStruct(tag, fields) as never)])
)

/** Returns a key that is equal for equivalent operations only. */
export const keyOf = (operation: { readonly _tag: Operation.OperationTag }): string =>
  JSON.stringify(encoders.get(operation._tag)?.(operation))
