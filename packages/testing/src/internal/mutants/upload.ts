import type { Received, Sent } from "@effect-oci/conformance/Target"
import * as Digest from "@effect-oci/core/Digest"
import * as Operation from "@effect-oci/core/Operation"
import * as RegistryError from "@effect-oci/core/RegistryError"
import * as Effect from "effect/Effect"
import type { Mutant } from "../../Mutant.js"
import {
  body,
  changeRequests,
  changeResponses,
  error,
  header,
  query,
  queryOf,
  refused,
  respondInstead,
  routeOf,
  rows,
  status
} from "./mutating.js"

const nothing = new Uint8Array(0)
const start = { method: "POST", route: "Uploads" } as const
const patch = { method: "PATCH", route: "Upload" } as const
const put = { method: "PUT", route: "Upload" } as const

const isMount = (sent: Sent) => queryOf(sent).has("mount")
const isSingle = (sent: Sent) => queryOf(sent).has("digest")

const withoutLocation = header("location", undefined)

const idOf = (path: string | undefined): string | undefined => path?.split("?")[0]?.split("/").at(-1)

/** Lets upload sessions continue after their end. */
const afterTheEnd = rows((next) => {
  const ended = new Map<string, number>()
  const still =
    (operation: Operation.AppendUpload | Operation.GetUpload) => (error: RegistryError.BlobUploadUnknown) => {
      const offset = ended.get(operation.id)
      return offset === undefined ? Effect.fail(error) : Effect.succeed({ id: operation.id, offset })
    }
  return {
    CompleteUpload: (operation) =>
      Effect.tap(next(operation), ({ size }) => Effect.sync(() => ended.set(operation.id, size))),
    AppendUpload: (operation) => Effect.catchTag(next(operation), "OciBlobUploadUnknown", still(operation)),
    GetUpload: (operation) => Effect.catchTag(next(operation), "OciBlobUploadUnknown", still(operation))
  }
})

