import { RegistryError, RepositoryName } from "@effect-oci/core"
import { describe, expect, it } from "@effect/vitest"
import { Deferred, Effect } from "effect"
import { blobDigest, fill, image } from "../fixtures.js"
import { shout } from "../http.js"
import { answering, until } from "../probe.js"
import { check, checkLines, run } from "../rows.js"
import { start } from "../servers.js"
import type { Composition } from "../servers.js"

const long = (length: number) => "a".repeat(length)

/** Paths that a proxy may interpret in two ways, and invalid names. */
const paths: ReadonlyArray<readonly [name: string, path: string, status: number, code: string]> = [
  ["G1: upper case", "/v2/Team/app/manifests/v1", 400, "NAME_INVALID"],
  ["G1: an empty component between slashes", "/v2/team//app/manifests/v1", 400, "NAME_INVALID"],
  ["G1: no name at all", "/v2//manifests/v1", 400, "NAME_INVALID"],
  ["G1: a point at its end", "/v2/team./manifests/v1", 400, "NAME_INVALID"],
  ["G2: too long", `/v2/${long(256)}/manifests/v1`, 400, "NAME_INVALID"],
  ["G3: a tag too long", `/v2/team/app/manifests/${long(129)}`, 400, "TAG_INVALID"],
  ["G3: no tag at all", "/v2/team/app/manifests/", 400, "TAG_INVALID"],
  ["G3: a tag with a line's end", "/v2/team/app/manifests/v1%0A", 400, "TAG_INVALID"],
  ["T22, T52: a name with a line's end", "/v2/team%0d%0aset-cookie:x/manifests/v1", 400, "NAME_INVALID"],
  ["T22: a tag that a terminal obeys", "/v2/team/app/manifests/%1b%5b2J", 400, "TAG_INVALID"],
  ["T22: a digest that is a line", `/v2/team/app/blobs/${blobDigest}%0A`, 400, "DIGEST_INVALID"],
  ["T53: an encoded slash", "/v2/team%2fapp/manifests/v1", 400, "NAME_INVALID"],
  ["T53: upwards", "/v2/team/../app/manifests/v1", 400, "NAME_INVALID"],
  ["T53: upwards, encoded", "/v2/team/%2e%2e/app/manifests/v1", 400, "NAME_INVALID"],
  ["T53: upwards in one", "/v2/a%2f..%2fb/manifests/v1", 400, "NAME_INVALID"],
  ["T53: encoded twice", "/v2/team%252fapp/manifests/v1", 400, "NAME_INVALID"],
  ["T53: a malformed escape", "/v2/team%zz/manifests/v1", 400, "NAME_INVALID"],
  ["T53: half a character", "/v2/team/app/manifests/%ff", 400, "TAG_INVALID"],
  ["T53: slashes before", "//v2/team/app/manifests/v1", 404, "UNSUPPORTED"],
  ["T53: upwards out of it", "/v2/../v2/team/app/manifests/v1", 400, "NAME_INVALID"],
  ["3: upper case", "/V2/team/app/manifests/v1", 404, "UNSUPPORTED"],
  ["3: too much", "/v2/team/app/tags/list/more", 404, "UNSUPPORTED"]
]

/** Methods that a kind of path does not support. */
const methods: ReadonlyArray<readonly [path: string, allow: string, methods: ReadonlyArray<string>]> = [
  [`/v2/team/app/blobs/${blobDigest}`, "HEAD, GET, DELETE", ["POST", "PUT", "PATCH", "OPTIONS", "PROPFIND"]],
  ["/v2/team/app/manifests/v1", "HEAD, GET, PUT, DELETE", ["POST", "PATCH", "TRACE"]],
  ["/v2/team/app/blobs/uploads/", "POST", ["GET", "HEAD", "PUT", "PATCH", "DELETE"]],
  ["/v2/team/app/blobs/uploads/x", "GET, PATCH, PUT, DELETE", ["HEAD", "POST"]],
  ["/v2/team/app/tags/list", "GET", ["HEAD", "POST", "DELETE"]],
  [`/v2/team/app/referrers/${blobDigest}`, "GET", ["HEAD", "PUT"]],
  ["/v2/_catalog", "GET", ["HEAD", "POST"]]
]

