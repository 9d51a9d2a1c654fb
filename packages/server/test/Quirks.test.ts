import { Body, MediaType, Registry, Tag } from "@effect-oci/core"
import type { Wire } from "@effect-oci/protocol"
import { Memory } from "@effect-oci/store"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { Quirks, RegistryServer } from "../src/index.js"
import { blob, blobDigest, fill, image, imageDigest, repository } from "./fixtures.js"
import { keeping } from "./servers.js"

interface Asked {
  readonly method?: string
  readonly target: string
  readonly headers?: Wire.Headers
  readonly body?: Uint8Array
}

interface Expected {
  readonly status?: number
  readonly headers?: Readonly<Record<string, unknown>>
  readonly text?: string
}

const check = (answer: { readonly status: number; readonly headers: Wire.Headers; readonly text: string }, {
  headers = {},
  status = answer.status,
  text = answer.text
}: Expected) => {
  const seen = Object.fromEntries(Object.keys(headers).map((name) => [name, answer.headers[name]]))
  expect({ status: answer.status, headers: seen, text: answer.text }).toEqual({ status, headers, text })
}

/** Requests to a server with a quirk and to one without. `{upload}` is the location of an open upload session. */
const rows: ReadonlyArray<
  readonly [name: string, quirks: Quirks.Quirks, request: Asked, quirky: Expected, otherwise: Expected]
