import * as Fixtures from "@effect-oci/conformance/Fixtures"
import type * as Caller from "@effect-oci/core/Caller"
import * as Digest from "@effect-oci/core/Digest"
import * as Operation from "@effect-oci/core/Operation"
import * as fc from "fast-check"
import { record } from "../internal/record.js"
import type { Optional, Required } from "../internal/record.js"
import { blob, body, byteRange, manifest, mediaType, text } from "./content.js"
import { digest, repositoryName, tag, tagOrDigest, uploadId } from "./names.js"

const kind = <O extends Operation.Operation>(
  Class: new(fields: never) => O,
  required: Required<Omit<O, "_tag">>,
  optional: Optional<Omit<O, "_tag">>
): fc.Arbitrary<O> => record<Omit<O, "_tag">>(required, optional).map((fields) => new Class(fields as never))

const repository = repositoryName
const id = uploadId
const limit = fc.oneof(fc.nat(5), fc.nat())

const pushBlob = fc.tuple(repository, blob).map(([repository, { body, descriptor }]) =>
  new Operation.PushBlob({ repository, body, descriptor })
)

/** Generates mostly valid manifests. The digest, if present, is that of the bytes. */
const pushManifest = fc.oneof(
  { weight: 3, arbitrary: manifest },
  { weight: 1, arbitrary: fc.record({ mediaType, bytes: fc.uint8Array({ maxLength: 16 }) }) }
).chain(({ bytes, mediaType }) =>
  kind(
    Operation.PushManifest,
    {
      repository,
      mediaType: fc.constant(mediaType),
      bytes: fc.constant(bytes),
      tags: fc.uniqueArray(tag, { maxLength: 3 })
    },
    {
      digest: fc.constantFrom(...Digest.algorithms).map((algorithm) => Fixtures.digestOf(bytes, algorithm)),
      ifAbsent: fc.boolean(),
      ifMatch: digest
    }
  )
).map((operation) =>
  // A push has one condition.
  operation.ifAbsent === true && operation.ifMatch !== undefined
    ? new Operation.PushManifest({ ...operation, ifMatch: undefined })
    : operation
)

/**
 * Generates operations, by name. The body of a `PushBlob` matches its descriptor, and the digest of a `PushManifest`
 * matches its bytes.
 *
 * @since 0.1.0
 * @category operations
 */
export const operations: {
  readonly [Tag in Operation.OperationTag]: fc.Arbitrary<Operation.OperationOf<Tag>>
} = {
  ResolveBlob: kind(Operation.ResolveBlob, { repository, digest }, {}),
  GetBlob: kind(Operation.GetBlob, { repository, digest }, { range: byteRange }),
  ResolveManifest: kind(Operation.ResolveManifest, { repository, reference: tagOrDigest }, {}),
  GetManifest: kind(Operation.GetManifest, { repository, reference: tagOrDigest }, {}),
  PushBlob: pushBlob,
  MountBlob: kind(Operation.MountBlob, { repository, digest }, { from: repository }),
  StartUpload: kind(Operation.StartUpload, { repository }, {
    algorithm: fc.constantFrom(...Digest.algorithms)
  }),
  GetUpload: kind(Operation.GetUpload, { repository, id }, {}),
  AppendUpload: kind(Operation.AppendUpload, { repository, id, body }, { offset: fc.nat() }),
  CompleteUpload: kind(Operation.CompleteUpload, { repository, id, digest }, { offset: fc.nat(), body }),
  CancelUpload: kind(Operation.CancelUpload, { repository, id }, {}),
  PushManifest: pushManifest,
  DeleteBlob: kind(Operation.DeleteBlob, { repository, digest }, {}),
  DeleteManifest: kind(Operation.DeleteManifest, { repository, digest }, {}),
  DeleteTag: kind(Operation.DeleteTag, { repository, tag }, {}),
  ListRepositories: kind(Operation.ListRepositories, {}, { last: repository, limit }),
  ListTags: kind(Operation.ListTags, { repository }, { last: tag, limit }),
  ListReferrers: kind(Operation.ListReferrers, { repository, digest }, { artifactType: mediaType })
}

/**
 * Generates operations of all kinds with equal probability.
 *
 * @since 0.1.0
 * @category operations
 */
export const operation: fc.Arbitrary<Operation.Operation> = fc.oneof(...Object.values(operations))

/**
 * Generates identities of callers, with and without a name.
 *
 * @since 0.1.0
 * @category operations
 */
export const identity: fc.Arbitrary<Caller.Identity> = fc.record({
  name: fc.option(text, { nil: undefined }),
  claims: fc.dictionary(text, fc.jsonValue({ maxDepth: 1 }), { maxKeys: 2 })
})
