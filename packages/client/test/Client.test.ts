import { Body, ByteRange, Digest, MediaType, Operation, Registry, RegistryError, Tag } from "@effect-oci/core"
import {
  closed,
  connect,
  connectUnsealed,
  platforms,
  routes,
  serve,
  serveRaw,
  until
} from "@effect-oci/testing/NodeScripted"
import type { Answer, Platform } from "@effect-oci/testing/NodeScripted"
import {
  blob,
  descriptor,
  failure,
  image,
  imageDescriptor,
  index,
  other,
  repository,
  sbomReferrer,
  signatureReferrer,
  tag
} from "@effect-oci/testing/Samples"
import { defaultUserAgent } from "@effect-oci/transport/UserAgent"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import { describe, expect, it } from "@effect/vitest"
import { Cause, Chunk, Config, ConfigProvider, Effect, Exit, Fiber, Layer, Option, Stream, TestClock } from "effect"
import type { IncomingHttpHeaders } from "node:http"
import packageJson from "../package.json" with { type: "json" }
import * as Client from "../src/Client.js"

const { digest } = descriptor
const sha512 = Digest.fromBytes(blob, "sha512")
const uploads = "/v2/team/app/blobs/uploads/"
const location = { location: `${uploads}1?_state=abc` }

type Request = readonly [line: string, headers?: IncomingHttpHeaders, body?: Uint8Array]

interface Row {
  readonly name: string
  readonly answers: { readonly [line: string]: Answer }
  readonly run: (registry: Registry.Service) => Effect.Effect<unknown, RegistryError.RegistryError>
  readonly requests: ReadonlyArray<Request>
  readonly result: unknown
}

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)

const collect = <A>(stream: Stream.Stream<A, RegistryError.RegistryError>) =>
  Effect.map(Stream.runCollect(stream), Chunk.toReadonlyArray)

const read = (stream: Stream.Stream<Uint8Array, RegistryError.RegistryError>) =>
  Effect.map(collect(stream), (pieces) => text(Buffer.concat(pieces)))

const accept = { accept: `${MediaType.manifests.join(", ")}, */*`, "accept-encoding": "identity" }
const octets = (length: number) => ({ "content-type": "application/octet-stream", "content-length": String(length) })

