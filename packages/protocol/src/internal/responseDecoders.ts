import * as BlobContent from "@effect-oci/core/BlobContent"
import * as Body from "@effect-oci/core/Body"
import * as ByteRange from "@effect-oci/core/ByteRange"
import * as Descriptor from "@effect-oci/core/Descriptor"
import * as Digest from "@effect-oci/core/Digest"
import * as Manifest from "@effect-oci/core/Manifest"
import * as MediaType from "@effect-oci/core/MediaType"
import * as Operation from "@effect-oci/core/Operation"
import * as RegistryError from "@effect-oci/core/RegistryError"
import * as RepositoryName from "@effect-oci/core/RepositoryName"
import * as Tag from "@effect-oci/core/Tag"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as ErrorBody from "../ErrorBody.js"
import * as Link from "../Link.js"
import type { ListOperation } from "../Page.js"
import * as Range from "../Range.js"
import type { Limits, Received, ReceivedPage } from "../Response.js"
import type * as Wire from "../Wire.js"

type Answer<A> = Effect.Effect<A, RegistryError.RegistryError>

type Rows = {
  readonly [T in Exclude<Operation.OperationTag, ListOperation["_tag"]>]: (
    operation: Operation.OperationOf<T>,
    response: Received,
    fields: RegistryError.ErrorFields,
    limits: Limits
  ) => Answer<Operation.Results[T]>
}

const invalid = (reason: string): Effect.Effect<never, RegistryError.ResponseInvalid> =>
  Effect.fail(new RegistryError.ResponseInvalid({ reason: `the registry's answer breaks the protocol: ${reason}` }))

/** An error met while an answer was read knows less of what was asked than whoever asked. */
export const complete = (
  error: RegistryError.RegistryError,
  fields: RegistryError.ErrorFields
): RegistryError.RegistryError =>
  error.operation === undefined && fields.operation !== undefined ? RegistryError.withFields(error, fields) : error

/** The failure that a status says, or `undefined` for one that says success. */
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

/** The digest that a registry says, if it says one that can be read. */
const digestHeader = (headers: Wire.Headers): Digest.Digest | undefined => {
  const text = headers["docker-content-digest"]
  return text !== undefined && Digest.is(text) ? text : undefined
}

const expectStatus = <A>(response: Received, statuses: ReadonlyArray<number>, result: () => Answer<A>): Answer<A> =>
  statuses.includes(response.status)
    ? result()
    : invalid(`status ${response.status} where ${statuses.join(" or ")} was expected`)

const resolveBlob = (digest: Digest.Digest, response: Received): Answer<Descriptor.Descriptor> =>
  expectStatus(response, [200], () => {
    const size = Range.parseCount(response.headers["content-length"])
    if (size === undefined) return invalid("a blob without a Content-Length")
    return Effect.succeed({ mediaType: Descriptor.octetStream, digest, size })
  })

const getBlob = (operation: Operation.GetBlob, response: Received): Answer<BlobContent.BlobContent> => {
  const { body = Body.empty, headers } = response
  const describe = (size: number) => ({ mediaType: Descriptor.octetStream, digest: operation.digest, size })
  if (operation.range === undefined) {
    return expectStatus(response, [200], () => {
      const size = Range.parseCount(headers["content-length"])
      return size === undefined
        ? invalid("a blob without a Content-Length")
        : Effect.succeed(new BlobContent.BlobContent({ descriptor: describe(size), body, verified: false }))
    })
  }
  const asked = operation.range
  return expectStatus(response, [200, 206], () => {
    if (response.status === 200) return cut(asked, describe, response, body)
    const sent = Range.parseContentRange(headers["content-range"])
    if (sent?.span === undefined || sent.size === undefined) return invalid("a part without a Content-Range")
    const { size, span } = sent
    const meant = ByteRange.resolve(asked, size)
    if (meant === undefined || meant.offset !== span.offset || meant.length !== span.length) {
      return invalid(`it sent the range ${Range.formatSpan(span)} where ${Range.format(asked)} was asked for`)
    }
    const part = body.size === undefined ? Body.stream(body.stream, { size: span.length }) : body
    if (part.size !== span.length) return invalid(`${part.size} bytes for a range of ${span.length}`)
    return Effect.succeed(
      new BlobContent.BlobContent({ descriptor: describe(size), range: span, body: part, verified: false })
    )
  })
}

