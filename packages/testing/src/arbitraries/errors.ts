import type * as Operation from "@effect-oci/core/Operation"
import * as RegistryErrors from "@effect-oci/core/RegistryError"
import * as fc from "fast-check"
import { record } from "../internal/record.js"
import type { Optional, Required } from "../internal/record.js"
import { text } from "./content.js"
import { digest, host, repositoryName, tag, tagOrDigest } from "./names.js"
import { operations } from "./operations.js"

const errorFields: Optional<RegistryErrors.ErrorFields> = {
  operation: fc.constantFrom(...Object.keys(operations) as ReadonlyArray<Operation.OperationTag>),
  repository: repositoryName,
  reference: tagOrDigest,
  reason: fc.oneof(text, fc.constantFrom("\u001b[2J", "two\r\nlines", "x".repeat(5000))),
  detail: fc.jsonValue({ maxDepth: 2 }),
  status: fc.integer({ min: 400, max: 599 }),
  registry: host,
  diagnostics: fc.array(
    record<RegistryErrors.Diagnostic>({ code: text }, { message: text, detail: fc.jsonValue({ maxDepth: 1 }) }),
    { maxLength: 2 }
  ),
  retryAfter: fc.nat(),
  cause: fc.constant(new Error("cause"))
}

/** The fields of an error that not all errors have. */
type SpecificFields<E> = Omit<E, keyof RegistryErrors.BlobUnknown>

const error = <E extends RegistryErrors.RegistryError>(
  Class: new(fields: never) => E,
  required: Required<SpecificFields<E>>,
  optional: Optional<SpecificFields<E>>
): fc.Arbitrary<E> =>
  record<object>(required as {}, { ...errorFields, ...optional } as {}).map((fields) => new Class(fields as never))

const memberName = fc.constantFrom("near", "far", "mirror")

/**
 * Generates errors, by tag.
 *
 * @since 0.1.0
 * @category errors
 */
export const registryErrors: {
  readonly [Tag in RegistryErrors.RegistryError["_tag"]]: fc.Arbitrary<
    Extract<RegistryErrors.RegistryError, { readonly _tag: Tag }>
  >
} = {
  BlobUnknown: error(RegistryErrors.BlobUnknown, {}, {}),
  BlobUploadInvalid: error(RegistryErrors.BlobUploadInvalid, {}, {}),
  BlobUploadUnknown: error(RegistryErrors.BlobUploadUnknown, {}, {}),
  DigestInvalid: error(RegistryErrors.DigestInvalid, {}, {}),
  ManifestBlobUnknown: error(RegistryErrors.ManifestBlobUnknown, {}, {}),
  ManifestInvalid: error(RegistryErrors.ManifestInvalid, {}, {}),
  ManifestUnknown: error(RegistryErrors.ManifestUnknown, {}, {}),
  NameInvalid: error(RegistryErrors.NameInvalid, {}, {}),
  NameUnknown: error(RegistryErrors.NameUnknown, {}, {}),
  SizeInvalid: error(RegistryErrors.SizeInvalid, {}, { limit: fc.nat() }),
  Unauthorized: error(RegistryErrors.Unauthorized, {}, {}),
  Denied: error(RegistryErrors.Denied, {}, {}),
  Unsupported: error(RegistryErrors.Unsupported, {}, {}),
  TooManyRequests: error(RegistryErrors.TooManyRequests, {}, {}),
  RangeInvalid: error(RegistryErrors.RangeInvalid, {}, { size: fc.nat() }),
  TagInvalid: error(RegistryErrors.TagInvalid, {}, {}),
  ManifestUnverified: error(RegistryErrors.ManifestUnverified, {}, {}),
  Unavailable: error(RegistryErrors.Unavailable, {}, {}),
  UnknownCode: error(RegistryErrors.UnknownCode, { code: fc.stringMatching(/^[A-Z_]{1,12}$/) }, {}),
  TransportError: error(
    RegistryErrors.TransportError,
    {},
    { method: fc.constantFrom("GET", "HEAD", "PUT"), url: fc.webUrl() }
  ),
  ResponseInvalid: error(RegistryErrors.ResponseInvalid, {}, {}),
  BodyFailed: error(RegistryErrors.BodyFailed, {}, {}),
  RealmRefused: error(RegistryErrors.RealmRefused, { realm: fc.webUrl() }, {}),
  CredentialError: error(RegistryErrors.CredentialError, {}, {}),
  TagConflict: error(
    RegistryErrors.TagConflict,
    {
      tag,
      members: fc.array(fc.record({ name: memberName, digest: fc.option(digest, { nil: undefined }) }), {
        maxLength: 3
      })
    },
    {}
  ),
  PartialFailure: error(
    RegistryErrors.PartialFailure,
    {
      outcomes: fc.array(
        fc.record({
          name: memberName,
          error: fc.option(
            fc.oneof(error(RegistryErrors.Unavailable, {}, {}), error(RegistryErrors.Denied, {}, {})),
            { nil: undefined }
          )
        }),
        { maxLength: 3 }
      )
    },
    {}
  ),
  Refused: error(RegistryErrors.Refused, { by: text }, {})
}

/**
 * Generates errors of all kinds with equal probability.
 *
 * @since 0.1.0
 * @category errors
 */
export const registryError: fc.Arbitrary<RegistryErrors.RegistryError> = fc.oneof(...Object.values(registryErrors))
