import * as Body from "@effect-oci/core/Body"
import * as ByteRange from "@effect-oci/core/ByteRange"
import * as Descriptor from "@effect-oci/core/Descriptor"
import * as Digest from "@effect-oci/core/Digest"
import * as MediaType from "@effect-oci/core/MediaType"
import * as Operation from "@effect-oci/core/Operation"
import * as RegistryError from "@effect-oci/core/RegistryError"
import * as RepositoryName from "@effect-oci/core/RepositoryName"
import * as Tag from "@effect-oci/core/Tag"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Stream from "effect/Stream"
import * as fc from "fast-check"
import * as Endpoint from "../src/Endpoint.js"
import * as ErrorBody from "../src/ErrorBody.js"
import * as Request from "../src/Request.js"
import type { RouteTag } from "../src/Route.js"
import type * as Wire from "../src/Wire.js"
import { counter, operations } from "./arbitraries.js"
import { hostileTexts, quickest, texts } from "./hostile.js"

const repository = RepositoryName.make("team/app")
const bytes = new TextEncoder().encode("{}")
const digest = Digest.fromBytes(bytes)
const sha512 = Digest.fromBytes(bytes, "sha512")
const tag = Tag.make("v1")
const escaped = encodeURIComponent(digest)

/** A body of these bytes in pieces, of unknown size. */
const chunked = (...pieces: ReadonlyArray<string>): Body.Body =>
  Body.stream(Stream.fromIterable(pieces.map((piece) => new TextEncoder().encode(piece))))

const read = (body: Body.Body): Effect.Effect<Uint8Array, RegistryError.RegistryError> =>
  Body.toBytes(body, { limit: Infinity, onLimit: () => new RegistryError.SizeInvalid({}) })

/** Returns the operation with its body in memory, so that two bodies can be compared. */
const inHand = async (operation: Operation.Operation | Request.Ping): Promise<Operation.Operation> => {
  if (operation._tag === "Ping") throw new Error("it became a ping")
  const body = Operation.bodyOf(operation)
  if (body === undefined) return operation
  const bytes = await Effect.runPromise(read(body))
  return Object.assign(Object.create(Object.getPrototypeOf(operation) as object), operation, {
    body: Body.bytes(bytes)
  })
}

describe("decode of encode", () => {
  it("returns the normal operation, with and without each optional field", async () => {
    const seen = counter()
    await fc.assert(
      fc.asyncProperty(operations, async (operation) => {
        seen.count(operation)
        const decoded = await Effect.runPromise(Request.decode(Request.encode(operation)))
        const normal = Request.normal(operation)
        const [a, b] = await Promise.all([inHand(decoded), inHand(normal)])
        expect(a).toSatisfy((a) => Operation.equivalence(a, b))
        const [body, normalBody] = [Operation.bodyOf(decoded as Operation.Operation), Operation.bodyOf(normal)]
        expect([body?.size, body?.replayable]).toEqual([normalBody?.size, normalBody?.replayable])
      }),
      { numRuns: 3600 }
    )
    expect(seen.missed({ operation: 100, field: 40 })).toEqual([])
  })

  it("is idempotent", () => {
    const seen = counter()
    fc.assert(
      fc.property(operations, (operation) => {
        seen.count(operation)
        const normal = Request.normal(operation)
        expect(Request.normal(normal)).toSatisfy((again) => Operation.equivalence(again, normal))
      }),
      { numRuns: 3600 }
    )
    expect(seen.missed({ operation: 100, field: 40 })).toEqual([])
  })

  it("returns a result for any upload id", () => {
    fc.assert(
      fc.property(fc.oneof(texts, texts.map((text) => `/${text}`), texts.map((text) => `http://${text}`)), (id) => {
        const operation = new Operation.GetUpload({ repository, id })
        Request.normal(operation)
        expect(Exit.isExit(Request.decode(Request.encode(operation)))).toBe(true)
      }),
      { numRuns: 2000 }
    )
  })
})