/** Rules 29 to 38, 46 to 48, and 56 to 59: uploads of blobs. */
export const upload: ReadonlyArray<Mutant> = [
  {
    id: "upload-start-created",
    name: "POST of an upload session returns 201",
    breaks: [29],
    wire: changeResponses({ ...start, status: 202, where: (sent) => !isMount(sent) && !isSingle(sent) }, status(201))
  },
  {
    id: "upload-start-location-missing",
    name: "POST of an upload session returns no Location",
    breaks: [29],
    wire: changeResponses(
      { ...start, status: 202, where: (sent) => !isMount(sent) && !isSingle(sent) },
      withoutLocation
    )
  },
  {
    id: "upload-shared",
    name: "a repository has one upload session, which all clients share",
    breaks: [29, 56],
    middleware: rows((next) => {
      const open = new Map<string, Operation.Upload>()
      return {
        StartUpload: (operation) => {
          const upload = open.get(operation.repository)
          return upload === undefined
            ? Effect.tap(next(operation), (upload) => Effect.sync(() => open.set(operation.repository, upload)))
            : Effect.orElse(
              next(new Operation.GetUpload({ ...operation, id: upload.id })),
              () => Effect.tap(next(operation), (upload) => Effect.sync(() => open.set(operation.repository, upload)))
            )
        }
      }
    })
  },
  {
    id: "min-chunk-with-unit",
    name: "OCI-Chunk-Min-Length is in KiB",
    breaks: [32],
    wire: changeResponses({ ...start, status: 202 }, header("oci-chunk-min-length", "64KiB"))
  },
  {
    id: "blob-put-ok",
    name: "a blob push returns 200",
    breaks: [33],
    wire: changeResponses({ ...put, status: 201 }, status(200))
  },
  {
    id: "blob-put-location-missing",
    name: "a blob push returns no Location",
    breaks: [33, 59],
    wire: changeResponses({ ...put, status: 201 }, withoutLocation)
  },
  {
    id: "blob-put-location-wrong",
    name: "a blob push returns the Location of its upload session",
    breaks: [33, 59],
    wire: changeResponses({ ...put, status: 201 }, header("location", (_, { sent }) => sent.path))
  },
  {
    id: "blob-put-body-ignored",
    name: "the body of the final PUT is ignored if there are no chunks",
    breaks: [33],
    middleware: rows((next) => ({
      CompleteUpload: (operation) =>
        Effect.flatMap(
          next(new Operation.GetUpload(operation)),
          ({ offset }) =>
            next(offset === 0 ? new Operation.CompleteUpload({ ...operation, body: undefined }) : operation)
        )
    }))
  },
  {
    id: "upload-unknown-fails",
    name: "an unknown upload session returns 500",
    breaks: [36],
    wire: changeResponses({ route: "Upload", status: 404 }, error(500, "UNKNOWN"))
  },
  {
    id: "upload-unknown-opened",
    name: "a chunk opens an unknown upload session",
    breaks: [36],
    wire: changeResponses({ ...patch, status: 404, where: ({ path }) => path.endsWith("000000000000") }, status(202))
  },
  {
    id: "upload-unknown-code",
    name: "an unknown upload session returns the error code of a blob",
    breaks: [36],
    wire: changeResponses({ method: "GET", route: "Upload", status: 404 }, error(404, "BLOB_UNKNOWN"))
  },
  {
    id: "single-post-lost",
    name: "a blob pushed by one POST returns 201, but is lost",
    breaks: [37],
    middleware: rows(() => ({ PushBlob: ({ descriptor }) => Effect.succeed(descriptor) }))
  },
  {
    id: "single-post-location-missing",
    name: "a single POST returns 202 without a Location",
    breaks: [37],
    wire: changeResponses({ ...start, where: isSingle }, status(202), withoutLocation)
  },
  ...["sha512", "blake3"].map((algorithm): Mutant => ({
    id: `single-post-${algorithm}-refused`,
    name: `a single POST with a ${algorithm} digest is refused`,
    breaks: [37],
    middleware: rows((next) => ({
      PushBlob: (operation) =>
        Digest.algorithm(operation.descriptor.digest) === algorithm
          ? refused(RegistryError.Unsupported, operation)
          : next(operation)
    }))
  })),
  {
    id: "algorithm-unsupported-ignored",
    name: "an upload session is opened for any digest algorithm",
    breaks: [38],
    wire: changeRequests(start, query((parameters) => parameters.delete("digest-algorithm")))
  },
  ...["sha512", "blake3"].map((algorithm): Mutant => ({
    id: `algorithm-${algorithm}-refused`,
    name: `an upload session for ${algorithm} is refused, although the capability is declared`,
    breaks: [38],
    middleware: rows((next) => ({
      StartUpload: (operation) =>
        operation.algorithm === algorithm ? refused(RegistryError.DigestInvalid, operation) : next(operation)
    }))
  })),
  {
    id: "cancel-ok",
    name: "DELETE of an upload session returns 200",
    breaks: [46],
    wire: changeResponses({ method: "DELETE", route: "Upload", status: 204 }, status(200))
  },
  {
    id: "cancel-ignored",
    name: "a cancelled upload session continues",
    breaks: [46],
    middleware: rows(() => ({ CancelUpload: () => Effect.succeed(Operation.done) }))
  },
  {
    id: "uploads-by-id-alone",
    name: "an upload session is found in every repository",
    breaks: [47],
    wire: (send) => {
      const paths = new Map<string | undefined, string>()
      const remember = (received: Received) =>
        Effect.sync(() => {
          const location = received.headers["location"]
          if (location !== undefined) paths.set(idOf(location), location)
        })
      return (sent) => {
        const path = routeOf(sent)?._tag === "Upload" ? paths.get(idOf(sent.path)) : undefined
        const [, parameters] = sent.path.split("?")
        return Effect.tap(
          send(
            path === undefined ? sent : { ...sent, path: parameters === undefined ? path : `${path}?${parameters}` }
          ),
          remember
        )
      }
    }
  },
  {
    id: "upload-after-the-end",
    name: "a completed upload session accepts more chunks",
    breaks: [48],
    middleware: afterTheEnd
  },
  {
    id: "one-upload-a-repository",
    name: "an upload session is refused while another is open",
    breaks: [56],
    middleware: rows((next) => {
      const open = new Map<string, string>()
      return {
        StartUpload: (operation) =>
          Effect.flatMap(
            Effect.option(next(new Operation.GetUpload({ ...operation, id: open.get(operation.repository) ?? "" }))),
            (still) =>
              still._tag === "Some"
                ? refused(RegistryError.TooManyRequests, operation)
                : Effect.tap(next(operation), ({ id }) => Effect.sync(() => open.set(operation.repository, id)))
          )
      }
    })
  },
  {
    id: "blob-again-refused",
    name: "a blob that already exists is refused",
    breaks: [57],
    middleware: rows((next) => ({
      CompleteUpload: (operation) =>
        Effect.flatMap(
          Effect.option(next(new Operation.ResolveBlob(operation))),
          (blob) => blob._tag === "Some" ? refused(RegistryError.Denied, operation) : next(operation)
        )
    }))
  },
  {
    id: "blob-of-another-at-once-refused",
    name: "of several concurrent pushes of a blob, only the first succeeds",
    breaks: [56],
    middleware: rows((next) => {
      const open = new Map<string, Set<string>>()
      return {
        StartUpload: (operation) =>
          Effect.tap(
            next(operation),
            ({ id }) =>
              Effect.sync(() => open.set(operation.repository, new Set(open.get(operation.repository)).add(id)))
          ),
        CompleteUpload: (operation) => {
          const others = open.get(operation.repository)
          others?.delete(operation.id)
          return Effect.flatMap(
            Effect.option(next(new Operation.ResolveBlob(operation))),
            (blob) =>
              blob._tag === "Some" && others !== undefined && others.size > 0
                ? refused(RegistryError.BlobUploadInvalid, operation)
                : next(operation)
          )
        }
      }
    })
  },
  {
    id: "empty-blob-refused",
    name: "an empty blob is refused",
    breaks: [58],
    wire: respondInstead(
      { ...put, where: (sent) => queryOf(sent).get("digest") === Digest.fromBytes(nothing) },
      (sent, send) => Effect.map(send(sent), error(400, "SIZE_INVALID"))
    )
  },
  {
    id: "json-blob-rewritten",
    name: "JSON blobs are parsed and serialized again",
    breaks: [58],
    wire: changeResponses(
      { method: "GET", route: "Blob", status: 200 },
      body((bytes) => bytes.byteLength === 2 ? "{ }" : bytes)
    )
  },
  {
    id: "blob-cut-at-2-kib",
    name: "blobs of more than 2,047 bytes are refused",
    breaks: [58],
    middleware: rows((next) => ({
      CompleteUpload: (operation) =>
        (operation.body?.size ?? 0) > 2047 ? refused(RegistryError.SizeInvalid, operation) : next(operation)
    }))
  },
  {
    id: "blob-there-later",
    name: "a pushed blob exists only from the second request on",
    breaks: [59],
    middleware: rows((next) => {
      const fresh = new Set<string>()
      return {
        CompleteUpload: (operation) =>
          Effect.tap(
            next(operation),
            ({ digest }) => Effect.sync(() => fresh.add(`${operation.repository}@${digest}`))
          ),
        PushBlob: (operation) =>
          Effect.tap(
            next(operation),
            ({ digest }) => Effect.sync(() => fresh.add(`${operation.repository}@${digest}`))
          ),
        ResolveBlob: (operation) =>
          fresh.delete(`${operation.repository}@${operation.digest}`)
            ? refused(RegistryError.BlobUnknown, operation)
            : next(operation)
      }
    })
  }
]
