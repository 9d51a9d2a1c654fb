/** Checks of objects, and of their lists. */
import { expect } from "@effect/vitest"
import { Effect } from "effect"
import { brief } from "./s3Calls.js"
import type { Checks } from "./s3Calls.js"
import { send } from "./s3Client.js"
import type { Answered } from "./s3Client.js"

export const objects: Checks = {
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

export const lists: Checks = {
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
