import { ReferenceSet, Registry, RegistryError } from "@effect-oci/core"
import type { Operation } from "@effect-oci/core"
import { Filter, ReadOnly } from "@effect-oci/middleware"
import { Memory } from "@effect-oci/store"
import { describe, expect, it } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { absent, blob, blobDigest, fill, image } from "../fixtures.js"
import { check } from "../rows.js"
import type { Row } from "../rows.js"
import { start } from "../servers.js"
import type { Composition } from "../servers.js"

const blobPath = `/v2/team/app/blobs/${blobDigest}`
const cdn = new URL("https://cdn.example/a?signature=CANARY&x=é")

const page = { origin: "https://ui.example" }
const asks = { ...page, "access-control-request-method": "PUT", "access-control-request-headers": "authorization" }

const crossing: ReadonlyArray<Row> = [
  ["preflight request", { method: "OPTIONS", path: "/v2/team/app/manifests/v1", headers: asks }, {
    status: 204,
    headers: {
      "access-control-allow-origin": "https://ui.example",
      "access-control-allow-methods": "HEAD, GET, PUT, DELETE",
      "access-control-allow-headers": /\bauthorization\b/,
      "access-control-max-age": "3600",
      vary: "origin"
    },
    body: ""
  }],
  ["an answer that the page may read", { path: "/v2/team/app/manifests/v1", headers: page }, {
    status: 200,
    headers: {
      "access-control-allow-origin": "https://ui.example",
      "access-control-expose-headers": /\bdocker-content-digest\b/,
      vary: "origin"
    },
    body: image
  }],
  ["an error that the page may read", { path: "/v2/team/app/manifests/v2", headers: page }, {
    status: 404,
    headers: { "access-control-allow-origin": "https://ui.example" },
    code: "MANIFEST_UNKNOWN"
  }],
  ["another page", { path: "/v2/", headers: { origin: "https://evil.example" } }, {
    status: 200,
    headers: { "access-control-allow-origin": undefined, vary: "origin" }
  }],
  ["preflight request of another page", {
    method: "OPTIONS",
    path: "/v2/",
    headers: { ...asks, origin: "https://ui.example.evil" }
  }, { status: 405, headers: { "access-control-allow-origin": undefined } }],
  ["no page", { path: "/v2/" }, { status: 200, headers: { "access-control-allow-origin": undefined, vary: "origin" } }],
  ["another OPTIONS", { method: "OPTIONS", path: "/v2/", headers: page }, { status: 405 }]
]

/** The headers by which a browser is recognized over plain http. */
const chromium = { "user-agent": "Mozilla/5.0 (X11; Linux x86_64) Chrome/140", "accept-language": "en" }

const writing: ReadonlyArray<readonly [name: string, headers: Record<string, string>, status: number]> = [
  ["a program", {}, 202],
  ["a program, behind a proxy", { host: "10.0.0.7:5000", "x-forwarded-host": "registry.example" }, 202],
  ["a page of the registry", { origin: "https://registry.example", "sec-fetch-site": "same-origin" }, 202],
  ["a page of the registry, behind a proxy", { host: "127.0.0.1:1", origin: "https://registry.example" }, 202],
  ["a page that cors allows", { origin: "https://ui.example", "sec-fetch-site": "cross-site" }, 202],
  ["a user", { "sec-fetch-site": "none" }, 202],
  ["a page of another site", { origin: "https://evil.example", "sec-fetch-site": "cross-site" }, 403],
  ["a page of the same site", { origin: "https://blog.example", "sec-fetch-site": "same-site" }, 403],
  ["a page without an origin", { origin: "null" }, 403],
  ["a form of another site, over plain http", { origin: "http://evil.example" }, 403],
  ["a page on another port", { host: "127.0.0.1:1", origin: "http://127.0.0.1:2" }, 403],
  ["a simple request", { "sec-fetch-site": "cross-site", "content-type": "text/plain" }, 403]
]