/** Every operation, with the requests that the client sends and the result that it returns. */
const rows: ReadonlyArray<Row> = [
  {
    name: "ResolveBlob",
    answers: { [`HEAD /v2/team/app/blobs/${digest}`]: { status: 200, headers: { "content-length": "12" } } },
    run: (registry) => registry.resolveBlob(repository, digest),
    requests: [[`HEAD /v2/team/app/blobs/${digest}`, { "accept-encoding": "identity" }]],
    result: descriptor
  },
  {
    name: "GetBlob",
    answers: { [`GET /v2/team/app/blobs/${digest}`]: { status: 200, body: blob } },
    run: (registry) =>
      Effect.scoped(Effect.flatMap(registry.getBlob(repository, digest), ({ stream }) => read(stream))),
    requests: [[`GET /v2/team/app/blobs/${digest}`, { "accept-encoding": "identity", range: undefined }]],
    result: "hello, world"
  },
  {
    name: "GetBlob of a range",
    answers: {
      [`GET /v2/team/app/blobs/${digest}`]: {
        status: 206,
        headers: { "content-range": "bytes 7-11/12" },
        body: blob.subarray(7)
      }
    },
    run: (registry) =>
      Effect.scoped(
        Effect.flatMap(registry.getBlob(repository, digest, { range: ByteRange.from(7) }), ({ range, stream }) =>
          Effect.map(read(stream), (content) => ({ range, content })))
      ),
    requests: [[`GET /v2/team/app/blobs/${digest}`, { range: "bytes=7-" }]],
    result: { range: { offset: 7, length: 5 }, content: "world" }
  },
  {
    name: "ResolveManifest",
    answers: {
      "HEAD /v2/team/app/manifests/v1": {
        status: 200,
        headers: {
          "content-type": MediaType.image,
          "content-length": String(image.byteLength),
          "docker-content-digest": imageDescriptor.digest
        }
      }
    },
    run: (registry) => registry.resolveManifest(repository, tag),
    requests: [["HEAD /v2/team/app/manifests/v1", accept]],
    result: imageDescriptor
  },
  {
    name: "ResolveManifest if the registry omits the digest",
    answers: {
      "HEAD /v2/team/app/manifests/v1": {
        status: 200,
        headers: { "content-type": MediaType.image, "content-length": String(image.byteLength) }
      },
      "GET /v2/team/app/manifests/v1": { status: 200, headers: { "content-type": MediaType.image }, body: image }
    },
    run: (registry) => registry.resolveManifest(repository, tag),
    requests: [["HEAD /v2/team/app/manifests/v1"], ["GET /v2/team/app/manifests/v1", accept]],
    result: imageDescriptor
  },
  {
    name: "ResolveManifest if the registry does not support HEAD",
    answers: {
      "HEAD /v2/team/app/manifests/v1": { status: 405 },
      "GET /v2/team/app/manifests/v1": { status: 200, headers: { "content-type": MediaType.image }, body: image }
    },
    run: (registry) => registry.resolveManifest(repository, tag),
    requests: [["HEAD /v2/team/app/manifests/v1"], ["GET /v2/team/app/manifests/v1"]],
    result: imageDescriptor
  },
  {
    name: "GetManifest",
    answers: {
      [`GET /v2/team/app/manifests/${imageDescriptor.digest}`]: {
        status: 200,
        headers: { "content-type": `${MediaType.image}; charset=utf-8` },
        body: image
      }
    },
    run: (registry) =>
      Effect.map(
        registry.getManifest(repository, imageDescriptor.digest),
        ({ bytes, descriptor }) => ({ descriptor, content: text(bytes) })
      ),
    requests: [[`GET /v2/team/app/manifests/${imageDescriptor.digest}`, accept]],
    result: { descriptor: imageDescriptor, content: text(image) }
  },
  {
    name: "PushBlob",
    answers: {
      [`POST ${uploads}`]: { status: 202, headers: location },
      [`PUT ${uploads}1`]: { status: 201, headers: { location: `/v2/team/app/blobs/${digest}` } }
    },
    run: (registry) => registry.pushBlob(repository, descriptor, Body.bytes(blob)),
    requests: [
      [`POST ${uploads}`, { "content-length": "0" }],
      [
        `PUT ${uploads}1?_state=abc&digest=${encodeURIComponent(digest)}`,
        { ...octets(12), "content-range": undefined },
        blob
      ]
    ],
    result: descriptor
  },
  {
    name: "PushBlob with a digest that is not sha256",
    answers: {
      [`POST ${uploads}`]: { status: 202, headers: location },
      [`PUT ${uploads}1`]: { status: 201 }
    },
    run: (registry) => registry.pushBlob(repository, { ...descriptor, digest: sha512 }, Body.bytes(blob)),
    requests: [
      [`POST ${uploads}?digest-algorithm=sha512`],
      [`PUT ${uploads}1?_state=abc&digest=${encodeURIComponent(sha512)}`, octets(12), blob]
    ],
    result: { ...descriptor, digest: sha512 }
  },
  {
    name: "MountBlob",
    answers: { [`POST ${uploads}`]: { status: 201, headers: { location: `/v2/team/app/blobs/${digest}` } } },
    run: (registry) => registry.mountBlob(repository, digest, { from: other }),
    requests: [[
      `POST ${uploads}?mount=${encodeURIComponent(digest)}&from=${encodeURIComponent(other)}`,
      { "content-length": "0" }
    ]],
    result: new Operation.Mounted({ digest })
  },
  {
    name: "MountBlob of a blob that cannot be mounted",
    answers: { [`POST ${uploads}`]: { status: 202, headers: location } },
    run: (registry) => registry.mountBlob(repository, digest),
    requests: [[`POST ${uploads}?mount=${encodeURIComponent(digest)}`]],
    result: new Operation.UploadStarted({ upload: { id: `${uploads}1?_state=abc`, offset: 0 } })
  },
  {
    name: "StartUpload",
    answers: { [`POST ${uploads}`]: { status: 202, headers: { ...location, "oci-chunk-min-length": "1024" } } },
    run: (registry) => registry.startUpload(repository),
    requests: [[`POST ${uploads}`, { "content-length": "0" }]],
    result: { id: `${uploads}1?_state=abc`, offset: 0, minChunkSize: 1024 }
  },
  {
    name: "GetUpload",
    answers: { [`GET ${uploads}1`]: { status: 204, headers: { location: `${uploads}1?_state=def`, range: "0-6" } } },
    run: (registry) => registry.getUpload(repository, `${uploads}1?_state=abc`),
    requests: [[`GET ${uploads}1?_state=abc`]],
    result: { id: `${uploads}1?_state=def`, offset: 7 }
  },
  {
    name: "AppendUpload",
    answers: { [`PATCH ${uploads}1`]: { status: 202, headers: { location: `${uploads}1?_state=def`, range: "0-11" } } },
    run: (registry) =>
      registry.appendUpload(repository, `${uploads}1?_state=abc`, Body.bytes(blob.subarray(7)), { offset: 7 }),
    requests: [[
      `PATCH ${uploads}1?_state=abc`,
      { ...octets(5), "content-range": "7-11" },
      blob.subarray(7)
    ]],
    result: { id: `${uploads}1?_state=def`, offset: 12 }
  },
  {
    name: "CompleteUpload",
    answers: { [`PUT ${uploads}1`]: { status: 201 } },
    run: (registry) =>
      registry.completeUpload(repository, `${uploads}1?_state=abc`, digest, {
        offset: 7,
        body: Body.bytes(blob.subarray(7))
      }),
    requests: [[
      `PUT ${uploads}1?_state=abc&digest=${encodeURIComponent(digest)}`,
      { ...octets(5), "content-range": "7-11" },
      blob.subarray(7)
    ]],
    result: descriptor
  },
  {
    name: "CompleteUpload of a blob of unknown size",
    answers: {
      [`PUT ${uploads}1`]: { status: 201 },
      [`HEAD /v2/team/app/blobs/${digest}`]: { status: 200, headers: { "content-length": "12" } }
    },
    run: (registry) => registry.completeUpload(repository, `${uploads}1`, digest),
    requests: [
      [`PUT ${uploads}1?digest=${encodeURIComponent(digest)}`, { "content-length": "0" }],
      [`HEAD /v2/team/app/blobs/${digest}`]
    ],
    result: descriptor
  },
  {
    name: "CancelUpload",
    answers: { [`DELETE ${uploads}1`]: { status: 204 } },
    run: (registry) => registry.cancelUpload(repository, `${uploads}1?_state=abc`),
    requests: [[`DELETE ${uploads}1?_state=abc`]],
    result: Operation.done
  },
  {
    name: "PushManifest by tag",
    answers: { "PUT /v2/team/app/manifests/v1": { status: 201 } },
    run: (registry) => registry.pushManifest(repository, { mediaType: MediaType.image, bytes: image, tags: [tag] }),
    requests: [[
      "PUT /v2/team/app/manifests/v1",
      { "content-type": MediaType.image, "content-length": String(image.byteLength), "if-none-match": undefined },
      image
    ]],
    result: { ...imageDescriptor, tags: [tag] }
  },
  {
    name: "PushManifest without moving an existing tag",
    answers: { "PUT /v2/team/app/manifests/v1": { status: 201 } },
    run: (registry) =>
      registry.pushManifest(repository, { mediaType: MediaType.image, bytes: image, tags: [tag], ifAbsent: true }),
    requests: [["PUT /v2/team/app/manifests/v1", { "if-none-match": "*" }, image]],
    result: { ...imageDescriptor, tags: [tag] }
  },
  {
    name: "PushManifest to a tag that points at a known manifest",
    answers: { "PUT /v2/team/app/manifests/v1": { status: 201 } },
    run: (registry) =>
      registry.pushManifest(repository, {
        mediaType: MediaType.image,
        bytes: image,
        tags: [tag],
        ifMatch: imageDescriptor.digest
      }),
    requests: [["PUT /v2/team/app/manifests/v1", { "if-match": `"${imageDescriptor.digest}"` }, image]],
    result: { ...imageDescriptor, tags: [tag] }
  },
  {
    name: "PushManifest with tags that the registry sets itself",
    answers: {
      [`PUT /v2/team/app/manifests/${imageDescriptor.digest}`]: { status: 201, headers: { "oci-tag": "v1, v2" } }
    },
    run: (registry) =>
      registry.pushManifest(repository, {
        mediaType: MediaType.image,
        bytes: image,
        tags: [tag, Tag.make("v2"), tag]
      }),
    requests: [[`PUT /v2/team/app/manifests/${imageDescriptor.digest}?tag=v1&tag=v2`, {}, image]],
    result: { ...imageDescriptor, tags: [tag, "v2"] }
  },
  {
    name: "PushManifest with tags if the registry sets only some of them",
    answers: {
      [`PUT /v2/team/app/manifests/${imageDescriptor.digest}`]: { status: 201, headers: { "oci-tag": "v2" } },
      "PUT /v2/team/app/manifests/v1": { status: 201 },
      "PUT /v2/team/app/manifests/v3": { status: 201 }
    },
    run: (registry) =>
      registry.pushManifest(repository, {
        mediaType: MediaType.image,
        bytes: image,
        tags: [tag, Tag.make("v2"), Tag.make("v3")]
      }),
    requests: [
      [`PUT /v2/team/app/manifests/${imageDescriptor.digest}?tag=v1&tag=v2&tag=v3`, {}, image],
      ["PUT /v2/team/app/manifests/v1", { "content-type": MediaType.image }, image],
      ["PUT /v2/team/app/manifests/v3", {}, image]
    ],
    result: { ...imageDescriptor, tags: [tag, "v2", "v3"] }
  },
  {
    name: "DeleteBlob",
    answers: { [`DELETE /v2/team/app/blobs/${digest}`]: { status: 202 } },
    run: (registry) => registry.deleteBlob(repository, digest),
    requests: [[`DELETE /v2/team/app/blobs/${digest}`]],
    result: Operation.done
  },
  {
    name: "DeleteManifest",
    answers: {
      [`GET /v2/team/app/manifests/${imageDescriptor.digest}`]: {
        status: 200,
        headers: { "content-type": MediaType.image },
        body: image
      },
      [`DELETE /v2/team/app/manifests/${imageDescriptor.digest}`]: { status: 202 }
    },
    run: (registry) => registry.deleteManifest(repository, imageDescriptor.digest),
    requests: [
      [`GET /v2/team/app/manifests/${imageDescriptor.digest}`],
      [`DELETE /v2/team/app/manifests/${imageDescriptor.digest}`]
    ],
    result: Operation.done
  },
  {
    name: "DeleteTag",
    answers: { "DELETE /v2/team/app/manifests/v1": { status: 202 } },
    run: (registry) => registry.deleteTag(repository, tag),
    requests: [["DELETE /v2/team/app/manifests/v1"]],
    result: Operation.done
  },
  {
    name: "ListRepositories",
    answers: { "GET /v2/_catalog": { status: 200, body: JSON.stringify({ repositories: ["team/x", "team/y"] }) } },
    run: (registry) => collect(registry.listRepositories({ last: other })),
    requests: [[`GET /v2/_catalog?n=1000&last=${encodeURIComponent(other)}`]],
    result: ["team/x", "team/y"]
  },
  {
    name: "ListTags",
    answers: { "GET /v2/team/app/tags/list": { status: 200, body: JSON.stringify({ tags: ["v1", "v2"] }) } },
    run: (registry) => collect(registry.listTags(repository)),
    requests: [["GET /v2/team/app/tags/list?n=1000"]],
    result: ["v1", "v2"]
  },
  {
    name: "ListReferrers",
    answers: {
      [`GET /v2/team/app/referrers/${imageDescriptor.digest}`]: {
        status: 200,
        body: index(signatureReferrer, sbomReferrer)
      }
    },
    run: (registry) => collect(registry.listReferrers(repository, imageDescriptor.digest)),
    requests: [[`GET /v2/team/app/referrers/${imageDescriptor.digest}`]],
    result: [signatureReferrer, sbomReferrer]
  },
  {
    name: "ListReferrers of a type",
    answers: {
      [`GET /v2/team/app/referrers/${imageDescriptor.digest}`]: {
        status: 200,
        body: index(signatureReferrer, sbomReferrer)
      }
    },
    run: (registry) =>
      collect(registry.listReferrers(repository, imageDescriptor.digest, { artifactType: sbomReferrer.artifactType })),
    requests: [[
      `GET /v2/team/app/referrers/${imageDescriptor.digest}?artifactType=${
        encodeURIComponent(sbomReferrer.artifactType ?? "")
      }`
    ]],
    result: [sbomReferrer]
  }
]

