/**
 * The schemas of operations and their results: both are data, and travel as JSON. Import them from `Operation`.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as BlobContent from "./BlobContent.js"
import * as Body from "./Body.js"
import * as Descriptor from "./Descriptor.js"
import * as Digest from "./Digest.js"
import { taggedSchema } from "./internal/taggedSchema.js"
import * as Manifest from "./Manifest.js"
import * as model from "./OperationModel.js"
import type { Operation, OperationOf } from "./OperationModel.js"
import { Done, Mounted, UploadStarted } from "./OperationResult.js"
import type { PushedManifest, Results, Upload } from "./OperationResult.js"
import type { OperationTag } from "./OperationTag.js"
import { BodyFailed } from "./RegistryError.js"
import * as RepositoryName from "./RepositoryName.js"
import * as Tag from "./Tag.js"

const { optional } = Schema
const count = Schema.NonNegativeInt
const digest = Digest.schema
const repository = RepositoryName.schema
const reference = Schema.Union(Digest.schema, Tag.schema)
const text = Schema.String
const span = Schema.Struct({ offset: count, length: count })

/**
 * The schemas of an operation's fields.
 *
 * @since 0.1.0
 * @category schemas
 */
export type FieldSchemas<O extends Operation> = {
  readonly [Field in Exclude<keyof O, "_tag">]-?: Schema.Schema.All | Schema.PropertySignature.All
}

/**
 * Returns the schemas of the fields of every operation, given the schema of bodies and of the bytes of a pushed
 * manifest. A missing operation or field does not compile.
 *
 * @since 0.1.0
 * @category schemas
 */
export const fieldSchemas = (
  body: Schema.Schema.All,
  bytes: Schema.Schema.All
): { readonly [T in OperationTag]: FieldSchemas<OperationOf<T>> } => ({
  ResolveBlob: { repository, digest },
  GetBlob: {
    repository,
    digest,
    range: optional(
      Schema.Union(Schema.Struct({ offset: count, length: optional(count) }), Schema.Struct({ suffix: count }))
    )
  },
  ResolveManifest: { repository, reference },
  GetManifest: { repository, reference },
  PushBlob: { repository, descriptor: Descriptor.schema, body },
  MountBlob: { repository, digest, from: optional(repository) },
  StartUpload: { repository, algorithm: optional(text) },
  GetUpload: { repository, id: text },
  AppendUpload: { repository, id: text, offset: optional(count), body },
  CompleteUpload: { repository, id: text, digest, offset: optional(count), body: optional(body) },
  CancelUpload: { repository, id: text },
  PushManifest: {
    repository,
    mediaType: text,
    bytes,
    digest: optional(digest),
    tags: Schema.Array(Tag.schema),
    ifAbsent: optional(Schema.Boolean),
    ifMatch: optional(digest)
  },
  DeleteBlob: { repository, digest },
  DeleteManifest: { repository, digest },
  DeleteTag: { repository, tag: Tag.schema },
  ListRepositories: { last: optional(repository), limit: optional(count) },
  ListTags: { repository, last: optional(Tag.schema), limit: optional(count) },
  ListReferrers: { repository, digest, artifactType: optional(text) }
})

const bytesSchema = Schema.Uint8ArrayFromBase64

const leftOut = new BodyFailed({
  reason: "the bytes of this body were not in memory, so its JSON does not contain them"
})

/**
 * The schema of bodies as JSON: the bytes in base64 if they are in memory, otherwise only the size. A body that was
 * encoded without its bytes fails with `BodyFailed` when it is read.
 */
const bodySchema: Schema.Schema<Body.Body, unknown> = Schema.transform(
  Schema.Struct({ bytes: optional(bytesSchema), size: optional(count) }),
  Schema.declare(Body.isBody),
  {
    strict: true,
    decode: ({ bytes, size }) => bytes === undefined ? Body.stream(Stream.fail(leftOut), { size }) : Body.bytes(bytes),
    encode: ({ bytes, size }) => bytes === undefined ? { size } : { bytes }
  }
) as never

