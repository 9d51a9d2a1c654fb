/** The behaviour of S3 that a blob store relies on, for any S3. */
import type * as S3 from "@effect-oci/testing/S3"
import type * as HttpClient from "@effect/platform/HttpClient"
import { it } from "@effect/vitest"
import { Effect } from "effect"
import type { Layer, Scope } from "effect"
import { describe, expect } from "vitest"
import { send } from "./s3Client.js"
import type { Answered, Target } from "./s3Client.js"

export interface Behaviour {
  readonly target: Effect.Effect<Target, never, HttpClient.HttpClient | Scope.Scope>
  readonly layer: Layer.Layer<HttpClient.HttpClient>
  /** The least size of a part, except for the last part. */
  readonly minPartSize: number
  readonly dialect: S3.Dialect
}

const brief = ({ code, status }: Answered) => code === undefined ? String(status) : `${status} ${code}`

const partsDocument = (parts: ReadonlyArray<readonly [number: number, etag: string | undefined]>) =>
  `<CompleteMultipartUpload>${
    parts.map(([number, etag]) => `<Part><PartNumber>${number}</PartNumber><ETag>${etag}</ETag></Part>`).join("")
  }</CompleteMultipartUpload>`

const escaped = (key: string) => key.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;")

/** The same bytes as their length times a letter. */
const letters = (letter: string, length: number) => new Uint8Array(length).fill(letter.charCodeAt(0))

const calls = (to: Target, { dialect, minPartSize }: Behaviour) => {
  const ceph = dialect === "ceph"
  const put = (key: string, body: string | Uint8Array<ArrayBuffer>, headers = {}) =>
    send(to, "PUT", { key, body, headers })
  const get = (key: string, headers = {}) => send(to, "GET", { key, headers })
  const start = (key: string) =>
    Effect.map(send(to, "POST", { key, query: { uploads: "" } }), ({ all }) => all("UploadId")[0] ?? "")
  const part = (key: string, uploadId: string, partNumber: number, body: string | Uint8Array<ArrayBuffer>) =>
    send(to, "PUT", { key, query: { partNumber: String(partNumber), uploadId }, body })
  const complete = (key: string, uploadId: string, parts: Parameters<typeof partsDocument>[0], headers = {}) =>
    send(to, "POST", { key, query: { uploadId }, body: partsDocument(parts), headers })
  const abort = (key: string, uploadId: string) => send(to, "DELETE", { key, query: { uploadId } })
  const list = (query: { readonly [name: string]: string }) =>
    send(to, "GET", { query: { "list-type": "2", ...query } })
  const listUploads = (query: { readonly [name: string]: string }) =>
    send(to, "GET", { query: { uploads: "", ...query } })
  const deleteAll = (keys: ReadonlyArray<string>, quiet = false) => {
    const objects = keys.map((key) => `<Object><Key>${escaped(key)}</Key></Object>`).join("")
    const body = `<Delete>${quiet ? "<Quiet>true</Quiet>" : ""}${objects}</Delete>`
    return Effect.flatMap(
      Effect.promise(() => crypto.subtle.digest("SHA-256", new TextEncoder().encode(body))),
      (hash) =>
        send(to, "POST", {
          query: { delete: "" },
          headers: { "x-amz-checksum-sha256": Buffer.from(hash).toString("base64") },
          body
        })
    )
  }
  return { put, get, start, part, complete, abort, list, listUploads, deleteAll, minPartSize, to, ceph }
}

type Calls = ReturnType<typeof calls>

type Checks = {
  readonly [title: string]: (calls: Calls) => Effect.Effect<void, unknown, HttpClient.HttpClient>
}