const platformNames = Object.keys(platforms) as Array<Platform>

describe.each(platformNames)("over %s", (platform) => {
  it.scoped.each(rows)("$name", ({ answers, requests, result, run }) =>
    Effect.gen(function*() {
      const server = yield* serve(routes(answers))
      const registry = yield* connectUnsealed(server, {}, platforms[platform])
      expect(yield* run(registry)).toEqual(result)
      expect(server.lines()).toEqual(requests.map(([line]) => line))
      requests.forEach(([, headers, body], at) => {
        const { body: sent, headers: came } = server.requests[at]!
        for (const [name, value] of Object.entries(headers ?? {})) expect([name, came[name]]).toEqual([name, value])
        expect(sent).toEqual(Buffer.from(body ?? []))
        expect(came["user-agent"]).toBe(defaultUserAgent)
        expect(came).not.toHaveProperty("traceparent")
      })
    }))
})

it("the table has a row for every operation", () => {
  const named = new Set(rows.map(({ name }) => name.split(/[ ,]/)[0]))
  expect(named).toEqual(new Set(Object.keys(Operation.traits)))
})

/** A port that no server listens on. */
const vacant = Effect.map(Effect.scoped(serve(() => ({ status: 500 }))), ({ host }) => host)

const fields = {
  operation: "ResolveManifest" as const,
  repository,
  reference: "v1"
}

