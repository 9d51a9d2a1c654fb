import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { absent, blob, blobDigest, blobPath } from "../fixtures.js"
import { check, run } from "../rows.js"
import type { Expected } from "../rows.js"
import { start } from "../servers.js"
import type { Composition, Running } from "../servers.js"
import { accepted, created, length0, location, octets, uploads, withDigest } from "../uploadSessions.js"

/** Opens an upload session. Returns its location. */
const open = (running: Running, path = uploads) =>
  Effect.map(running.ask({ method: "POST", path, headers: length0 }), (answer) => {
    check(answer, { status: 202 })
    return location(answer)
  })

const patch = (running: Running, path: string, body: Uint8Array, range?: string) =>
  running.ask({
    method: "PATCH",
    path,
    body,
    headers: { ...octets, ...(range === undefined ? {} : { "content-range": range }) }
  })

/** Requests to an upload session that has the first 10 bytes of the blob. */
const chunks: ReadonlyArray<readonly [name: string, range: string | undefined, body: Uint8Array, expected: Expected]> =
  [
    ["39, 40: the next", "10-19", blob.subarray(10, 20), accepted(19, 20)],
    ["42: without saying where", undefined, blob.subarray(10, 20), accepted(19, 20)],
    ["41: a gap", "20-29", blob.subarray(20, 30), {
      ...outOfOrder(),
      headers: { range: "0-9", "upload-offset": "10" }
    }],
    ["41, 43: again", "0-9", blob.subarray(0, 10), outOfOrder()],
    ["43: overlapping", "5-14", blob.subarray(5, 15), outOfOrder()],
    ["43: turned round", "19-10", blob.subarray(10, 20), { status: 416, code: "RANGE_INVALID" }],
    ["39: with a unit", "bytes 10-19/100", blob.subarray(10, 20), { status: 416, code: "RANGE_INVALID" }],
    ["43: shorter than declared", "10-29", blob.subarray(10, 20), { status: 400, code: "SIZE_INVALID" }],
    ["43: longer than declared", "10-14", blob.subarray(10, 20), { status: 400, code: "SIZE_INVALID" }]
  ]

function outOfOrder(): Expected {
  return { status: 416, code: "RANGE_INVALID" }
}

