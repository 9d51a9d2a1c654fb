import { Digest, Operation, RegistryError, RepositoryName, Tag } from "@effect-oci/core"
import * as Schema from "effect/Schema"

type ErrorTag = RegistryError.RegistryError["_tag"]

const optionalText = Schema.optional(Schema.String)

const common = {
  operation: Schema.optional(Schema.Literal(...Object.keys(Operation.traits) as Array<Operation.OperationTag>)),
  repository: Schema.optional(RepositoryName.schema),
  reference: optionalText,
  reason: optionalText,
  detail: Schema.optional(Schema.Unknown),
  status: Schema.optional(Schema.Number),
  registry: optionalText,
  diagnostics: Schema.optional(
    Schema.Array(
      Schema.Struct({ code: Schema.String, message: optionalText, detail: Schema.optional(Schema.Unknown) })
    )
  ),
  retryAfter: Schema.optional(Schema.Number)
}

/** What an error has that not all have. An error without its row does not compile. */
const own: { readonly [Tag in ErrorTag]: Schema.Struct.Fields } = {
  BlobUnknown: {},
  BlobUploadInvalid: {},
  BlobUploadUnknown: {},
  DigestInvalid: {},
  ManifestBlobUnknown: {},
  ManifestInvalid: {},
  ManifestUnknown: {},
  NameInvalid: {},
  NameUnknown: {},
  SizeInvalid: { limit: Schema.optional(Schema.Number) },
  Unauthorized: {},
  Denied: {},
  Unsupported: {},
  TooManyRequests: {},
  RangeInvalid: { size: Schema.optional(Schema.Number) },
  TagInvalid: {},
  ManifestUnverified: {},
  Unavailable: {},
  UnknownCode: { code: Schema.String },
  TransportError: { method: optionalText, url: optionalText },
  ResponseInvalid: {},
  BodyFailed: {},
  RealmRefused: { realm: Schema.String },
  CredentialError: {},
  TagConflict: {
    tag: Tag.schema,
    members: Schema.Array(Schema.Struct({ name: Schema.String, digest: Schema.optional(Digest.schema) }))
  },
  PartialFailure: {
    outcomes: Schema.Array(
      Schema.Struct({ name: Schema.String, error: Schema.optional(Schema.suspend(() => registryError)) })
    )
  },
  Refused: { by: Schema.String }
}

const structs = (Object.keys(own) as ReadonlyArray<ErrorTag>).map((tag) =>
  Schema.TaggedStruct(tag, { ...common, ...own[tag] })
)

/** An error of a registry as JSON, all but its cause. */
export const registryError: Schema.Schema<RegistryError.RegistryError, unknown> = Schema.transform(
  Schema.Union(...structs) as unknown as Schema.Schema<{ readonly _tag: ErrorTag }, unknown>,
  Schema.declare(RegistryError.isRegistryError),
  {
    strict: true,
    decode: ({ _tag, ...fields }) => new RegistryError[_tag](fields as never),
    encode: (error) => ({ ...error })
  }
)