const objects: Checks = {
  "returns an object, its size, its ETag and its type": ({ get, put, to }) =>
    Effect.gen(function*() {
      const stored = yield* put("objects/a", "hello", { "content-type": "text/plain" })
      const got = yield* get("objects/a")
      const head = yield* send(to, "HEAD", { key: "objects/a" })
      const shown = (
        { headers, status }: Answered
      ) => [status, headers["content-length"], headers["etag"], headers["content-type"]]
      expect(stored.headers["etag"]).toBe("\"5d41402abc4b2a76b9719d911017c592\"")
      expect([got, head].map(shown)).toEqual([got, head].map(() => [200, "5", stored.headers["etag"], "text/plain"]))
      expect([got.text, head.text]).toEqual(["hello", ""])
      expect(Date.parse(got.headers["last-modified"] ?? "")).not.toBeNaN()
    }),
  "returns a range of an object": ({ get, put }) =>
    Effect.gen(function*() {
      yield* put("objects/range", "0123456789")
      const ranges = ["bytes=2-4", "bytes=7-", "bytes=-3", "bytes=8-100", "bytes=0-0"]
      const got = yield* Effect.forEach(ranges, (range) => get("objects/range", { range }))
      expect(got.map(({ headers, status, text }) => [status, text, headers["content-range"]])).toEqual([
        [206, "234", "bytes 2-4/10"],
        [206, "789", "bytes 7-9/10"],
        [206, "789", "bytes 7-9/10"],
        [206, "89", "bytes 8-9/10"],
        [206, "0", "bytes 0-0/10"]
      ])
    }),
  "answers 416 to a range after the end": ({ get, put }) =>
    Effect.gen(function*() {
      yield* put("objects/range", "0123456789")
      yield* put("objects/empty", "")
      const after = yield* get("objects/range", { range: "bytes=10-12" })
      const empty = yield* get("objects/empty", { range: "bytes=0-" })
      expect([after, empty].map(brief)).toEqual(["416 InvalidRange", "416 InvalidRange"])
    }),
  "stores an empty object": ({ get, put }) =>
    Effect.gen(function*() {
      yield* put("objects/empty", "")
      const { bytes, headers, status } = yield* get("objects/empty")
      expect([status, headers["content-length"], bytes.byteLength]).toEqual([200, "0", 0])
    }),
  "replaces an object": ({ get, put }) =>
    Effect.gen(function*() {
      yield* put("objects/twice", "one")
      yield* put("objects/twice", "two")
      expect((yield* get("objects/twice")).text).toBe("two")
    }),
  "keeps keys with any characters apart": ({ get, put }) =>
    Effect.gen(function*() {
      const keys = [
        "a b",
        "a+b",
        "a%20b",
        "a&b<c>\"'",
        "ü/ß/漢字/😀",
        "(a)!*'~",
        "a=b?c#d:@",
        "a//b",
        "a/b/",
        "ä",
        "a\u0308"
      ].map((key) => `keys/${key}`)
      yield* Effect.forEach(keys, (key) => put(key, key))
      const got = yield* Effect.forEach(keys, (key) => get(key))
      expect(got.map(({ text }) => text)).toEqual(keys)
    }),
  "answers 404 for keys and buckets that do not exist": ({ get, to }) =>
    Effect.gen(function*() {
      const elsewhere = { ...to, bucket: "no-such-bucket" }
      const answers = yield* Effect.all([
        get("objects/absent"),
        send(elsewhere, "GET", { key: "a" }),
        send(elsewhere, "PUT", { key: "a", body: "a" }),
        send(elsewhere, "GET", { query: { "list-type": "2" } }),
        send(to, "HEAD", { key: "objects/absent" })
      ])
      expect(answers.map(brief)).toEqual([
        "404 NoSuchKey",
        "404 NoSuchBucket",
        "404 NoSuchBucket",
        "404 NoSuchBucket",
        "404"
      ])
    }),
  "deletes an object, and succeeds if it does not exist": ({ get, put, to }) =>
    Effect.gen(function*() {
      yield* put("objects/deleted", "a")
      const [first, second] = yield* Effect.all([1, 2].map(() => send(to, "DELETE", { key: "objects/deleted" })))
      expect([first?.status, second?.status]).toEqual([204, 204])
      expect(brief(yield* get("objects/deleted"))).toBe("404 NoSuchKey")
    }),
  "deletes many objects, also those that do not exist": ({ deleteAll, get, put }) =>
    Effect.gen(function*() {
      const keys = ["delete/a", "delete/b&<>\"'", "delete/absent"]
      yield* put("delete/a", "a")
      yield* put("delete/b&<>\"'", "b")
      const answer = yield* deleteAll(keys)
      expect([answer.status, answer.all("Deleted").length, answer.all("Error")]).toEqual([200, 3, []])
      expect((yield* Effect.forEach(keys, (key) => get(key))).map(({ status }) => status)).toEqual([404, 404, 404])
      const quiet = yield* deleteAll(keys, true)
      expect([quiet.status, quiet.all("Deleted"), quiet.all("Error")]).toEqual([200, [], []])
    }),
  "refuses a document that is not XML": ({ to }) =>
    Effect.gen(function*() {
      const md5 = { "content-md5": "gdyb21LQTcIANtvYMT7QVQ==" } // of "1234"
      const answer = yield* send(to, "POST", { query: { delete: "" }, headers: md5, body: "1234" })
      expect(answer.status).toBe(400)
    }),
  "writes only if the key is new, where the request says so": ({ get, put }) =>
    Effect.gen(function*() {
      const absent = { "if-none-match": "*" }
      const key = `conditional/${crypto.randomUUID()}`
      const first = yield* put(key, "first", absent)
      const second = yield* put(key, "second", absent)
      expect([first, second].map(brief)).toEqual(["200", "412 PreconditionFailed"])
      expect((yield* get(key)).text).toBe("first")
    })
}

