import * as BlobContent from "@effect-oci/core/BlobContent"
import * as Body from "@effect-oci/core/Body"
import * as ByteRange from "@effect-oci/core/ByteRange"
import * as Descriptor from "@effect-oci/core/Descriptor"
import * as Digest from "@effect-oci/core/Digest"
import * as Manifest from "@effect-oci/core/ManifestModel"
import * as MediaType from "@effect-oci/core/MediaType"
import * as Operation from "@effect-oci/core/Operation"
import * as RegistryError from "@effect-oci/core/RegistryError"
import type * as Tag from "@effect-oci/core/Tag"
import * as Effect from "effect/Effect"
import * as ErrorBody from "../ErrorBody.js"
import type { ListOperation } from "../Page.js"
import * as Range from "../Range.js"
import type * as Wire from "../Wire.js"
import { contentType } from "./contentType.js"
import { expectStatus, invalid } from "./decoded.js"
import type { Decoded } from "./decoded.js"
import type { Limits, Received } from "./responseModel.js"

type Rows = {
  readonly [T in Exclude<Operation.OperationTag, ListOperation["_tag"]>]: (
    operation: Operation.OperationOf<T>,
    response: Received,
    fields: RegistryError.ErrorFields,
    limits: Limits
  ) => Decoded<Operation.Results[T]>
}

/** Returns the failure that a status means, or `undefined` for a success. */
export const failed = (
  response: Received,
  fields: RegistryError.ErrorFields
): Effect.Effect<never, RegistryError.RegistryError> | undefined => {
  const { headers, status } = response
  if (status >= 200 && status < 300) return undefined
  return response.bytes(ErrorBody.maxBytes).pipe(
    Effect.orElseSucceed(() => undefined),
    Effect.flatMap((bytes) => Effect.fail(ErrorBody.decode({ status, headers, bytes }, fields)))
  )
}

/** Returns the digest in the headers, if there is a valid one. */
const digestHeader = (headers: Wire.Headers): Digest.Digest | undefined => {
  const text = headers["docker-content-digest"]
  return text !== undefined && Digest.is(text) ? text : undefined
}

const resolveBlob = (digest: Digest.Digest, response: Received): Decoded<Descriptor.Descriptor> =>
  expectStatus(response, [200], () => {
    const size = Range.parseCount(response.headers["content-length"])
    if (size === undefined) return invalid("a blob without a Content-Length")
    return Effect.succeed({ mediaType: Descriptor.octetStream, digest, size })
  })

const getBlob = (
  { digest, range: requested }: Operation.GetBlob,
  response: Received,
  fields: RegistryError.ErrorFields
): Decoded<BlobContent.BlobContent> => {
  const { body = Body.empty, headers } = response
  const content = (size: number, body: Body.Body, range?: ByteRange.Span) =>
    Effect.succeed(
      new BlobContent.BlobContent({
        descriptor: { mediaType: Descriptor.octetStream, digest, size },
        range,
        body,
        verified: false
      })
    )
  const wrongSize = (reason: string) => new RegistryError.SizeInvalid({ ...fields, reason })
  const whole = () => {
    const size = Range.parseCount(headers["content-length"])
    if (size === undefined) return invalid("a blob without a Content-Length")
    if (requested === undefined) return content(size, body)
    // A registry that does not support ranges sends the whole blob, so the range is cut out here.
    const span = ByteRange.resolve(requested, size)
    return span === undefined
      ? Effect.fail(new RegistryError.RangeInvalid({ size }))
      : content(size, Body.slice(body, span), span)
  }
  if (requested === undefined || response.status !== 206) return expectStatus(response, [200], whole)
  const sent = Range.parseContentRange(headers["content-range"])
  if (sent?.span === undefined) return invalid("a range of a blob without a valid Content-Range")
  const { size, span } = sent
  if (size === undefined) return invalid("its Content-Range does not contain the size of the blob")
  const expected = ByteRange.resolve(requested, size)
  if (expected === undefined || expected.offset !== span.offset || expected.length !== span.length) {
    return invalid(
      `it sent the range ${Range.formatSpan(span)} of ${size}, but the client requested ${Range.format(requested)}`
    )
  }
  if (body.size !== undefined && body.size !== span.length) {
    return invalid(`it sent ${body.size} bytes for a range of ${span.length}`)
  }
  return content(size, body.size === undefined ? Body.exactly(body, span.length, wrongSize) : body, span)
}

