/**
 * Arbitraries for property tests: all input and output of a registry. Each optional field is sometimes present and
 * sometimes absent. The arbitraries also generate values that are valid but rare.
 *
 * @since 0.1.0
 */
import * as Body from "@effect-oci/core/Body"
import * as ByteRange from "@effect-oci/core/ByteRange"
import type * as Caller from "@effect-oci/core/Caller"
import * as Descriptor from "@effect-oci/core/Descriptor"
import * as Digest from "@effect-oci/core/Digest"
import * as MediaType from "@effect-oci/core/MediaType"
import * as Operation from "@effect-oci/core/Operation"
import * as Reference from "@effect-oci/core/Reference"
import * as RegistryErrors from "@effect-oci/core/RegistryError"
import * as RepositoryName from "@effect-oci/core/RepositoryName"
import * as Tag from "@effect-oci/core/Tag"
import * as Stream from "effect/Stream"
import * as fc from "fast-check"
import { chunkSource } from "./internal/chunkSource.js"
import type { Optional, Required } from "./internal/record.js"
import { record } from "./internal/record.js"

/**
 * Generates digests, also with algorithms that cannot be verified.
 *
 * @since 0.1.0
 * @category names
 */
export const digest: fc.Arbitrary<Digest.Digest> = fc.oneof(
  { weight: 5, arbitrary: fc.stringMatching(/^sha256:[0-9a-f]{64}$/) },
  { weight: 2, arbitrary: fc.stringMatching(/^sha512:[0-9a-f]{128}$/) },
  { weight: 1, arbitrary: fc.stringMatching(/^(blake3:[0-9a-f]{64}|(md5|sha256\+b64u):[a-zA-Z0-9=_-]{1,40})$/) }
).map(Digest.make)

/**
 * Generates repository names, also long ones and ones that contain words of API paths.
 *
 * @since 0.1.0
 * @category names
 */
export const repositoryName: fc.Arbitrary<RepositoryName.RepositoryName> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.array(
      fc.oneof(
        { weight: 3, arbitrary: fc.stringMatching(/^[a-z0-9]{1,5}((\.|_|__|-{1,3})[a-z0-9]{1,4}){0,2}$/) },
        { weight: 1, arbitrary: fc.constantFrom("v2", "blobs", "uploads", "manifests", "tags", "list", "referrers") }
      ),
      { minLength: 1, maxLength: 4 }
    ).map((components) => components.join("/"))
  },
  { weight: 1, arbitrary: fc.stringMatching(/^[a-z0-9]{120}\/[a-z0-9]{134}$/) }
).map(RepositoryName.make)

/**
 * Generates tags, also of the maximum length.
 *
 * @since 0.1.0
 * @category names
 */
export const tag: fc.Arbitrary<Tag.Tag> = fc.oneof(
  { weight: 6, arbitrary: fc.stringMatching(/^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,12}$/) },
  { weight: 2, arbitrary: fc.constantFrom("latest", "list", "uploads", "_", `sha256-${"0".repeat(64)}`) },
  { weight: 1, arbitrary: fc.stringMatching(/^[a-zA-Z0-9_][a-zA-Z0-9._-]{127}$/) }
).map(Tag.make)

/**
 * Generates references to a manifest in its repository: a tag or a digest.
 *
 * @since 0.1.0
 * @category names
 */
export const tagOrDigest: fc.Arbitrary<Operation.TagOrDigest> = fc.oneof(tag, digest)

/**
 * Generates hosts of registries, in canonical form.
 *
 * @since 0.1.0
 * @category names
 */
export const host: fc.Arbitrary<string> = fc.oneof(
  fc.stringMatching(/^[a-z]{1,5}(-[a-z0-9]{1,3})?(\.[a-z]{1,5}){1,2}(:[1-9][0-9]{0,3})?$/),
  fc.constantFrom("docker.io", "localhost", "localhost:5000", "127.0.0.1:5000", "[::1]:5000")
)

/**
 * Generates references.
 *
 * @since 0.1.0
 * @category names
 */
export const reference: fc.Arbitrary<Reference.Reference> = record<Parameters<typeof Reference.make>[0]>(
  { registry: host, repository: repositoryName },
  { tag, digest }
).map(Reference.make)

/**
 * Generates media types, of manifests and others, in lower case and without parameters.
 *
 * @since 0.1.0
 * @category content
 */
export const mediaType: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom(...MediaType.manifests, MediaType.layer, MediaType.imageConfig, MediaType.empty),
  fc.stringMatching(/^[a-z]{1,8}\/[a-z][a-z0-9.+-]{0,12}$/)
)

const text = fc.string({ unit: "grapheme", maxLength: 12 })

/**
 * Generates annotations, also empty ones and ones with the name `constructor`, which every object inherits.
 *
 * @since 0.1.0
 * @category content
 */
export const annotations: fc.Arbitrary<{ readonly [name: string]: string }> = fc.dictionary(
  fc.oneof({ weight: 4, arbitrary: text.filter((name) => name !== "__proto__") }, {
    weight: 1,
    arbitrary: fc.constant("constructor")
  }),
  text,
  { maxKeys: 3, noNullPrototype: true }
)

const platform = record<Descriptor.Platform>(
  { architecture: fc.constantFrom("amd64", "arm64", ""), os: fc.constantFrom("linux", "windows", "") },
  { "os.version": text, "os.features": fc.array(text, { maxLength: 2 }), variant: fc.constantFrom("v7", "v8") }
)

