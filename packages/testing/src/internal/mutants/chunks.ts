import type { Sent } from "@effect-oci/conformance/Target"
import * as Descriptor from "@effect-oci/core/Descriptor"
import type * as Digest from "@effect-oci/core/Digest"
import * as Operation from "@effect-oci/core/Operation"
import * as RegistryError from "@effect-oci/core/RegistryError"
import * as Effect from "effect/Effect"
import type { Mutant } from "../../Mutant.js"
import { changeRequests, changeResponses, error, header, refused, respondInstead, rows, status } from "./mutating.js"

const nothing = new Uint8Array(0)
const patch = { method: "PATCH", route: "Upload" } as const
const hasRange = (sent: Sent) => sent.headers?.["content-range"] !== undefined

const withoutLocation = header("location", undefined)

/** Changes or removes the `Content-Range` of a chunk. */
const fitting = (range: (declared: readonly [from: number, to: number], length: number) => string | undefined) =>
  changeRequests({ ...patch, where: hasRange }, (sent) => {
    const { "content-range": declared = "", ...headers } = sent.headers ?? {}
    const [from = 0, to = 0] = declared.split("-").map(Number)
    const changed = range([from, to], sent.body?.byteLength ?? 0)
    return { ...sent, headers: changed === undefined ? headers : { ...headers, "content-range": changed } }
  })

const descriptorOf = (digest: Digest.Digest, bytes: Uint8Array): Descriptor.Descriptor => ({
  ...Descriptor.fromBytes(bytes),
  digest
})

