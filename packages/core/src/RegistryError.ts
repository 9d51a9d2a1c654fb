/**
 * The errors that a registry operation can fail with.
 *
 * Each error is a class, to be handled with `Effect.catchTag`. Its tag is the name of the class with the prefix `Oci`, so
 * that it differs from the tags of an application. Each error contains the operation, the repository and the reference of
 * the request, and its message is made from them.
 *
 * @since 0.1.0
 */
import * as Predicate from "effect/Predicate"
import type * as Schema from "effect/Schema"
import type * as Digest from "./Digest.js"
import type { ErrorFields } from "./ErrorFields.js"
import { errorSchema, ownFields } from "./internal/errorSchema.js"
import * as model from "./RegistryErrorModel.js"
import type { RegistryError } from "./RegistryErrorModel.js"
import type { SyntaxInvalid } from "./SyntaxInvalid.js"

export type { Diagnostic, ErrorClass, ErrorFields } from "./ErrorFields.js"
export * from "./RegistryErrorModel.js"

type ErrorTag = RegistryError["_tag"]

/** The name of the class of a tag. */
type NameOf<Tag> = Tag extends `Oci${infer Name extends keyof typeof model}` ? Name : never

/**
 * The classes of errors by tag. The tag of an error is the name of its class with the prefix `Oci`.
 *
 * @since 0.1.0
 * @category models
 * @example
 * ```ts
 * import { RegistryError } from "@effect-oci/core"
 * import * as assert from "node:assert"
 *
 * assert.equal(RegistryError.classes.OciBlobUnknown, RegistryError.BlobUnknown)
 * ```
 */
export const classes = Object.fromEntries(
  Object.entries(model).map(([name, Class]) => [`Oci${name}`, Class])
) as { readonly [Tag in ErrorTag]: (typeof model)[NameOf<Tag>] }

/**
 * Returns whether a value is a `RegistryError`.
 *
 * @since 0.1.0
 * @category guards
 */
export const isRegistryError = (value: unknown): value is RegistryError =>
  Predicate.hasProperty(value, "_tag") && typeof value._tag === "string" && Object.hasOwn(classes, value._tag) &&
  value instanceof classes[value._tag as ErrorTag]

/**
 * The schema of errors as JSON: all fields except the cause.
 *
 * @since 0.1.0
 * @category schemas
 * @example
 * ```ts
 * import { RegistryError } from "@effect-oci/core"
 * import { Schema } from "effect"
 * import * as assert from "node:assert"
 *
 * const json = Schema.encodeSync(RegistryError.schema)(new RegistryError.Refused({ by: "Policy", reason: "too old" }))
 *
 * assert.deepEqual(json, { _tag: "OciRefused", by: "Policy", reason: "too old" })
 * ```
 */
export const schema: Schema.Schema<RegistryError, unknown> = /* @__PURE__ */ errorSchema<RegistryError>(
  classes,
  ownFields
)

/**
 * The statuses of temporary problems, from RFC 9110 and RFC 6585. Other 5xx statuses mean that the server will never do
 * it.
 */
const transientStatus: ReadonlySet<number | undefined> = new Set([408, 429, 500, 502, 503, 504])

/**
 * Returns whether a retry may succeed: the registry could not be reached, is temporarily unavailable, or asked the
 * client to wait. A `PartialFailure` is transient if the errors of all failed registries are.
 *
 * @since 0.1.0
 * @category guards
 * @example
 * ```ts
 * import { Registry, RegistryError, RepositoryName, Tag } from "@effect-oci/core"
 * import { Effect, Schedule } from "effect"
 *
 * const program = Effect.flatMap(Registry, (registry) =>
 *   registry.resolveManifest(RepositoryName.make("team/app"), Tag.make("v1")).pipe(
 *     Effect.retry({ while: RegistryError.isTransient, schedule: Schedule.exponential("100 millis"), times: 3 })
 *   ))
 * ```
 */
export const isTransient = (error: RegistryError): boolean => {
  switch (error._tag) {
    case "OciTransportError":
    case "OciUnavailable":
    case "OciTooManyRequests":
      return true
    case "OciUnknownCode":
      return transientStatus.has(error.status)
    case "OciPartialFailure": {
      const failed = error.outcomes.flatMap((outcome) => outcome.error ?? [])
      return failed.length > 0 && failed.every(isTransient)
    }
    default:
      return false
  }
}

