import * as Body from "@effect-oci/core/Body"
import * as ByteRange from "@effect-oci/core/ByteRange"
import * as Descriptor from "@effect-oci/core/Descriptor"
import * as Digest from "@effect-oci/core/Digest"
import * as MediaType from "@effect-oci/core/MediaType"
import * as Operation from "@effect-oci/core/Operation"
import type { RegistryError } from "@effect-oci/core/RegistryError"
import * as RepositoryName from "@effect-oci/core/RepositoryName"
import * as Tag from "@effect-oci/core/Tag"
import type * as Page from "@effect-oci/protocol/Page"
import * as Response from "@effect-oci/protocol/Response"
import type * as Effect from "effect/Effect"

export const repository = RepositoryName.make("team/app")
export const tag = Tag.make("latest")
const id = "/v2/team/app/blobs/uploads/1?state=2"
export const content = JSON.stringify({ schemaVersion: 2, mediaType: MediaType.index, manifests: [] })
export const bytes = new TextEncoder().encode(content)
export const digest = Digest.fromBytes(bytes)
export const sha512 = Digest.fromBytes(bytes, "sha512")
export const unverifiable = Digest.make("md5:0123456789abcdef0123456789abcdef")
export const descriptor = { mediaType: Descriptor.octetStream, digest, size: bytes.byteLength }
const body = Body.bytes(bytes)
const ranges = [undefined, ByteRange.from(2), ByteRange.slice(2, 5), ByteRange.last(3), ByteRange.slice(99, 1)]

/** Sample operations of each kind, one for each way in which the client reads the answer. */
export const samples: { readonly [T in Operation.OperationTag]: ReadonlyArray<Operation.OperationOf<T>> } = {
  ResolveBlob: [new Operation.ResolveBlob({ repository, digest })],
  GetBlob: ranges.map((range) => new Operation.GetBlob({ repository, digest, range })),
  ResolveManifest: [tag, digest].map((reference) => new Operation.ResolveManifest({ repository, reference })),
  GetManifest: [tag, digest, sha512, unverifiable].map((reference) =>
    new Operation.GetManifest({ repository, reference })
  ),
  PushBlob: [new Operation.PushBlob({ repository, descriptor, body })],
  MountBlob: [new Operation.MountBlob({ repository, digest })],
  StartUpload: [new Operation.StartUpload({ repository })],
  GetUpload: [new Operation.GetUpload({ repository, id })],
  AppendUpload: [
    new Operation.AppendUpload({ repository, id, body }),
    new Operation.AppendUpload({ repository, id, body, offset: 9 }),
    new Operation.AppendUpload({ repository, id, body: Body.stream(body.stream), offset: 9 })
  ],
  CompleteUpload: [
    new Operation.CompleteUpload({ repository, id, digest }),
    new Operation.CompleteUpload({ repository, id, digest, offset: 9, body })
  ],
  CancelUpload: [new Operation.CancelUpload({ repository, id })],
  PushManifest: [
    new Operation.PushManifest({ repository, mediaType: MediaType.index, bytes, tags: [tag] }),
    new Operation.PushManifest({ repository, mediaType: MediaType.index, bytes, digest, tags: [tag, Tag.make("v1")] })
  ],
  DeleteBlob: [new Operation.DeleteBlob({ repository, digest })],
  DeleteManifest: [new Operation.DeleteManifest({ repository, digest })],
  DeleteTag: [new Operation.DeleteTag({ repository, tag })],
  ListRepositories: [new Operation.ListRepositories({})],
  ListTags: [new Operation.ListTags({ repository, limit: 2 })],
  ListReferrers: [new Operation.ListReferrers({ repository, digest, artifactType: "a/b" })]
}

export const isListTag = (tag: Operation.OperationTag): tag is Page.ListOperation["_tag"] => tag.startsWith("List")

const isList = (operation: Operation.Operation): operation is Page.ListOperation => isListTag(operation._tag)

