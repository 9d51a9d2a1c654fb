import * as Digest from "@effect-oci/core/Digest"
import * as MediaType from "@effect-oci/core/MediaType"
import * as Operation from "@effect-oci/core/Operation"
import * as RegistryError from "@effect-oci/core/RegistryError"
import type { RepositoryName } from "@effect-oci/core/RepositoryName"
import * as Effect from "effect/Effect"
import type { Mutant } from "../../Mutant.js"
import { body, changeResponses, code, error, fieldsOf, header, json, rows, status } from "./mutating.js"
import type { Change } from "./mutating.js"

const pulls = ["GET", "HEAD"]
const nothing = new Uint8Array(0)

/** Makes some operations find blobs in any repository. */
const blobsEverywhere = (
  reads: (operation: Operation.GetBlob | Operation.ResolveBlob) => boolean
) =>
  rows((next) => {
    const owners = new Map<Digest.Digest, RepositoryName>()
    return {
      CompleteUpload: (operation) =>
        Effect.tap(next(operation), () => Effect.sync(() => owners.set(operation.digest, operation.repository))),
      GetBlob: (operation) =>
        Effect.catchTag(next(operation), "OciBlobUnknown", (error) => {
          const repository = owners.get(operation.digest)
          return repository === undefined || !reads(operation)
            ? Effect.fail(error)
            : next(new Operation.GetBlob({ ...operation, repository }))
        }),
      ResolveBlob: (operation) =>
        Effect.catchTag(next(operation), "OciBlobUnknown", (error) => {
          const repository = owners.get(operation.digest)
          return repository === undefined || !reads(operation)
            ? Effect.fail(error)
            : next(new Operation.ResolveBlob({ ...operation, repository }))
        })
    }
  })

/** The fields that a typed model of manifests has. Documents may contain others. */
const known = new Set([
  "schemaVersion",
  "mediaType",
  "artifactType",
  "config",
  "layers",
  "manifests",
  "subject",
  "annotations"
])

const withoutData = (_: string, value: unknown): unknown =>
  typeof value === "object" && value !== null && "data" in value ? { ...value, data: undefined } : value

const found: Change = (received) => ({
  ...received,
  status: 200,
  body: received.sent.method === "HEAD" ? nothing : new TextEncoder().encode("{}")
})

