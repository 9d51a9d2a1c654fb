/**
 * The endpoints of the distribution API: one table of all operations and their requests.
 *
 * @since 0.1.0
 */
import * as Body from "@effect-oci/core/Body"
import * as Descriptor from "@effect-oci/core/Descriptor"
import * as Digest from "@effect-oci/core/Digest"
import * as MediaType from "@effect-oci/core/MediaType"
import type * as Operation from "@effect-oci/core/Operation"
import type * as RepositoryName from "@effect-oci/core/RepositoryName"
import * as chunk from "./internal/chunk.js"
import * as conditions from "./internal/conditions.js"
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
 * The request form of one operation.
 *
 * @since 0.1.0
 * @category models
 */
export interface Endpoint<O extends Operation.Operation, R extends RouteTag> {
  readonly method: Wire.Method
  readonly route: R
  readonly encode: (operation: O) => Parts<PathParameters[R]>
}

const endpoint = <O extends Operation.Operation, R extends RouteTag>(row: Endpoint<O, R>): Endpoint<O, R> => row

const listQuery = (operation: { readonly last?: string | undefined; readonly limit?: number | undefined }) => [
  ...(operation.limit === undefined ? [] : [["n", String(operation.limit)] as const]),
  ...(operation.last === undefined ? [] : [["last", operation.last] as const])
]

const accept: Wire.Headers = { accept: [...MediaType.manifests, "*/*"].join(", ") }

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
    encode: ({ digest, repository }) => ({ path: { repository, digest } })
  }),
  GetBlob: endpoint<Operation.GetBlob, "Blob">({
    method: "GET",
    route: "Blob",
    encode: ({ digest, range, repository }) => ({
      path: { repository, digest },
      ...(range === undefined ? {} : { headers: { range: Range.format(range) } })
    })
  }),
  ResolveManifest: endpoint<Operation.ResolveManifest, "Manifest">({
    method: "HEAD",
    route: "Manifest",
    encode: ({ reference, repository }) => ({ path: { repository, reference }, headers: accept })
  }),
  GetManifest: endpoint<Operation.GetManifest, "Manifest">({
    method: "GET",
    route: "Manifest",
    encode: ({ reference, repository }) => ({ path: { repository, reference }, headers: accept })
  }),
  MountBlob: endpoint<Operation.MountBlob, "Uploads">({
    method: "POST",
    route: "Uploads",
    encode: ({ digest, from, repository }) => ({
      path: { repository },
      query: [["mount", digest], ...(from === undefined ? [] : [["from", from] as const])],
      body: Body.empty
    })
  }),
  PushBlob: endpoint<Operation.PushBlob, "Uploads">({
    method: "POST",
    route: "Uploads",
    encode: ({ body, descriptor, repository }) => ({
      path: { repository },
      query: [["digest", descriptor.digest]],
      headers: { "content-type": Descriptor.octetStream },
      body: Body.withSize(body, body.size ?? descriptor.size)
    })
  }),
  StartUpload: endpoint<Operation.StartUpload, "Uploads">({
    method: "POST",
    route: "Uploads",
    encode: ({ algorithm, repository }) => ({
      path: { repository },
      ...(algorithm === undefined ? {} : { query: [["digest-algorithm", algorithm]] }),
      body: Body.empty
    })
  }),
  GetUpload: endpoint<Operation.GetUpload, "Upload">({
    method: "GET",
    route: "Upload",
    encode: ({ id, repository }) => ({ path: { repository, id } })
  }),
  AppendUpload: endpoint<Operation.AppendUpload, "Upload">({
    method: "PATCH",
    route: "Upload",
    encode: ({ body, id, offset, repository }) => ({
      path: { repository, id },
      headers: { "content-type": Descriptor.octetStream, ...chunk.headersOf(offset, body) },
      body
    })
  }),
  CompleteUpload: endpoint<Operation.CompleteUpload, "Upload">({
    method: "PUT",
    route: "Upload",
    encode: ({ body, digest, id, offset, repository }) => ({
      path: { repository, id },
      query: [["digest", digest]],
      headers: { "content-type": Descriptor.octetStream, ...chunk.headersOf(offset, body) },
      body: body ?? Body.empty
    })
  }),
  CancelUpload: endpoint<Operation.CancelUpload, "Upload">({
    method: "DELETE",
    route: "Upload",
    encode: ({ id, repository }) => ({ path: { repository, id } })
  }),
  PushManifest: endpoint<Operation.PushManifest, "Manifest">({
    method: "PUT",
    route: "Manifest",
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
    }
  }),
  DeleteBlob: endpoint<Operation.DeleteBlob, "Blob">({
    method: "DELETE",
    route: "Blob",
    encode: ({ digest, repository }) => ({ path: { repository, digest } })
  }),
  DeleteManifest: endpoint<Operation.DeleteManifest, "Manifest">({
    method: "DELETE",
    route: "Manifest",
    encode: ({ digest, repository }) => ({ path: { repository, reference: digest } })
  }),
  DeleteTag: endpoint<Operation.DeleteTag, "Manifest">({
    method: "DELETE",
    route: "Manifest",
    encode: ({ repository, tag }) => ({ path: { repository, reference: tag } })
  }),
  ListRepositories: endpoint<Operation.ListRepositories, "Catalog">({
    method: "GET",
    route: "Catalog",
    encode: (operation) => ({ path: {}, query: listQuery(operation) })
  }),
  ListTags: endpoint<Operation.ListTags, "Tags">({
    method: "GET",
    route: "Tags",
    encode: (operation) => ({ path: { repository: operation.repository }, query: listQuery(operation) })
  }),
  ListReferrers: endpoint<Operation.ListReferrers, "Referrers">({
    method: "GET",
    route: "Referrers",
    encode: ({ artifactType, digest, repository }) => ({
      path: { repository, digest },
      query: artifactType === undefined ? [] : [["artifactType", artifactType]]
    })
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