/** The optional fields of a descriptor. */
const remarks: Optional<Descriptor.Descriptor> = {
  urls: fc.array(fc.webUrl(), { maxLength: 2 }),
  annotations,
  data: fc.base64String({ maxLength: 16 }),
  artifactType: mediaType,
  platform
}

/** Generates counts, up to the largest safe integer. */
const count = fc.oneof(fc.nat(5), fc.nat(), fc.maxSafeNat())

/**
 * Generates descriptors of content that does not exist.
 *
 * @since 0.1.0
 * @category content
 */
export const descriptor: fc.Arbitrary<Descriptor.Descriptor> = record<Descriptor.Descriptor>(
  { mediaType, digest, size: count },
  remarks
)

/**
 * Generates ranges of at least one byte. HTTP cannot request an empty range.
 *
 * @since 0.1.0
 * @category content
 */
export const byteRange: fc.Arbitrary<ByteRange.ByteRange> = fc.oneof(
  count.map(ByteRange.from),
  fc.tuple(fc.nat(), fc.oneof(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1 }))).map(([offset, length]) =>
    ByteRange.slice(offset, length)
  ),
  fc.integer({ min: 1 }).map(ByteRange.last)
)

/**
 * Generates content as a list of chunks: no chunk, empty chunks, or several.
 *
 * @since 0.1.0
 * @category content
 */
export const chunks: fc.Arbitrary<ReadonlyArray<Uint8Array>> = fc.array(fc.uint8Array({ maxLength: 16 }), {
  maxLength: 4
})

const joined = (chunks: ReadonlyArray<Uint8Array>): Uint8Array => Uint8Array.from(chunks.flatMap((chunk) => [...chunk]))

const bodyOf = (chunks: ReadonlyArray<Uint8Array>): fc.Arbitrary<Body.Body> => {
  const content = joined(chunks)
  const size = fc.constantFrom(content.byteLength, undefined)
  return fc.oneof(
    fc.constant(Body.bytes(content)),
    size.map((size) => Body.stream(Stream.fromIterable(chunks), { size, replayable: true })),
    size.map((size) => Body.fromSource(chunkSource(chunks), { size, replayable: true }))
  )
}

/**
 * Generates bodies of each kind, with known and unknown size. All are replayable, so that a test can read them.
 *
 * @since 0.1.0
 * @category content
 */
export const body: fc.Arbitrary<Body.Body> = chunks.chain(bodyOf)

/**
 * Generates blobs: a descriptor, a body that matches the descriptor, and its bytes.
 *
 * @since 0.1.0
 * @category content
 */
export const blob: fc.Arbitrary<{
  readonly descriptor: Descriptor.Descriptor
  readonly body: Body.Body
  readonly bytes: Uint8Array
}> = fc.tuple(chunks, mediaType, fc.constantFrom<Digest.Algorithm>("sha256", "sha512")).chain(
  ([chunks, mediaType, algorithm]) => {
    const bytes = joined(chunks)
    const { digest, size } = Descriptor.fromBytes(bytes, mediaType, algorithm)
    return fc.record({
      descriptor: record<Descriptor.Descriptor>(
        { mediaType: fc.constant(mediaType), digest: fc.constant(digest), size: fc.constant(size) },
        remarks
      ),
      body: bodyOf(chunks),
      bytes: fc.constant(bytes)
    })
  }
)

const encode = (document: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(document))

const members = { subject: descriptor, annotations, artifactType: mediaType }

const documentOf = (mediaType: string): fc.Arbitrary<object> => {
  const descriptors = fc.array(descriptor, { maxLength: 3 })
  switch (mediaType) {
    case MediaType.image:
    case MediaType.dockerImage:
      return fc.record({ config: descriptor, layers: descriptors, ...members }, { requiredKeys: ["config", "layers"] })
    case MediaType.index:
    case MediaType.dockerList:
      return fc.record({ manifests: descriptors, ...members }, { requiredKeys: ["manifests"] })
    default:
      return fc.record({ blobs: descriptors, ...members }, { requiredKeys: [] })
  }
}

/**
 * Generates manifests that match their media type. The content that they refer to does not exist.
 *
 * @since 0.1.0
 * @category content
 */
export const manifest: fc.Arbitrary<{ readonly mediaType: string; readonly bytes: Uint8Array }> = fc
  .constantFrom(...MediaType.manifests)
  .chain((mediaType) =>
    documentOf(mediaType).map((document) => ({
      mediaType,
      bytes: encode({ schemaVersion: 2, mediaType, ...document })
    }))
  )

/**
 * Generates ids of upload sessions, with any characters.
 *
 * @since 0.1.0
 * @category names
 */
export const uploadId: fc.Arbitrary<string> = fc.oneof(
  fc.uuid(),
  fc.string({ unit: "grapheme", minLength: 1, maxLength: 12 })
)

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
      digest: fc.constantFrom(Digest.fromBytes(bytes), Digest.fromBytes(bytes, "sha512")),
      ifAbsent: fc.boolean()
    }
  )
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
    algorithm: fc.constantFrom("sha256", "sha512", "blake3")
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

const errorFields: Optional<RegistryErrors.ErrorFields> = {
  operation: fc.constantFrom(...Object.keys(operations) as ReadonlyArray<Operation.OperationTag>),
  repository,
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
type Own<E> = Omit<E, keyof RegistryErrors.BlobUnknown>

const error = <E extends RegistryErrors.RegistryError>(
  Class: new(fields: never) => E,
  required: Required<Own<E>>,
  optional: Optional<Own<E>>
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