/** Rules 1 to 17, and 62: pulls of manifests and blobs. */
export const pull: ReadonlyArray<Mutant> = [
  {
    id: "base-missing",
    name: "GET /v2/ returns 404",
    breaks: [1],
    wire: changeResponses({ method: "GET", route: "Base" }, error(404, "UNSUPPORTED"))
  },
  {
    id: "base-no-head",
    name: "HEAD /v2/ returns 405",
    breaks: [2],
    wire: changeResponses({ method: "HEAD", route: "Base" }, error(405, "UNSUPPORTED"))
  },
  {
    id: "unknown-path-found",
    name: "paths outside the API return 200",
    breaks: [3],
    wire: changeResponses({ route: [undefined], status: 404 }, status(200))
  },
  {
    id: "manifest-missing-found",
    name: "an unknown manifest returns 200",
    breaks: [5],
    wire: changeResponses({ method: pulls, route: "Manifest", status: 404 }, found)
  },
  {
    id: "manifest-missing-code",
    name: "an unknown manifest returns the error code of a blob",
    breaks: [5],
    wire: changeResponses({ method: "GET", route: "Manifest", status: 404 }, code("BLOB_UNKNOWN"))
  },
  {
    id: "repository-missing-forbidden",
    name: "requests to an unknown repository return 403",
    breaks: [5, 75],
    middleware: rows((next) => ({
      GetManifest: (operation) =>
        Effect.catchTag(next(operation), "OciNameUnknown", (error) => Effect.fail(new RegistryError.Denied(error))),
      ListTags: (operation) =>
        Effect.catchTag(next(operation), "OciNameUnknown", (error) => Effect.fail(new RegistryError.Denied(error)))
    }))
  },
  {
    id: "manifest-digest-missing",
    name: "manifests are returned without Docker-Content-Digest",
    breaks: [6],
    wire: changeResponses({ method: pulls, route: "Manifest" }, header("docker-content-digest", undefined))
  },
  {
    id: "manifest-digest-of-something-else",
    name: "HEAD of a manifest returns another digest",
    breaks: [6],
    wire: changeResponses(
      { method: "HEAD", route: "Manifest", status: 200 },
      header("docker-content-digest", Digest.fromBytes(nothing))
    )
  },
  {
    id: "manifest-type-json",
    name: "manifests are returned as application/json",
    breaks: [7, 4],
    wire: changeResponses({ method: pulls, route: "Manifest", status: 200 }, header("content-type", "application/json"))
  },
  {
    id: "manifest-type-parameters",
    name: "the media type of a manifest is returned with parameters",
    breaks: [7],
    wire: changeResponses(
      { method: "HEAD", route: "Manifest", status: 200 },
      header("content-type", (type) => `${type}; charset=utf-8`)
    )
  },
  {
    id: "manifest-length-missing",
    name: "HEAD of a manifest returns no length",
    breaks: [8],
    wire: changeResponses({ method: "HEAD", route: "Manifest" }, header("content-length", undefined))
  },
  {
    id: "head-with-body",
    name: "answers to HEAD have a body",
    breaks: [104],
    wire: changeResponses({ method: "HEAD" }, (received) => ({ ...received, body: new TextEncoder().encode("{}") }))
  },
  {
    id: "malformed-digest-fails",
    name: "a malformed digest returns 500",
    breaks: [12],
    wire: changeResponses({ method: "GET", route: ["Manifest", "Blob"], status: 400 }, error(500, "UNKNOWN"))
  },
  {
    id: "manifest-converted",
    name: "a manifest is converted to a type that the client accepts",
    breaks: [13],
    wire: changeResponses(
      {
        method: "GET",
        route: "Manifest",
        status: 200,
        where: ({ headers }) => headers?.["accept"] === MediaType.dockerList
      },
      json((fields) => ({ schemaVersion: 2, mediaType: MediaType.dockerList, manifests: [fields["config"]] })),
      header("content-type", MediaType.dockerList)
    )
  },
  {
    id: "manifest-accept-wanted",
    name: "manifests are not found by requests without Accept",
    breaks: [13],
    wire: changeResponses(
      { method: "GET", route: "Manifest", status: 200, where: ({ headers }) => headers?.["accept"] === undefined },
      error(404, "MANIFEST_UNKNOWN")
    )
  },
  {
    id: "manifest-compacted",
    name: "manifests are parsed and serialized again, without white space",
    breaks: [4, 62],
    wire: changeResponses({ method: "GET", route: "Manifest", status: 200 }, json((fields) => fields))
  },
  {
    id: "manifest-indented",
    name: "manifests are serialized again, indented",
    breaks: [4, 62],
    wire: changeResponses(
      { method: "GET", route: "Manifest", status: 200 },
      body((bytes) => JSON.stringify(fieldsOf(bytes), null, 2))
    )
  },
  {
    id: "manifest-by-tag-longer",
    name: "a manifest that is pulled by tag has an additional line feed",
    breaks: [4, 62],
    wire: changeResponses(
      { method: "GET", route: "Manifest", status: 200, where: ({ path }) => !path.includes(":") },
      body((bytes) => {
        const longer = new Uint8Array(bytes.byteLength + 1).fill(10)
        longer.set(bytes)
        return longer
      })
    )
  },
  {
    id: "manifest-custom-fields-lost",
    name: "unknown fields of manifests are lost",
    breaks: [62, 74],
    wire: changeResponses(
      { method: "GET", route: "Manifest", status: 200 },
      (received) =>
        Object.keys(fieldsOf(received.body)).every((key) => known.has(key))
          ? received
          : json((fields) => Object.fromEntries(Object.entries(fields).filter(([key]) => known.has(key))))(received)
    )
  },
  {
    id: "manifest-data-lost",
    name: "the data of descriptors is lost",
    breaks: [62, 74],
    wire: changeResponses(
      { method: "GET", route: "Manifest", status: 200 },
      body((bytes) => {
        const fields = fieldsOf(bytes)
        const without = JSON.stringify(fields, withoutData)
        return without === JSON.stringify(fields) ? bytes : without
      })
    )
  },
  {
    id: "blob-cut-short",
    name: "the last byte of a blob is lost",
    breaks: [14, 4, 59, 58],
    wire: changeResponses({ method: "GET", route: "Blob", status: 200 }, body((bytes) => bytes.subarray(0, -1)))
  },
  {
    id: "blob-missing-found",
    name: "an unknown blob returns 200",
    breaks: [15],
    wire: changeResponses({ method: "GET", route: "Blob", status: 404 }, found)
  },
  {
    id: "blob-missing-code",
    name: "an unknown blob returns the error code of a manifest",
    breaks: [15],
    wire: changeResponses({ method: "GET", route: "Blob", status: 404 }, code("MANIFEST_UNKNOWN"))
  },
  {
    id: "blobs-everywhere",
    name: "blobs of one repository are visible in all others",
    breaks: [15],
    middleware: blobsEverywhere(() => true)
  },
  {
    id: "blobs-everywhere-by-head",
    name: "HEAD reveals blobs of other repositories",
    breaks: [15],
    middleware: blobsEverywhere(({ _tag }) => _tag === "ResolveBlob")
  },
  {
    id: "blobs-everywhere-by-range",
    name: "ranges of blobs of other repositories can be read",
    breaks: [15],
    middleware: blobsEverywhere((operation) => operation._tag === "GetBlob" && operation.range !== undefined)
  },
  {
    id: "blob-digest-missing",
    name: "blobs are returned without Docker-Content-Digest",
    breaks: [16, 17],
    wire: changeResponses({ method: "GET", route: "Blob" }, header("docker-content-digest", undefined))
  },
  {
    id: "blob-length-missing",
    name: "HEAD of a blob returns no length",
    breaks: [17],
    wire: changeResponses({ method: "HEAD", route: "Blob" }, header("content-length", undefined))
  }
]
