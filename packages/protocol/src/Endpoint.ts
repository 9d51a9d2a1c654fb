/**
 * The endpoints of the distribution API: one table, used to encode and to decode requests.
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
import * as Either from "effect/Either"
import * as chunk from "./internal/chunk.js"
import * as conditions from "./internal/conditions.js"
import { contentType } from "./internal/contentType.js"
import * as parameters from "./internal/query.js"
import * as Range from "./Range.js"
import type { RouteTag } from "./Route.js"
import type * as Wire from "./Wire.js"

/**
 * The validated names in each kind of path.
 *
 * @since 0.1.0
 * @category models
 */
export interface PathParameters {
  readonly Base: object
  readonly Catalog: object
  readonly Blob: { readonly repository: RepositoryName.RepositoryName; readonly digest: Digest.Digest }
  readonly Manifest: { readonly repository: RepositoryName.RepositoryName; readonly reference: Operation.TagOrDigest }
  readonly Uploads: { readonly repository: RepositoryName.RepositoryName }
  readonly Upload: { readonly repository: RepositoryName.RepositoryName; readonly id: string }
  readonly Tags: { readonly repository: RepositoryName.RepositoryName }
  readonly Referrers: { readonly repository: RepositoryName.RepositoryName; readonly digest: Digest.Digest }
}

/**
 * The parts of a request that an operation determines, in addition to the method.
 *
 * @since 0.1.0
 * @category models
 */
export interface Parts<Path> {
  readonly path: Path
  readonly query?: ReadonlyArray<readonly [name: string, value: string]> | undefined
  readonly headers?: Wire.Headers | undefined
  readonly body?: Body.Body | undefined
}

/**
 * The parts of a request from which an operation is decoded. `bytes` is the whole body if the endpoint needs the body
 * in memory.
 *
 * @since 0.1.0
 * @category models
 */
export interface Incoming<Path> {
  readonly path: Path
  readonly query: Pick<URLSearchParams, "get" | "getAll" | "has">
  readonly headers: Wire.Headers
  readonly body: Body.Body
  readonly bytes: Uint8Array
}

/**
 * The request form of one operation.
 *
 * @since 0.1.0
 * @category models
 */
export interface Endpoint<O extends Operation.Operation, R extends RouteTag> {
  readonly method: Wire.Method
  readonly route: R
  /** Selects the requests that belong to this operation if several operations share a method and a path. */
  readonly accepts?: (incoming: Pick<Incoming<PathParameters[R]>, "path" | "query" | "body">) => boolean
  /**
   * Set if the body must be read into memory before the final call of `decode`. Before that, `decode` is also called
   * once with empty `bytes`.
   */
  readonly wholeBody?: true
  readonly encode: (operation: O) => Parts<PathParameters[R]>
  readonly decode: (incoming: Incoming<PathParameters[R]>) => Either.Either<O, RegistryError.RegistryError>
}

const endpoint = <O extends Operation.Operation, R extends RouteTag>(row: Endpoint<O, R>): Endpoint<O, R> => row

const listQuery = (operation: { readonly last?: string | undefined; readonly limit?: number | undefined }) => [
  ...(operation.limit === undefined ? [] : [["n", String(operation.limit)] as const]),
  ...(operation.last === undefined ? [] : [["last", operation.last] as const])
]

const present = (body: Body.Body): Body.Body | undefined => body.size === 0 ? undefined : body

const accept: Wire.Headers = { accept: [...MediaType.manifests, "*/*"].join(", ") }

/**
 * Returns the media type of a pushed manifest. It has no default, because it is stored and the manifest is served with
 * it.
 */
const mediaTypeOf = (headers: Wire.Headers): Either.Either<string, RegistryError.ManifestInvalid> => {
  const mediaType = contentType(headers)
  const problem = headers["content-type"] === undefined ? "missing" : "not a media type"
  return mediaType === undefined
    ? Either.left(
      new RegistryError.ManifestInvalid({ reason: `manifest invalid: the Content-Type header is ${problem}` })
    )
    : Either.right(mediaType)
}

/**
 * The table of all operations and their requests. Operations that share a method and a path are tried in the order of
 * the table. Spec: [Endpoints](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#endpoints).
 *
 * @since 0.1.0
 * @category endpoints
 */