export const uploadSessions = (composition: Composition) => {
  describe("push: uploads", () => {
    it.scoped("starts a session and completes it with all bytes (rules 29, 33)", () =>
      Effect.gen(function*() {
        const running = yield* start(composition)
        const started = yield* running.ask({ method: "POST", path: uploads, headers: length0 })
        check(started, accepted(0, 0))
        const path = withDigest(location(started), blobDigest)
        check(yield* running.ask({ method: "PUT", path, headers: octets, body: blob }), {
          ...created(blobDigest),
          headers: { ...created(blobDigest).headers, "upload-offset": "2048" }
        })
        check(yield* running.ask({ path: blobPath }), { status: 200, body: blob })
      }))

    it.scoped("uploads in chunks, reports the offset in between, and completes with the last chunk (rules 40, 44, 45)", () =>
      Effect.gen(function*() {
        const running = yield* start(composition)
        let path = yield* open(running)
        check(yield* running.ask({ path }), {
          ...accepted(0, 0),
          status: 204,
          headers: { range: "0-0", "upload-offset": "0" }
        })
        const first = yield* patch(running, path, blob.subarray(0, 1), "0-0")
        check(first, accepted(0, 1))
        path = location(first)
        const second = yield* patch(running, path, blob.subarray(1, 1000), "1-999")
        check(second, accepted(999, 1000))
        path = location(second)
        const state = yield* running.ask({ path })
        check(state, {
          status: 204,
          headers: { location: /^\/v2\/team\/app\/blobs\/uploads\//, range: "0-999", "content-length": undefined },
          body: ""
        })
        const last = yield* running.ask({
          method: "PUT",
          path: withDigest(location(state), blobDigest),
          headers: { ...octets, "content-range": "1000-2047" },
          body: blob.subarray(1000)
        })
        check(last, created(blobDigest))
        check(yield* running.ask({ path: blobPath }), { status: 200, body: blob })
      }))

    it.scoped("accepts a stream without a declared length (rule 42)", () =>
      Effect.gen(function*() {
        const running = yield* start(composition)
        const path = yield* open(running)
        const streamed = yield* running.ask({
          method: "PATCH",
          path,
          headers: { ...octets, "transfer-encoding": "chunked" },
          body: blob
        })
        check(streamed, accepted(2047, 2048))
        check(
          yield* running.ask({ method: "PUT", path: withDigest(location(streamed), blobDigest), headers: length0 }),
          created(blobDigest)
        )
      }))

    it.scoped.each(chunks)(
      "chunk %s; then continues the upload",
      ([, range, body, expected]) =>
        Effect.gen(function*() {
          const running = yield* start(composition)
          const first = yield* patch(running, yield* open(running), blob.subarray(0, 10), "0-9")
          const path = location(first)
          const headers = { ...octets, ...(range === undefined ? {} : { "content-range": range }) }
          yield* run(running, { method: "PATCH", path, headers, body }, expected)
          const offset = expected.status === 202 ? 20 : 10
          check(yield* running.ask({ path }), { status: 204, headers: { "upload-offset": String(offset) } })
          check(
            yield* running.ask({
              method: "PUT",
              path: withDigest(path, blobDigest),
              headers: { ...octets, "content-range": `${offset}-2047` },
              body: blob.subarray(offset)
            }),
            created(blobDigest)
          )
        })
    )

    it.scoped("refuses a last chunk out of order without a change (rule 41)", () =>
      Effect.gen(function*() {
        const running = yield* start(composition)
        const path = yield* open(running)
        const sent = (first: number) => ({
          method: "PUT",
          path: withDigest(path, blobDigest),
          headers: { ...octets, "content-range": `${first}-2047` },
          body: blob.subarray(first)
        })
        yield* run(running, sent(10), { status: 416, headers: { "upload-offset": "0" }, code: "RANGE_INVALID" })
        check(yield* running.ask(sent(0)), created(blobDigest))
      }))

    it.scoped.each(
      [
        ["34: another", absent],
        ["35: invalid", "sha256:abc"],
        ["35: of an algorithm that the server cannot verify", "md5:d41d8cd98f00b204e9800998ecf8427e"],
        ["35: empty", ""]
      ] as const
    )("digest %s: no blob is seen", ([, digest]) =>
      Effect.gen(function*() {
        const running = yield* start(composition)
        const path = withDigest(yield* open(running), digest)
        yield* run(running, { method: "PUT", path, headers: octets, body: blob }, {
          status: 400,
          code: "DIGEST_INVALID"
        })
        check(yield* running.ask({ path: "/v2/_catalog" }), { status: 200, body: { repositories: [] } })
      }))

    it.scoped("cancels a session, which is then unknown (rule 46)", () =>
      Effect.gen(function*() {
        const running = yield* start(composition)
        const path = yield* open(running)
        check(yield* running.ask({ method: "DELETE", path }), {
          status: 204,
          headers: { "content-length": undefined },
          body: ""
        })
        yield* unknown(running, path)
      }))

    it.scoped("completes a session, which is then unknown, but accepts its last request again (rule 48)", () =>
      Effect.gen(function*() {
        const running = yield* start(composition)
        const path = yield* open(running)
        check(yield* patch(running, path, blob), accepted(2047, 2048))
        const last = { method: "PUT", path: withDigest(path, blobDigest), headers: length0 }
        check(yield* running.ask(last), created(blobDigest))
        yield* unknown(running, path, absent)
        check(yield* running.ask(last), created(blobDigest))
      }))

    it.scoped("accepts one of two concurrent chunks (rule 49)", () =>
      Effect.gen(function*() {
        const running = yield* start(composition)
        const path = yield* open(running)
        const one = patch(running, path, blob, "0-2047")
        const statuses = (yield* Effect.all([one, one], { concurrency: 2 })).map(({ status }) => status)
        expect(new Set(statuses)).toEqual(new Set([202, 416]))
        check(
          yield* running.ask({ method: "PUT", path: withDigest(path, blobDigest), headers: length0 }),
          created(blobDigest)
        )
      }))

    it.scoped.each(
      [
        ["36: made up", "/v2/team/app/blobs/uploads/0b62a9ac-8a1b-4c7e-93f4-6d0c3e8c9f0a"],
        ["36: with a made up signature", "/v2/team/app/blobs/uploads/MGI2MmE5YWM.AAAAAAAAAAAAAAAAAAAAAA"],
        ["36: of a URL to elsewhere", `/v2/team/app/blobs/uploads/${encodeURIComponent("http://169.254.169.254/")}`],
        ["36: much too long", `/v2/team/app/blobs/uploads/${"a".repeat(9000)}.AAAA`],
        ["36: a single dot", "/v2/team/app/blobs/uploads/."]
      ] as const
    )("id %s", ([, path]) => Effect.flatMap(start(composition), (running) => unknown(running, path)))

    it.scoped("refuses the upload id of another repository (rule 47, T43)", () =>
      Effect.gen(function*() {
        const running = yield* start(composition)
        const path = yield* open(running, "/v2/team/other/blobs/uploads/")
        yield* unknown(running, path.replace("team/other", "team/app"))
        check(yield* running.ask({ path }), { status: 204 })
      }))

    it.scoped("writes no upload id to the log (T20, T43)", () =>
      Effect.gen(function*() {
        const running = yield* start(composition)
        const path = yield* open(running)
        const id = path.slice(path.lastIndexOf("/") + 1)
        yield* running.ask({ method: "PUT", path: withDigest(path, "sha256:abc"), headers: octets, body: blob })
        yield* running.ask({ method: "POST", path, body: "x" })
        yield* unknown(running, path.replace("team/app", "team/other"))
        expect(running.lines.length).toBeGreaterThanOrEqual(6)
        const logged = JSON.stringify(running.lines)
        expect(logged).not.toContain(id)
        expect(logged).not.toContain(id.slice(0, 20))
        expect(logged).toContain("/v2/team/app/blobs/uploads/…")
      }))
  })
}

/** Verifies that every request to an unknown upload session fails with 404. */
const unknown = (running: Running, path: string, digest: string = blobDigest) =>
  Effect.gen(function*() {
    const expected = { status: 404, code: "BLOB_UPLOAD_UNKNOWN" }
    yield* run(running, { path }, expected)
    yield* run(running, { method: "PATCH", path, headers: octets, body: "x" }, expected)
    yield* run(running, { method: "PUT", path: withDigest(path, digest), headers: octets, body: blob }, expected)
    yield* run(running, { method: "DELETE", path }, expected)
  })