describe("encode", () => {
  const body = Body.bytes(bytes)
  const descriptor = Descriptor.fromBytes(bytes)
  const state = "/v2/team/app/blobs/uploads/1?_state=a%2Bb"
  const elsewhere = "https://storage.example/put?sig=x"
  const rows: ReadonlyArray<readonly [name: string, operation: Operation.Operation, lines: ReadonlyArray<string>]> = [
    ["a blob", new Operation.ResolveBlob({ repository, digest }), [`HEAD /v2/team/app/blobs/${digest}`]],
    [
      "the content of a blob",
      new Operation.GetBlob({ repository, digest }),
      [`GET /v2/team/app/blobs/${digest}`]
    ],
    [
      "a range of a blob",
      new Operation.GetBlob({ repository, digest, range: ByteRange.slice(2, 3) }),
      [`GET /v2/team/app/blobs/${digest}`, "range: bytes=2-4"]
    ],
    [
      "a manifest by tag",
      new Operation.GetManifest({ repository, reference: tag }),
      [
        "GET /v2/team/app/manifests/v1",
        `accept: ${MediaType.manifests.join(", ")}, */*`
      ]
    ],
    [
      "a manifest by digest",
      new Operation.ResolveManifest({ repository, reference: digest }),
      [
        `HEAD /v2/team/app/manifests/${digest}`,
        `accept: ${MediaType.manifests.join(", ")}, */*`
      ]
    ],
    [
      "a blob in one request",
      new Operation.PushBlob({ repository, descriptor, body }),
      [
        `POST /v2/team/app/blobs/uploads/?digest=${escaped}`,
        "content-length: 2",
        "content-type: application/octet-stream"
      ]
    ],
    [
      "a mount",
      new Operation.MountBlob({ repository, digest, from: RepositoryName.make("other/app") }),
      [`POST /v2/team/app/blobs/uploads/?mount=${escaped}&from=other%2Fapp`, "content-length: 0"]
    ],
    [
      "a mount from anywhere",
      new Operation.MountBlob({ repository, digest }),
      [`POST /v2/team/app/blobs/uploads/?mount=${escaped}`, "content-length: 0"]
    ],
    ["a new upload", new Operation.StartUpload({ repository }), [
      "POST /v2/team/app/blobs/uploads/",
      "content-length: 0"
    ]],
    [
      "a new upload for sha512",
      new Operation.StartUpload({ repository, algorithm: "sha512" }),
      ["POST /v2/team/app/blobs/uploads/?digest-algorithm=sha512", "content-length: 0"]
    ],
    ["an upload", new Operation.GetUpload({ repository, id: "1" }), ["GET /v2/team/app/blobs/uploads/1"]],
    ["an upload at its location", new Operation.GetUpload({ repository, id: state }), [`GET ${state}`]],
    [
      "an upload whose id is written with a slash",
      new Operation.GetUpload({ repository, id: "a/b" }),
      ["GET /v2/team/app/blobs/uploads/a%2Fb"]
    ],
    [
      "a chunk",
      new Operation.AppendUpload({ repository, id: state, offset: 10, body }),
      [
        `PATCH ${state}`,
        "content-length: 2",
        "content-range: 10-11",
        "content-type: application/octet-stream",
        "upload-offset: 10"
      ]
    ],
    [
      "a chunk without an offset",
      new Operation.AppendUpload({ repository, id: "1", body: chunked("a") }),
      ["PATCH /v2/team/app/blobs/uploads/1", "content-type: application/octet-stream"]
    ],
    [
      "an empty chunk",
      new Operation.AppendUpload({ repository, id: "1", offset: 0, body: Body.empty }),
      [
        "PATCH /v2/team/app/blobs/uploads/1",
        "content-length: 0",
        "content-type: application/octet-stream",
        "upload-offset: 0"
      ]
    ],
    [
      "the completion of an upload",
      new Operation.CompleteUpload({ repository, id: state, digest }),
      [`PUT ${state}&digest=${escaped}`, "content-length: 0", "content-type: application/octet-stream"]
    ],
    [
      "the completion of an upload on another host, with the last chunk",
      new Operation.CompleteUpload({ repository, id: elsewhere, digest, offset: 0, body }),
      [
        `PUT ${elsewhere}&digest=${escaped}`,
        "content-length: 2",
        "content-range: 0-1",
        "content-type: application/octet-stream",
        "upload-offset: 0"
      ]
    ],
    ["a canceled upload", new Operation.CancelUpload({ repository, id: "1" }), [
      "DELETE /v2/team/app/blobs/uploads/1"
    ]],
    [
      "a manifest to a tag",
      new Operation.PushManifest({ repository, mediaType: MediaType.index, bytes, tags: [tag] }),
      ["PUT /v2/team/app/manifests/v1", "content-length: 2", `content-type: ${MediaType.index}`]
    ],
    [
      "a manifest to its digest",
      new Operation.PushManifest({ repository, mediaType: MediaType.index, bytes, tags: [] }),
      [`PUT /v2/team/app/manifests/${digest}`, "content-length: 2", `content-type: ${MediaType.index}`]
    ],
    [
      "a manifest to a digest and tags with ifAbsent",
      new Operation.PushManifest({
        repository,
        mediaType: MediaType.index,
        bytes,
        digest: sha512,
        tags: [tag, Tag.make("v1.0")],
        ifAbsent: true
      }),
      [
        `PUT /v2/team/app/manifests/${sha512}?tag=v1&tag=v1.0`,
        "content-length: 2",
        `content-type: ${MediaType.index}`,
        "if-none-match: *"
      ]
    ],
    [
      "a manifest to a tag with ifMatch",
      new Operation.PushManifest({ repository, mediaType: MediaType.index, bytes, tags: [tag], ifMatch: sha512 }),
      [
        "PUT /v2/team/app/manifests/v1",
        "content-length: 2",
        `content-type: ${MediaType.index}`,
        `if-match: "${sha512}"`
      ]
    ],
    [
      "a manifest without tags, whose condition has no effect",
      new Operation.PushManifest({ repository, mediaType: MediaType.index, bytes, tags: [], ifMatch: digest }),
      [`PUT /v2/team/app/manifests/${digest}`, "content-length: 2", `content-type: ${MediaType.index}`]
    ],
    ["a blob deletion", new Operation.DeleteBlob({ repository, digest }), [`DELETE /v2/team/app/blobs/${digest}`]],
    ["a manifest deletion", new Operation.DeleteManifest({ repository, digest }), [
      `DELETE /v2/team/app/manifests/${digest}`
    ]],
    ["a tag deletion", new Operation.DeleteTag({ repository, tag }), ["DELETE /v2/team/app/manifests/v1"]],
    ["all repositories", new Operation.ListRepositories({}), ["GET /v2/_catalog"]],
    [
      "some repositories",
      new Operation.ListRepositories({ last: repository, limit: 10 }),
      ["GET /v2/_catalog?n=10&last=team%2Fapp"]
    ],
    ["no tags", new Operation.ListTags({ repository, limit: 0 }), ["GET /v2/team/app/tags/list?n=0"]],
    ["tags after one", new Operation.ListTags({ repository, last: tag }), ["GET /v2/team/app/tags/list?last=v1"]],
    [
      "referrers of a type",
      new Operation.ListReferrers({ repository, digest, artifactType: "application/vnd.example+json" }),
      [`GET /v2/team/app/referrers/${digest}?artifactType=application%2Fvnd.example%2Bjson`]
    ]
  ]
  it.each(rows)("encodes %s", (_, operation, lines) => {
    const { headers, method, target } = Request.encode(operation)
    expect([`${method} ${target}`, ...Object.entries(headers).map((header) => header.join(": ")).sort()]).toEqual(lines)
  })

  it("keeps a replayable body replayable", () => {
    const stream = Body.stream(Stream.make(bytes), { replayable: true })
    const request = Request.encode(new Operation.PushBlob({ repository, descriptor, body: stream }))
    expect([request.body?.size, request.body?.replayable, request.headers["content-length"]]).toEqual([2, true, "2"])
  })

  it("encodes unpaired surrogates as U+FFFD", () => {
    const operation = new Operation.ListReferrers({ repository, digest, artifactType: "a\udc00b" })
    expect(Request.encode(operation).target).toBe(`/v2/team/app/referrers/${digest}?artifactType=a%EF%BF%BDb`)
  })
})