describe("a registry that cannot be reached", () => {
  it.scoped.each(platformNames)("fails with its host and the cause, over %s", (platform) =>
    Effect.gen(function*() {
      const host = yield* vacant
      const registry = yield* connect({ host }, {}, platforms[platform])
      const error = yield* Effect.flip(registry.resolveManifest(repository, tag))
      expect(error.message).toBe(`ResolveManifest team/app:v1: cannot reach ${host}: connection refused`)
      expect(error).toMatchObject({
        _tag: "OciTransportError",
        ...fields,
        registry: host,
        method: "HEAD",
        url: `http://${host}/v2/team/app/manifests/v1`
      })
      expect(RegistryError.isTransient(error)).toBe(true)
    }))

  it.scoped.each(platformNames)("or breaks the connection fails, over %s", (platform) =>
    Effect.gen(function*() {
      const server = yield* serve(() => ({ raw: (response) => response.socket?.destroy() }))
      const registry = yield* connect(server, {}, platforms[platform])
      const error = yield* Effect.flip(registry.resolveManifest(repository, tag))
      expect(error._tag).toBe("OciTransportError")
      expect(error.message).toMatch(
        /^ResolveManifest team\/app:v1: cannot reach 127\.0\.0\.1:\d+: connection (reset|closed)$/
      )
    }))

  it.scoped("the error contains neither the URL of an upload nor its state", () =>
    Effect.gen(function*() {
      const host = yield* vacant
      const registry = yield* connectUnsealed({ host })
      const error = yield* Effect.flip(
        registry.getUpload(repository, "/v2/team/app/blobs/uploads/CANARY?_state=CANARY")
      )
      expect(error).toMatchObject({ _tag: "OciTransportError", url: `http://${host}` })
      expect(JSON.stringify(error) + error.message + String(error)).not.toContain("CANARY")
    }))

  it.scoped("the error contains nothing of the request's headers", () =>
    Effect.gen(function*() {
      const host = yield* vacant
      const withToken = (client: HttpClient.HttpClient) =>
        HttpClient.mapRequest(client, HttpClientRequest.bearerToken("CANARY"))
      const registry = yield* connect(
        { host },
        {},
        Layer.project(platforms.undici, HttpClient.HttpClient, HttpClient.HttpClient, withToken)
      )
      const error = yield* Effect.flip(registry.resolveManifest(repository, tag))
      expect(JSON.stringify(error) + Cause.pretty(Cause.fail(error))).not.toContain("CANARY")
    }))
})