/** The origin of the registry, and the URL of the request. */
export const origin = "https://registry.example"
export const url = `${origin}/v2/team/app/blobs/uploads/`

/** An upload session continues at a path on the origin of the registry, or elsewhere at a URL without a password. */
const isPlace = (id: string): boolean => {
  const to = URL.canParse(id, url) ? new URL(id, url) : undefined
  return to !== undefined && /^https?:$/.test(to.protocol) && to.username === "" && to.password === "" &&
    (id.startsWith("/") ? !id.startsWith("//") && to.origin === origin : /^https?:/.test(id))
}

const isCount = (value: number | undefined): boolean =>
  value === undefined || (Number.isSafeInteger(value) && value >= 0)

const isUpload = (upload: Operation.Upload): boolean =>
  isPlace(upload.id) && isCount(upload.offset) && isCount(upload.minChunkSize)

type Results = { readonly [T in Exclude<Operation.OperationTag, Page.ListOperation["_tag"]>]: Operation.Results[T] }
type Sound = { readonly [T in keyof Results]: (result: Results[T], operation: Operation.OperationOf<T>) => boolean }

const isDescriptor = (found: Descriptor.Descriptor): boolean => Digest.is(found.digest) && isCount(found.size)

const hasDigest = (found: Descriptor.Descriptor, digest: Digest.Digest): boolean =>
  isDescriptor(found) && found.digest === digest

/** The properties that each result must have, whatever the registry answered. */
const sound: Sound = {
  ResolveBlob: (found, { digest }) => hasDigest(found, digest),
  GetBlob: ({ descriptor, range, verified }, operation) =>
    hasDigest(descriptor, operation.digest) && !verified &&
    (range === undefined) === (operation.range === undefined) &&
    (range === undefined || (range.length > 0 && range.offset + range.length <= descriptor.size)),
  ResolveManifest: (found, { reference }) => isDescriptor(found) && (reference === tag || found.digest === reference),
  GetManifest: ({ bytes, descriptor }, { reference }) =>
    (reference === tag || descriptor.digest === reference) && descriptor.size === bytes.byteLength &&
    descriptor.digest === Digest.fromBytes(bytes, Digest.verifiable(descriptor.digest)),
  PushBlob: (found, { descriptor }) => hasDigest(found, descriptor.digest),
  MountBlob: (mounted, { digest }) => mounted._tag === "Mounted" ? mounted.digest === digest : isUpload(mounted.upload),
  StartUpload: isUpload,
  GetUpload: isUpload,
  AppendUpload: isUpload,
  CompleteUpload: (found, { digest }) => hasDigest(found, digest),
  CancelUpload: () => true,
  PushManifest: (pushed, operation) =>
    pushed.digest === digest && pushed.tags.every((tag) => operation.tags.includes(tag)) &&
    (pushed.subject === undefined || Digest.is(pushed.subject)),
  DeleteBlob: () => true,
  DeleteManifest: () => true,
  DeleteTag: () => true
}

const items: { readonly [T in Page.ListOperation["_tag"]]: (item: never) => boolean } = {
  ListRepositories: RepositoryName.is,
  ListTags: Tag.is,
  ListReferrers: isDescriptor
}

/** Returns the sample with a number. */
export const operationOf = (tag: Operation.OperationTag, index: number): Operation.Operation => {
  const operation = samples[tag][index]
  if (operation === undefined) throw new RangeError(`no operation ${tag} of number ${index}`)
  return operation
}

/** Reads the response to an operation. */
export const read = (
  operation: Operation.Operation,
  response: Response.Received
): Effect.Effect<unknown, RegistryError> =>
  isList(operation)
    ? Response.decodePage(operation, response, Operation.errorFields(operation))
    : Response.decode(operation, response, Operation.errorFields(operation))

/** Tests whether a result matches its operation. */
export const isSound = (operation: Operation.Operation, result: unknown): boolean =>
  isList(operation)
    ? (result as Response.ReceivedPage<never>).items.every(items[operation._tag])
    : sound[operation._tag](result as never, operation as never)
