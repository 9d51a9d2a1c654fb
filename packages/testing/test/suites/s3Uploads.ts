/** Checks of multipart uploads. */
import { expect } from "@effect/vitest"
import { Effect } from "effect"
import { brief, letters } from "./s3Calls.js"
import type { Checks } from "./s3Calls.js"
import type { Answered } from "./s3Client.js"

export const uploads: Checks = {
  "joins parts in the order of their numbers": ({ complete, get, minPartSize, part, start }) =>
    Effect.gen(function*() {
      const key = "uploads/joined"
      const id = yield* start(key)
      const first = letters("a", minPartSize)
      const third = yield* part(key, id, 3, "end")
      const one = yield* part(key, id, 1, first)
      expect(brief(yield* get(key))).toBe("404 NoSuchKey")
      const answer = yield* complete(key, id, [[1, one.headers["etag"]], [3, third.headers["etag"]]])
      expect(brief(answer)).toBe("200")
      expect(answer.all("ETag")[0]?.replace(/&quot;|"/g, "")).toMatch(/^[0-9a-f]{32}-2$/)
      const got = yield* get(key)
      expect(Buffer.from(got.bytes).equals(Buffer.concat([first, Buffer.from("end")]))).toBe(true)
    }),
  "replaces a part": ({ complete, get, part, start }) =>
    Effect.gen(function*() {
      const key = "uploads/replaced"
      const id = yield* start(key)
      yield* part(key, id, 1, "old")
      const { headers } = yield* part(key, id, 1, "new")
      expect(brief(yield* complete(key, id, [[1, headers["etag"]]]))).toBe("200")
      expect((yield* get(key)).text).toBe("new")
    }),
  "leaves out parts that are not named, or refuses the list (Ceph)": ({ ceph, complete, get, part, start }) =>
    Effect.gen(function*() {
      const key = "uploads/unnamed"
      const id = yield* start(key)
      const { headers } = yield* part(key, id, 1, "named")
      yield* part(key, id, 2, "unnamed")
      const answer = yield* complete(key, id, [[1, headers["etag"]]])
      expect(brief(answer)).toBe(ceph ? "400 InvalidPart" : "200")
      if (!ceph) expect((yield* get(key)).text).toBe("named")
    }),
  "refuses to complete with wrong parts, and the upload stays": ({ ceph, complete, get, minPartSize, part, start }) =>
    Effect.gen(function*() {
      const key = "uploads/refused"
      const id = yield* start(key)
      const a = (yield* part(key, id, 1, letters("a", minPartSize))).headers["etag"]
      const b = (yield* part(key, id, 2, "b")).headers["etag"]
      const wrong: { readonly [error: string]: Parameters<typeof complete>[2] } = {
        [ceph ? "InvalidPart" : "InvalidPartOrder"]: [[2, b], [1, a]],
        InvalidPart: [[1, a], [2, a]],
        MalformedXML: []
      }
      for (const [error, parts] of Object.entries(wrong)) {
        expect(brief(yield* complete(key, id, parts))).toBe(`400 ${error}`)
      }
      expect(brief(yield* complete(key, id, [[1, a], [2, b]]))).toBe("200")
      expect((yield* get(key)).bytes.byteLength).toBe(minPartSize + 1)
    }),
  "refuses a small part that is not the last": ({ complete, part, start }) =>
    Effect.gen(function*() {
      const id = yield* start("uploads/small")
      const a = (yield* part("uploads/small", id, 1, "a")).headers["etag"]
      const b = (yield* part("uploads/small", id, 2, "b")).headers["etag"]
      expect(brief(yield* complete("uploads/small", id, [[1, a], [2, b]]))).toBe("400 EntityTooSmall")
    }),
  "completes an upload once; a repeat succeeds only at Ceph": ({ ceph, complete, get, part, start }) =>
    Effect.gen(function*() {
      const key = "uploads/twice"
      const id = yield* start(key)
      const { headers } = yield* part(key, id, 1, "a")
      const answers = yield* Effect.all([1, 2].map(() => complete(key, id, [[1, headers["etag"]]])))
      expect(answers.map(({ status }) => status)).toEqual([200, ceph ? 200 : 404])
      expect((yield* get(key)).text).toBe("a")
    }),
  "completes only if the key is new, where the request says so (not Ceph)": (
    { ceph, complete, get, part, put, start }
  ) =>
    Effect.gen(function*() {
      const key = "uploads/conditional"
      yield* put(key, "old")
      const id = yield* start(key)
      const { headers } = yield* part(key, id, 1, "new")
      const answer = yield* complete(key, id, [[1, headers["etag"]]], { "if-none-match": "*" })
      expect(brief(answer)).toBe(ceph ? "200" : "412 PreconditionFailed")
      expect((yield* get(key)).text).toBe(ceph ? "new" : "old")
    }),
  "answers 404 for an upload that was aborted or never existed": ({ abort, ceph, complete, part, start }) =>
    Effect.gen(function*() {
      const key = "uploads/aborted"
      const id = yield* start(key)
      const { headers } = yield* part(key, id, 1, "a")
      expect((yield* abort(key, id)).status).toBe(204)
      const answers = yield* Effect.all([abort(key, id), part(key, id, 1, "a"), part(key, "2~none", 1, "a")])
      expect(answers.map(brief)).toEqual(answers.map(() => "404 NoSuchUpload"))
      expect((yield* complete(key, id, [[1, headers["etag"]]])).status).toBe(ceph ? 500 : 404)
    }),
  "lists uploads in progress, in pages": ({ abort, ceph, listUploads, start }) =>
    Effect.gen(function*() {
      const keys = ["parts/a", "parts/a", "parts/b", "parts/c"]
      const started = yield* Effect.forEach(keys, (key) => Effect.map(start(key), (id) => `${key} ${id}`))
      const pairs = ({ all }: Answered) => all("UploadId").map((id, i) => `${all("Key")[i]} ${id}`)
      const found: Array<string> = []
      let markers: { readonly [name: string]: string } = {}
      for (let more = true; more;) {
        const page = yield* listUploads({ prefix: "parts/", "max-uploads": "1", ...markers })
        found.push(...pairs(page))
        markers = {
          "key-marker": page.all("NextKeyMarker")[0] ?? "",
          "upload-id-marker": page.all("NextUploadIdMarker")[0] ?? ""
        }
        more = page.all("IsTruncated")[0] === "true"
      }
      expect(found.sort()).toEqual([...started].sort())
      const after = yield* listUploads({ prefix: "parts/", "key-marker": "parts/a" })
      expect(after.all("Key")).toEqual(ceph ? keys : ["parts/b", "parts/c"])
      yield* Effect.forEach(started, (pair) => abort(pair.slice(0, 7), pair.slice(8)))
      expect((yield* listUploads({ prefix: "parts/" })).all("Key")).toEqual([])
    })
}
