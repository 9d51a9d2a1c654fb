/**
 * Operations as requests, and back.
 *
 * @since 0.1.0
 */
import * as Body from "@effect-oci/core/Body"
import * as Descriptor from "@effect-oci/core/Descriptor"
import * as Digest from "@effect-oci/core/Digest"
import * as MediaType from "@effect-oci/core/MediaType"
import * as Operation from "@effect-oci/core/Operation"
import * as RegistryError from "@effect-oci/core/RegistryError"
import * as RepositoryName from "@effect-oci/core/RepositoryName"
import * as Tag from "@effect-oci/core/Tag"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { endpoints, methods } from "./Endpoint.js"
import type { Endpoint, Incoming, Parts, Places } from "./Endpoint.js"
import * as Route from "./Route.js"
import type * as Wire from "./Wire.js"

/**
 * `GET /v2/`: is there a registry, and may I? Spec: "Determining Support". It is no operation, as it asks nothing of
 * what is stored.
 *
 * @since 0.1.0
 * @category models
 */
export class Ping extends Data.TaggedClass("Ping") {}

/**
 * A request that is no operation, and what to answer: `status` where the error's own does not say it, and headers.
 *
 * @since 0.1.0
 * @category errors
 */
export class Rejected extends Data.TaggedError("Rejected")<{
  readonly error: RegistryError.RegistryError
  readonly status?: number | undefined
  readonly headers?: Wire.Headers | undefined
}> {
  override get message(): string {
    return this.error.message
  }
}

type AnyEndpoint = Endpoint<Operation.Operation, Route.RouteTag>

const endpointOf = (tag: Operation.OperationTag): AnyEndpoint => endpoints[tag] as never

/** The endpoints that a request may mean, by method and kind of path, in the order of the table. */
const candidates: { readonly [key: string]: ReadonlyArray<AnyEndpoint> } = Object.values(endpoints).reduce<
  Record<string, Array<AnyEndpoint>>
>((found, row) => {
  const list = found[`${row.method} ${row.route}`] ??= []
  list.push(row as never)
  return found
}, {})

const ping = new Ping()

/** Where a request goes: an upload's id that is a location is used as it is, its own query included. */
const target = (route: Route.RouteTag, parts: Parts<object>): string => {
  const place = parts.place as Partial<{
    readonly repository: string
    readonly digest: string
    readonly reference: string
    readonly id: string
  }>
  const path = route === "Upload" && isLocation(place.id)
    ? place.id
    : Route.format({ _tag: route, name: place.repository, ...place } as never)
  if (parts.query === undefined || parts.query.length === 0) return path
  const query = parts.query.map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join("&")
  return `${path}${path.includes("?") ? "&" : "?"}${query}`
}

const isLocation = (id: string | undefined): id is string => id !== undefined && id.includes("/")

/**
 * The request for an operation. A `PushBlob` becomes the single request that not every registry takes: a client may
 * rather send a `StartUpload` and a `CompleteUpload`.
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
  const endpoint = endpointOf(operation._tag)
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
 * An operation with no more in it than a request can say, which is what {@link decode} makes of its {@link encode}.
 *
 * @since 0.1.0
 * @category encoding
 */
export const normal = (operation: Operation.Operation): Operation.Operation => {
  switch (operation._tag) {
    case "PushBlob": {
      const { digest, size } = operation.descriptor
      const body = operation.body
      const descriptor = { mediaType: Descriptor.octetStream, digest, size: body.size ?? size }
      return new Operation.PushBlob({ ...operation, descriptor })
    }
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
        ifAbsent: operation.ifAbsent === true ? true : undefined
      })
    default:
      return operation
  }
}

/** What a server reads of an upload's location: the last segment of its path. */
const segment = (id: string): string => {
  if (!isLocation(id)) return id
  const route = Route.parse(new URL(id, "http://registry.invalid").pathname)
  return route?._tag === "Upload" ? route.id : id
}

const fail = (error: RegistryError.RegistryError, rest?: { readonly status: number; readonly headers?: Wire.Headers }) =>
  Effect.fail(new Rejected({ error, ...rest }))

const noSuchPath = () =>
  fail(new RegistryError.Unsupported({ reason: "there is no such path in the distribution API" }), { status: 404 })

