import { Body, MediaType, Registry } from "@effect-oci/core"
import type { Wire } from "@effect-oci/protocol"
import { Memory } from "@effect-oci/store"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Exit, Runtime, Stream } from "effect"
import * as fc from "fast-check"
import { RegistryServer } from "../src/index.js"
import { absent, blob, blobDigest, fill, image, imageDigest, imageSha512, signature, text } from "./fixtures.js"
import { keeping } from "./servers.js"
import type { Line } from "./servers.js"

/** Parts of names and paths, including parts that break parsers. */
const segments = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.constantFrom("team", "app", "blobs", "manifests", "uploads", "tags", "list", "referrers", "v2")
  },
  { weight: 3, arbitrary: fc.constantFrom("v1", blobDigest, imageDigest, imageSha512, absent, "_catalog", "") },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      "..",
      ".",
      "%2e%2e",
      "%2f",
      "%",
      "%zz",
      "%00",
      "%ff",
      "%0d%0a",
      "__proto__",
      "constructor",
      "sha256:",
      ":"
    )
  },
  { weight: 1, arbitrary: fc.string({ unit: "binary", maxLength: 20 }) },
  { weight: 1, arbitrary: fc.stringMatching(/^[a-z0-9._:@/-]{0,300}$/) }
)

const values = fc.oneof(
  fc.constantFrom(
    "",
    "0",
    "1",
    "-1",
    "1e9",
    "99999999999999999999",
    "true",
    blobDigest,
    absent,
    "team/app",
    "md5:00",
    "sha256:..",
    "a",
    "*"
  ),
  fc.string({ unit: "grapheme", maxLength: 40 }).map(encodeURIComponent)
)

const queries = fc.array(
  fc.tuple(
    fc.constantFrom(
      "digest",
      "mount",
      "from",
      "n",
      "last",
      "tag",
      "artifactType",
      "digest-algorithm",
      "ns",
      "__proto__"
    ),
    values
  ).map(([name, value]) => `${name}=${value}`),
  { maxLength: 4 }
).map((pairs) => pairs.length === 0 ? "" : `?${pairs.join("&")}`)

const ranges = fc.constantFrom("bytes=0-9", "bytes=-5", "bytes=9-0", "bytes=4000-", "bytes=0-1,2-3", "lines=1")
const chunks = fc.constantFrom("0-9", "0-2047", "10-19", "9-0", "bytes 0-9/10", "-", "99999999999999999-")
const types = fc.constantFrom("application/json", MediaType.image, MediaType.index, ";", "/", "a/b; c=d")
const rubbish = fc.oneof(
  fc.string({ unit: "binary-ascii", maxLength: 40 }),
  fc.nat().map(String),
  ranges,
  chunks,
  types
)

const headers = fc.record({
  range: fc.oneof({ weight: 3, arbitrary: ranges }, rubbish),
  "if-range": rubbish,
  "content-range": fc.oneof({ weight: 3, arbitrary: chunks }, rubbish),
  "upload-offset": rubbish,
  "content-type": fc.oneof({ weight: 3, arbitrary: types }, rubbish),
  "if-none-match": fc.oneof(fc.constant("*"), rubbish),
  "if-match": fc.oneof({ weight: 3, arbitrary: fc.constant(imageDigest) }, fc.constant("*"), rubbish),
  accept: rubbish,
  "content-length": rubbish,
  expect: rubbish
}, { requiredKeys: [] }).map((headers): Wire.Headers => headers)

const payloads = fc.oneof(
  fc.constantFrom(blob, blob.subarray(0, 10), image, signature("a"), text("{}"), text(""), text("null"), text("[[[[")),
  fc.uint8Array({ maxLength: 200 }),
  fc.json().map(text)
)

interface Asked {
  readonly request: Omit<Wire.Request, "body">
  readonly payload: Uint8Array | undefined
  readonly how: "bytes" | "stream" | "broken" | "lying"
}

const methods = fc.oneof(
  { weight: 12, arbitrary: fc.constantFrom("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE") },
  { weight: 1, arbitrary: fc.constantFrom("OPTIONS", "TRACE", "get", "__proto__", "") }
)

const how = fc.constantFrom<Asked["how"]>("bytes", "stream", "broken", "lying")

const anything: fc.Arbitrary<Asked> = fc.record({
  request: fc.record({
    method: methods,
    target: fc.oneof(
      {
        weight: 8,
        arbitrary: fc.tuple(fc.array(segments, { maxLength: 7 }), queries).map(([path, query]) =>
          `/v2/${path.join("/")}${query}`
        )
      },
      { weight: 1, arbitrary: fc.string({ unit: "binary" }) }
    ),
    headers
  }),
  payload: fc.option(payloads, { nil: undefined }),
  how
})