/** A registry that does not know ranges sends all of it: the range is cut out here. */
const cut = (
  asked: ByteRange.ByteRange,
  describe: (size: number) => Descriptor.Descriptor,
  response: Received,
  body: Body.Body
): Answer<BlobContent.BlobContent> => {
  const size = Range.parseCount(response.headers["content-length"])
  if (size === undefined) return invalid("a blob without a Content-Length")
  const span = ByteRange.resolve(asked, size)
  return span === undefined ? Effect.fail(new RegistryError.RangeInvalid({ size })) : Effect.succeed(
    new BlobContent.BlobContent({
      descriptor: describe(size),
      range: span,
      body: Body.slice(body, span),
      verified: false
    })
  )
}

/** Only the header says the type of a manifest; some old registries say it with parameters. */
const mediaTypeOf = (headers: Wire.Headers): string | undefined => {
  const type = headers["content-type"]
  return type === undefined ? undefined : MediaType.essence(type)
}

const resolveManifest = (
  operation: Operation.ResolveManifest,
  response: Received
): Answer<Descriptor.Descriptor> =>
  expectStatus(response, [200], () => {
    const { headers } = response
    const mediaType = mediaTypeOf(headers)
    const size = Range.parseCount(headers["content-length"])
    const digest = Operation.isDigest(operation.reference) ? operation.reference : digestHeader(headers)
    if (mediaType === undefined) return invalid("a manifest without a Content-Type")
    if (size === undefined) return invalid("a manifest without a Content-Length")
    if (digest === undefined) return invalid("a manifest without a Docker-Content-Digest")
    return Effect.succeed({ mediaType, digest, size })
  })

const getManifest = (
  operation: Operation.GetManifest,
  response: Received,
  limits: Limits
): Answer<Manifest.Manifest> =>
  expectStatus(response, [200], () => {
    const mediaType = mediaTypeOf(response.headers)
    if (mediaType === undefined) return invalid("a manifest without a Content-Type")
    const said = digestHeader(response.headers)
    const digest = Operation.isDigest(operation.reference)
      ? operation.reference
      : said !== undefined && Digest.verifiable(said) !== undefined
      ? said
      : undefined
    return Effect.flatMap(response.bytes(limits.manifest), (bytes) => Manifest.make({ mediaType, bytes, digest }))
  })

const upload = (
  response: Received,
  offset: number | undefined,
  previous?: string
): Answer<Operation.Upload> => {
  const location = response.headers["location"]
  const id = location === undefined ? previous : resolveLocation(location, response.url)
  if (id === undefined) return invalid("an upload without a Location that can be followed")
  const minChunkSize = Range.parseCount(response.headers["oci-chunk-min-length"])
  const stands = offset ?? Range.parseUploadOffset(response.headers) ?? 0
  return Effect.succeed({ id, offset: stands, ...(minChunkSize === undefined ? {} : { minChunkSize }) })
}

/** A location against where the request went: on the same origin only its path and query, else the whole URL. */
const resolveLocation = (location: string, base: string): string | undefined => {
  if (!URL.canParse(location, base)) return undefined
  const url = new URL(location, base)
  const origin = new URL(base).origin
  return url.origin === origin ? `${url.pathname}${url.search}` : url.href
}

/** How much of an upload there is after a chunk: what the answer says, with its ambiguous `0-0` after a single byte. */
const appended = (operation: Operation.AppendUpload, response: Received): number | undefined =>
  operation.offset === 0 && operation.body.size === 1 && response.headers["range"] === "0-0" ? 1 : undefined

