import * as Effect from "effect/Effect"
import type * as Runtime from "effect/Runtime"
import * as Stream from "effect/Stream"
import type { Answer } from "./answer.js"
import { bytesOf } from "./answer.js"
import type { Fault } from "./faults.js"

const pieces = 4

const corrupted = (bytes: Uint8Array, at: number): Uint8Array => {
  const copy = bytes.slice()
  if (at < copy.length) copy[at] = (copy[at] ?? 0) ^ 1
  return copy
}

const slowly = (bytes: Uint8Array, fault: Fault & { readonly _tag: "Slow" }) => {
  const size = Math.ceil(bytes.byteLength / pieces)
  return Stream.range(0, pieces - 1).pipe(
    Stream.mapEffect((n) => Effect.delay(Effect.succeed(bytes.subarray(n * size, (n + 1) * size)), fault.piece ?? 0))
  )
}

/** Returns the body of a response: bytes, or a stream if the fault needs time or breaks it. */
const bodyOf = (bytes: Uint8Array, fault: Fault | undefined): Uint8Array | Stream.Stream<Uint8Array, Error> => {
  switch (fault?._tag) {
    case "Corrupt":
      return corrupted(bytes, fault.at ?? bytes.byteLength >> 1)
    case "Slow":
      return fault.piece === undefined ? bytes : slowly(bytes, fault)
    case "Cut": {
      const first = bytes.subarray(0, fault.after)
      if (fault.how === "ends") return first
      const rest = fault.how === "stalls" ? Stream.never : Stream.fail(new Error("the connection was lost"))
      return Stream.concat(Stream.make(first), rest)
    }
    default:
      return bytes
  }
}

/** Creates the response to a request. A response to HEAD has no body. */
export const respond = (
  method: string,
  answer: Answer,
  fault: Fault | undefined,
  requestId: string,
  runtime: Runtime.Runtime<never>
): Response => {
  const bytes = bytesOf(answer, requestId) ?? new Uint8Array()
  const body = method === "HEAD" ? bytes : bodyOf(bytes, fault)
  const headers = new Headers({ ...answer.headers, "x-amz-request-id": requestId })
  const noBody = method === "HEAD" || answer.status === 204
  if (answer.status !== 204) {
    headers.set("content-length", String((body instanceof Uint8Array ? body : bytes).byteLength))
  }
  if (fault?._tag === "NoETag") headers.delete("etag")
  return new Response(
    noBody
      ? null
      : body instanceof Uint8Array
      ? body as Uint8Array<ArrayBuffer>
      : Stream.toReadableStreamRuntime(body, runtime),
    {
      status: answer.status,
      headers
    }
  )
}
