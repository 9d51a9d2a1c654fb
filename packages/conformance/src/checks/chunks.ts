import * as Effect from "effect/Effect"
import type { Check } from "../Check.js"
import * as Fixtures from "../Fixtures.js"
import { expect, expectBody, expectError, expectHeader, expectStatus } from "../internal/expectations.js"
import { get, head, remove, send } from "../internal/request.js"
import type { Row } from "../internal/section.js"
import { section } from "../internal/section.js"
import { cleanUp, follow, openUpload, putBlob, sampleBlob, sampleDigest } from "../internal/upload.js"
import { patch, patched, put, start } from "../internal/uploadMethods.js"
import { Target } from "../Target.js"

/** Opens an upload session and sends the first 100 bytes. Returns the path where the session continues. */
const startedUpload = Effect.gen(function*() {
  const { repository } = yield* Target
  const response = yield* patched((yield* openUpload(repository)).path, sampleBlob.subarray(0, 100), 0)
  return { repository, response, path: yield* follow(response) }
})

/** Checks that the upload session kept its offset, and completes the blob from there. */
const expectResumes = (path: string) =>
  Effect.gen(function*() {
    const { repository } = yield* Target
    yield* cleanUp(`/v2/${repository}/blobs/${sampleDigest}`)
    const response = yield* patched(path, sampleBlob.subarray(100), 100)
    yield* expectStatus(yield* put(yield* follow(response, { digest: sampleDigest })), 201)
    yield* expectBody(yield* get(`/v2/${repository}/blobs/${sampleDigest}`), sampleBlob)
  })

/** Sends a chunk that does not continue the upload session. */
const refusesChunk = (
  id: string,
  rule: number,
  name: string,
  statuses: ReadonlyArray<number>,
  attempt: (path: string) => ReturnType<typeof patch>
): Row => ({
  id: `upload-${id}`,
  rules: [rule],
  name: `${name} is refused with ${statuses.join(" or ")}, and the upload session keeps its offset`,
  run: Effect.gen(function*() {
    const { path } = yield* startedUpload
    yield* expectStatus(yield* attempt(path), ...statuses)
    yield* expectResumes(path)
  })
})

