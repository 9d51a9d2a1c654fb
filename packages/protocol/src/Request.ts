/**
 * Converts operations to requests, and back.
 *
 * @since 0.1.0
 */
import * as Answer from "@effect-oci/core/Answer"
import * as Body from "@effect-oci/core/Body"
import * as Descriptor from "@effect-oci/core/Descriptor"
import * as Digest from "@effect-oci/core/Digest"
import * as MediaType from "@effect-oci/core/MediaType"
import * as Operation from "@effect-oci/core/Operation"
import * as RegistryError from "@effect-oci/core/RegistryError"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { endpoints, methods } from "./Endpoint.js"
import type { Endpoint, Parts, PathParameters } from "./Endpoint.js"
import * as ErrorBody from "./ErrorBody.js"
import * as conditions from "./internal/conditions.js"
import { parsePath } from "./internal/pathParameters.js"
import * as query from "./internal/query.js"
import { candidates } from "./internal/requestDecoders.js"
import type { AnyDecoder, Incoming } from "./internal/requestDecoders.js"
import * as Route from "./Route.js"
import type * as Wire from "./Wire.js"

/**
 * A request to `GET /v2/`, which asks whether the server is a registry and whether the caller may use it. It is not an
 * operation, because it does not concern stored content. Spec: [Determining
 * Support](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#determining-support).
 *
 * @since 0.1.0
 * @category models
 */
export class Ping extends /* @__PURE__ */ Data.TaggedClass("Ping") {}

/**
 * A request that cannot be converted to an operation, and how to respond. `status` overrides the status of the error.
 * `headers` are additional headers of the response.
 *
 * @since 0.1.0
 * @category errors
 */
export class Rejected extends Data.TaggedError("OciRejected")<{
  readonly error: RegistryError.RegistryError
  readonly status?: number | undefined
  readonly headers?: Wire.Headers | undefined
}> {
  override get message(): string {
    return this.error.message
  }
}

/**
 * Creates the response to a rejected request.
 *
 * @since 0.1.0
 * @category encoding
 */
export const encodeRejected = ({ error, headers, status }: Rejected): Wire.Response => {
  const response = ErrorBody.encode(error)
  return { ...response, status: status ?? response.status, headers: { ...response.headers, ...headers } }
}

const ping = /* @__PURE__ */ Answer.succeed<Head>({ operation: /* @__PURE__ */ new Ping(), rest: undefined })

/** Returns whether an upload id is a location sent by a registry, and not an id that is a segment of a path. */
const isLocation = (id: string): boolean => /^(?:\/|https?:\/\/)/i.test(id)

/**
 * Returns the path and the query of a target, which may be a complete URL: [RFC 9112, section
 * 3.2.2](https://www.rfc-editor.org/rfc/rfc9112#section-3.2.2).
 *
 * @since 0.1.0
 * @category conversions
 */
