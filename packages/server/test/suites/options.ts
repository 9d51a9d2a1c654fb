import { ReferenceSet, Registry, RegistryError } from "@effect-oci/core"
import type { Operation } from "@effect-oci/core"
import { Filter, ReadOnly } from "@effect-oci/middleware"
import { Memory } from "@effect-oci/store"
import { describe, expect, it } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import type { Option } from "effect"
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
  ["what is asked before a request", { method: "OPTIONS", path: "/v2/team/app/manifests/v1", headers: asks }, {
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
  ["an answer, which it may read", { path: "/v2/team/app/manifests/v1", headers: page }, {
    status: 200,
    headers: {
      "access-control-allow-origin": "https://ui.example",
      "access-control-expose-headers": /\bdocker-content-digest\b/,
      vary: "origin"
    },
    body: image
  }],
  ["an error, which it may read", { path: "/v2/team/app/manifests/v2", headers: page }, {
    status: 404,
    headers: { "access-control-allow-origin": "https://ui.example" },
    code: "MANIFEST_UNKNOWN"
  }],
  ["another page", { path: "/v2/", headers: { origin: "https://evil.example" } }, {
    status: 200,
    headers: { "access-control-allow-origin": undefined, vary: "origin" }
  }],
  ["what another page asks before", {
    method: "OPTIONS",
    path: "/v2/",
    headers: { ...asks, origin: "https://ui.example.evil" }
  }, { status: 405, headers: { "access-control-allow-origin": undefined } }],
  ["no page", { path: "/v2/" }, { status: 200, headers: { "access-control-allow-origin": undefined, vary: "origin" } }],
  ["another OPTIONS", { method: "OPTIONS", path: "/v2/", headers: page }, { status: 405 }]
]

export const options = (composition: Composition) => {
  describe("address", () => {
    const open = (address: string) => ({
      method: "POST",
      path: "/v2/team/app/blobs/uploads/",
      headers: { "content-length": "0", "x-address": address }
    })

    it.scoped("tells anonymous clients apart, by their network, for limits per caller (T42, T61)", () =>
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
      redirect: (operation: Operation.GetBlob) => Effect.Effect<Option.Option<URL>, RegistryError.RegistryError>,
      wrap: (registry: Layer.Layer<Registry>) => Layer.Layer<Registry> = ReadOnly.wrap()
    ) =>
      Effect.gen(function*() {
        const context = yield* Layer.build(Memory.layer())
        yield* fill(Context.get(context, Registry))
        return yield* start(composition, { registry: wrap(Layer.succeedContext(context)), redirect })
      })

    it.scoped("27: a blob that is elsewhere", () =>
      Effect.gen(function*() {
        const asked: Array<unknown> = []
        const { ask, lines } = yield* redirecting((operation) => {
          asked.push(operation)
          return Effect.succeedSome(cdn)
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
        expect(asked).toMatchObject([{ digest: blobDigest }, { range: { offset: 5, length: 5 } }])
        check(yield* ask({ method: "HEAD", path: blobPath }), {
          status: 200,
          headers: { "content-length": "2048" },
          body: ""
        })
        expect(asked).toHaveLength(2)
        expect(JSON.stringify(lines)).not.toContain("CANARY")
      }))

    it.scoped("a blob that is here, or of which that is not known", () =>
      Effect.gen(function*() {
        const { ask } = yield* redirecting(({ range }) =>
          range === undefined ? Effect.succeedNone : Effect.fail(new RegistryError.Unavailable({}))
        )
        check(yield* ask({ path: blobPath }), { status: 200, body: blob })
        check(yield* ask({ path: blobPath, headers: { range: "bytes=5-9" } }), { status: 503, code: "UNAVAILABLE" })
      }))

    it.scoped("T33: nobody is told where a blob is that he may not see", () =>
      Effect.gen(function*() {
        let asked = 0
        const hidden = Filter.wrap({ select: ReferenceSet.prefix("public/") })
        const { ask } = yield* redirecting(() => {
          asked += 1
          return Effect.succeedSome(cdn)
        }, hidden)
        expect((yield* ask({ path: blobPath })).status).toBe(404)
        expect((yield* ask({ path: `/v2/public/app/blobs/${absent}` })).status).toBe(404)
        expect(asked).toBe(0)
      }))
  })

  describe("cors", () => {
    it.scoped.each(crossing)("%s", ([, asked, expected]) =>
      Effect.gen(function*() {
        const running = yield* start(composition, { cors: { origins: ["https://ui.example"] } })
        yield* fill(running.registry)
        check(yield* running.ask(asked), expected)
      }))

    it.scoped("all pages", () =>
      Effect.gen(function*() {
        const { ask } = yield* start(composition, { cors: { origins: "*", maxAge: "10 seconds" } })
        const all = { "access-control-allow-origin": "*", vary: undefined }
        check(yield* ask({ path: "/v2/", headers: page }), { status: 200, headers: all })
        check(yield* ask({ method: "OPTIONS", path: "/v2/", headers: asks }), {
          status: 204,
          headers: { ...all, "access-control-max-age": "10", "access-control-allow-methods": "GET, HEAD" }
        })
      }))

    it.scoped("none, unless said", () =>
      Effect.gen(function*() {
        const { ask } = yield* start(composition)
        check(yield* ask({ path: "/v2/", headers: page }), {
          status: 200,
          headers: { "access-control-allow-origin": undefined }
        })
      }))
  })
}