/**
 * The options of {@link decode}. `maxManifestBytes` is the largest manifest that is taken, 4 MiB if not given, which
 * is the least that the spec allows.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  readonly maxManifestBytes?: number | undefined
}

/**
 * @since 0.1.0
 * @category constants
 */
export const defaultMaxManifestBytes = 4 * 1024 * 1024

/**
 * The operation that a request is. The answer is at hand (an `Exit`) unless a manifest's body is still to be read.
 *
 * @since 0.1.0
 * @category decoding
 */
export const decode = (
  request: Wire.Request,
  options?: Options
): Effect.Effect<Operation.Operation | Ping, Rejected> => {
  const mark = request.target.indexOf("?")
  const path = mark < 0 ? request.target : request.target.slice(0, mark)
  const route = Route.parse(path)
  if (route === undefined) return noSuchPath()
  if (route._tag === "Base") {
    return request.method === "GET" || request.method === "HEAD" ? Effect.succeed(ping) : notAllowed(request, route._tag)
  }
  const rows = candidates[`${request.method} ${route._tag}`]
  if (rows === undefined) return notAllowed(request, route._tag)
  const place = places(route)
  if (Either.isLeft(place)) return fail(place.left)
  const query = new URLSearchParams(mark < 0 ? "" : request.target.slice(mark + 1))
  const offered = { place: place.right, query }
  const row = rows.length === 1 ? rows[0] : rows.find((row) => row.accepts?.(offered) ?? true)
  if (row === undefined) return notAllowed(request, route._tag)
  const incoming = { ...offered, headers: request.headers, body: request.body ?? Body.empty, bytes: noBytes }
  if (row.wholeBody === undefined) return decodeRow(row, incoming)
  const limit = options?.maxManifestBytes ?? defaultMaxManifestBytes
  const tooLarge = () =>
    new Rejected({
      error: new RegistryError.SizeInvalid({ limit, reason: `a manifest has at most ${limit} bytes` }),
      status: 413
    })
  return Body.toBytes(incoming.body, { limit, onLimit: tooLarge }).pipe(
    Effect.mapError((error) => error._tag === "Rejected" ? error : new Rejected({ error })),
    Effect.flatMap((bytes) => decodeRow(row, { ...incoming, bytes }))
  )
}

const noBytes = new Uint8Array(0)

const decodeRow = (row: AnyEndpoint, incoming: Incoming<object>): Effect.Effect<Operation.Operation, Rejected> => {
  const operation = row.decode(incoming)
  return Either.isRight(operation) ? Effect.succeed(operation.right) : fail(operation.left)
}

const notAllowed = (request: Wire.Request, route: Route.RouteTag) => {
  const allow = methods(route).join(", ")
  return fail(
    new RegistryError.Unsupported({ reason: `the method ${request.method.slice(0, 16)} is not one of ${allow}` }),
    { status: 405, headers: { allow } }
  )
}

/** Checks what a path names. */
const places = (
  route: Exclude<Route.Route, { readonly _tag: "Base" }>
): Either.Either<Places[Route.RouteTag], RegistryError.RegistryError> => {
  if (route._tag === "Catalog") return Either.right({})
  const repository = RepositoryName.parse(route.name)
  if (Either.isLeft(repository)) return Either.left(RegistryError.fromSyntax(repository.left))
  const name = repository.right
  switch (route._tag) {
    case "Uploads":
    case "Tags":
      return Either.right({ repository: name })
    case "Upload":
      return Either.right({ repository: name, id: route.id })
    case "Blob":
    case "Referrers":
      return located(name, Digest.parse(route.digest), (digest) => ({ repository: name, digest }))
    case "Manifest":
      return route.reference.includes(":")
        ? located(name, Digest.parse(route.reference), (reference) => ({ repository: name, reference }))
        : located(name, Tag.parse(route.reference), (reference) => ({ repository: name, reference }))
  }
}

const located = <A, P>(
  repository: RepositoryName.RepositoryName,
  parsed: Either.Either<A, Parameters<typeof RegistryError.fromSyntax>[0]>,
  place: (value: A) => P
): Either.Either<P, RegistryError.RegistryError> =>
  Either.isRight(parsed)
    ? Either.right(place(parsed.right))
    : Either.left(RegistryError.fromSyntax(parsed.left, { repository }))