const untyped = () => invalid("a manifest without the Content-Type of a manifest")

/** Returns whether a media type is HTML. Proxies and login portals send HTML pages with status 200. */
const isPage = (mediaType: string): boolean => mediaType === "text/html"

const resolveManifest = (
  { reference }: Operation.ResolveManifest,
  response: Received
): Decoded<Descriptor.Descriptor> =>
  expectStatus(response, [200], () => {
    const mediaType = contentType(response.headers)
    const size = Range.parseCount(response.headers["content-length"])
    const sentDigest = digestHeader(response.headers)
    const digest = Operation.isDigest(reference) ? reference : sentDigest
    if (mediaType === undefined || isPage(mediaType)) return untyped()
    if (size === undefined) return invalid("a manifest without a Content-Length")
    if (digest === undefined) return invalid("a manifest without a Docker-Content-Digest")
    return differs(sentDigest, digest)
      ? invalid(`it sent the manifest ${sentDigest}, but the client requested ${digest}`)
      : Effect.map(Manifest.checkType(mediaType), (mediaType) => ({ mediaType, digest, size }))
  })

/**
 * Returns whether the digest in the response is of other content. A digest with another algorithm may be of the same
 * content.
 */
const differs = (sentDigest: Digest.Digest | undefined, digest: Digest.Digest): boolean =>
  sentDigest !== undefined && sentDigest !== digest && Digest.algorithm(sentDigest) === Digest.algorithm(digest)

const getManifest = (
  operation: Operation.GetManifest,
  response: Received,
  limits: Limits
): Decoded<Manifest.Manifest> =>
  expectStatus(response, [200], () => {
    const served = contentType(response.headers) ?? ""
    if (isPage(served)) return untyped()
    const sentDigest = digestHeader(response.headers)
    const declared = Operation.isDigest(operation.reference) ? operation.reference : sentDigest
    // Check the type first: a schema 1 manifest does not have the digest that it is served under.
    return Effect.gen(function*() {
      const bytes = yield* response.bytes(limits.manifest)
      if (declared !== undefined) yield* Digest.load(declared)
      const isVerifiable = declared === operation.reference ||
        (declared !== undefined && Digest.verifiable(declared) !== undefined)
      const digest = isVerifiable ? declared : undefined
      const mediaType = yield* Manifest.identify({ mediaType: served, bytes })
      return mediaType === "" ? yield* untyped() : yield* Manifest.make({ mediaType, bytes, digest })
    })
  })

/** Decodes an upload session from a response. `known` contains the values for what the response does not state. */
const upload = (
  response: Received,
  known: { readonly id?: string | undefined; readonly offset: number | undefined }
): Decoded<Operation.Upload> => {
  const location = response.headers["location"]
  const id = location === undefined ? known.id : resolveLocation(location, response)
  if (id === undefined) return invalid("an upload without a valid Location")
  const { offset } = known
  if (offset === undefined) return invalid("it does not contain the offset of the upload")
  const minChunkSize = Range.parseCount(response.headers["oci-chunk-min-length"])
  return Effect.succeed({ id, offset, ...(minChunkSize === undefined ? {} : { minChunkSize }) })
}

/** Decodes an upload session. If the response does not state an offset, the offset is zero. */
const standing = (response: Received, id?: string): Decoded<Operation.Upload> =>
  upload(response, { id, offset: Range.parseUploadOffset(response.headers) ?? 0 })

/**
 * Decodes an upload session after a chunk. An accepted chunk counts as received, even if the `Range` of the registry
 * lags behind.
 */
const appended = ({ body, id, offset }: Operation.AppendUpload, response: Received): Decoded<Operation.Upload> => {
  const { headers } = response
  const counted = Range.parseCount(headers["upload-offset"])
  return upload(response, {
    id,
    offset: counted ?? add(offset, body.size) ?? Range.parseUploadOffset(headers, body.size)
  })
}

/**
 * Returns whether two URLs have the same host and port. The scheme may differ, because a registry behind a proxy that
 * terminates TLS does not know its own scheme.
 */
const isSamePlace = (a: URL, b: URL): boolean => a.hostname === b.hostname && a.port === b.port