/** The descriptor of a blob that was completed: its size is known by the answer, or by what was sent. */
const completed = (operation: Operation.CompleteUpload, response: Received): Answer<Descriptor.Descriptor> =>
  expectStatus(response, [201, 204], () => {
    const { body, digest, offset } = operation
    const sent = offset === undefined ? undefined : body === undefined ? offset : add(offset, body.size)
    const size = Range.parseCount(response.headers["upload-offset"]) ?? sent
    return size === undefined
      ? invalid("it does not say the size of the blob")
      : Effect.succeed({ mediaType: Descriptor.octetStream, digest, size })
  })

const add = (offset: number, size: number | undefined) => size === undefined ? undefined : offset + size

const pushed = (operation: Operation.PushManifest, response: Received): Answer<Operation.PushedManifest> =>
  expectStatus(response, [200, 201, 202], () => {
    const digest = operation.digest ?? Digest.fromBytes(operation.bytes)
    const said = digestHeader(response.headers)
    if (said !== undefined && Digest.algorithm(said) === Digest.algorithm(digest) && said !== digest) {
      return invalid(`it stored the manifest under ${said} where ${digest} was pushed`)
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

/** Of the tags that were asked for, those that the registry says it set. */
const tagsOf = (header: string | undefined, asked: ReadonlyArray<Tag.Tag>): ReadonlyArray<Tag.Tag> => {
  if (header === undefined) return []
  const said = new Set(header.split(",").map((tag) => tag.trim()))
  return asked.filter((tag) => said.has(tag))
}

const done = (response: Received, statuses: ReadonlyArray<number>): Answer<Operation.Done> =>
  expectStatus(response, statuses, () => Effect.succeed(Operation.done))

/** What real registries answer to a delete: the spec's 202, and 200 or 204 elsewhere. */
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
        : Effect.map(upload(response, undefined), (upload) => new Operation.UploadStarted({ upload }))),
  StartUpload: (_, response) => expectStatus(response, [202], () => upload(response, undefined)),
  GetUpload: ({ id }, response) => expectStatus(response, [204, 200, 202], () => upload(response, undefined, id)),
  // A registry in wide use answers a chunk with 201.
  AppendUpload: (operation, response) =>
    expectStatus(response, [202, 201, 204], () => upload(response, appended(operation, response), operation.id)),
  CompleteUpload: completed,
  CancelUpload: (_, response) => done(response, [204, 200, 202]),
  PushManifest: pushed,
  DeleteBlob: (_, response) => done(response, deleted),
  DeleteManifest: (_, response) => done(response, deleted),
  DeleteTag: (_, response) => done(response, deleted)
}

const decodeDescriptor = Schema.decodeUnknownEither(Descriptor.schema)

/** Where each list stands in its page, and how one of its items is read. */
const lists: {
  readonly [T in ListOperation["_tag"]]: {
    readonly key: string
    readonly item: (item: unknown) => Either.Either<unknown, unknown>
  }
} = {
  ListRepositories: { key: "repositories", item: (item) => RepositoryName.parse(String(item)) },
  ListTags: { key: "tags", item: (item) => Tag.parse(String(item)) },
  ListReferrers: { key: "manifests", item: decodeDescriptor }
}

/** A page. Items that are none are left out rather than let one of them hide all the others. */
export const page = (
  operation: ListOperation,
  response: Received,
  limits: Limits
): Answer<ReceivedPage<unknown>> =>
  expectStatus(response, [200], () =>
    Effect.flatMap(response.bytes(limits.page), (bytes) => {
      const { item, key } = lists[operation._tag]
      const json = parseJson(bytes)
      if (!Predicate.isRecord(json)) return invalid("a list that is no JSON object")
      const found = json[key] ?? []
      if (!Array.isArray(found)) return invalid(`a list whose "${key}" is no array`)
      return Effect.succeed({
        items: found.flatMap((value) => Either.match(item(value), { onLeft: () => [], onRight: (item) => [item] })),
        next: Link.next(response.headers["link"]),
        filtered: (response.headers["oci-filters-applied"] ?? "").split(",").some((name) =>
          name.trim() === "artifactType"
        )
      })
    }))

const parseJson = (bytes: Uint8Array): unknown => {
  try {
    return JSON.parse(new TextDecoder().decode(bytes))
  } catch {
    return undefined
  }
}