export const endpoints = {
  ResolveBlob: endpoint<Operation.ResolveBlob, "Blob">({
    method: "HEAD",
    route: "Blob",
    encode: ({ digest, repository }) => ({ path: { repository, digest } }),
    decode: ({ path }) => Either.right(new Operation.ResolveBlob(path))
  }),
  GetBlob: endpoint<Operation.GetBlob, "Blob">({
    method: "GET",
    route: "Blob",
    encode: ({ digest, range, repository }) => ({
      path: { repository, digest },
      ...(range === undefined ? {} : { headers: { range: Range.format(range) } })
    }),
    decode: ({ headers, path }) => {
      // A blob never changes, so `If-Range` matches its digest and nothing else.
      const condition = headers["if-range"]
      if (condition !== undefined && condition !== `"${path.digest}"`) {
        return Either.right(new Operation.GetBlob(path))
      }
      const range = Range.parse(headers["range"])
      if (range === "none") return Either.right(new Operation.GetBlob(path))
      return range === "invalid"
        ? Either.left(new RegistryError.RangeInvalid({ reason: "the range is empty" }))
        : Either.right(new Operation.GetBlob({ ...path, range }))
    }
  }),
  ResolveManifest: endpoint<Operation.ResolveManifest, "Manifest">({
    method: "HEAD",
    route: "Manifest",
    encode: ({ reference, repository }) => ({ path: { repository, reference }, headers: accept }),
    decode: ({ path }) => Either.right(new Operation.ResolveManifest(path))
  }),
  GetManifest: endpoint<Operation.GetManifest, "Manifest">({
    method: "GET",
    route: "Manifest",
    encode: ({ reference, repository }) => ({ path: { repository, reference }, headers: accept }),
    decode: ({ path }) => Either.right(new Operation.GetManifest(path))
  }),
  MountBlob: endpoint<Operation.MountBlob, "Uploads">({
    method: "POST",
    route: "Uploads",
    accepts: ({ query }) => query.has("mount"),
    encode: ({ digest, from, repository }) => ({
      path: { repository },
      query: [["mount", digest], ...(from === undefined ? [] : [["from", from] as const])],
      body: Body.empty
    }),
    decode: ({ path, query }) =>
      Either.zipWith(
        parameters.digest(query, "mount"),
        parameters.optionalAs(query, "from", RepositoryName.parse),
        (digest, from) => new Operation.MountBlob({ ...path, digest, from })
      )
  }),
  PushBlob: endpoint<Operation.PushBlob, "Uploads">({
    method: "POST",
    route: "Uploads",
    // A blob without a Content-Length is not pushed in one request: an upload session is opened for it.
    accepts: ({ body, query }) => query.has("digest") && body.size !== undefined,
    encode: ({ body, descriptor, repository }) => ({
      path: { repository },
      query: [["digest", descriptor.digest]],
      headers: { "content-type": Descriptor.octetStream },
      body: Body.withSize(body, body.size ?? descriptor.size)
    }),
    decode: ({ body, path, query }) =>
      Either.map(parameters.digest(query, "digest"), (digest) => {
        const descriptor = { mediaType: Descriptor.octetStream, digest, size: body.size ?? 0 }
        return new Operation.PushBlob({ ...path, body, descriptor })
      })
  }),
  StartUpload: endpoint<Operation.StartUpload, "Uploads">({
    method: "POST",
    route: "Uploads",
    encode: ({ algorithm, repository }) => ({
      path: { repository },
      ...(algorithm === undefined ? {} : { query: [["digest-algorithm", algorithm]] }),
      body: Body.empty
    }),
    decode: ({ path, query }) =>
      Either.right(new Operation.StartUpload({ ...path, algorithm: parameters.optional(query, "digest-algorithm") }))
  }),
  GetUpload: endpoint<Operation.GetUpload, "Upload">({
    method: "GET",
    route: "Upload",
    encode: ({ id, repository }) => ({ path: { repository, id } }),
    decode: ({ path }) => Either.right(new Operation.GetUpload(path))
  }),
  AppendUpload: endpoint<Operation.AppendUpload, "Upload">({
    method: "PATCH",
    route: "Upload",
    encode: ({ body, id, offset, repository }) => ({
      path: { repository, id },
      headers: { "content-type": Descriptor.octetStream, ...chunk.headersOf(offset, body) },
      body
    }),
    decode: (incoming) =>
      Either.map(chunk.read(incoming), (chunk) => new Operation.AppendUpload({ ...incoming.path, ...chunk }))
  }),
  CompleteUpload: endpoint<Operation.CompleteUpload, "Upload">({
    method: "PUT",
    route: "Upload",
    encode: ({ body, digest, id, offset, repository }) => ({
      path: { repository, id },
      query: [["digest", digest]],
      headers: { "content-type": Descriptor.octetStream, ...chunk.headersOf(offset, body) },
      body: body ?? Body.empty
    }),
    decode: (incoming) =>
      Either.zipWith(
        parameters.digest(incoming.query, "digest"),
        chunk.read(incoming),
        (digest, { body, offset }) =>
          new Operation.CompleteUpload({ ...incoming.path, digest, offset, body: present(body) })
      )
  }),
  CancelUpload: endpoint<Operation.CancelUpload, "Upload">({
    method: "DELETE",
    route: "Upload",
    encode: ({ id, repository }) => ({ path: { repository, id } }),
    decode: ({ path }) => Either.right(new Operation.CancelUpload(path))
  }),
  PushManifest: endpoint<Operation.PushManifest, "Manifest">({
    method: "PUT",
    route: "Manifest",
    wholeBody: true,
    encode: (operation) => {
      const { bytes, digest, mediaType, repository, tags } = operation
      const tag = tags[0]
      const byTag = digest === undefined && tags.length === 1
      return {
        path: { repository, reference: byTag && tag !== undefined ? tag : digest ?? Digest.fromBytes(bytes) },
        query: byTag ? [] : tags.map((tag) => ["tag", tag] as const),
        headers: { "content-type": mediaType, ...conditions.headersOf(conditions.normal(operation)) },
        body: Body.bytes(bytes)
      }
    },
    decode: ({ bytes, headers, path: { reference, repository }, query }) =>
      Either.map(
        Either.all({
          mediaType: mediaTypeOf(headers),
          tags: parameters.checked(Either.all(query.getAll("tag").map(Tag.parse))),
          conditions: conditions.read(headers)
        }),
        ({ conditions, mediaType, tags }) =>
          new Operation.PushManifest({
            repository,
            mediaType,
            bytes,
            digest: Operation.isDigest(reference) ? reference : undefined,
            tags: Operation.isDigest(reference) ? tags : [reference, ...tags],
            ...conditions
          })
      )
  }),
  DeleteBlob: endpoint<Operation.DeleteBlob, "Blob">({
    method: "DELETE",
    route: "Blob",
    encode: ({ digest, repository }) => ({ path: { repository, digest } }),
    decode: ({ path }) => Either.right(new Operation.DeleteBlob(path))
  }),
  DeleteManifest: endpoint<Operation.DeleteManifest, "Manifest">({
    method: "DELETE",
    route: "Manifest",
    accepts: ({ path }) => Operation.isDigest(path.reference),
    encode: ({ digest, repository }) => ({ path: { repository, reference: digest } }),
    decode: ({ path: { reference, repository } }) =>
      Either.right(new Operation.DeleteManifest({ repository, digest: reference as Digest.Digest }))
  }),
  DeleteTag: endpoint<Operation.DeleteTag, "Manifest">({
    method: "DELETE",
    route: "Manifest",
    encode: ({ repository, tag }) => ({ path: { repository, reference: tag } }),
    decode: ({ path: { reference, repository } }) =>
      Either.right(new Operation.DeleteTag({ repository, tag: reference as Tag.Tag }))
  }),
  ListRepositories: endpoint<Operation.ListRepositories, "Catalog">({
    method: "GET",
    route: "Catalog",
    encode: (operation) => ({ path: {}, query: listQuery(operation) }),
    decode: ({ query }) =>
      Either.zipWith(
        parameters.optionalAs(query, "last", RepositoryName.parse),
        parameters.limit(query),
        (last, limit) => new Operation.ListRepositories({ last, limit })
      )
  }),
  ListTags: endpoint<Operation.ListTags, "Tags">({
    method: "GET",
    route: "Tags",
    encode: (operation) => ({ path: { repository: operation.repository }, query: listQuery(operation) }),
    decode: ({ path, query }) =>
      Either.zipWith(
        parameters.optionalAs(query, "last", Tag.parse),
        parameters.limit(query),
        (last, limit) => new Operation.ListTags({ ...path, last, limit })
      )
  }),
  ListReferrers: endpoint<Operation.ListReferrers, "Referrers">({
    method: "GET",
    route: "Referrers",
    encode: ({ artifactType, digest, repository }) => ({
      path: { repository, digest },
      query: artifactType === undefined ? [] : [["artifactType", artifactType]]
    }),
    decode: ({ path, query }) =>
      Either.right(new Operation.ListReferrers({ ...path, artifactType: parameters.optional(query, "artifactType") }))
  })
} satisfies { readonly [T in Operation.OperationTag]: { readonly method: Wire.Method; readonly route: RouteTag } }

/**
 * Returns the methods that a kind of path supports, for the `Allow` header.
 *
 * @since 0.1.0
 * @category endpoints
 */
export const methods = (route: RouteTag): ReadonlyArray<Wire.Method> => {
  const found = new Set<Wire.Method>(route === "Base" ? ["GET", "HEAD"] : [])
  for (const row of Object.values(endpoints)) if (row.route === route) found.add(row.method)
  return [...found]
}