const lists: Checks = {
  "lists keys by the bytes of UTF-8, in pages": ({ list, put }) =>
    Effect.gen(function*() {
      const keys = ["list/A", "list/a", "list/a/b", "list/a0", "list/\uffee", "list/😀"]
      yield* Effect.forEach([...keys].reverse(), (key) => put(key, key))
      const all = yield* list({ prefix: "list/" })
      expect(all.all("Key")).toEqual(keys)
      expect(all.all("Size")).toEqual(keys.map((key) => String(Buffer.byteLength(key))))
      expect([all.all("IsTruncated"), all.all("KeyCount")]).toEqual([["false"], ["6"]])
      const pages: Array<ReadonlyArray<string>> = []
      let token: string | undefined
      do {
        const continued: { readonly [name: string]: string } = token === undefined
          ? {}
          : { "continuation-token": token }
        const page = yield* list({ prefix: "list/", "max-keys": "2", ...continued })
        pages.push(page.all("Key"))
        token = page.all("NextContinuationToken")[0]
        expect(page.all("IsTruncated")).toEqual([String(token !== undefined)])
      } while (token !== undefined)
      expect(pages).toEqual([keys.slice(0, 2), keys.slice(2, 4), keys.slice(4)])
    }),
  "lists after a key that need not exist": ({ list, put }) =>
    Effect.gen(function*() {
      yield* Effect.forEach(["after/a", "after/c"], (key) => put(key, key))
      const starts = ["after/a", "after/b", "after/c", "after/"]
      const found = yield* Effect.forEach(starts, (after) => list({ prefix: "after/", "start-after": after }))
      expect(found.map(({ all }) => all("Key"))).toEqual([["after/c"], ["after/c"], [], ["after/a", "after/c"]])
    }),
  "encodes keys in a list": ({ list, put }) =>
    Effect.gen(function*() {
      const keys = ["url/ +%&<", "url/\u0001\r\n", "url/ü/😀"]
      yield* Effect.forEach(keys, (key) => put(key, key))
      const listed = yield* list({ prefix: "url/", "encoding-type": "url" })
      const decoded = listed.all("Key").map((key) => decodeURIComponent(key.replace(/\+/g, "%20")))
      expect([decoded, listed.all("EncodingType")]).toEqual([[keys[1], keys[0], keys[2]], ["url"]])
    }),
  "lists folders in place of their objects, in pages": ({ list, put }) =>
    Effect.gen(function*() {
      yield* Effect.forEach(["folders/a/1", "folders/a/2", "folders/b", "folders/c/1", "folders/c/2"], (key) =>
        put(key, key))
      const folders = { prefix: "folders/", delimiter: "/" }
      const entries = ({ all }: Answered) => [...all("CommonPrefixes"), ...all("Key")]
      const [a, b, c] = ["<Prefix>folders/a/</Prefix>", "folders/b", "<Prefix>folders/c/</Prefix>"]
      expect(entries(yield* list(folders))).toEqual([a, c, b])
      expect(entries(yield* list({ ...folders, "start-after": "folders/a0" }))).toEqual([c, b])
      const first = yield* list({ ...folders, "max-keys": "1" })
      const token = first.all("NextContinuationToken")[0] ?? ""
      const second = yield* list({ ...folders, "max-keys": "2", "continuation-token": token })
      expect([first, second].map(entries)).toEqual([[a], [c, b]])
    }),
  "returns an empty page": ({ list, put }) =>
    Effect.gen(function*() {
      yield* put("page/a", "a")
      const empty = yield* Effect.all([list({ prefix: "page/", "max-keys": "0" }), list({ prefix: "page/nothing" })])
      expect(empty.map(({ all, status }) => [status, all("Key"), all("IsTruncated")])).toEqual(
        empty.map(() => [200, [], ["false"]])
      )
    })
}