const naming: ReadonlyArray<readonly [name: string, headers: Record<string, string>, status: number]> = [
  ["an address", { host: "192.168.1.2:5000", "sec-fetch-site": "none" }, 200],
  ["an address of IPv6", { host: "[::1]:5000", "sec-fetch-site": "none" }, 200],
  ["localhost", { host: "LOCALHOST:5000", "sec-fetch-site": "none" }, 200],
  ["one below localhost", { host: "registry.localhost", "sec-fetch-site": "none" }, 200],
  ["the name of the server, on any port", { host: "Registry.example:8443", "sec-fetch-site": "cross-site" }, 200],
  ["another name", { host: "rebound.example", "sec-fetch-site": "same-origin" }, 403],
  ["another name that looks like an address", { host: "127.0.0.1.rebound.example", "sec-fetch-site": "none" }, 403],
  ["another name, over plain http", { host: "rebound.example", ...chromium }, 403],
  ["another name, of a program", { host: "rebound.example" }, 200],
  ["another name, of Node's fetch", { host: "a.example", "sec-fetch-mode": "cors", "accept-language": "*" }, 200]
]

export const options = (composition: Composition) => {
  describe("address", () => {
    const open = (address: string) => ({
      method: "POST",
      path: "/v2/team/app/blobs/uploads/",
      headers: { "content-length": "0", "x-address": address }
    })

    it.scoped("distinguishes anonymous clients by their network, for limits per caller (T42, T61)", () =>
      Effect.gen(function*() {
        const running = yield* start(composition, {
          registry: Memory.layer({ maxUploadsPerCaller: 1 }),
          address: ({ headers }) => headers["x-address"]
        })
        const begin = (address: string) =>
          Effect.gen(function*() {
            const { headers } = yield* running.ask(open(address))
            yield* running.ask({ method: "PATCH", path: String(headers.location), body: "hello" })
          })
        yield* begin("192.0.2.1")
        check(yield* running.ask(open("192.0.2.1")), { status: 429, code: "TOOMANYREQUESTS" })
        check(yield* running.ask(open("192.0.2.2")), { status: 202 })
        yield* begin("2001:db8::1")
        check(yield* running.ask(open("2001:db8::2")), { status: 429, code: "TOOMANYREQUESTS" })
        check(yield* running.ask(open("2001:db8:0:1::1")), { status: 202 })
      }))
  })

  describe("redirect", () => {
    const redirecting = (
      redirect: (operation: Operation.GetBlob) => Effect.Effect<URL | undefined, RegistryError.RegistryError>,
      wrap: (registry: Layer.Layer<Registry>) => Layer.Layer<Registry> = ReadOnly.wrap()
    ) =>
      Effect.gen(function*() {
        const context = yield* Layer.build(Memory.layer())
        yield* fill(Context.get(context, Registry))
        return yield* start(composition, { registry: wrap(Layer.succeedContext(context)), redirect })
      })

    it.scoped("redirects to another URL of a blob (rule 27)", () =>
      Effect.gen(function*() {
        const operations: Array<unknown> = []
        const { ask, lines } = yield* redirecting((operation) => {
          operations.push(operation)
          return Effect.succeed(cdn)
        })
        const expected = {
          status: 307,
          headers: {
            location: "https://cdn.example/a?signature=CANARY&x=%C3%A9",
            "content-length": "0",
            "cache-control": "no-store",
            "docker-content-digest": blobDigest
          },
          body: ""
        }
        check(yield* ask({ path: blobPath }), expected)
        check(yield* ask({ path: blobPath, headers: { range: "bytes=5-9" } }), expected)
        expect(operations).toMatchObject([{ digest: blobDigest }, { range: { offset: 5, length: 5 } }])
        check(yield* ask({ method: "HEAD", path: blobPath }), {
          status: 200,
          headers: { "content-length": "2048" },
          body: ""
        })
        expect(operations).toHaveLength(2)
        expect(JSON.stringify(lines)).not.toContain("CANARY")
      }))

    it.scoped("sends the blob itself if there is no other URL, and fails if `redirect` fails", () =>
      Effect.gen(function*() {
        const { ask } = yield* redirecting(({ range }) =>
          range === undefined ? Effect.sync(() => undefined) : Effect.fail(new RegistryError.Unavailable({}))
        )
        check(yield* ask({ path: blobPath }), { status: 200, body: blob })
        check(yield* ask({ path: blobPath, headers: { range: "bytes=5-9" } }), { status: 503, code: "UNAVAILABLE" })
      }))

    it.scoped("does not redirect a caller who may not see the blob (T33)", () =>
      Effect.gen(function*() {
        let calls = 0
        const hidden = Filter.wrap({ select: ReferenceSet.prefix("public/") })
        const { ask } = yield* redirecting(() => {
          calls += 1
          return Effect.succeed(cdn)
        }, hidden)
        expect((yield* ask({ path: blobPath })).status).toBe(404)
        expect((yield* ask({ path: `/v2/public/app/blobs/${absent}` })).status).toBe(404)
        expect(calls).toBe(0)
      }))
  })

  describe("cors", () => {
    it.scoped.each(crossing)("%s", ([, sent, expected]) =>
      Effect.gen(function*() {
        const running = yield* start(composition, { cors: { origins: ["https://ui.example"] } })
        yield* fill(running.registry)
        check(yield* running.ask(sent), expected)
      }))

    it.scoped("allows all pages with `*`", () =>
      Effect.gen(function*() {
        const { ask } = yield* start(composition, { cors: { origins: "*", maxAge: "10 seconds" } })
        const all = { "access-control-allow-origin": "*", vary: undefined }
        check(yield* ask({ path: "/v2/", headers: page }), { status: 200, headers: all })
        check(yield* ask({ method: "OPTIONS", path: "/v2/", headers: asks }), {
          status: 204,
          headers: { ...all, "access-control-max-age": "10", "access-control-allow-methods": "GET, HEAD" }
        })
      }))

    it.scoped("allows no pages by default", () =>
      Effect.gen(function*() {
        const { ask } = yield* start(composition)
        check(yield* ask({ path: "/v2/", headers: page }), {
          status: 200,
          headers: { "access-control-allow-origin": undefined }
        })
      }))
  })

  describe("browsers", () => {
    const uploads = { method: "POST", path: "/v2/team/app/blobs/uploads/" }
    const hostName = "registry.example"

    it.scoped.each(writing)("writes of web pages (T66): %s", ([, headers, status]) =>
      Effect.gen(function*() {
        const cors = { origins: ["https://ui.example"] }
        const { ask } = yield* start(composition, { cors, hosts: [hostName, "registry.example:8443"] })
        const answer = yield* ask({ ...uploads, headers: { host: hostName, ...headers } })
        expect(answer.status).toBe(status)
        if (status === 403) expect(answer.text).toContain("list the origin of the page in the option `cors`")
      }))

    it.scoped.each(naming)("hosts that browsers use (T66): %s", ([, headers, status]) =>
      Effect.gen(function*() {
        const { ask } = yield* start(composition, { hosts: [hostName] })
        const answer = yield* ask({ path: "/v2/", headers })
        expect(answer.status).toBe(status)
        if (status === 403) expect(answer.text).toContain("list the name in the option `hosts`")
      }))

    it.scoped("allows pages of all origins if `cors` allows all", () =>
      Effect.gen(function*() {
        const { ask } = yield* start(composition, { cors: { origins: "*" } })
        const headers = { host: "any.example", origin: "https://page.example", "sec-fetch-site": "cross-site" }
        expect((yield* ask({ ...uploads, headers })).status).toBe(202)
      }))

    it.scoped("protects mounts too", () =>
      Effect.gen(function*() {
        const { ask } = yield* start(composition, {
          mounts: { "/token": () => Effect.succeed({ status: 200, headers: {}, body: undefined }) }
        })
        const headers = { host: "rebound.example", "sec-fetch-site": "same-origin" }
        expect((yield* ask({ path: "/token", headers })).status).toBe(403)
        expect((yield* ask({ path: "/token", headers: { host: "rebound.example" } })).status).toBe(200)
      }))
  })
}
