import type { Registry } from "@effect-oci/core"
import type * as Wire from "@effect-oci/protocol/Wire"
import { RegistryServer } from "@effect-oci/server"
import { Memory } from "@effect-oci/store"
import { HttpApp, HttpClient, HttpRouter, HttpServer } from "@effect/platform"
import { NodeHttpServer } from "@effect/platform-node"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Layer, Stream } from "effect"
import { readFileSync } from "node:fs"
import { gunzipSync } from "node:zlib"
import { beforeAll } from "vitest"
import { Explorer } from "../src/index.js"
import { build } from "./page.js"

beforeAll(build, 120_000)

const request = (target: string, headers: Wire.Headers = {}, method = "GET"): Wire.Request => ({
  method,
  target,
  headers,
  body: undefined
})

const served = (options?: Explorer.Options) =>
  Effect.map(Explorer.mounts(options), (mounts) => (sent: Wire.Request) =>
    Effect.gen(function*() {
      const answer = mounts[sent.target as `/${string}`]
      if (answer === undefined) throw new Error(`${sent.target} is not mounted`)
      const response = yield* answer(sent)
      const bytes = response.body === undefined
        ? Buffer.alloc(0)
        : Buffer.concat(Array.from(yield* Stream.runCollect(response.body.stream)))
      return { ...response, bytes }
    }))

const scriptOf = (page: Uint8Array): string =>
  `/${/src="\.\/(explorer\/index-[\w-]+\.js)"/.exec(new TextDecoder().decode(page))?.[1]}`

describe("mounts", () => {
  it.effect("serves the page at the root, with a policy that allows only its own scripts and its own origin", () =>
    Effect.gen(function*() {
      const get = yield* served()
      const { bytes, headers, status } = yield* get(request("/"))
      expect(status).toBe(200)
      expect(headers).toMatchObject({
        "content-type": "text/html; charset=utf-8",
        "cache-control": "no-cache",
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cross-origin-opener-policy": "same-origin"
      })
      expect(headers["content-security-policy"]).toBe(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
          "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; " +
          "trusted-types 'none'"
      )
      const page = new TextDecoder().decode(bytes)
      expect(page).not.toMatch(/<script(?![^>]* src=)|<style|style=|\son\w+=|https?:/)
    }))

  it.effect("allows connections to the origins of the option connect", () =>
    Effect.gen(function*() {
      const policyOf = (options: Explorer.Options) =>
        Effect.map(
          Effect.flatMap(served(options), (get) => get(request("/"))),
          ({ headers }) => headers["content-security-policy"]
        )
      expect(yield* policyOf({ connect: ["https://a.example", "http://localhost:5001/"] }))
        .toContain("connect-src 'self' https://a.example http://localhost:5001;")
      expect(yield* policyOf({ connect: "*" })).toContain("connect-src 'self' http: https:;")
    }))

  it.each(["a.example", "https://a.example/path", "ftp://a.example", "https://a.example; script-src *", "data:"])(
    "refuses %s as an origin to connect to",
    (origin) => expect(() => Explorer.mounts({ connect: [origin] })).toThrow(RangeError)
  )

  it.effect("lets a browser keep the hashed files for ever, and validate the page", () =>
    Effect.gen(function*() {
      const get = yield* served()
      const page = yield* get(request("/"))
      const script = yield* get(request(scriptOf(page.bytes)))
      expect(script.headers).toMatchObject({
        "content-type": "text/javascript; charset=utf-8",
        "cache-control": "public, max-age=31536000, immutable"
      })
      const { bytes, headers, status } = yield* get(request("/", { "if-none-match": `"x", W/${page.headers["etag"]}` }))
      expect([status, bytes.byteLength]).toEqual([304, 0])
      expect(headers["content-security-policy"]).toBe(page.headers["content-security-policy"])
      expect((yield* get(request("/", { "if-none-match": `"x"` }))).status).toBe(200)
    }))

  it.effect("compresses only for clients that accept it, with another ETag", () =>
    Effect.gen(function*() {
      const get = yield* served()
      const plain = yield* get(request("/"))
      const small = yield* get(request("/", { "accept-encoding": "br, gzip;q=0.8" }))
      const refused = yield* get(request("/", { "accept-encoding": "gzip;q=0, identity" }))
      expect(small.headers).toMatchObject({ "content-encoding": "gzip", vary: "accept-encoding" })
      expect(gunzipSync(small.bytes).equals(plain.bytes)).toBe(true)
      expect(small.headers["content-length"]).toBe(String(small.bytes.byteLength))
      expect(plain.headers["content-encoding"]).toBeUndefined()
      expect(plain.headers["etag"]).not.toBe(small.headers["etag"])
      expect(refused.bytes.equals(plain.bytes)).toBe(true)
    }))

  it.effect("answers HEAD without content, and other methods with 405", () =>
    Effect.gen(function*() {
      const get = yield* served()
      const { body, headers, status } = yield* get(request("/", {}, "HEAD"))
      expect([status, body]).toEqual([200, undefined])
      expect(Number(headers["content-length"])).toBeGreaterThan(100)
      expect(yield* get(request("/", {}, "POST"))).toMatchObject({ status: 405, headers: { allow: "GET, HEAD" } })
    }))

  it.effect("weighs at most 200 kB, compressed and all together", () =>
    Effect.gen(function*() {
      const mounts = yield* Explorer.mounts()
      const get = yield* served()
      const sizes = yield* Effect.forEach(Object.keys(mounts), (path) =>
        Effect.map(get(request(path, { "accept-encoding": "gzip" })), ({ bytes }) => bytes.byteLength))
      expect(sizes.reduce((sum, size) =>
        sum + size, 0)).toBeLessThanOrEqual(200_000)
    }))
})

