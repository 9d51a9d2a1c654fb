import type { Sent } from "@effect-oci/conformance/Target"
import * as ByteRange from "@effect-oci/core/ByteRange"
import * as Digest from "@effect-oci/core/Digest"
import * as Operation from "@effect-oci/core/Operation"
import * as Effect from "effect/Effect"
import type { Mutant } from "../../Mutant.js"
import { body, changeRequests, changeResponses, header, rows, status } from "./mutating.js"

const pulls = ["GET", "HEAD"]
const nothing = new Uint8Array(0)

const hasRange = (sent: Sent) => sent.headers?.["range"] !== undefined

/** Changes the range of requests that have one. */
const rangeAs = (change: (range: string) => string | undefined) =>
  changeRequests({ route: "Blob", where: hasRange }, (sent) => {
    const { range = "", ...headers } = sent.headers ?? {}
    const changed = change(range)
    return { ...sent, headers: changed === undefined ? headers : { ...headers, range: changed } }
  })

/** Rules 18 to 26: ranges of blobs. */
export const ranges: ReadonlyArray<Mutant> = [
  {
    id: "range-ignored",
    name: "ranges are ignored",
    breaks: [18, 19, 20, 21, 26],
    wire: rangeAs(() => undefined)
  },
  {
    id: "range-whole-as-part",
    name: "the whole blob is returned as the range",
    breaks: [18, 19, 20, 21],
    wire: (send) => (sent) =>
      hasRange(sent)
        ? Effect.zipWith(send(sent), send({ ...sent, headers: {} }), (part, whole) => ({ ...part, body: whole.body }))
        : send(sent)
  },
  {
    id: "range-end-excluded",
    name: "the last byte of a range is not sent",
    breaks: [18],
    middleware: rows((next) => ({
      GetBlob: (operation) => {
        const { range } = operation
        return range?.length === undefined || range.length < 2
          ? next(operation)
          : next(new Operation.GetBlob({ ...operation, range: ByteRange.slice(range.offset, range.length - 1) }))
      }
    }))
  },
  {
    id: "range-open-cut",
    name: "a range without an end ends after one byte",
    breaks: [19],
    wire: rangeAs((range) => range.replace(/^bytes=([0-9]+)-$/, "bytes=$1-$1"))
  },
  {
    id: "range-suffix-as-prefix",
    name: "a range of the last bytes returns the first bytes",
    breaks: [20],
    wire: rangeAs((range) => range.replace(/^bytes=-([0-9]+)$/, "bytes=0-$1"))
  },
  {
    id: "range-clipped-refused",
    name: "a range past the end is refused",
    breaks: [21],
    wire: rangeAs((range) => range.replace(/^bytes=2000-5000$/, "bytes=4000-5000"))
  },
  {
    id: "range-outside-empty",
    name: "a range after the end returns 206 and no bytes",
    breaks: [22],
    wire: changeResponses({ method: "GET", route: "Blob", status: 416 }, status(206), body(() => nothing))
  },
  {
    id: "range-outside-size-lie",
    name: "a range after the end is refused with another size than the blob's",
    breaks: [22],
    wire: changeResponses({ method: "GET", route: "Blob", status: 416 }, header("content-range", "bytes */0"))
  },
  {
    id: "range-backwards-turned",
    name: "the bounds of a range that ends before it starts are swapped",
    breaks: [23],
    wire: rangeAs((range) => range.replace(/^bytes=500-0$/, "bytes=0-500"))
  },
  {
    id: "range-several-first",
    name: "of several ranges only the first is returned",
    breaks: [24],
    wire: rangeAs((range) => range.replace(/,.*$/, ""))
  },
  {
    id: "range-unit-ignored",
    name: "ranges in any unit are treated as bytes",
    breaks: [24],
    wire: rangeAs((range) => range.replace(/^\w+=/, "bytes="))
  },
  {
    id: "range-of-nothing",
    name: "a range of an empty blob returns 206",
    breaks: [25],
    wire: changeResponses(
      { method: "GET", route: "Blob", status: 416, where: ({ path }) => path.endsWith(Digest.fromBytes(nothing)) },
      status(206),
      body(() => nothing)
    )
  },
  {
    id: "content-range-lie",
    name: "Content-Range differs from the returned range",
    breaks: [18, 19, 20, 21],
    wire: changeResponses({ method: "GET", route: "Blob", status: 206 }, header("content-range", "bytes 0-0/2048"))
  },
  {
    id: "ranges-denied",
    name: "Accept-Ranges says that ranges are not supported, but they are",
    breaks: [26],
    wire: changeResponses({ method: pulls, route: "Blob" }, header("accept-ranges", "none"))
  }
]