/** Rules 39 to 45, and 49: uploads in chunks. */
export const chunks: ReadonlyArray<Mutant> = [
  {
    id: "patch-no-content",
    name: "a chunk returns 204",
    breaks: [40],
    wire: changeResponses({ ...patch, status: 202 }, status(204))
  },
  {
    id: "patch-range-missing",
    name: "a chunk returns no range",
    breaks: [40],
    wire: changeResponses({ ...patch, status: 202 }, header("range", undefined))
  },
  {
    id: "patch-range-one-more",
    name: "the range of an upload session is one byte too long",
    breaks: [40, 45],
    wire: changeResponses(
      { route: "Upload", status: [202, 204] },
      header("range", (range) => range?.replace(/[0-9]+$/, (end) => String(Number(end) + 1)))
    )
  },
  {
    id: "patch-range-with-unit",
    name: "the range of an upload session has a unit",
    breaks: [40],
    wire: changeResponses({ ...patch, status: 202 }, header("range", (range) => `bytes=${range}`))
  },
  {
    id: "patch-location-missing",
    name: "a chunk returns no Location",
    breaks: [40],
    wire: changeResponses({ ...patch, status: 202 }, withoutLocation)
  },
  {
    id: "chunk-anywhere",
    name: "a chunk is appended, whatever its Content-Range",
    breaks: [41, 43, 49],
    middleware: rows((next) => ({
      AppendUpload: (operation) => next(new Operation.AppendUpload({ ...operation, offset: undefined }))
    }))
  },
  {
    id: "chunk-out-of-order-ignored",
    name: "a chunk out of order returns 202, but is dropped",
    breaks: [41, 43, 49],
    wire: changeResponses(
      { ...patch, status: 416 },
      status(202),
      header("location", (_, { sent }) => sent.path),
      header("range", "0-99")
    )
  },
  {
    id: "chunk-out-of-order-ends",
    name: "a chunk out of order ends the upload session",
    breaks: [41, 43],
    middleware: rows((next) => ({
      AppendUpload: (operation) =>
        Effect.tapErrorTag(
          next(operation),
          "OciRangeInvalid",
          () => Effect.ignore(next(new Operation.CancelUpload(operation)))
        )
    }))
  },
  {
    id: "chunk-out-of-order-invalid",
    name: "a chunk out of order returns 400",
    breaks: [41],
    wire: changeResponses({ ...patch, status: 416 }, status(400))
  },
  {
    id: "chunk-out-of-order-conflict",
    name: "a chunk out of order returns 409, as if another chunk were in progress",
    breaks: [41, 43],
    wire: changeResponses({ ...patch, status: 416 }, status(409))
  },
  {
    id: "chunk-again-ignored",
    name: "a chunk that was sent before returns 202, but is dropped",
    breaks: [43],
    middleware: rows((next) => ({
      AppendUpload: (operation) =>
        Effect.flatMap(
          next(new Operation.GetUpload(operation)),
          (upload) =>
            operation.offset !== undefined && operation.offset + (operation.body.size ?? 0) <= upload.offset
              ? Effect.succeed(upload)
              : next(operation)
        )
    }))
  },
  {
    id: "chunk-refused-added",
    name: "a chunk out of order is refused, but appended",
    breaks: [41, 43, 49],
    middleware: rows((next) => ({
      AppendUpload: (operation) =>
        Effect.tapErrorTag(
          next(operation),
          "OciRangeInvalid",
          () => Effect.ignore(next(new Operation.AppendUpload({ ...operation, offset: undefined })))
        )
    }))
  },
  {
    id: "chunk-last-anywhere",
    name: "a last chunk is appended at any offset, and the digest is not verified",
    breaks: [41],
    middleware: rows((next) => ({
      CompleteUpload: (operation) =>
        Effect.catchTag(
          next(operation),
          "OciRangeInvalid",
          () => Effect.succeed(descriptorOf(operation.digest, operation.body?.bytes ?? nothing))
        )
    }))
  },
  {
    id: "chunk-without-range-refused",
    name: "a chunk without Content-Range is refused",
    breaks: [42],
    wire: respondInstead(
      { ...patch, where: (sent) => !hasRange(sent) },
      (sent, send) => Effect.map(send(sent), error(400, "BLOB_UPLOAD_INVALID"))
    )
  },
  {
    id: "chunk-backwards-accepted",
    name: "a chunk that ends before it starts is accepted",
    breaks: [43],
    wire: fitting(([from, to]) => to < from ? undefined : `${from}-${to}`)
  },
  {
    id: "chunk-shorter-accepted",
    name: "a chunk that is shorter than its range is accepted",
    breaks: [43],
    wire: fitting(([from, to], length) => to < from ? `${from}-${to}` : `${from}-${Math.min(to, from + length - 1)}`)
  },
  {
    id: "chunk-longer-accepted",
    name: "a chunk that is longer than its range is accepted",
    breaks: [43],
    wire: fitting(([from, to], length) => to < from ? `${from}-${to}` : `${from}-${Math.max(to, from + length - 1)}`)
  },
  {
    id: "chunks-one-alone",
    name: "an upload session accepts only one chunk",
    breaks: [39, 40],
    middleware: rows((next) => ({
      AppendUpload: (operation) =>
        operation.offset === undefined || operation.offset === 0
          ? next(operation)
          : refused(RegistryError.RangeInvalid, operation)
    }))
  },
  {
    id: "chunk-with-range-refused",
    name: "a chunk with Content-Range is refused",
    breaks: [39],
    middleware: rows((next) => ({
      AppendUpload: (operation) =>
        operation.offset === undefined ? next(operation) : refused(RegistryError.Unsupported, operation)
    }))
  },
  {
    id: "chunk-last-dropped",
    name: "the last chunk in the PUT is dropped",
    breaks: [44],
    middleware: rows((next) => ({
      CompleteUpload: (operation) =>
        next(
          operation.offset === undefined ? operation : new Operation.CompleteUpload({ ...operation, body: undefined })
        )
    }))
  },
  {
    id: "upload-status-ok",
    name: "GET of an upload session returns 200",
    breaks: [45],
    wire: changeResponses({ method: "GET", route: "Upload", status: 204 }, status(200))
  },
  {
    id: "upload-status-range-missing",
    name: "GET of an upload session returns no range",
    breaks: [45],
    wire: changeResponses({ method: "GET", route: "Upload" }, header("range", undefined))
  },
  {
    id: "upload-status-location-missing",
    name: "GET of an upload session returns no Location",
    breaks: [45],
    wire: changeResponses({ method: "GET", route: "Upload" }, withoutLocation)
  },
  {
    id: "upload-status-empty-lie",
    name: "an empty upload session reports two bytes",
    breaks: [45],
    wire: changeResponses(
      { method: "GET", route: "Upload" },
      header("range", (range) => range === "0-0" ? "0-1" : range)
    )
  }
]