/** Valid requests with some changes. `{upload}` is an open upload session. */
const sensible: fc.Arbitrary<Asked> = fc.record({
  request: fc.tuple(
    fc.constantFrom(
      ["GET", "/v2/"],
      ["GET", "/v2/_catalog"],
      ["GET", "/v2/team/app/tags/list"],
      ["GET", `/v2/team/app/referrers/${imageDigest}`],
      ["GET", `/v2/team/app/blobs/${blobDigest}`],
      ["GET", `/v2/team/app/blobs/${absent}`],
      ["HEAD", `/v2/team/app/blobs/${blobDigest}`],
      ["DELETE", `/v2/team/app/blobs/${blobDigest}`],
      ["GET", "/v2/team/app/manifests/v1"],
      ["PUT", "/v2/team/app/manifests/v1"],
      ["DELETE", "/v2/team/app/manifests/v1"],
      ["PUT", `/v2/team/app/manifests/${imageDigest}`],
      ["DELETE", `/v2/team/app/manifests/${imageDigest}`],
      ["POST", "/v2/team/app/blobs/uploads/"],
      ["GET", "/v2/team/app/blobs/uploads/{upload}"],
      ["PATCH", "/v2/team/app/blobs/uploads/{upload}"],
      ["PATCH", "/v2/team/app/blobs/uploads/made-up"],
      ["PUT", "/v2/team/app/blobs/uploads/{upload}"],
      ["DELETE", "/v2/team/app/blobs/uploads/{upload}"]
    ),
    queries,
    fc.oneof({ weight: 9, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: methods }),
    headers
  ).map(([[method = "", path = ""], query, another, headers]) => ({
    method: another ?? method,
    target: path + query,
    headers
  })),
  payload: fc.option(payloads, { nil: undefined }),
  how
})

const bodyOf = ({ how, payload }: Asked): Body.Body | undefined => {
  if (payload === undefined) return undefined
  const size = payload.byteLength
  const pieces = [payload.subarray(0, size >> 1), payload.subarray(size >> 1)]
  switch (how) {
    case "bytes":
      return Body.bytes(payload)
    case "stream":
      return Body.stream(Stream.fromIterable(pieces))
    case "broken":
      return Body.stream(Stream.concat(Stream.fromIterable(pieces.slice(0, 1)), Stream.fail("cut")), { size })
    case "lying":
      return Body.stream(Stream.fromIterable(pieces), { size: size + 1 })
  }
}

const codes = /^[A-Z][A-Z_]*$/

/** Reads a whole answer, and verifies that its content is closed. */
const hear = ({ body, close, headers, status }: Wire.Response) =>
  Effect.gen(function*() {
    const exit = body === undefined
      ? Exit.succeed(new Uint8Array(0))
      : yield* Effect.exit(Body.toBytes(body, { limit: 1 << 20, onLimit: () => new Error("too much") }))
    if (close !== undefined) yield* close(exit)
    if (Exit.isFailure(exit)) throw new Error(`a body broke off: ${String(exit.cause)}`)
    return { status, headers, text: new TextDecoder().decode(exit.value) }
  })

const fuzz = (input: fc.Arbitrary<Asked>, runs: number) =>
  Effect.gen(function*() {
    const registry = yield* Registry
    yield* fill(registry)
    const lines: Array<Line> = []
    const answer = RegistryServer.make()(registry.handle)
    const ask = (request: Wire.Request) =>
      Effect.flatMap(answer(request), hear).pipe(Effect.uninterruptible, Effect.provide(keeping(lines)))
    const open = Effect.map(
      ask({ method: "POST", target: "/v2/team/app/blobs/uploads/", headers: {}, body: undefined }),
      ({ headers }) => headers["location"]?.split("/").at(-1) ?? ""
    )
    let upload = yield* open
    const runtime = yield* Effect.runtime()
    const run = Runtime.runPromise(runtime)
    const statuses = new Map<number, number>()
    yield* Effect.promise(() =>
      fc.assert(
        fc.asyncProperty(input, async (input) => {
          lines.length = 0
          const { request } = input
          const target = request.target.replace("{upload}", upload)
          const heard = await run(ask({ ...request, target, body: bodyOf(input) }))
          statuses.set(heard.status, (statuses.get(heard.status) ?? 0) + 1)
          expect(heard.status).toBeLessThan(500)
          for (const value of Object.values(heard.headers)) expect(value).toMatch(/^[\t\x20-\x7e\x80-\xff]*$/)
          expect(heard.headers["content-length"] ?? heard.status).toBeDefined()
          if (request.method === "HEAD") {
            expect(heard.text).toBe("")
          } else if (heard.status >= 400) {
            expect(heard.headers["content-type"]).toBe("application/json")
            const { errors } = JSON.parse(heard.text) as { errors: Array<{ code: string; message: string }> }
            expect(errors).toHaveLength(1)
            expect(errors[0]?.code).toMatch(codes)
          }
          expect(lines.length).toBeLessThanOrEqual(1)
          expect(JSON.stringify(lines)).not.toMatch(/\p{Cc}|\\[nr]/u)
          if (request.method === "DELETE" && heard.status === 202) await run(fill(registry))
          if (target.includes(upload) && ["PUT", "DELETE"].includes(request.method)) upload = await run(open)
        }),
        { numRuns: runs, interruptAfterTimeLimit: 20_000, markInterruptAsFailure: false }
      )
    )
    return statuses
  }).pipe(
    Effect.provide(
      Memory.layer({ maxUploadsPerRepository: 100_000, maxUploadsPerCaller: 100_000, maxUploads: 100_000 })
    )
  )

describe("no request is answered with 500", () => {
  it.effect("for random requests", () =>
    Effect.gen(function*() {
      const statuses = yield* fuzz(anything, 3000)
      expect([...statuses.keys()]).toEqual(expect.arrayContaining([200, 400, 404, 405]))
    }))

  it.effect("for nearly valid requests", () =>
    Effect.gen(function*() {
      const statuses = yield* fuzz(sensible, 6000)
      expect([...statuses.keys()]).toEqual(expect.arrayContaining([200, 201, 202, 204, 206, 400, 404, 405, 416]))
    }))
})