it.scoped("a header that a program adds to every request is sent to the registry only", () =>
  Effect.gen(function*() {
    const elsewhere = yield* serve(() => ({ status: 201, headers: { location: "/there" } }))
    const server = yield* serve(({ method }) =>
      method === "POST" ? { status: 202, headers: { location: `${elsewhere.origin}/upload` } } : { status: 404 }
    )
    const withToken = (client: HttpClient.HttpClient) =>
      HttpClient.mapRequest(client, HttpClientRequest.setHeader("x-token", "CANARY"))
    const registry = yield* connect(
      server,
      {},
      Layer.project(platforms.undici, HttpClient.HttpClient, HttpClient.HttpClient, withToken)
    )
    yield* registry.pushBlob(repository, descriptor, Body.bytes(blob))
    expect(server.requests.map(({ headers }) => headers["x-token"])).toEqual(["CANARY"])
    expect(elsewhere.requests.map(({ headers, method }) => [method, headers["x-token"]])).toEqual([["PUT", undefined]])
  }))

describe("an error of the registry is decoded", () => {
  const cases: ReadonlyArray<{
    readonly name: string
    readonly answer: Answer
    readonly error: object
    readonly message: string
  }> = [
    {
      name: "in the format of the spec",
      answer: {
        status: 403,
        body: failure("DENIED", "not yours")
      },
      error: { _tag: "OciDenied", status: 403, diagnostics: [{ code: "DENIED", message: "not yours" }] },
      message: "GetManifest team/app:v1: not yours"
    },
    {
      name: "from an HTML page",
      answer: { status: 503, body: "<html>oops</html>", headers: { "content-type": "text/html", "retry-after": "7" } },
      error: { _tag: "OciUnavailable", status: 503, retryAfter: 7000 },
      message: "GetManifest team/app:v1: service unavailable"
    },
    {
      name: "from a body that is too long to read",
      answer: { status: 404, body: failure("MANIFEST_UNKNOWN", "x".repeat(70_000)) },
      error: { _tag: "OciManifestUnknown", status: 404 },
      message: "GetManifest team/app:v1: manifest unknown to registry"
    },
    {
      name: "from an unknown status",
      answer: { status: 418 },
      error: { _tag: "OciUnknownCode", status: 418 },
      message: "GetManifest team/app:v1: the registry answered with status 418"
    },
    {
      name: "from a redirect without a location",
      answer: { status: 307 },
      error: { _tag: "OciUnknownCode", status: 307 },
      message: "GetManifest team/app:v1: the registry answered with status 307"
    }
  ]

  it.scoped.each(cases)("$name", ({ answer, error, message }) =>
    Effect.gen(function*() {
      const server = yield* serve(() => answer)
      const registry = yield* connect(server)
      const failure = yield* Effect.flip(registry.getManifest(repository, tag))
      expect(failure).toMatchObject({
        ...error,
        operation: "GetManifest",
        repository,
        reference: tag,
        registry: server.host
      })
      expect(failure.message).toBe(message)
    }))
})