const uploads: Checks = {
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

const signatures: Checks = {
  "verifies the hash of the body that is signed": ({ put }) =>
    Effect.gen(function*() {
      const hash = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
      const answers = yield* Effect.forEach(["hello", "hullo"], (body) =>
        put("signed/body", body, { "x-amz-content-sha256": hash }))
      expect(answers.map(brief)).toEqual(["200", "400 XAmzContentSHA256Mismatch"])
      expect(brief(yield* put("signed/body", "any", { "x-amz-content-sha256": "UNSIGNED-PAYLOAD" }))).toBe("200")
    }),
  "refuses wrong credentials": ({ to }) =>
    Effect.gen(function*() {
      const secret = { ...to, credentials: { ...to.credentials, secretAccessKey: "wrong" } }
      const unknown = { ...to, credentials: { ...to.credentials, accessKeyId: "AKIDUNKNOWN" } }
      const answers = yield* Effect.forEach([secret, unknown], (as) => send(as, "GET", { key: "signed/a" }))
      expect(answers.map(brief)).toEqual(["403 SignatureDoesNotMatch", "403 InvalidAccessKeyId"])
    }),
  "refuses requests from another time": ({ to }) =>
    Effect.gen(function*() {
      const answers = yield* Effect.forEach([-16, 16, -14], (minutes) =>
        send(to, "GET", { key: "signed/b" }, { minutes }))
      expect(answers.map(brief)).toEqual(["403 RequestTimeTooSkewed", "403 RequestTimeTooSkewed", "404 NoSuchKey"])
    }),
  "serves a presigned URL until it expires": ({ put, to }) =>
    Effect.gen(function*() {
      yield* put("signed/url", "hello")
      const query = { "response-content-type": "text/plain" }
      const fresh = yield* send(to, "GET", { key: "signed/url", query }, { expires: 60 })
      expect([fresh.status, fresh.text, fresh.headers["content-type"]]).toEqual([200, "hello", "text/plain"])
      const old = yield* send(to, "GET", { key: "signed/url" }, { expires: 60, minutes: -2 })
      expect(brief(old)).toBe("403 AccessDenied")
    })
}

/** Registers the tests. Each of them acquires the target. */
export const behaviour = (at: Behaviour): void => {
  for (const [group, checks] of Object.entries({ objects, lists, uploads, signatures })) {
    describe(group, () => {
      for (const [title, check] of Object.entries(checks)) {
        it.scopedLive(
          title,
          () => Effect.flatMap(at.target, (to) => check(calls(to, at))).pipe(Effect.provide(at.layer))
        )
      }
    })
  }
}