describe("app", () => {
  it.scopedLive("serves the page beside a registry of @effect/platform, and answers 404 for other paths", () =>
    Effect.gen(function*() {
      const client = yield* HttpClient.HttpClient
      const get = (path: string) =>
        Effect.flatMap(
          client.get(path),
          (response) =>
            Effect.map(response.text, (text) => ({ status: response.status, headers: response.headers, text }))
        )
      const page = yield* get("/")
      expect(page.headers["content-security-policy"]).toContain("script-src 'self'")
      const script = yield* get(scriptOf(new TextEncoder().encode(page.text)))
      expect([script.status, script.headers["content-type"]]).toEqual([200, "text/javascript; charset=utf-8"])
      expect(yield* get("/v2/_catalog")).toMatchObject({ status: 200, text: `{"repositories":[]}` })
      expect((yield* get("/explorer/other.js")).status).toBe(404)
      expect((yield* get("/__proto__")).status).toBe(404)
    }).pipe(Effect.provide(
      HttpRouter.empty.pipe(
        HttpRouter.mountApp("/v2", RegistryServer.app(), { includePrefix: true }),
        HttpRouter.mountApp("/", Explorer.app(), { includePrefix: true }),
        HttpServer.serve(),
        Layer.provideMerge(NodeHttpServer.layerTest),
        Layer.provide(Memory.layer() satisfies Layer.Layer<Registry>)
      )
    )))
})

describe("app in a fetch handler", () => {
  it("serves the page, although the requests have complete URLs", async () => {
    const handler = HttpApp.toWebHandler(Explorer.app())
    expect((await handler(new Request("https://registry.example.com/?query"))).headers.get("content-type"))
      .toBe("text/html; charset=utf-8")
    expect((await handler(new Request("https://registry.example.com/other"))).status).toBe(404)
  })
})

describe("the package", () => {
  it("loads the files of the page only when it serves them", () => {
    const source = readFileSync(new URL("../src/Explorer.ts", import.meta.url), "utf8")
    expect(source.match(/^import (?!type).*#assets/m)).toBeNull()
    expect(source).toContain(`import("#assets")`)
  })
})
