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
  OciBlobUnknown: error(RegistryErrors.BlobUnknown, {}, {}),
  OciBlobUploadInvalid: error(RegistryErrors.BlobUploadInvalid, {}, {}),
  OciBlobUploadUnknown: error(RegistryErrors.BlobUploadUnknown, {}, {}),
  OciDigestInvalid: error(RegistryErrors.DigestInvalid, {}, {}),
  OciManifestBlobUnknown: error(RegistryErrors.ManifestBlobUnknown, {}, {}),
  OciManifestInvalid: error(RegistryErrors.ManifestInvalid, {}, {}),
  OciManifestUnknown: error(RegistryErrors.ManifestUnknown, {}, {}),
  OciNameInvalid: error(RegistryErrors.NameInvalid, {}, {}),
  OciNameUnknown: error(RegistryErrors.NameUnknown, {}, {}),
  OciSizeInvalid: error(RegistryErrors.SizeInvalid, {}, { limit: fc.nat() }),
  OciUnauthorized: error(RegistryErrors.Unauthorized, {}, {}),
  OciDenied: error(RegistryErrors.Denied, {}, {}),
  OciUnsupported: error(RegistryErrors.Unsupported, {}, {}),
  OciTooManyRequests: error(RegistryErrors.TooManyRequests, {}, {}),
  OciRangeInvalid: error(RegistryErrors.RangeInvalid, {}, { size: fc.nat() }),
  OciTagInvalid: error(RegistryErrors.TagInvalid, {}, {}),
  OciManifestUnverified: error(RegistryErrors.ManifestUnverified, {}, {}),
  OciUnavailable: error(RegistryErrors.Unavailable, {}, {}),
  OciUnknownCode: error(RegistryErrors.UnknownCode, { code: fc.stringMatching(/^[A-Z_]{1,12}$/) }, {}),
  OciTransportError: error(
    RegistryErrors.TransportError,
    {},
    { method: fc.constantFrom("GET", "HEAD", "PUT"), url: fc.webUrl() }
  ),
  OciResponseInvalid: error(RegistryErrors.ResponseInvalid, {}, {}),
  OciBodyFailed: error(RegistryErrors.BodyFailed, {}, {}),
  OciRealmRefused: error(RegistryErrors.RealmRefused, { realm: fc.webUrl() }, {}),
  OciCredentialError: error(RegistryErrors.CredentialError, {}, {}),
  OciTagConflict: error(
    RegistryErrors.TagConflict,
    {
      tag,
      members: fc.array(fc.record({ name: memberName, digest: fc.option(digest, { nil: undefined }) }), {
        maxLength: 3
      })
    },
    {}
  ),
  OciPartialFailure: error(
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
  OciRefused: error(RegistryErrors.Refused, { by: text }, {})
}

/**
 * Generates errors of all kinds with equal probability.
 *
 * @since 0.1.0
 * @category errors
 */
export const registryError: fc.Arbitrary<RegistryErrors.RegistryError> = fc.oneof(...Object.values(registryErrors))