> = [
  [
    "noReferrers",
    { noReferrers: true },
    { target: `/v2/team/app/referrers/${imageDigest}` },
    { status: 404, headers: { "content-type": "text/plain; charset=utf-8" } },
    { status: 200 }
  ],
  [
    "noFilter",
    { noFilter: true },
    { target: `/v2/team/app/referrers/${imageDigest}?artifactType=a%2Fb` },
    { status: 200, headers: { "oci-filters-applied": undefined } },
    { headers: { "oci-filters-applied": "artifactType" } }
  ],
  [
    "noLink",
    { noLink: true },
    { target: "/v2/team/app/tags/list?n=1" },
    { status: 200, headers: { link: undefined } },
    { headers: { link: "</v2/team/app/tags/list?n=1&last=v1>; rel=\"next\"" } }
  ],
  [
    "referrersAnswer: page",
    { referrersAnswer: "page" },
    { target: `/v2/team/app/referrers/${imageDigest}` },
    { status: 200, headers: { "content-type": "text/html" } },
    { status: 200, headers: { "content-type": MediaType.index } }
  ],
  [
    "referrersAnswer: object",
    { referrersAnswer: "object" },
    { target: `/v2/team/app/referrers/${imageDigest}` },
    { status: 200, text: "{}" },
    { status: 200 }
  ],
  [
    "referrersAnswer: unauthorized",
    { referrersAnswer: "unauthorized" },
    { target: `/v2/team/app/referrers/${imageDigest}` },
    { status: 401 },
    { status: 200 }
  ],
  [
    "tagsAsDigests",
    { tagsAsDigests: true },
    { target: `/v2/team/app/manifests/${imageDigest.replace(":", "-")}` },
    { status: 200, headers: { "docker-content-digest": imageDigest } },
    { status: 404 }
  ],
  ["noCatalog", { noCatalog: true }, { target: "/v2/_catalog" }, { status: 404, text: "" }, { status: 200 }],
  [
    "unsortedTags: whole",
    { unsortedTags: "whole" },
    { target: "/v2/team/app/tags/list?n=1&last=v1" },
    { headers: { link: undefined }, text: JSON.stringify({ name: repository, tags: ["v2", "v1"] }) },
    { text: JSON.stringify({ name: repository, tags: ["v2"] }) }
  ],
  [
    "unsortedTags: pages",
    { unsortedTags: "pages" },
    { target: "/v2/team/app/tags/list?n=1" },
    {
      headers: { link: "</v2/team/app/tags/list?n=1&last=v2>; rel=\"next\"" },
      text: JSON.stringify({ name: repository, tags: ["v2"] })
    },
    { text: JSON.stringify({ name: repository, tags: ["v1"] }) }
  ],
  [
    "link: prefix",
    { link: "prefix" },
    { target: "/v2/team/app/tags/list?n=1" },
    { headers: { link: "</proxy/prefix/v2/team/app/tags/list?n=1&last=v1>; rel=\"next\"" } },
    { headers: { link: "</v2/team/app/tags/list?n=1&last=v1>; rel=\"next\"" } }
  ],
  [
    "link: scheme",
    { link: "scheme" },
    { target: "/v2/team/app/tags/list?n=1", headers: { host: "registry.example:5000" } },
    { headers: { link: "<https://registry.example:5000/v2/team/app/tags/list?n=1&last=v1>; rel=\"next\"" } },
    {}
  ],
  [
    "commitStatus",
    { commitStatus: 202 },
    { method: "PUT", target: `{upload}?digest=${blobDigest}`, body: blob },
    { status: 202 },
    { status: 201 }
  ],
  [
    "mountStatus",
    { mountStatus: 405 },
    { method: "POST", target: `/v2/team/app/blobs/uploads/?mount=${blobDigest}&from=team/base` },
    { status: 405, text: "" },
    { status: 202 }
  ],
  [
    "rangeCode",
    { rangeCode: "BLOB_UNKNOWN" },
    { target: `/v2/team/app/blobs/${blobDigest}`, headers: { range: "bytes=9999-" } },
    {
      status: 416,
      headers: { "content-range": "bytes */2048" },
      text: expect.stringContaining("BLOB_UNKNOWN") as never
    },
    { status: 416, text: expect.stringContaining("RANGE_INVALID") as never }
  ],
  [
    "emptyHead",
    { emptyHead: true },
    { method: "HEAD", target: "/v2/team/app/manifests/v1" },
    { status: 200, headers: { "content-length": "0", "content-type": undefined } },
    { headers: { "content-type": MediaType.image } }
  ],
  [
    "contentEncoding",
    { contentEncoding: "x-gzip" },
    { target: `/v2/team/app/blobs/${blobDigest}` },
    { headers: { "content-encoding": "x-gzip", "content-length": "2048" } },
    { headers: { "content-encoding": undefined } }
  ],
  [
    "noDigestHeader",
    { noDigestHeader: true },
    { method: "HEAD", target: "/v2/team/app/manifests/v1" },
    { status: 200, headers: { "docker-content-digest": undefined } },
    { headers: { "docker-content-digest": imageDigest } }
  ],
  [
    "noSinglePost",
    { noSinglePost: true },
    { method: "POST", target: `/v2/team/app/blobs/uploads/?digest=${blobDigest}`, body: blob },
    { status: 202 },
    { status: 201 }
  ],
  [
    "noTagParameter",
    { noTagParameter: true },
    {
      method: "PUT",
      target: `/v2/team/app/manifests/${imageDigest}?tag=v9`,
      headers: { "content-type": MediaType.image },
      body: image
    },
    { status: 201, headers: { "oci-tag": undefined } },
    { status: 201, headers: { "oci-tag": "v9" } }
  ],
  [
    "location: absolute",
    { location: "absolute" },
    { method: "POST", target: "/v2/team/app/blobs/uploads/", headers: { host: "registry.example:5000" } },
    {
      headers: { location: expect.stringMatching(/^http:\/\/registry\.example:5000\/v2\/team\/app\/blobs\/uploads\//) }
    },
    { headers: { location: expect.stringMatching(/^\/v2\/team\/app\/blobs\/uploads\//) } }
  ],
  [
    "location: relative",
    { location: "relative" },
    { method: "POST", target: `/v2/team/app/blobs/uploads/?digest=${blobDigest}`, body: blob },
    { headers: { location: `../${blobDigest}` } },
    { headers: { location: `/v2/team/app/blobs/${blobDigest}` } }
  ],
  [
    "location: query",
    { location: "query" },
    { method: "POST", target: "/v2/team/app/blobs/uploads/" },
    { headers: { location: expect.stringMatching(/\?_state=/) } },
    { headers: { location: expect.not.stringMatching(/\?/) } }
  ],
  ["patchCreated", { patchCreated: true }, { method: "PATCH", target: "{upload}", body: blob }, { status: 201 }, {
    status: 202
  }],
  [
    "stuckRange",
    { stuckRange: true },
    { method: "PATCH", target: "{upload}", body: blob },
    { headers: { range: "0-0", "upload-offset": undefined } },
    { headers: { range: "0-2047", "upload-offset": "2048" } }
  ],
  [
    "noRange",
    { noRange: true },
    { target: `/v2/team/app/blobs/${blobDigest}`, headers: { range: "bytes=0-9" } },
    { status: 200, headers: { "accept-ranges": undefined, "content-length": "2048" } },
    { status: 206 }
  ],
  [
    "minChunkBytes",
    { minChunkBytes: 1024 },
    { method: "POST", target: "/v2/team/app/blobs/uploads/" },
    { headers: { "oci-chunk-min-length": "1024" } },
    { headers: { "oci-chunk-min-length": undefined } }
  ],
  [
    "warnings",
    { warnings: ["be careful"] },
    { target: "/v2/" },
    { headers: { warning: "299 - \"be careful\"" } },
    { headers: { warning: undefined } }
  ],
  [
    "unauthorizedHead",
    { unauthorizedHead: true },
    { method: "HEAD", target: "/v2/team/app/manifests/v1" },
    { status: 401, headers: { "www-authenticate": `Basic realm="registry"`, "content-length": undefined }, text: "" },
    { status: 200 }
  ],
  [
    "htmlErrors",
    { htmlErrors: true },
    { target: "/v2/team/app/manifests/none" },
    { status: 404, headers: { "content-type": "text/html" }, text: "<html><body><h1>404</h1></body></html>" },
    { status: 404, headers: { "content-type": "application/json" } }
  ],
  [
    "htmlErrors, on HEAD",
    { htmlErrors: true },
    { method: "HEAD", target: "/v2/team/app/manifests/none" },
    { status: 404, headers: { "content-type": "text/html" }, text: "" },
    { status: 404, text: "" }
  ]
]

describe("Quirks", () => {
  it.each(Quirks.names)("exist for %s", (name) => {
    expect(Object.keys(Quirks.like(name)).length).toBeGreaterThan(2)
  })

  it.effect.each(rows)("%s", ([, quirks, request, quirky, otherwise]) =>
    Effect.gen(function*() {
      const registry = yield* Registry
      yield* fill(registry)
      yield* registry.pushManifest(repository, { mediaType: MediaType.image, bytes: image, tags: [Tag.make("v2")] })
      const answers = Effect.forEach([quirks, undefined], (quirks) =>
        Effect.gen(function*() {
          const answer = RegistryServer.make({ quirks })(registry.handle)
          const ask = ({ body, headers = {}, method = "GET", target }: Asked) =>
            answer({ method, target, headers, body: body === undefined ? undefined : Body.bytes(body) })
          const opened = yield* ask({ method: "POST", target: "/v2/team/app/blobs/uploads/" })
          const { body, headers, status } = yield* ask({
            ...request,
            target: request.target.replace("{upload}", opened.headers["location"] ?? "")
          })
          const bytes = body === undefined
            ? new Uint8Array(0)
            : yield* Body.toBytes(body, { limit: 10_000, onLimit: () => new Error("too much") })
          return { status, headers, text: new TextDecoder().decode(bytes) }
        }))
      const [odd, plain] = yield* answers
      check(odd!, quirky)
      check(plain!, otherwise)
    }).pipe(Effect.provide(Layer.merge(Memory.layer(), keeping([])))))
})