const head = (lines: ReadonlyArray<string>) => `${lines.join("\r\n")}\r\n\r\n`

/** Requests that the HTTP parser of Node rejects. */
const garbage: ReadonlyArray<readonly [name: string, text: string]> = [
  ["a TLS hello", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"],
  ["words", "hello there\r\n\r\n"],
  ["a method of no HTTP", head(["G\tT /v2/ HTTP/1.1", "Host: a"])],
  ["a header without a colon", head(["GET /v2/ HTTP/1.1", "Host: a", "nonsense"])],
  ["T52: a bare line feed in a header", head(["GET /v2/ HTTP/1.1", "Host: a", "x: a\rb"])],
  ["a space before the colon", head(["GET /v2/ HTTP/1.1", "Host : a"])],
  ["a length of letters", head(["PUT /v2/team/app/manifests/v1 HTTP/1.1", "Host: a", "Content-Length: ten"])],
  ["a length below zero", head(["PUT /v2/team/app/manifests/v1 HTTP/1.1", "Host: a", "Content-Length: -1"])],
  [
    "two lengths",
    head(["PUT /v2/team/app/manifests/v1 HTTP/1.1", "Host: a", "Content-Length: 1", "Content-Length: 2"]) + "xx"
  ],
  [
    "a length and chunks",
    head(["PUT /v2/team/app/manifests/v1 HTTP/1.1", "Host: a", "Content-Length: 5", "Transfer-Encoding: chunked"]) +
    "0\r\n\r\n"
  ],
  [
    "a chunk of no size",
    head(["PUT /v2/team/app/manifests/v1 HTTP/1.1", "Host: a", "Content-Type: a/b", "Transfer-Encoding: chunked"]) +
    "zz\r\nabc\r\n"
  ],
  ["unknown coding", head(["PUT /v2/team/app/manifests/v1 HTTP/1.1", "Host: a", "Transfer-Encoding: gzip"]) + "x"]
]

export const refusals = (composition: Composition) =>
  describe("refusals", () => {
    const filled = Effect.gen(function*() {
      const running = yield* start(composition)
      yield* fill(running.registry)
      const before = running.lines.length
      return { ...running, logged: () => running.lines.slice(before) }
    })

    it.scoped.each(paths)("%s", ([, path, status, code]) =>
      Effect.gen(function*() {
        const running = yield* filled
        yield* run(running, { path }, { status, code })
        yield* run(running, { path: `${path}?q=%00`, method: "HEAD" }, { status, body: "" })
        yield* run(running, { path, method: "POST", body: "x" }, {
          status: code === "UNSUPPORTED" ? 404 : 405,
          code: "UNSUPPORTED"
        })
        check(yield* running.ask({ path: "/v2/team/app/manifests/v1" }), { status: 200, body: image })
      }))

    it.scoped.each(methods)("refuses unsupported methods of %s (rule 3)", ([path, allow, methods]) =>
      Effect.gen(function*() {
        const running = yield* filled
        for (const method of methods) {
          const expected = { status: 405, headers: { allow } }
          yield* run(running, { method, path }, method === "HEAD" ? expected : { ...expected, code: "UNSUPPORTED" })
        }
      }))

    it.scoped("accepts the longest names (G1, G3)", () =>
      Effect.gen(function*() {
        const running = yield* start(composition)
        const name = RepositoryName.make(long(255))
        yield* fill(running.registry, name)
        yield* run(running, { path: `/v2/${name}/manifests/v1` }, { status: 200, body: image })
        yield* run(running, { path: `/v2/${name}/manifests/${long(128)}` }, { status: 404, code: "MANIFEST_UNKNOWN" })
      }))

    it.scoped("accepts a target in absolute form", () =>
      Effect.gen(function*() {
        const running = yield* filled
        yield* run(running, { path: "http://registry.example:5000/v2/team/app/manifests/v1" }, {
          status: 200,
          body: image
        })
        yield* run(running, { path: "http://registry.example" }, { status: 404, code: "UNSUPPORTED" })
        yield* run(running, { path: "http://alice:CANARY@registry.example/x?CANARY" }, {
          status: 404,
          code: "UNSUPPORTED"
        })
        expect(JSON.stringify(running.logged())).not.toContain("CANARY")
      }))

    it.scoped("answers a request without a path", () =>
      Effect.gen(function*() {
        const running = yield* filled
        const answer = yield* shout(running.port, head(["OPTIONS * HTTP/1.1", "Host: a", "Connection: close"]))
        expect(answer).toMatch(/^HTTP\/1\.1 404 /)
        checkLines(running.logged())
      }))

    it.scoped("sends no request header back in a response header (T52)", () =>
      Effect.gen(function*() {
        const running = yield* filled
        const answer = yield* running.ask({
          method: "PUT",
          path: "/v2/team/app/manifests/v2",
          headers: { "content-type": "application/\x80\xff x; a=b" },
          body: "{}"
        })
        expect(answer.status).toBeLessThan(500)
        check(yield* running.ask({ path: "/v2/" }), { status: 200 })
      }))

    it.scoped.each(garbage)("garbage: %s", ([, text]) =>
      Effect.gen(function*() {
        const running = yield* filled
        const answer = yield* shout(running.port, Buffer.from(text, "latin1"))
        expect(answer).toMatch(/^HTTP\/1\.1 4\d\d /)
        if (composition.ownsSockets) {
          expect(answer).toMatch(/\r\nContent-Type: application\/json\r\n/i)
          const { errors } = JSON.parse(answer.slice(answer.indexOf("\r\n\r\n"))) as { errors: Array<unknown> }
          expect(errors).toHaveLength(1)
          yield* until(() =>
            running.logged().length > 0
          )
          checkLines(running.logged())
        }
        check(yield* running.ask({ path: "/v2/team/app/tags/list" }), {
          status: 200,
          body: { name: "team/app", tags: ["v1"] }
        })
      }))

    it.scoped("answers garbage after a request once, after the answer to the request", () =>
      Effect.gen(function*() {
        const end = yield* Deferred.make<void>()
        const running = yield* start(composition, {
          registry: answering({
            GetManifest: () => Effect.zipRight(Deferred.await(end), Effect.fail(new RegistryError.ManifestUnknown({})))
          })
        })
        const connection = yield* running.connect
        yield* connection.write(head(["GET /v2/team/app/manifests/v1 HTTP/1.1", "Host: a"]))
        for (const _ of [1, 2, 3]) {
          yield* connection.write("garbage\r\n\r\n")
          check(yield* running.ask({ path: "/v2/" }), { status: 200 })
        }
        yield* Deferred.succeed(end, undefined)
        const text = yield* connection.closed
        if (composition.ownsSockets) {
          expect(text.match(/(?<=HTTP\/1\.1 )\d+/g)).toEqual(["404", "400"])
          checkLines(running.lines)
        }
      }))

    it.scoped("answers garbage from a client that reads only after it has sent everything", () =>
      Effect.gen(function*() {
        const running = yield* filled
        const connection = yield* running.connect
        connection.socket.pause()
        for (let sent = 0; sent < 64; sent++) yield* connection.write(`garbage ${long(64 * 1024)}\r\n`)
        connection.socket.resume()
        if (composition.ownsSockets) {
          expect(yield* connection.closed).toMatch(/^HTTP\/1\.1 400 [^]*"code":"UNSUPPORTED"/)
          checkLines(running.logged())
        }
        check(yield* running.ask({ path: "/v2/" }), { status: 200 })
      }))

    it.scoped.each(
      [["one header", 20_000, 1], ["many headers", 100, 400]] as const
    )("answers 431 if %s is too large, and the client receives it (T36)", ([, size, count]) =>
      Effect.gen(function*() {
        const running = yield* filled
        const headers = Array.from({ length: count }, (_, index) => `x-${index}: ${long(size)}`)
        const answer = yield* shout(running.port, head(["GET /v2/ HTTP/1.1", "Host: a", ...headers]))
        expect(answer).toMatch(/^HTTP\/1\.1 431 /)
        check(yield* running.ask({ path: "/v2/" }), { status: 200 })
      }))
  })