describe("an endless body", () => {
  const endless: Answer = {
    raw: (response) => {
      response.writeHead(200, { "content-type": MediaType.image })
      const more = () => {
        while (!response.destroyed && response.write(Buffer.alloc(16 * 1024, " "))) { /* as much as fits */ }
      }
      response.on("drain", more)
      more()
    }
  }

  it.scoped.each(platformNames)("is read up to the limit, then closed, over %s", (platform) =>
    Effect.gen(function*() {
      const server = yield* serve(() => endless)
      const registry = yield* connect(
        server,
        { limits: { manifest: 100_000, page: 50_000 } },
        platforms[platform]
      )
      const manifest = yield* Effect.flip(registry.getManifest(repository, tag))
      expect(manifest).toMatchObject({ _tag: "OciSizeInvalid", limit: 100_000 })
      expect(manifest.message).toBe("GetManifest team/app:v1: the answer has more than 100000 bytes")
      const page = yield* Effect.flip(collect(registry.listTags(repository)))
      expect(page).toMatchObject({ _tag: "OciSizeInvalid", limit: 50_000 })
      yield* Effect.yieldNow()
      yield* closed(server)
    }))

  it.scoped("is not read if its Content-Length is above the limit", () =>
    Effect.gen(function*() {
      const server = yield* serve(() => ({
        raw: (response) => {
          response.writeHead(200, { "content-type": MediaType.image, "content-length": "100001" })
          response.flushHeaders()
        }
      }))
      const registry = yield* connect(server, { limits: { manifest: 100_000 } })
      const error = yield* Effect.flip(registry.getManifest(repository, tag))
      expect(error).toMatchObject({ _tag: "OciSizeInvalid", limit: 100_000 })
      yield* closed(server)
    }))
})

it.scoped("a manifest above the limit for pushes is not sent", () =>
  Effect.gen(function*() {
    const server = yield* serve(() => ({ status: 201 }))
    const registry = yield* connect(server, { limits: { pushedManifest: 100 } })
    const error = yield* Effect.flip(
      registry.pushManifest(repository, { mediaType: MediaType.image, bytes: image, tags: [tag] })
    )
    expect(error).toMatchObject({ _tag: "OciSizeInvalid", limit: 100, operation: "PushManifest" })
    expect(server.lines()).toEqual([])
  }))

it.scoped("sets tags one by one if the registry refuses so many at once", () =>
  Effect.gen(function*() {
    const server = yield* serve(({ target }) => target.includes("tag=") ? { status: 414 } : { status: 201 })
    const registry = yield* connect(server)
    const tags = [tag, Tag.make("v2")]
    const pushed = yield* registry.pushManifest(repository, { mediaType: MediaType.image, bytes: image, tags })
    expect(pushed.tags).toEqual(tags)
    expect(server.lines()).toEqual([
      `PUT /v2/team/app/manifests/${imageDescriptor.digest}?tag=v1&tag=v2`,
      `PUT /v2/team/app/manifests/${imageDescriptor.digest}`,
      "PUT /v2/team/app/manifests/v1",
      "PUT /v2/team/app/manifests/v2"
    ])
  }))

