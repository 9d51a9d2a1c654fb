import type * as Digest from "@effect-oci/core/Digest"
import type { RepositoryName } from "@effect-oci/core/RepositoryName"
import * as Effect from "effect/Effect"
import type { Violation } from "../Check.js"
import type { Received, Unreachable, Wire } from "../Target.js"
import { expectStatus } from "./expectations.js"
import { send } from "./request.js"
import { follow, startUpload } from "./upload.js"

/** A blob to push: the bytes, and the declared digest. */
export interface Pushed {
  readonly repository: RepositoryName
  readonly bytes: Uint8Array
  readonly digest: Digest.Digest
  readonly algorithm: Digest.Algorithm
}

type Push = Effect.Effect<Received, Violation | Unreachable, Wire>

/** A way to push a blob. It returns the response to its last request, and fails if an earlier request fails. */
export interface UploadMethod {
  readonly id: string
  readonly rules: ReadonlyArray<number>
  readonly name: string
  readonly push: (blob: Pushed) => Push
}

const octets = { "content-type": "application/octet-stream" }

export const start = ({ algorithm, repository }: Pick<Pushed, "algorithm" | "repository">) =>
  startUpload(repository, algorithm === "sha256" ? "" : `?digest-algorithm=${algorithm}`)

/** Sends a chunk at the given range, or at the current offset of the upload session. */
export const patch = (path: string, body: Uint8Array, offset?: number) =>
  send({
    method: "PATCH",
    path,
    headers: offset === undefined
      ? octets
      : { ...octets, "content-range": `${offset}-${offset + body.byteLength - 1}` },
    body
  })

export const put = (path: string, body?: Uint8Array, offset?: number) =>
  send({
    method: "PUT",
    path,
    headers: offset === undefined || body === undefined
      ? octets
      : { ...octets, "content-range": `${offset}-${offset + body.byteLength - 1}` },
    body: body ?? new Uint8Array(0)
  })

/** Sends a chunk, and expects 202 and the range of the received bytes. */
export const patched = (path: string, body: Uint8Array, offset?: number) =>
  Effect.flatMap(patch(path, body, offset), (received) => expectStatus(received, 202))

const inChunks = (blob: Pushed, cuts: ReadonlyArray<number>, lastInPut: boolean): Push =>
  Effect.gen(function*() {
    let response: Received = yield* start(blob)
    const bounds = [0, ...cuts, blob.bytes.byteLength]
    const chunks = bounds.slice(1).map((end, index) => ({ from: bounds[index] ?? 0, end }))
    const last = lastInPut ? chunks.pop() : undefined
    for (const { end, from } of chunks) {
      response = yield* patched(yield* follow(response), blob.bytes.subarray(from, end), from)
    }
    const path = yield* follow(response, { digest: blob.digest })
    return last === undefined ? yield* put(path) : yield* put(path, blob.bytes.subarray(last.from), last.from)
  })

export const uploadMethods: ReadonlyArray<UploadMethod> = [
  {
    id: "post-put",
    rules: [29, 33],
    name: "POST, then PUT with the blob",
    push: (blob) =>
      Effect.gen(function*() {
        return yield* put(yield* follow(yield* start(blob), { digest: blob.digest }), blob.bytes)
      })
  },
  {
    id: "single-post",
    rules: [37],
    name: "one POST, or POST and PUT if the registry does not support that",
    push: (blob) =>
      Effect.gen(function*() {
        const path = `/v2/${blob.repository}/blobs/uploads/?digest=${blob.digest}`
        const received = yield* send({ method: "POST", path, headers: octets, body: blob.bytes })
        return received.status === 202
          ? yield* put(yield* follow(received, { digest: blob.digest }), blob.bytes)
          : received
      })
  },
  {
    id: "one-chunk",
    rules: [39, 40],
    name: "one PATCH, then PUT",
    push: (blob) => inChunks(blob, [], false)
  },
  {
    id: "many-chunks",
    rules: [39, 40],
    name: "several PATCHes, then PUT",
    push: (blob) => inChunks(blob, [100, 101, 1000], false)
  },
  {
    id: "last-chunk-in-put",
    rules: [44],
    name: "PATCHes, the last chunk in PUT",
    push: (blob) => inChunks(blob, [100, 1000], true)
  },
  {
    id: "stream",
    rules: [42],
    name: "a PATCH without Content-Range, then PUT",
    push: (blob) =>
      Effect.gen(function*() {
        const response = yield* patched(yield* follow(yield* start(blob)), blob.bytes)
        return yield* put(yield* follow(response, { digest: blob.digest }))
      })
  }
]