/**
 * Returns whether the error means that something was not found. An answer to a HEAD request has no body, so it cannot
 * say more than that.
 *
 * @since 0.1.0
 * @category guards
 */
export const isNotFound = (
  error: RegistryError
): error is model.BlobUnknown | model.BlobUploadUnknown | model.ManifestUnknown | model.NameUnknown => {
  switch (error._tag) {
    case "OciBlobUnknown":
    case "OciBlobUploadUnknown":
    case "OciManifestUnknown":
    case "OciNameUnknown":
      return true
    default:
      return false
  }
}

/**
 * Returns the reason of an error: that of the registry, or else the default reason of its class. The message of the error
 * contains the operation in addition.
 *
 * @since 0.1.0
 * @category getters
 */
export const reason = (error: RegistryError): string =>
  error.reason === undefined || error.reason === "" ? classes[error._tag].fallback : error.reason

/**
 * Returns the same error with other fields. A wrapper uses it to report the names that its caller knows.
 *
 * @since 0.1.0
 * @category combinators
 * @example
 * ```ts
 * import { Operation, RegistryError } from "@effect-oci/core"
 *
 * const blame = (operation: Operation.Operation) => (error: RegistryError.RegistryError) =>
 *   RegistryError.withFields(error, Operation.errorFields(operation))
 * ```
 */
export const withFields = <E extends RegistryError>(error: E, fields: ErrorFields): E => {
  const Class = classes[error._tag] as unknown as new(args: object) => E
  // The `cause` of an error is not enumerable.
  return new Class({ ...error, ...(error.cause === undefined ? {} : { cause: error.cause }), ...fields })
}

/** The maximum depth of the values in an error: details are JSON of at most 32 levels. Deeper values are left out. */
const maxDepth = 40

/**
 * Changes every text in an error: in its fields, in its detail including the names in it, and in nested errors. The
 * operation and the cause do not change. `f` also receives the name of the error's field that contains the text.
 *
 * @since 0.1.0
 * @category combinators
 */
export const mapText = <E extends RegistryError>(error: E, f: (text: string, field: string) => string): E =>
  mapErrorText(error, f, 0)

type MapText = (text: string, field: string) => string

const mapErrorText = <E extends RegistryError>(error: E, f: MapText, depth: number): E => {
  const fields = Object.entries(error).filter(([name]) => name !== "_tag" && name !== "operation")
  return withFields(
    error,
    Object.fromEntries(fields.map(([name, value]) => [name, mapValueText(value, name, f, depth)]))
  )
}

const mapValueText = (value: unknown, field: string, f: MapText, depth: number): unknown => {
  if (typeof value === "string") return f(value, field)
  if (!Predicate.isObject(value)) return value
  if (depth === maxDepth) return undefined
  if (isRegistryError(value)) return mapErrorText(value, f, depth + 1)
  const map = (item: unknown) => mapValueText(item, field, f, depth + 1)
  if (Array.isArray(value)) return value.map(map)
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [f(name, field), map(item)]))
}

/**
 * Returns the error for a text that is not a valid name, tag, digest or manifest.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromSyntax = (
  error: SyntaxInvalid,
  fields?: ErrorFields
): model.NameInvalid | model.TagInvalid | model.DigestInvalid | model.ManifestInvalid => {
  const all = { reason: error.message, ...fields }
  switch (error.expected) {
    case "tag":
    case "tag glob":
      return new model.TagInvalid(all)
    case "digest":
      return new model.DigestInvalid(all)
    case "repository name":
    case "repository prefix":
    case "reference":
    case "registry":
      return new model.NameInvalid(all)
    case "descriptor":
    case "manifest":
    case "media type":
    case "platform":
      return new model.ManifestInvalid(all)
  }
}

/**
 * Returns the error for content that does not match its digest. `fields` describes the operation.
 *
 * @since 0.1.0
 * @category constructors
 */
export const digestMismatch = (
  digest: Digest.Digest,
  actual: Digest.Digest,
  fields?: ErrorFields
): model.DigestInvalid =>
  new model.DigestInvalid({
    reference: digest,
    ...fields,
    reason: `content does not match its digest, it has ${actual}`
  })

/**
 * Converts any failure of a caller's stream to a `RegistryError`. A failure that is a `RegistryError` already is
 * returned unchanged.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromBodyFailure = (failure: unknown): RegistryError =>
  isRegistryError(failure) ? failure : new model.BodyFailed({
    cause: failure,
    reason: failure instanceof Error ? `the body to send failed: ${failure.message}` : undefined
  })