const request = (line: string, headers: Wire.Headers = {}, body?: Body.Body): Wire.Request => {
  const space = line.indexOf(" ")
  return { method: line.slice(0, space), target: line.slice(space + 1), headers, body }
}

const rejection = (request: Wire.Request, options?: Request.Options): Effect.Effect<Request.Rejected> =>
  Effect.flip(Request.decode(request, options)) as Effect.Effect<Request.Rejected>

/** Returns a server's response to a request that is not an operation. */
const answer = (rejected: Request.Rejected): readonly [status: number, code: string | undefined] => {
  const response = Request.encodeRejected(rejected)
  return [response.status, ErrorBody.parse(response.body?.bytes)[0]?.code]
}

describe("decode", () => {
  const manifestType = { "content-type": MediaType.image }

  const taken: ReadonlyArray<
    readonly [name: string, request: Wire.Request, operation: Operation.Operation | Request.Ping]
  > = [
    ["the base", request("GET /v2/"), new Request.Ping()],
    ["the base without a slash", request("GET /v2"), new Request.Ping()],
    ["the base by HEAD", request("HEAD /v2/"), new Request.Ping()],
    ["the base with a query", request("GET /v2/?account=me"), new Request.Ping()],
    ["the base as a whole URL", request("GET http://registry.example/v2/"), new Request.Ping()],
    [
      "a target that is a whole URL",
      request("GET HTTPS://registry.example:5000/v2/team/app/manifests/v1?ns=docker.io"),
      new Operation.GetManifest({ repository, reference: tag })
    ],
    [
      "a range whose end is not a safe integer",
      request(`GET /v2/team/app/blobs/${digest}`, { range: "bytes=5-99999999999999999999" }),
      new Operation.GetBlob({ repository, digest, range: ByteRange.slice(5, Number.MAX_SAFE_INTEGER - 5) })
    ],
    [
      "several ranges",
      request(`GET /v2/team/app/blobs/${digest}`, { range: "bytes=0-1,5-6" }),
      new Operation.GetBlob({ repository, digest })
    ],
    [
      "a range with an If-Range that matches the blob",
      request(`GET /v2/team/app/blobs/${digest}`, { range: "bytes=0-1", "if-range": `"${digest}"` }),
      new Operation.GetBlob({ repository, digest, range: ByteRange.slice(0, 2) })
    ],
    [
      "a range with an If-Range of another blob",
      request(`GET /v2/team/app/blobs/${digest}`, { range: "bytes=0-1", "if-range": `"${sha512}"` }),
      new Operation.GetBlob({ repository, digest })
    ],
    [
      "a range with a weak If-Range",
      request(`GET /v2/team/app/blobs/${digest}`, { range: "bytes=500-0", "if-range": `W/"${digest}"` }),
      new Operation.GetBlob({ repository, digest })
    ],
    [
      "a range by HEAD",
      request(`HEAD /v2/team/app/blobs/${digest}`, { range: "bytes=500-0" }),
      new Operation.ResolveBlob({ repository, digest })
    ],
    [
      "a digest that is escaped",
      request(`HEAD /v2/team/app/manifests/${escaped}`),
      new Operation.ResolveManifest({ repository, reference: digest })
    ],
    [
      "a mount whose source is empty",
      request(`POST /v2/team/app/blobs/uploads/?mount=${digest}&from=`),
      new Operation.MountBlob({ repository, digest })
    ],
    [
      "a mount that has a digest too",
      request(`POST /v2/team/app/blobs/uploads/?mount=${digest}&digest=${sha512}`),
      new Operation.MountBlob({ repository, digest })
    ],
    [
      "an upload without the last slash",
      request("POST /v2/team/app/blobs/uploads"),
      new Operation.StartUpload({ repository })
    ],
    [
      "an upload, if the length of a push is unknown",
      request(`POST /v2/team/app/blobs/uploads/?digest=${digest}`, {}, chunked("{}")),
      new Operation.StartUpload({ repository })
    ],
    [
      "an upload whose algorithm is empty",
      request("POST /v2/team/app/blobs/uploads/?digest-algorithm="),
      new Operation.StartUpload({ repository })
    ],
    [
      "an id that is escaped",
      request("GET /v2/team/app/blobs/uploads/a%2Fb?_state=x"),
      new Operation.GetUpload({ repository, id: "a/b" })
    ],
    [
      "a chunk by its range",
      request("PATCH /v2/team/app/blobs/uploads/1", { "content-range": " 10-11 " }, Body.bytes(bytes)),
      new Operation.AppendUpload({ repository, id: "1", offset: 10, body: Body.bytes(bytes) })
    ],
    [
      "a chunk by its offset",
      request("PATCH /v2/team/app/blobs/uploads/1", { "upload-offset": "10" }, Body.bytes(bytes)),
      new Operation.AppendUpload({ repository, id: "1", offset: 10, body: Body.bytes(bytes) })
    ],
    [
      "a chunk that says neither",
      request("PATCH /v2/team/app/blobs/uploads/1", {}, Body.bytes(bytes)),
      new Operation.AppendUpload({ repository, id: "1", body: Body.bytes(bytes) })
    ],
    [
      "a chunk without a body",
      request("PATCH /v2/team/app/blobs/uploads/1"),
      new Operation.AppendUpload({ repository, id: "1", body: Body.empty })
    ],
    [
      "the completion of an upload, with its query in any order",
      request(`PUT /v2/team/app/blobs/uploads/1?digest=${escaped}&_state=x`),
      new Operation.CompleteUpload({ repository, id: "1", digest })
    ],
    [
      "a digest whose algorithm contains a plus sign",
      request("PUT /v2/team/app/blobs/uploads/1?digest=sha256+b64u:aa"),
      new Operation.CompleteUpload({ repository, id: "1", digest: Digest.make("sha256+b64u:aa") })
    ],
    [
      "a manifest whose type has parameters",
      request(
        "PUT /v2/team/app/manifests/v1",
        { "content-type": "Application/JSON; charset=utf-8" },
        Body.bytes(bytes)
      ),
      new Operation.PushManifest({ repository, mediaType: "application/json", bytes, tags: [tag] })
    ],
    [
      "a manifest by one tag and more",
      request("PUT /v2/team/app/manifests/v1?tag=v2", manifestType, Body.bytes(bytes)),
      new Operation.PushManifest({ repository, mediaType: MediaType.image, bytes, tags: [tag, Tag.make("v2")] })
    ],
    [
      "a manifest with another condition",
      request("PUT /v2/team/app/manifests/v1", { ...manifestType, "if-none-match": `"x"` }, Body.bytes(bytes)),
      new Operation.PushManifest({ repository, mediaType: MediaType.image, bytes, tags: [tag] })
    ],
    [
      "a manifest without a body",
      request("PUT /v2/team/app/manifests/v1", manifestType),
      new Operation.PushManifest({ repository, mediaType: MediaType.image, bytes: new Uint8Array(0), tags: [tag] })
    ],
    ["a list after nothing", request("GET /v2/_catalog?last="), new Operation.ListRepositories({})],
    ["a list of no items", request("GET /v2/team/app/tags/list?n=0"), new Operation.ListTags({ repository, limit: 0 })],
    [
      "a list with a limit that is not a safe integer",
      request("GET /v2/team/app/tags/list?n=9007199254740992"),
      new Operation.ListTags({ repository, limit: Number.MAX_SAFE_INTEGER })
    ],
    [
      "a list with an even larger limit",
      request(`GET /v2/_catalog?n=${"9".repeat(400)}`),
      new Operation.ListRepositories({ limit: Number.MAX_SAFE_INTEGER })
    ],
    [
      "a query that is empty",
      request("GET /v2/team/app/tags/list?"),
      new Operation.ListTags({ repository })
    ],
    [
      "an artifact type with a plus sign",
      request(`GET /v2/team/app/referrers/${digest}?artifactType=application/vnd.example+json`),
      new Operation.ListReferrers({ repository, digest, artifactType: "application/vnd.example+json" })
    ],
    [
      "an artifact type that is empty",
      request(`GET /v2/team/app/referrers/${digest}?artifactType=`),
      new Operation.ListReferrers({ repository, digest })
    ],
    [
      "an unknown and malformed query",
      request(`GET /v2/team/app/referrers/${digest}?%zz=%&&=&a`),
      new Operation.ListReferrers({ repository, digest })
    ]
  ]
  it.effect.each(taken)("accepts %s", ([, request, operation]) =>
    Effect.map(Request.decode(request), (decoded) => {
      if (operation._tag === "Ping") return expect(decoded).toEqual(operation)
      expect(decoded).toSatisfy((decoded: Operation.Operation) => Operation.equivalence(decoded, operation))
    }))

  const longName = "a".repeat(256)
  const patch = "PATCH /v2/team/app/blobs/uploads/1"
  const put = `PUT /v2/team/app/blobs/uploads/1?digest=${escaped}`
  const two = Body.bytes(bytes)
  const refused: ReadonlyArray<readonly [name: string, request: Wire.Request, status: number, code: string]> = [
    ["a path outside the API", request("GET /"), 404, "UNSUPPORTED"],
    ["a path of nothing", request("GET /v2/app/nothing"), 404, "UNSUPPORTED"],
    ["a path that is a whole URL", request("GET http://registry.example"), 404, "UNSUPPORTED"],
    ["another scheme", request("GET ftp://registry.example/v2/"), 404, "UNSUPPORTED"],
    ["an asterisk", request("OPTIONS *"), 404, "UNSUPPORTED"],
    ["an empty target", request("GET "), 404, "UNSUPPORTED"],
    ["a name in capitals", request("GET /v2/App/tags/list"), 400, "NAME_INVALID"],
    ["a name with a parent segment", request("GET /v2/a/../b/tags/list"), 400, "NAME_INVALID"],
    ["a name with an escaped parent segment", request("GET /v2/a/%2e%2e/b/tags/list"), 400, "NAME_INVALID"],
    ["a name that goes up, all in one", request("GET /v2/a%2f..%2fb/tags/list"), 400, "NAME_INVALID"],
    ["a name that is escaped twice", request("GET /v2/a%252fb/tags/list"), 400, "NAME_INVALID"],
    ["a name with an empty component", request("GET /v2/a//b/tags/list"), 400, "NAME_INVALID"],
    ["a name that is empty", request("GET /v2//tags/list"), 400, "NAME_INVALID"],
    ["a name with a bad escape", request("GET /v2/a%zz/tags/list"), 400, "NAME_INVALID"],
    ["a name with a NUL", request("GET /v2/a%00/tags/list"), 400, "NAME_INVALID"],
    ["a name with a newline", request("GET /v2/a%0a/tags/list"), 400, "NAME_INVALID"],
    ["a name that is too long", request(`GET /v2/${longName}/tags/list`), 400, "NAME_INVALID"],
    ["a name of the wrong kind first", request("GET /v2/App/manifests/.x"), 400, "NAME_INVALID"],
    ["a blob by tag", request("GET /v2/app/blobs/v1"), 400, "DIGEST_INVALID"],
    ["a blob by nothing", request("GET /v2/app/blobs/"), 400, "DIGEST_INVALID"],
    ["a digest that is too short", request("GET /v2/app/blobs/sha256:0"), 400, "DIGEST_INVALID"],
    ["a digest in capitals", request(`HEAD /v2/app/manifests/sha256:${"A".repeat(64)}`), 400, "DIGEST_INVALID"],
    ["a digest that is a path", request("GET /v2/app/manifests/sha256:..%2f..%2fx"), 400, "DIGEST_INVALID"],
    ["referrers of a tag", request("GET /v2/app/referrers/v1"), 400, "DIGEST_INVALID"],
    ["a tag that is a path", request("GET /v2/app/manifests/..%2fx"), 400, "TAG_INVALID"],
    ["a tag that is empty", request("GET /v2/app/manifests/"), 400, "TAG_INVALID"],
    ["a tag that is too long", request(`DELETE /v2/app/manifests/${"a".repeat(129)}`), 400, "TAG_INVALID"],
    ["a tag that is not ASCII", request("GET /v2/app/manifests/%C3%A9"), 400, "TAG_INVALID"],
    [
      "a range that ends before it begins",
      request(`GET /v2/app/blobs/${digest}`, { range: "bytes=500-0" }),
      416,
      "RANGE_INVALID"
    ],
    [
      "a range of the last zero bytes",
      request(`GET /v2/app/blobs/${digest}`, { range: "bytes=-0" }),
      416,
      "RANGE_INVALID"
    ],
    ["a mount of no digest", request("POST /v2/app/blobs/uploads/?mount=x"), 400, "DIGEST_INVALID"],
    ["a mount of nothing", request("POST /v2/app/blobs/uploads/?mount="), 400, "DIGEST_INVALID"],
    ["a mount from no name", request(`POST /v2/app/blobs/uploads/?mount=${digest}&from=..`), 400, "NAME_INVALID"],
    ["a push to no digest", request("POST /v2/app/blobs/uploads/?digest=x", {}, two), 400, "DIGEST_INVALID"],
    ["the upload .", request("GET /v2/app/blobs/uploads/."), 404, "BLOB_UPLOAD_UNKNOWN"],
    ["the upload ..", request("PATCH /v2/app/blobs/uploads/%2e%2e", {}, two), 404, "BLOB_UPLOAD_UNKNOWN"],
    ["a chunk with a unit", request(patch, { "content-range": "bytes 0-1/2" }, two), 416, "RANGE_INVALID"],
    ["a chunk that ends before it begins", request(patch, { "content-range": "1-0" }, two), 416, "RANGE_INVALID"],
    ["a chunk without a start", request(patch, { "content-range": "-1" }, two), 416, "RANGE_INVALID"],
    ["a chunk with an empty range", request(patch, { "content-range": "" }, two), 416, "RANGE_INVALID"],
    ["a chunk that is too far", request(patch, { "content-range": "0-9007199254740991" }, two), 416, "RANGE_INVALID"],
    ["a chunk that is shorter", request(patch, { "content-range": "0-2" }, two), 400, "SIZE_INVALID"],
    ["a chunk that is longer", request(patch, { "content-range": "0-0" }, two), 400, "SIZE_INVALID"],
    ["a chunk of nothing", request(patch, { "content-range": "0-0" }), 400, "SIZE_INVALID"],
    ["a chunk at no offset", request(patch, { "upload-offset": "-1" }, two), 416, "RANGE_INVALID"],
    [
      "a chunk at an offset that is not a safe integer",
      request(patch, { "upload-offset": "9007199254740992" }, two),
      416,
      "RANGE_INVALID"
    ],
    [
      "a chunk at two offsets",
      request(patch, { "upload-offset": "1", "content-range": "0-1" }, two),
      416,
      "RANGE_INVALID"
    ],
    ["a last chunk that is shorter", request(put, { "content-range": "0-2" }, two), 400, "SIZE_INVALID"],
    ["a last chunk with a unit", request(put, { "content-range": "bytes=0-1" }, two), 416, "RANGE_INVALID"],
    ["an end without a digest", request("PUT /v2/app/blobs/uploads/1"), 400, "DIGEST_INVALID"],
    ["an end with no digest", request("PUT /v2/app/blobs/uploads/1?digest=sha256:0"), 400, "DIGEST_INVALID"],
    ["a manifest without a type", request("PUT /v2/app/manifests/v1", {}, two), 400, "MANIFEST_INVALID"],
    [
      "a manifest whose type is empty",
      request("PUT /v2/app/manifests/v1", { "content-type": " ;q=1" }, two),
      400,
      "MANIFEST_INVALID"
    ],
    [
      "a manifest with an invalid media type",
      request("PUT /v2/app/manifests/v1", { "content-type": "json" }, two),
      400,
      "MANIFEST_INVALID"
    ],
    [
      "a manifest of two types",
      request("PUT /v2/app/manifests/v1", { "content-type": "a/b, c/d" }, two),
      400,
      "MANIFEST_INVALID"
    ],
    [
      "a manifest whose type is too long",
      request("PUT /v2/app/manifests/v1", { "content-type": `a/${"b".repeat(128)}` }, two),
      400,
      "MANIFEST_INVALID"
    ],
    ...["", "*", `"v1"`, `"${digest}", "${digest}"`, `${digest},${digest}`, `W/"${digest}"`, `"${digest}`].map((
      match
    ) =>
      [
        `a manifest with If-Match: ${match}`,
        request("PUT /v2/app/manifests/v1", { ...manifestType, "if-match": match }, two),
        400,
        "DIGEST_INVALID"
      ] as const
    ),
    [
      "a manifest with an additional invalid tag",
      request(`PUT /v2/app/manifests/v1?tag=.x`, manifestType, two),
      400,
      "TAG_INVALID"
    ],
    [
      "a manifest with an additional empty tag",
      request(`PUT /v2/app/manifests/${digest}?tag=`, manifestType, two),
      400,
      "TAG_INVALID"
    ],
    ["a list after no name", request("GET /v2/_catalog?last=.."), 400, "NAME_INVALID"],
    ["a list after no tag", request("GET /v2/app/tags/list?last=a:b"), 400, "TAG_INVALID"],
    ...["-1", "abc", "", "1e9", "1.5", "0x10", "+1", "%D9%A3"].map((n) =>
      [
        `a list of ${JSON.stringify(n)}`,
        request(`GET /v2/app/tags/list?n=${n}`),
        400,
        "PAGINATION_NUMBER_INVALID"
      ] as const
    )
  ]
  it.effect.each(refused)("refuses %s", ([, request, status, code]) =>
    Effect.map(rejection(request), (rejected) => {
      expect(answer(rejected)).toEqual([status, code])
    }))

  const wrongMethods: ReadonlyArray<readonly [route: RouteTag, path: string]> = [
    ["Base", "/v2/"],
    ["Catalog", "/v2/_catalog"],
    ["Blob", `/v2/app/blobs/${digest}`],
    ["Manifest", "/v2/app/manifests/v1"],
    ["Uploads", "/v2/app/blobs/uploads/"],
    ["Upload", "/v2/app/blobs/uploads/1"],
    ["Tags", "/v2/app/tags/list"],
    ["Referrers", `/v2/app/referrers/${digest}`]
  ]
  const methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "get", "constructor", "__proto__", ""]
  it.effect.each(wrongMethods)("refuses unsupported methods: %s", ([route, path]) =>
    Effect.gen(function*() {
      const allowed = Endpoint.methods(route)
      for (const method of methods) {
        if ((allowed as ReadonlyArray<string>).includes(method)) continue
        const rejected = yield* rejection(request(`${method} ${path}`))
        expect([method, ...answer(rejected)]).toEqual([method, 405, "UNSUPPORTED"])
        expect(Request.encodeRejected(rejected).headers).toEqual({
          "content-type": "application/json",
          allow: allowed.join(", ")
        })
      }
    }))

  it.effect("reports an unknown method escaped and cut", () =>
    Effect.map(rejection(request(`\x1b[2J${"X".repeat(1000)} /v2/`)), (rejected) => {
      expect(rejected.message).toBe("the method \\u001b[2JXXXXXXXXXXXX is not one of GET, HEAD")
    }))

  it.effect("checks the name before the method", () =>
    Effect.map(rejection(request("POST /v2/App/tags/list")), (rejected) => {
      expect(answer(rejected)).toEqual([405, "UNSUPPORTED"])
    }))

  it.effect("counts the bytes of a chunk whose length is only in its range", () =>
    Effect.gen(function*() {
      const decodeChunk = (body: Body.Body) =>
        Effect.map(
          Request.decode(request(patch, { "content-range": "5-9" }, body)),
          (operation) => operation._tag === "AppendUpload" ? operation : expect.fail(operation._tag)
        )
      const exact = yield* decodeChunk(chunked("ab", "", "cde"))
      expect([exact.offset, exact.body.size, new TextDecoder().decode(yield* read(exact.body))]).toEqual([
        5,
        5,
        "abcde"
      ])
      for (const pieces of [["abcd"], ["abc", "def"], ["abcdef"], []]) {
        const error = yield* Effect.flip(read((yield* decodeChunk(chunked(...pieces))).body))
        expect([pieces, error._tag]).toEqual([pieces, "OciSizeInvalid"])
      }
    }))

  describe("of a manifest that is too large", () => {
    const limit = 10
    const push = (body: Body.Body) => request("PUT /v2/app/manifests/v1", manifestType, body)

    it.effect("accepts a manifest of exactly the limit", () =>
      Effect.gen(function*() {
        for (const body of [Body.bytes(new Uint8Array(limit)), chunked("01234", "56789")]) {
          const operation = yield* Request.decode(push(body), { maxManifestBytes: limit })
          expect(operation._tag === "PushManifest" && operation.bytes.byteLength).toBe(limit)
        }
      }))

    it.effect("refuses a manifest by its length without reading it", () =>
      Effect.gen(function*() {
        let read = 0
        const body = Body.stream(Stream.fromEffect(Effect.sync(() => new Uint8Array(++read))), { size: limit + 1 })
        const rejected = yield* rejection(push(body), { maxManifestBytes: limit })
        expect([...answer(rejected), read]).toEqual([413, "SIZE_INVALID", 0])
      }))

    it.effect("refuses a manifest without a length as soon as it exceeds the limit", () =>
      Effect.gen(function*() {
        let read = 0
        const endless = Body.stream(Stream.repeatEffect(Effect.sync(() => {
          read++
          return new Uint8Array(4)
        })))
        const rejected = yield* rejection(push(endless), { maxManifestBytes: limit })
        expect([...answer(rejected), read]).toEqual([413, "SIZE_INVALID", 3])
      }))

    it.effect("accepts at most 4 MiB by default", () =>
      Effect.gen(function*() {
        yield* Request.decode(push(Body.bytes(new Uint8Array(4 * 1024 * 1024))))
        const rejected = yield* rejection(push(Body.bytes(new Uint8Array(4 * 1024 * 1024 + 1))))
        expect(answer(rejected)).toEqual([413, "SIZE_INVALID"])
      }))

    it.effect("does not read a manifest without a media type", () =>
      Effect.gen(function*() {
        const body = Body.stream(Stream.die("it was read"))
        const rejected = yield* rejection(request("PUT /v2/app/manifests/v1", {}, body))
        expect(answer(rejected)).toEqual([400, "MANIFEST_INVALID"])
      }))

    it.effect("fails with the error of the body", () =>
      Effect.gen(function*() {
        const rejected = yield* rejection(push(Body.stream(Stream.fail(new Error("reset")))))
        expect([rejected.error._tag, ...answer(rejected)]).toEqual(["OciBodyFailed", 400, "UNKNOWN"])
      }))
  })

  it("returns an Exit, except for manifests whose body must be read", () => {
    const isAtHand = (request: Wire.Request) => Exit.isExit(Request.decode(request))
    expect(isAtHand(request("GET /v2/"))).toBe(true)
    expect(isAtHand(request("GET /v2/app/manifests/v1"))).toBe(true)
    expect(isAtHand(request(`GET /v2/app/blobs/${digest}`))).toBe(true)
    expect(isAtHand(request(patch, {}, chunked("a")))).toBe(true)
    expect(isAtHand(request("GET /nothing"))).toBe(true)
    expect(isAtHand(request("PUT /v2/app/manifests/v1", manifestType, two))).toBe(true)
    expect(isAtHand(request("PUT /v2/app/manifests/v1", manifestType, chunked("{}")))).toBe(false)
  })

  const anyRequests = fc.record({
    method: fc.constantFrom("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"),
    target: fc.oneof(
      texts,
      fc.tuple(texts, texts).map(([id, query]) => `/v2/team/app/blobs/uploads/${id}?digest=${digest}&${query}`),
      texts.map((query) => `/v2/team/app/tags/list?${query}`),
      texts.map((name) => `/v2/${name}/manifests/v1`)
    ),
    headers: fc.dictionary(
      fc.constantFrom(
        "range",
        "if-range",
        "content-range",
        "upload-offset",
        "content-type",
        "if-none-match",
        "if-match"
      ),
      texts
    ),
    body: fc.constantFrom(undefined, Body.empty, two)
  })

  it("never throws", () => {
    fc.assert(
      fc.property(anyRequests, (request) => {
        const exit = Effect.runSyncExit(Request.decode(request))
        expect(Exit.isSuccess(exit) ? "Success" : exit.cause._tag).toMatch(/^(Success|Fail)$/)
      }),
      { numRuns: 3000 }
    )
  })

  it.each(hostileTexts)("decodes $name in 5 ms", ({ text }) => {
    const decode = (target: string, headers: Wire.Headers = {}) =>
      quickest(() => Effect.runSyncExit(Request.decode({ method: "PATCH", target, headers, body: two })))
    expect(decode(text)).toBeLessThan(5)
    expect(decode(`/v2/app/blobs/uploads/${text}`)).toBeLessThan(5)
    expect(decode("/v2/app/blobs/uploads/1", { "content-range": text, "upload-offset": text })).toBeLessThan(5)
  })
})

describe("Request.decodeHead", () => {
  const push = (body: Body.Body): Wire.Request => ({
    method: "PUT",
    target: "/v2/team/app/manifests/v1",
    headers: { "content-type": MediaType.image },
    body
  })

  it.effect("returns an operation before its body is read, and reads the body on demand", () =>
    Effect.gen(function*() {
      let reads = 0
      const counted = Body.stream(Stream.suspend(() => {
        reads += 1
        return Stream.make(bytes)
      }))
      const { operation, rest } = yield* Request.decodeHead(push(counted))
      expect(operation).toMatchObject({ _tag: "PushManifest", repository, tags: ["v1"], bytes: new Uint8Array(0) })
      expect(reads).toBe(0)
      expect(yield* rest!()).toMatchObject({ _tag: "PushManifest", repository, tags: ["v1"], bytes })
      expect(reads).toBe(1)
    }))

  it("has no rest for other requests", () => {
    const head = Request.decodeHead({ method: "GET", target: "/v2/", headers: {}, body: undefined })
    expect(head).toEqual(Exit.succeed({ operation: new Request.Ping(), rest: undefined }))
  })
})