describe("options", () => {
  it.effect.each([
    "",
    "https://registry.example.com",
    "user@host.example",
    "registry.example.com/v2",
    "a b.example",
    "[fe80::1%eth0]",
    "[fe80::1%25eth0]:5000",
    "::1",
    "host:port",
    "host:99999"
  ])(
    "refuses %o as a host",
    (host) =>
      Effect.gen(function*() {
        const exit = yield* Effect.exit(
          Layer.build(Client.layer({ host })).pipe(Effect.scoped, Effect.provide(platforms.fetch))
        )
        expect(Exit.isFailure(exit) && Cause.isDie(exit.cause)).toBe(true)
        const error = yield* Effect.flip(Effect.provide(Client.make({ host }), platforms.fetch))
        expect(error).toMatchObject({ _tag: "OciSyntaxInvalid", expected: "registry", text: host })
      })
  )

  it.effect("layerConfig reads the host, and fails with a ConfigError if it is not valid", () =>
    Effect.gen(function*() {
      const layer = Client.layerConfig({ host: Config.string("HOST") }).pipe(Layer.provide(platforms.fetch))
      const build = (host: string) =>
        Effect.exit(Effect.scoped(Layer.build(layer))).pipe(
          Effect.withConfigProvider(ConfigProvider.fromMap(new Map([["HOST", host]])))
        )
      expect(Exit.isSuccess(yield* build("registry.example.com"))).toBe(true)
      expect(yield* Effect.flip(Effect.flatten(build("no host")))).toMatchObject({
        _op: "InvalidData",
        path: ["host"],
        message: expect.stringMatching(/^invalid registry "no host"/) as string
      })
    }))

  it.scoped("path is prepended to every path, also to a Location without it", () =>
    Effect.gen(function*() {
      const server = yield* serve(routes({
        "POST /mirror/a/v2/team/app/blobs/uploads/": {
          status: 202,
          headers: { location: "/v2/team/app/blobs/uploads/1" }
        },
        "PUT /mirror/a/v2/team/app/blobs/uploads/1": { status: 201 },
        "GET /mirror/a/v2/team/app/tags/list": { status: 200, body: JSON.stringify({ tags: [] }) }
      }))
      const registry = yield* connect(server, { path: "/mirror/a/" })
      yield* registry.pushBlob(repository, descriptor, Body.bytes(blob))
      expect(yield* collect(registry.listTags(repository))).toEqual([])
    }))

  it.scoped("userAgent is sent as the User-Agent", () =>
    Effect.gen(function*() {
      const server = yield* serve(() => ({ status: 202 }))
      const registry = yield* connect(server, { userAgent: "mirror/7" })
      yield* registry.deleteTag(repository, tag)
      expect(server.requests[0]?.headers["user-agent"]).toBe("mirror/7")
    }))

  it.scoped("layerBare adds no transports", () =>
    Effect.gen(function*() {
      const server = yield* serve(() => ({ status: 307, headers: { location: "/elsewhere" } }))
      const error = yield* Effect.flip(Effect.flatMap(Registry, (registry) => registry.deleteTag(repository, tag)))
        .pipe(
          Effect.provide(Client.layerBare({ host: server.host, insecure: true })),
          Effect.provide(platforms.undici)
        )
      expect(error).toMatchObject({ _tag: "OciUnknownCode", status: 307 })
      expect(server.requests[0]?.headers["user-agent"]).toBeUndefined()
    }))

  it("the default User-Agent contains the version of the package", () => {
    expect(defaultUserAgent).toBe(`effect-oci/${packageJson.version}`)
  })
})