/**
 * The schema of operations as JSON. A body is its bytes in base64 if they are in memory, and otherwise only its size:
 * reading the decoded body then fails with `BodyFailed`. An infinite `limit` is left out.
 *
 * @since 0.1.0
 * @category schemas
 * @example
 * ```ts
 * import { Operation, RepositoryName, Tag } from "@effect-oci/core"
 * import { Schema } from "effect"
 * import * as assert from "node:assert"
 *
 * const operation = new Operation.DeleteTag({ repository: RepositoryName.make("team/app"), tag: Tag.make("v1") })
 * const json = Schema.encodeSync(Schema.parseJson(Operation.schema))(operation)
 *
 * assert.equal(json, `{"_tag":"DeleteTag","repository":"team/app","tag":"v1"}`)
 * assert.deepEqual(Schema.decodeSync(Schema.parseJson(Operation.schema))(json), operation)
 * ```
 */
export const schema: Schema.Schema<Operation, unknown> = taggedSchema<Operation>(
  model,
  fieldSchemas(bodySchema, bytesSchema),
  (operation) => "limit" in operation && operation.limit === Infinity ? { ...operation, limit: undefined } : operation
)

/**
 * The result of an operation as data: a list is the array of its items.
 *
 * @since 0.1.0
 * @category results
 */
export type ResultDataOf<O extends Operation> = Results[O["_tag"]] extends Stream.Stream<infer Item, infer _E>
  ? ReadonlyArray<Item>
  : Results[O["_tag"]]

const upload: Schema.Schema<Upload, unknown> = Schema.Struct({
  id: text,
  offset: count,
  minChunkSize: optional(count)
}) as never

/** Decoding verifies the digest. */
const manifest: Schema.Schema<Manifest.Manifest, unknown> = Schema.transformOrFail(
  Schema.Struct({ mediaType: text, digest, bytes: bytesSchema }),
  Schema.declare((_: unknown): _ is Manifest.Manifest => true),
  {
    strict: true,
    decode: (fields, _, ast) =>
      Either.mapLeft(Manifest.make(fields), ({ message }) => new ParseResult.Type(ast, fields, message)),
    encode: ({ bytes, descriptor: { digest, mediaType } }) => ParseResult.succeed({ mediaType, digest, bytes })
  }
) as never

const listOf = <A, I>(item: Schema.Schema<A, I>) =>
  Schema.Array(item) as never as Schema.Schema<ReadonlyArray<A>, unknown>

const done = taggedSchema<Done>({ Done }, { Done: {} })

/**
 * The schemas of the results of every operation as JSON. The items of a list are an array. The bytes of a manifest are
 * in base64, and so are the bytes of content if they are in memory (see {@link schema}).
 *
 * @since 0.1.0
 * @category schemas
 */
export const resultSchemas: {
  readonly [T in OperationTag]: Schema.Schema<ResultDataOf<OperationOf<T>>, unknown>
} = {
  ResolveBlob: Descriptor.schema,
  GetBlob: Schema.transform(
    Schema.Struct({
      descriptor: Descriptor.schema,
      range: optional(span),
      body: bodySchema,
      verified: Schema.Boolean
    }),
    Schema.instanceOf(BlobContent.BlobContent),
    {
      strict: true,
      decode: (fields) => new BlobContent.BlobContent(fields),
      encode: ({ body, descriptor, range, verified }) => ({ body, descriptor, range, verified })
    }
  ) as never,
  ResolveManifest: Descriptor.schema,
  GetManifest: manifest,
  PushBlob: Descriptor.schema,
  MountBlob: taggedSchema<Mounted | UploadStarted>(
    { Mounted, UploadStarted },
    { Mounted: { digest }, UploadStarted: { upload } }
  ),
  StartUpload: upload,
  GetUpload: upload,
  AppendUpload: upload,
  CompleteUpload: Descriptor.schema,
  CancelUpload: done,
  PushManifest: Schema.extend(
    Descriptor.schema,
    Schema.Struct({ subject: optional(digest), tags: Schema.Array(Tag.schema) })
  ) as Schema.Schema<PushedManifest, unknown>,
  DeleteBlob: done,
  DeleteManifest: done,
  DeleteTag: done,
  ListRepositories: listOf(repository),
  ListTags: listOf(Tag.schema),
  ListReferrers: listOf(Descriptor.schema)
}