/**
 * Resolves a location against the URL of the request. On the registry's own host, returns only the path and query;
 * otherwise the complete URL.
 */
const resolveLocation = (location: string, { origin, url }: Received): string | undefined => {
  // An empty location resolves to the URL of the request, which is not an upload session.
  if (location === "" || !URL.canParse(location, url)) return undefined
  const to = new URL(location, url)
  if (to.protocol !== "https:" && to.protocol !== "http:") return undefined
  to.username = ""
  to.password = ""
  to.hash = ""
  const path = `${to.pathname}${to.search}`
  // A path that begins with two slashes would be read as another host.
  return isSamePlace(to, new URL(origin ?? url)) && !path.startsWith("//") ? path : to.href
}

/** Returns the descriptor of a completed blob. Its size comes from the response, or from what was sent. */
const completed = (operation: Operation.CompleteUpload, response: Received): Decoded<Descriptor.Descriptor> =>
  expectStatus(response, [201, 204], () => {
    const { body, digest, offset } = operation
    const size = Range.parseCount(response.headers["upload-offset"]) ?? add(offset, body === undefined ? 0 : body.size)
    return size === undefined
      ? invalid("it does not contain the size of the blob")
      : Effect.succeed({ mediaType: Descriptor.octetStream, digest, size })
  })

const add = (offset: number | undefined, size: number | undefined): number | undefined =>
  offset === undefined || size === undefined ? undefined : offset + size

const pushed = (operation: Operation.PushManifest, response: Received): Decoded<Operation.PushedManifest> =>
  expectStatus(response, [200, 201, 202], () => {
    const digest = operation.digest ?? Digest.fromBytes(operation.bytes)
    const sentDigest = digestHeader(response.headers)
    if (differs(sentDigest, digest)) {
      return invalid(`it stored the manifest as ${sentDigest}, but the client pushed ${digest}`)
    }
    const subject = response.headers["oci-subject"]
    const byTag = operation.digest === undefined && operation.tags.length === 1
    return Effect.succeed({
      mediaType: MediaType.essence(operation.mediaType),
      digest,
      size: operation.bytes.byteLength,
      ...(subject !== undefined && Digest.is(subject) ? { subject } : {}),
      tags: byTag ? operation.tags : tagsOf(response.headers["oci-tag"], operation.tags)
    })
  })

/** Returns those of the requested tags that the registry says it has set. */
const tagsOf = (header: string | undefined, requested: ReadonlyArray<Tag.Tag>): ReadonlyArray<Tag.Tag> => {
  if (header === undefined) return []
  const confirmed = new Set(header.split(",").map((tag) => tag.trim()))
  return requested.filter((tag) => confirmed.has(tag))
}

const done = (response: Received, statuses: ReadonlyArray<number>): Decoded<Operation.Done> =>
  expectStatus(response, statuses, () => Effect.succeed(Operation.done))

/** The success statuses of a delete: 202 by the spec, and 200 or 204 from some registries. */
const deleted = [202, 200, 204]

export const rows: Rows = {
  ResolveBlob: ({ digest }, response) => resolveBlob(digest, response),
  GetBlob: getBlob,
  ResolveManifest: resolveManifest,
  GetManifest: (operation, response, _, limits) => getManifest(operation, response, limits),
  PushBlob: ({ descriptor }, response) => expectStatus(response, [201], () => Effect.succeed(descriptor)),
  MountBlob: ({ digest }, response) =>
    expectStatus<Operation.Mounted | Operation.UploadStarted>(response, [201, 202], () =>
      response.status === 201
        ? Effect.succeed(new Operation.Mounted({ digest }))
        : Effect.map(standing(response), (upload) => new Operation.UploadStarted({ upload }))),
  StartUpload: (_, response) => expectStatus(response, [202], () => standing(response)),
  GetUpload: ({ id }, response) => expectStatus(response, [204, 200, 202], () => standing(response, id)),
  // A registry in wide use answers a chunk with 201.
  AppendUpload: (operation, response) => expectStatus(response, [202, 201, 204], () => appended(operation, response)),
  CompleteUpload: completed,
  CancelUpload: (_, response) => done(response, [204, 200, 202]),
  PushManifest: pushed,
  DeleteBlob: (_, response) => done(response, deleted),
  DeleteManifest: (_, response) => done(response, deleted),
  DeleteTag: (_, response) => done(response, deleted)
}