describe("a registry that does not answer in time", () => {
  const idle = "100 millis"

  it.scopedLive.each(platformNames)("fails if no answer arrives, over %s", (platform) =>
    Effect.gen(function*() {
      const server = yield* serve(() => ({ raw: () => {} }))
      const registry = yield* connect(server, { idle }, platforms[platform])
      const error = yield* Effect.flip(registry.resolveManifest(repository, tag))
      expect(error.message).toBe(`ResolveManifest team/app:v1: cannot reach ${server.host}: no answer for 100ms`)
      expect(error._tag).toBe("OciTransportError")
      yield* closed(server)
    }))

  it.scopedLive.each(platformNames)("fails if the answer stops midway, over %s", (platform) =>
    Effect.gen(function*() {
      const server = yield* serve(() => ({
        raw: (response) => {
          response.writeHead(200, { "content-type": MediaType.image, "content-length": "100" })
          response.write("{")
        }
      }))
      const registry = yield* connect(server, { idle }, platforms[platform])
      const error = yield* Effect.flip(registry.getManifest(repository, tag))
      expect(error.message).toBe(
        "GetManifest team/app:v1: the answer ended after 1 of 100 bytes: less than 16384 bytes arrived for 100ms"
      )
      yield* closed(server)
    }))

  it.scopedLive("fails if the answer arrives too slowly", () =>
    Effect.gen(function*() {
      const server = yield* serve(() => ({
        raw: (response) => {
          response.writeHead(200, { "content-type": MediaType.image, "content-length": "100" })
          const drip = setInterval(() => response.write(" "), 10)
          response.on("close", () => clearInterval(drip))
        }
      }))
      const registry = yield* connect(server, { idle })
      const error = yield* Effect.flip(registry.getManifest(repository, tag))
      expect(error.message).toMatch(
        /: the answer ended after \d+ of 100 bytes: less than 16384 bytes arrived for 100ms$/
      )
      yield* closed(server)
    }))

  it.scoped("fails only after the default idle time of one minute", () =>
    Effect.gen(function*() {
      const server = yield* serve(() => ({ raw: () => {} }))
      const registry = yield* connect(server)
      const asking = yield* Effect.fork(registry.resolveManifest(repository, tag))
      yield* until(() => server.requests.length === 1)
      yield* TestClock.adjust("59 seconds")
      expect(yield* Fiber.poll(asking)).toEqual(Option.none())
      yield* TestClock.adjust("2 seconds")
      const error = yield* Effect.flip(Fiber.join(asking))
      expect(error.message).toContain("no answer for 1m")
    }))
})

describe("a connection", () => {
  it.scoped("is reused after each operation", () =>
    Effect.gen(function*() {
      const ports = new Set<number | undefined>()
      const server = yield* serveRaw((request, response) => {
        ports.add(request.socket.remotePort)
        request.resume()
        const status = request.method === "POST" ? 202 : request.method === "PUT" ? 201 : 200
        const length = request.method === "GET" || request.method === "HEAD" ? blob.byteLength : 0
        response.writeHead(status, { ...location, "content-length": length })
        response.end(request.method === "GET" ? blob : undefined)
      })
      const registry = yield* connectUnsealed(server)
      yield* Effect.repeatN(registry.resolveBlob(repository, digest), 10)
      yield* registry.pushBlob(repository, descriptor, Body.bytes(blob))
      yield* Effect.scoped(
        Effect.flatMap(registry.getBlob(repository, digest), ({ stream }) => Stream.runDrain(stream))
      )
      yield* registry.cancelUpload(repository, `${uploads}1`)
      // undici may open a second connection if a request follows within the same turn of the event loop.
      expect(ports.size).toBeLessThanOrEqual(2)
    }))

  it.scoped("is not reused if the answer to a HEAD had a body", () =>
    Effect.gen(function*() {
      const server = yield* serve(() => ({
        raw: (response) => void response.socket?.write("HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\nhello, world")
      }))
      const registry = yield* connect(server)
      expect(yield* registry.resolveBlob(repository, digest)).toEqual(descriptor)
      expect(yield* registry.resolveBlob(repository, digest)).toEqual(descriptor)
    }))
})

describe("an interrupted request", () => {
  it.scoped.each(platformNames)("closes its connection, over %s", (platform) =>
    Effect.gen(function*() {
      const server = yield* serve(() => ({ raw: () => {} }))
      const registry = yield* connect(server, {}, platforms[platform])
      const asking = yield* Effect.fork(registry.resolveManifest(repository, tag))
      yield* until(() => server.requests.length === 1)
      expect(server.connections.size).toBe(1)
      yield* Fiber.interrupt(asking)
      yield* closed(server)
    }))

  it.scoped("leaves no connection open, after many interruptions", () =>
    Effect.gen(function*() {
      const server = yield* serve(() => ({ raw: () => {} }))
      const registry = yield* connect(server)
      for (let round = 0; round < 5; round++) {
        const asking = yield* Effect.fork(
          Effect.all(Array.from({ length: 40 }, () => registry.resolveManifest(repository, tag)), {
            concurrency: "unbounded"
          })
        )
        yield* until(() => server.requests.length === 40 * (round + 1))
        yield* Fiber.interrupt(asking)
        yield* closed(server)
      }
    }))
})