/** Rules 32, 36, 38 to 49: upload sessions and their chunks. */
export const chunks: ReadonlyArray<Check> = [
  ...section(
    "Pushing a blob in chunks",
    {
      id: "upload-min-chunk",
      rules: [32],
      name: "OCI-Chunk-Min-Length, if present, is a number of bytes",
      level: "should",
      run: Effect.gen(function*() {
        const { repository } = yield* Target
        const { started } = yield* openUpload(repository)
        if (started.headers["oci-chunk-min-length"] !== undefined) {
          yield* expectHeader(started, "oci-chunk-min-length", /^[0-9]+$/)
        }
      })
    },
    {
      id: "upload-unknown",
      rules: [36],
      name: "requests to an unknown upload session return 404 or 400",
      run: Effect.gen(function*() {
        const { repository } = yield* Target
        const path = `/v2/${repository}/blobs/uploads/00000000-0000-4000-8000-000000000000`
        yield* putBlob(repository, sampleBlob)
        const codes = ["BLOB_UPLOAD_UNKNOWN", "BLOB_UPLOAD_INVALID", "NAME_UNKNOWN"]
        yield* expectError(yield* patch(path, sampleBlob, 0), [404, 400], codes)
        yield* expectError(yield* put(`${path}?digest=${sampleDigest}`, sampleBlob), [404, 400], codes)
        yield* expectError(yield* get(path), [404, 400], codes)
      })
    },
    {
      id: "upload-algorithm-unsupported",
      rules: [38],
      name: "an upload session for an unsupported digest algorithm is refused with 400",
      level: "should",
      since: "dev",
      run: Effect.gen(function*() {
        const { repository } = yield* Target
        const path = `/v2/${repository}/blobs/uploads/?digest-algorithm=md5`
        yield* expectStatus(yield* send({ method: "POST", path, body: new Uint8Array(0) }), 400)
      })
    },
    {
      id: "upload-range",
      rules: [40],
      name: "a chunk returns 202, a Location, and the range of the received bytes",
      run: Effect.gen(function*() {
        const { response, path } = yield* startedUpload
        yield* expectHeader(response, "range", "0-99")
        const next = yield* patched(path, sampleBlob.subarray(100, 300), 100)
        yield* expectHeader(next, "range", "0-299")
        yield* follow(next)
      })
    },
    refusesChunk(
      "gap",
      41,
      "a chunk that leaves a gap",
      [416],
      (path) => patch(path, sampleBlob.subarray(200, 300), 200)
    ),
    refusesChunk(
      "overlap",
      43,
      "a chunk that was sent before",
      [416],
      (path) => patch(path, sampleBlob.subarray(0, 100), 0)
    ),
    refusesChunk(
      "backwards",
      43,
      "a chunk that ends before it starts",
      [400, 416],
      (path) =>
        send({ method: "PATCH", path, headers: { "content-range": "199-100" }, body: sampleBlob.subarray(100, 200) })
    ),
    refusesChunk(
      "shorter-than-range",
      43,
      "a chunk that is shorter than its range",
      [400, 416],
      (path) =>
        send({ method: "PATCH", path, headers: { "content-range": "100-299" }, body: sampleBlob.subarray(100, 200) })
    ),
    refusesChunk(
      "longer-than-range",
      43,
      "a chunk that is longer than its range",
      [400, 416],
      (path) =>
        send({ method: "PATCH", path, headers: { "content-range": "100-149" }, body: sampleBlob.subarray(100, 200) })
    ),
    {
      id: "upload-first-chunk-out-of-order",
      rules: [41],
      name: "a first chunk that does not start at 0 is refused with 416",
      run: Effect.gen(function*() {
        const { repository } = yield* Target
        const { path } = yield* openUpload(repository)
        yield* expectStatus(yield* patch(path, sampleBlob.subarray(100), 100), 416)
      })
    },
    {
      id: "upload-last-chunk-out-of-order",
      rules: [41],
      name: "a last chunk out of order is refused with 416, and the blob is not stored",
      since: "dev",
      run: Effect.gen(function*() {
        const { response, repository } = yield* startedUpload
        const path = yield* follow(response, { digest: sampleDigest })
        yield* expectStatus(yield* put(path, sampleBlob.subarray(200), 200), 416)
        yield* expectStatus(yield* head(`/v2/${repository}/blobs/${sampleDigest}`), 404)
      })
    },
    {
      id: "upload-status",
      rules: [45],
      name: "GET of an upload session returns 204, a Location, and the range of the received bytes",
      run: Effect.gen(function*() {
        const { path } = yield* startedUpload
        const received = yield* expectStatus(yield* get(path), 204)
        yield* expectHeader(received, "range", "0-99")
        yield* expectResumes(yield* follow(received))
      })
    },
    {
      id: "upload-status-empty",
      rules: [45],
      name: "GET of an empty upload session returns no range, or 0-0",
      level: "should",
      run: Effect.gen(function*() {
        const { repository } = yield* Target
        const received = yield* expectStatus(yield* get((yield* openUpload(repository)).path), 204)
        if (received.headers["range"] !== undefined) yield* expectHeader(received, "range", /^0-(0|-1)$/)
      })
    },
    {
      id: "upload-repository-bound",
      rules: [47],
      name: "an upload session of one repository cannot be continued in another",
      run: Effect.gen(function*() {
        const { other, repository } = yield* Target
        const { path } = yield* startedUpload
        const elsewhere = path.replace(`/v2/${repository}/`, `/v2/${other}/`)
        // A `Location` may be any URL, also one that does not contain the repository.
        if (elsewhere === path) return
        yield* expectStatus(yield* get(elsewhere), 404, 400)
        yield* expectStatus(yield* patch(elsewhere, sampleBlob.subarray(100), 100), 404, 400)
        yield* expectResumes(path)
      })
    },
    {
      id: "upload-ended",
      rules: [48],
      name: "a completed upload session does not exist any more",
      run: Effect.gen(function*() {
        const { repository } = yield* Target
        const { path } = yield* openUpload(repository)
        yield* cleanUp(`/v2/${repository}/blobs/${sampleDigest}`)
        const ended = yield* follow(yield* patched(path, sampleBlob, 0), { digest: sampleDigest })
        yield* expectStatus(yield* put(ended), 201)
        yield* expectStatus(yield* patch(path, sampleBlob, sampleBlob.byteLength), 404, 400)
        yield* expectStatus(yield* get(path), 404, 400)
      })
    },
    {
      id: "upload-concurrent-chunks",
      rules: [49],
      name: "of two concurrent chunks for the same offset, one is accepted and the other refused",
      run: Effect.gen(function*() {
        const { path, repository } = yield* startedUpload
        const chunk = patch(path, sampleBlob.subarray(100), 100)
        const responses = yield* Effect.all([chunk, chunk], { concurrency: "unbounded" })
        const statuses = responses.map(({ status }) => status).sort((a, b) => a - b)
        const accepted = responses.find(({ status }) => status === 202) ?? responses[0]
        yield* expect(
          accepted,
          statuses[0] === 202 && [404, 409, 416].includes(statuses[1] ?? 0),
          "202 and 416",
          () => statuses.join(" and ")
        )
        yield* cleanUp(`/v2/${repository}/blobs/${sampleDigest}`)
        yield* expectStatus(yield* put(yield* follow(accepted, { digest: sampleDigest })), 201)
      })
    },
    ...(["sha512", "blake3"] as const).map((algorithm): Row => ({
      id: `upload-started-for-${algorithm}`,
      rules: [38],
      name: `an upload session opened for ${algorithm} completes with a ${algorithm} digest`,
      level: "should",
      since: "dev",
      needs: ["push", algorithm],
      run: Effect.gen(function*() {
        const { repository } = yield* Target
        const digest = Fixtures.digestOf(sampleBlob, algorithm)
        yield* cleanUp(`/v2/${repository}/blobs/${digest}`)
        const response = yield* patched(yield* follow(yield* start({ repository, algorithm })), sampleBlob, 0)
        yield* expectStatus(yield* put(yield* follow(response, { digest })), 201)
        yield* expectStatus(yield* head(`/v2/${repository}/blobs/${digest}`), 200)
      })
    }))
  ),
  ...section(
    "Cancelling an upload",
    {
      id: "upload-cancel",
      rules: [46],
      name: "DELETE of an upload session returns 204 and ends the session",
      since: "dev",
      needs: ["push", "cancelUpload"],
      run: Effect.gen(function*() {
        const { path } = yield* startedUpload
        yield* expectStatus(yield* remove(path), 204)
        yield* expectStatus(yield* get(path), 404)
        yield* expectStatus(yield* patch(path, sampleBlob.subarray(100), 100), 404)
        yield* expectStatus(yield* put(`${path}${path.includes("?") ? "&" : "?"}digest=${sampleDigest}`), 404)
        yield* expectStatus(yield* remove(path), 404, 400)
      })
    }
  )
]
