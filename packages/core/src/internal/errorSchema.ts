import * as Record from "effect/Record"
import * as Schema from "effect/Schema"
import * as Digest from "../Digest.js"
import { tags } from "../OperationTag.js"
import * as RepositoryName from "../RepositoryName.js"
import * as Tag from "../Tag.js"
import { taggedSchema } from "./taggedSchema.js"

const optionalText = Schema.optional(Schema.String)

/** The fields of all errors, except the cause: a cause may not be plain data, and may contain secrets. */
const common = {
  operation: Schema.optional(Schema.Literal(...tags)),
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

/**
 * The additional fields of each error. `error` is the schema of any error, for the errors that contain other errors.
 */
export const ownFields = (error: Schema.Schema.Any) => ({
  OciBlobUnknown: {},
  OciBlobUploadInvalid: {},
  OciBlobUploadUnknown: {},
  OciDigestInvalid: {},
  OciManifestBlobUnknown: {},
  OciManifestInvalid: {},
  OciManifestUnknown: {},
  OciNameInvalid: {},
  OciNameUnknown: {},
  OciSizeInvalid: { limit: Schema.optional(Schema.Number) },
  OciUnauthorized: {},
  OciDenied: {},
  OciUnsupported: {},
  OciTooManyRequests: {},
  OciRangeInvalid: { size: Schema.optional(Schema.Number) },
  OciTagInvalid: {},
  OciManifestUnverified: {},
  OciUnavailable: {},
  OciUnknownCode: { code: Schema.String },
  OciTransportError: { method: optionalText, url: optionalText },
  OciResponseInvalid: {},
  OciBodyFailed: {},
  OciRealmRefused: { realm: Schema.String },
  OciCredentialError: {},
  OciTagConflict: {
    tag: Tag.schema,
    members: Schema.Array(Schema.Struct({ name: Schema.String, digest: Schema.optional(Digest.schema) }))
  },
  OciPartialFailure: {
    outcomes: Schema.Array(Schema.Struct({ name: Schema.String, error: Schema.optional(error) }))
  },
  OciRefused: { by: Schema.String }
})

/** Returns the schema of errors of some classes. A class whose fields are not listed does not compile. */
export const errorSchema = <E extends { readonly _tag: string }>(
  classes: { readonly [T in E["_tag"]]: new(fields: never) => E },
  fields: (error: Schema.Schema.Any) => { readonly [T in E["_tag"]]: Schema.Struct.Fields }
): Schema.Schema<E, unknown> => {
  const schema: Schema.Schema<E, unknown> = Schema.suspend(() =>
    taggedSchema(
      classes,
      Record.map(fields(schema), (specific) => ({ ...common, ...specific })) as { readonly [T in E["_tag"]]: object }
    )
  )
  return schema
}