export const originForm = (target: string): string =>
  target.startsWith("/") ? target : target.replace(/^https?:\/\/[^/?#]*/i, "")

/** Returns the target of a request. An upload id that is a location is used unchanged, with its own query. */
const target = (tag: Route.RouteTag, parts: Parts<object>): string => {
  const parameters = parts.path as { readonly repository?: string; readonly id?: string }
  const path = tag === "Upload" && parameters.id !== undefined && isLocation(parameters.id)
    ? parameters.id
    : Route.format({ _tag: tag, name: parameters.repository, ...parameters } as never)
  if (parts.query === undefined || parts.query.length === 0) return path
  return `${path}${path.includes("?") ? "&" : "?"}${query.format(parts.query)}`
}

/**
 * Converts an operation to a request. A `PushBlob` becomes a single POST request, which not every registry supports. A
 * client can send a `StartUpload` and a `CompleteUpload` instead.
 *
 * @since 0.1.0
 * @category encoding
 * @example
 * ```ts
 * import { Operation, RepositoryName, Tag } from "@effect-oci/core"
 * import { Request } from "@effect-oci/protocol"
 *
 * const request = Request.encode(
 *   new Operation.GetManifest({ repository: RepositoryName.make("team/app"), reference: Tag.make("v1") })
 * ) // GET /v2/team/app/manifests/v1
 * ```
 */
export const encode = (operation: Operation.Operation): Wire.Request => {
  const endpoint = endpoints[operation._tag] as Endpoint<Operation.Operation, Route.RouteTag>
  const parts = endpoint.encode(operation)
  const length = parts.body?.size
  return {
    method: endpoint.method,
    target: target(endpoint.route, parts),
    headers: length === undefined ? parts.headers ?? {} : { ...parts.headers, "content-length": String(length) },
    body: parts.body
  }
}

/**
 * Returns an operation without the details that a request cannot express. {@link decode} returns this operation for the
 * result of {@link encode}.
 *
 * @since 0.1.0
 * @category encoding
 */
export const normal = (operation: Operation.Operation): Operation.Operation => {
  switch (operation._tag) {
    case "ResolveBlob":
    case "GetBlob":
    case "ResolveManifest":
    case "GetManifest":
    case "MountBlob":
    case "DeleteBlob":
    case "DeleteManifest":
    case "DeleteTag":
    case "ListRepositories":
    case "ListTags":
      return operation
    case "PushBlob": {
      const { body, descriptor: { digest, size }, repository } = operation
      const descriptor = { mediaType: Descriptor.octetStream, digest, size: body.size ?? size }
      return new Operation.PushBlob({ repository, descriptor, body: Body.withSize(body, body.size ?? size) })
    }
    case "StartUpload":
      return new Operation.StartUpload({ ...operation, algorithm: present(operation.algorithm) })
    case "GetUpload":
      return new Operation.GetUpload({ ...operation, id: segment(operation.id) })
    case "AppendUpload":
      return new Operation.AppendUpload({ ...operation, id: segment(operation.id) })
    case "CompleteUpload": {
      const body = operation.body?.size === 0 ? undefined : operation.body
      return new Operation.CompleteUpload({ ...operation, id: segment(operation.id), body })
    }
    case "CancelUpload":
      return new Operation.CancelUpload({ ...operation, id: segment(operation.id) })
    case "PushManifest":
      return new Operation.PushManifest({
        ...operation,
        mediaType: MediaType.essence(operation.mediaType),
        digest: operation.digest ?? (operation.tags.length === 1 ? undefined : Digest.fromBytes(operation.bytes)),
        ...conditions.normal(operation)
      })
    case "ListReferrers":
      return new Operation.ListReferrers({ ...operation, artifactType: present(operation.artifactType) })
  }
}

/** Converts an empty query parameter to `undefined`. */
const present = (text: string | undefined): string | undefined => text === "" ? undefined : text

/** Returns the upload id that a server reads from a location: the last segment of its path. */
const segment = (id: string): string => {
  if (!isLocation(id)) return id
  const route = Route.parse(query.splitTarget(originForm(id))[0])
  return route?._tag === "Upload" ? route.id : id
}

/** Fails with a settled answer. */
const fail = (
  error: RegistryError.RegistryError,
  rest?: { readonly status: number; readonly headers?: Wire.Headers }
): Effect.Effect<never, Rejected> => Answer.fail(new Rejected({ error, ...rest }))

const noSuchPath = () =>
  fail(new RegistryError.Unsupported({ reason: "there is no such path in the distribution API" }), { status: 404 })

/**
 * Options for {@link decode}.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** The maximum size of a pushed manifest, in bytes. Default: 4 MiB, the least that the spec allows. */
  readonly maxManifestBytes?: number | undefined
  /**
   * Wraps a body that is about to be read into memory, for example to count its bytes. Default: the body is not
   * wrapped.
   */
  readonly inMemory?: ((body: Body.Body) => Body.Body) | undefined
}

/**
 * The default of `maxManifestBytes`, in bytes. Spec: [Pushing
 * Manifests](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pushing-manifests).
 *
 * @since 0.1.0
 * @category constants
 */
export const defaultMaxManifestBytes = 4 * 1024 * 1024

/**
 * The operation of a request, as known before the body of the request is read. If `rest` is present, `operation` does
 * not contain the bytes of the body yet. Call `rest` to read them and get the complete operation.
 *
 * @since 0.1.0
 * @category models
 */
export interface Head {
  readonly operation: Operation.Operation | Ping
  readonly rest: ((options?: Options) => Effect.Effect<Operation.Operation, Rejected>) | undefined
}

/**
 * Converts a request to an operation. The result is settled (see `Answer`), unless the body of a manifest must be
 * read first.
 *
 * The id of an upload is what the client wrote, which may be any text. The server must check that it created the id.
 *
 * @since 0.1.0
 * @category decoding
 */
export const decode = (
  request: Wire.Request,
  options?: Options
): Effect.Effect<Operation.Operation | Ping, Rejected> =>
  Answer.flatMap(
    decodeHead(request),
    ({ operation, rest }): Effect.Effect<Operation.Operation | Ping, Rejected> =>
      rest === undefined ? Answer.succeed(operation) : rest(options)
  )

/**
 * Converts a request to an operation without reading the body. Use it to decide whether to read the body at all.
 *
 * @since 0.1.0
 * @category decoding
 */
export const decodeHead = (request: Wire.Request): Effect.Effect<Head, Rejected> => {
  const [path, parameters] = query.splitTarget(originForm(request.target))
  const route = Route.parse(path)
  if (route === undefined) return noSuchPath()
  if (route._tag === "Base") {
    return request.method === "GET" || request.method === "HEAD" ? ping : notAllowed(request, route._tag)
  }
  const rows = candidates.get(route._tag)?.get(request.method)
  if (rows === undefined) return notAllowed(request, route._tag)
  const pathParameters = parsePath(route)
  if (Either.isLeft(pathParameters)) return fail(pathParameters.left)
  const incoming: Incoming<PathParameters[Route.RouteTag]> = {
    path: pathParameters.right,
    query: parameters === undefined ? query.none : query.parse(parameters),
    headers: request.headers,
    body: request.body ?? Body.empty,
    bytes: noBytes
  }
  const row = rows.length === 1 ? rows[0] : rows.find((row) => row.accepts?.(incoming) ?? true)
  if (row === undefined) return notAllowed(request, route._tag)
  const operation = row.decode(incoming)
  if (Either.isLeft(operation)) return fail(operation.left)
  return Answer.succeed({
    operation: operation.right,
    rest: row.wholeBody === undefined ? undefined : (options) => decodeWhole(row, incoming, options)
  })
}

const noBytes = new Uint8Array(0)

const decodeRow = (row: AnyDecoder, incoming: Incoming<object>): Effect.Effect<Operation.Operation, Rejected> => {
  const operation = row.decode(incoming)
  return Either.isRight(operation) ? Answer.succeed(operation.right) : fail(operation.left)
}

/**
 * Converts a request whose operation contains the body. Everything that can be refused without the body was refused
 * before.
 */
const decodeWhole = (
  row: AnyDecoder,
  incoming: Incoming<object>,
  options: Options | undefined
): Effect.Effect<Operation.Operation, Rejected> => {
  const limit = options?.maxManifestBytes ?? defaultMaxManifestBytes
  const { body } = incoming
  if (body.bytes !== undefined && body.bytes.byteLength <= limit) {
    return decodeRow(row, { ...incoming, bytes: body.bytes })
  }
  const tooLarge = () =>
    new Rejected({
      error: new RegistryError.SizeInvalid({ limit, reason: `the manifest has more than ${limit} bytes` }),
      status: 413
    })
  return Body.toBytes(options?.inMemory?.(body) ?? body, { limit, onLimit: tooLarge }).pipe(
    Effect.mapError((error) => error._tag === "OciRejected" ? error : new Rejected({ error })),
    Effect.flatMap((bytes) => decodeRow(row, { ...incoming, bytes }))
  )
}

const notAllowed = (request: Wire.Request, route: Route.RouteTag) => {
  const allow = methods(route).join(", ")
  return fail(
    new RegistryError.Unsupported({ reason: `the method ${request.method.slice(0, 16)} is not one of ${allow}` }),
    { status: 405, headers: { allow } }
  )
}
