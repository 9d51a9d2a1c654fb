import * as BlobContent from "@effect-oci/core/BlobContent"
import * as Body from "@effect-oci/core/Body"
import * as ByteRange from "@effect-oci/core/ByteRange"
import * as Descriptor from "@effect-oci/core/Descriptor"
import * as Digest from "@effect-oci/core/Digest"
import * as Manifest from "@effect-oci/core/Manifest"
import * as MediaType from "@effect-oci/core/MediaType"
import * as Operation from "@effect-oci/core/Operation"
import * as RegistryError from "@effect-oci/core/RegistryError"
import * as RepositoryName from "@effect-oci/core/RepositoryName"
import * as Tag from "@effect-oci/core/Tag"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Stream from "effect/Stream"
import * as fc from "fast-check"
import type { ItemOf, ListOperation } from "../src/Page.js"
import * as Request from "../src/Request.js"
import * as Response from "../src/Response.js"
import type * as Wire from "../src/Wire.js"
import { counts, descriptors, digests, kinds, mediaTypes, repositories, tags } from "./arbitraries.js"
import { hostileTexts, quickest, texts } from "./hostile.js"

type Plain = Exclude<Operation.Operation, ListOperation>

const repository = RepositoryName.make("team/app")
const content = new TextEncoder().encode("{}")
const digest = Digest.fromBytes(content)
const sha512 = Digest.fromBytes(content, "sha512")
const other = Digest.fromBytes(new Uint8Array(0))
const tag = Tag.make("v1")
const octetStream = Descriptor.octetStream
const origin = "https://registry.example"

/** A response as a client receives it, after the request of an operation. */
const received = (
  operation: Operation.Operation,
  response: Partial<Wire.Response>,
  at: { readonly url?: string; readonly origin?: string } = {}
): Response.Received => {
  const { method, target } = Request.encode(operation)
  const body = method === "HEAD" ? Body.empty : response.body ?? Body.empty
  return {
    status: 200,
    headers: {},
    url: new URL(target, origin).href,
    ...response,
    body,
    bytes: (limit) => Body.toBytes(body, { limit, onLimit: () => new RegistryError.SizeInvalid({ limit }) }),
    ...at
  }
}

const decode = <O extends Plain>(operation: O, response: Response.Received) =>
  Response.decode(operation, response, Operation.errorFields(operation))

/** Decodes a server's response as a client does. */
const roundTrip = <O extends Plain>(operation: O, result: Operation.ResultOf<O>) =>
  decode(operation, received(operation, Response.encode(operation, result)))

const bytesOf = (body: Body.Body): Effect.Effect<Uint8Array, RegistryError.RegistryError> =>
  Body.toBytes(body, { limit: Infinity, onLimit: () => new RegistryError.SizeInvalid({}) })

const half = <A>(arbitrary: fc.Arbitrary<A>): fc.Arbitrary<A | undefined> =>
  fc.option(arbitrary, { freq: 2, nil: undefined })

describe("decode of encode", () => {
  /** Tests all operations of a kind with all possible results. */
  const law = <T extends Plain["_tag"]>(
    tag: T,
    results: (operation: Operation.OperationOf<T>) => fc.Arbitrary<Operation.Results[T]>,
    check: (
      decoded: Operation.Results[T],
      result: Operation.Results[T],
      operation: Operation.OperationOf<T>
    ) => void | Effect.Effect<void, RegistryError.RegistryError> = (decoded, result) => {
      expect(decoded).toEqual(result)
    }
  ) =>
    it(`is the result of ${tag}`, () =>
      fc.assert(
        fc.asyncProperty(
          kinds[tag].arbitrary.chain((operation: Operation.OperationOf<T>) =>
            fc.tuple(fc.constant(operation), results(operation))
          ),
          ([operation, result]) =>
            Effect.gen(function*() {
              const decoded = yield* roundTrip(operation as Plain, result as never)
              yield* check(decoded as never, result, operation) ?? Effect.void
            }).pipe(Effect.runPromise)
        )
      ))

  const blobOf = (digest: Digest.Digest): fc.Arbitrary<Descriptor.Descriptor> =>
    fc.record({ mediaType: fc.constant(octetStream), digest: fc.constant(digest), size: counts })

  const optional = <K extends string, A>(name: K, arbitrary: fc.Arbitrary<A>) =>
    half(arbitrary).map((value) => (value === undefined ? {} : { [name]: value }) as { readonly [N in K]?: A })

  const types = mediaTypes.map(MediaType.essence)

  const uploads: fc.Arbitrary<Operation.Upload> = fc
    .tuple(fc.string({ unit: "grapheme", minLength: 1 }), counts, optional("minChunkSize", counts))
    .filter(([id]) => id !== "." && id !== ".." && !id.startsWith("/"))
    .map(([id, offset, rest]) => ({ id, offset, ...rest }))

  /** The id arrives as the location that the server created from it, and is sent back as the server wrote it. */
  const sameUpload = (decoded: Operation.Upload, result: Operation.Upload) => {
    const sent = Request.normal(new Operation.GetUpload({ repository, id: decoded.id })) as Operation.GetUpload
    expect({ ...decoded, id: sent.id }).toEqual(result)
    expect(decoded.id).toMatch(/^\/v2\//)
  }

  law("ResolveBlob", ({ digest }) => blobOf(digest))

  it("returns the result of GetBlob", () => {
    const small = fc.nat({ max: 25 })
    const ranges = fc.oneof(
      small.map(ByteRange.from),
      fc.tuple(small, fc.integer({ min: 1, max: 25 })).map(([offset, length]) => ByteRange.slice(offset, length)),
      fc.integer({ min: 1, max: 25 }).map(ByteRange.last)
    )
    const makes: ReadonlyArray<(bytes: Uint8Array) => Body.Body> = [
      Body.bytes,
      (bytes) => Body.stream(Stream.make(bytes)),
      (bytes) => Body.stream(Stream.make(bytes), { size: bytes.byteLength })
    ]
    return fc.assert(
      fc.asyncProperty(
        repositories,
        digests,
        half(ranges),
        fc.uint8Array({ maxLength: 40 }),
        fc.constantFrom(...makes),
        async (repository, digest, requested, bytes, make) => {
          const size = bytes.byteLength
          const range = requested && ByteRange.resolve(requested, size)
          fc.pre(requested === undefined || range !== undefined)
          const sent = range === undefined ? bytes : bytes.slice(range.offset, range.offset + range.length)
          const descriptor = { mediaType: octetStream, digest, size }
          const operation = new Operation.GetBlob({ repository, digest, range: requested })
          const result = new BlobContent.BlobContent({ descriptor, range, body: make(sent), verified: true })
          const decoded = await Effect.runPromise(roundTrip(operation, result))
          expect([decoded.descriptor, decoded.range, decoded.verified]).toEqual([descriptor, range, false])
          expect(decoded.body.size).toBe(range?.length ?? result.body.size)
          expect(await Effect.runPromise(bytesOf(decoded.body))).toEqual(sent)
        }
      ),
      { numRuns: 300 }
    )
  })

  law("ResolveManifest", ({ reference }) =>
    fc.record({
      mediaType: types,
      digest: Operation.isDigest(reference) ? fc.constant(reference) : digests,
      size: counts
    }))

  it("returns the result of GetManifest", () =>
    fc.assert(
      fc.asyncProperty(
        fc.uint8Array(),
        types,
        fc.constantFrom("sha256" as const, "sha512" as const),
        half(tags),
        (bytes, mediaType, algorithm, tag) => {
          const digest = Digest.fromBytes(bytes, algorithm)
          const manifest = Either.getOrThrow(Manifest.make({ mediaType, bytes, digest }))
          const operation = new Operation.GetManifest({ repository, reference: tag ?? digest })
          return Effect.runPromise(
            Effect.map(roundTrip(operation, manifest), (decoded) => {
              expect(decoded).toEqual(manifest)
            })
          )
        }
      )
    ))

  law("PushBlob", ({ descriptor }) => fc.constant(descriptor))

  law(
    "MountBlob",
    ({ digest }) =>
      fc.oneof(
        fc.constant(new Operation.Mounted({ digest })),
        uploads.map((upload) => new Operation.UploadStarted({ upload }))
      ),
    (decoded, result) => {
      if (result._tag === "Mounted" || decoded._tag === "Mounted") expect(decoded).toEqual(result)
      else sameUpload(decoded.upload, result.upload)
    }
  )

  law("StartUpload", () => uploads, sameUpload)
  law("GetUpload", () => uploads, sameUpload)
  law("AppendUpload", () => uploads, sameUpload)
  law("CompleteUpload", ({ digest }) => blobOf(digest))
  law("CancelUpload", () => fc.constant(Operation.done))

  law("PushManifest", ({ bytes, digest, mediaType, tags }) => {
    const pushed = {
      mediaType: MediaType.essence(mediaType),
      digest: digest ?? Digest.fromBytes(bytes),
      size: bytes.byteLength
    }
    const set = digest === undefined && tags.length === 1 ? fc.constant(tags) : fc.subarray([...new Set(tags)])
    return fc.tuple(set, optional("subject", digests)).map(([tags, rest]) => ({ ...pushed, ...rest, tags }))
  }, (decoded, result, { tags }) => {
    // A tag that was requested twice is set, and reported, once.
    expect({ ...decoded, tags: tags.length < 2 ? decoded.tags : [...new Set(decoded.tags)] }).toEqual(result)
  })

  law("DeleteBlob", () => fc.constant(Operation.done))
  law("DeleteManifest", () => fc.constant(Operation.done))
  law("DeleteTag", () => fc.constant(Operation.done))

  /** Tests all lists of a kind with all possible pages. */
  const pageLaw = <O extends ListOperation>(
    operations: fc.Arbitrary<O>,
    items: fc.Arbitrary<ItemOf<O>>
  ) =>
    it("returns the page of a list", () =>
      fc.assert(
        fc.asyncProperty(
          operations,
          fc.array(items, { maxLength: 5 }),
          half(fc.constantFrom("/v2/_catalog?n=1&last=a", "/v2/team/app/tags/list?last=b", "https://other.example/x")),
          fc.boolean(),
          (operation, items, next, filtered) => {
            const response = Response.encodePage(operation, { items, more: next !== undefined }, { next, filtered })
            const decoded = Response.decodePage(operation, received(operation, response), {})
            return Effect.runPromise(
              Effect.map(decoded, (page) => {
                expect(page).toEqual({ items, next, filtered: filtered && operation._tag === "ListReferrers" })
              })
            )
          }
        )
      ))

  describe("ListRepositories", () => pageLaw(kinds.ListRepositories.arbitrary, repositories))
  describe("ListTags", () => pageLaw(kinds.ListTags.arbitrary, tags))
  describe("ListReferrers", () => pageLaw(kinds.ListReferrers.arbitrary, descriptors))
})

describe("encode", () => {
  const blob = { mediaType: MediaType.layerGzip, digest, size: 2048 }
  const lines = (response: Wire.Response): ReadonlyArray<string> => [
    String(response.status),
    ...Object.entries(response.headers).map((header) => header.join(": ")).sort()
  ]
  /** The header lines of a response with stored content, which a browser must not execute. */
  const inert = (status: string, ...headers: ReadonlyArray<string>): ReadonlyArray<string> => [
    status,
    ...[...headers, "content-security-policy: sandbox; default-src 'none'", "x-content-type-options: nosniff"].sort()
  ]
  const upload: Operation.Upload = { id: "a/b", offset: 10, minChunkSize: 5 }
  const pushManifest = (fields: { readonly digest?: Digest.Digest; readonly tags: ReadonlyArray<Tag.Tag> }) =>
    new Operation.PushManifest({ repository, mediaType: MediaType.image, bytes: content, ...fields })
  const pushed = { mediaType: MediaType.image, digest, size: 2 }
  const blobHeaders = [
    "accept-ranges: bytes",
    "content-length: 2048",
    `content-type: ${octetStream}`,
    `docker-content-digest: ${digest}`,
    `etag: "${digest}"`
  ]
  const stored = [
    "201",
    "content-length: 0",
    `docker-content-digest: ${digest}`,
    `location: /v2/team/app/blobs/${digest}`
  ]
  const session = [
    "location: /v2/team/app/blobs/uploads/a%2Fb",
    "oci-chunk-min-length: 5",
    "range: 0-9",
    "upload-offset: 10"
  ]

  const rows: ReadonlyArray<readonly [name: string, response: Wire.Response, lines: ReadonlyArray<string>]> = [
    [
      "a blob with the generic media type",
      Response.encode(new Operation.ResolveBlob({ repository, digest }), blob),
      inert("200", ...blobHeaders)
    ],
    [
      "the content of a blob",
      Response.encode(
        new Operation.GetBlob({ repository, digest }),
        new BlobContent.BlobContent({ descriptor: blob, body: Body.empty, verified: true })
      ),
      inert("200", ...blobHeaders)
    ],
    [
      "a range of a blob",
      Response.encode(
        new Operation.GetBlob({ repository, digest, range: ByteRange.slice(500, 1000) }),
        new BlobContent.BlobContent({
          descriptor: blob,
          range: { offset: 500, length: 1000 },
          body: Body.empty,
          verified: true
        })
      ),
      inert(
        "206",
        "accept-ranges: bytes",
        "content-length: 1000",
        "content-range: bytes 500-1499/2048",
        ...blobHeaders.slice(2)
      )
    ],
    [
      "a manifest",
      Response.encode(new Operation.ResolveManifest({ repository, reference: tag }), pushed),
      inert("200", "content-length: 2", `content-type: ${MediaType.image}`, `docker-content-digest: ${digest}`)
    ],
    [
      "a blob that was pushed",
      Response.encode(new Operation.PushBlob({ repository, descriptor: blob, body: Body.empty }), blob),
      [...stored, "upload-offset: 2048"]
    ],
    [
      "a blob that was mounted",
      Response.encode(new Operation.MountBlob({ repository, digest }), new Operation.Mounted({ digest })),
      stored
    ],
    [
      "an upload in place of a mount",
      Response.encode(new Operation.MountBlob({ repository, digest }), new Operation.UploadStarted({ upload })),
      ["202", "content-length: 0", ...session]
    ],
    [
      "a new upload",
      Response.encode(new Operation.StartUpload({ repository }), { id: "1", offset: 0 }),
      ["202", "content-length: 0", "location: /v2/team/app/blobs/uploads/1", "range: 0-0", "upload-offset: 0"]
    ],
    ["an upload", Response.encode(new Operation.GetUpload({ repository, id: "1" }), upload), ["204", ...session]],
    [
      "a chunk",
      Response.encode(new Operation.AppendUpload({ repository, id: "1", body: Body.empty }), upload),
      ["202", "content-length: 0", ...session]
    ],
    [
      "the completion of an upload",
      Response.encode(new Operation.CompleteUpload({ repository, id: "1", digest }), blob),
      [...stored, "upload-offset: 2048"]
    ],
    [
      "a canceled upload",
      Response.encode(new Operation.CancelUpload({ repository, id: "1" }), Operation.done),
      ["204"]
    ],
    [
      "a manifest to a tag, and its subject",
      Response.encode(pushManifest({ tags: [tag] }), { ...pushed, tags: [tag], subject: other }),
      [
        "201",
        "content-length: 0",
        `docker-content-digest: ${digest}`,
        "location: /v2/team/app/manifests/v1",
        `oci-subject: ${other}`,
        "oci-tag: v1"
      ]
    ],
    [
      "a manifest to its digest",
      Response.encode(pushManifest({ digest, tags: [] }), { ...pushed, tags: [] }),
      [
        "201",
        "content-length: 0",
        `docker-content-digest: ${digest}`,
        `location: /v2/team/app/manifests/${digest}`
      ]
    ],
    [
      "a manifest to a digest and tags",
      Response.encode(pushManifest({ digest, tags: [tag, Tag.make("v2")] }), {
        ...pushed,
        tags: [tag, Tag.make("v2")]
      }),
      [
        "201",
        "content-length: 0",
        `docker-content-digest: ${digest}`,
        `location: /v2/team/app/manifests/${digest}`,
        "oci-tag: v1, v2"
      ]
    ],
    [
      "a deleted blob",
      Response.encode(new Operation.DeleteBlob({ repository, digest }), Operation.done),
      ["202", "content-length: 0"]
    ]
  ]
  it.each(rows)("encodes %s", (_, response, expected) => {
    expect(lines(response)).toEqual(expected)
  })

  const pages: ReadonlyArray<
    readonly [name: string, response: Wire.Response, lines: ReadonlyArray<string>, json: unknown]
  > = [
    [
      "repositories",
      Response.encodePage(new Operation.ListRepositories({}), { items: [repository], more: false }),
      inert("200", "content-type: application/json"),
      { repositories: ["team/app"] }
    ],
    [
      "no tags",
      Response.encodePage(new Operation.ListTags({ repository }), { items: [], more: false }),
      inert("200", "content-type: application/json"),
      { name: "team/app", tags: [] }
    ],
    [
      "tags, and more",
      Response.encodePage(new Operation.ListTags({ repository }), { items: [tag], more: true }, { next: "/next?n=1" }),
      inert("200", "content-type: application/json", `link: </next?n=1>; rel="next"`),
      { name: "team/app", tags: ["v1"] }
    ],
    [
      "referrers of a type",
      Response.encodePage(
        new Operation.ListReferrers({ repository, digest, artifactType: "a/b" }),
        { items: [pushed], more: false },
        { filtered: true }
      ),
      inert("200", `content-type: ${MediaType.index}`, "oci-filters-applied: artifactType"),
      { schemaVersion: 2, mediaType: MediaType.index, manifests: [pushed] }
    ]
  ]
  it.each(pages)("encodes a list: %s", (_, response, expected, json) => {
    expect(lines(response)).toEqual(expected)
    expect(JSON.parse(new TextDecoder().decode(response.body?.bytes))).toEqual(json)
  })
})

describe("decode", () => {
  const body = Body.bytes(content)
  const resolveBlob = new Operation.ResolveBlob({ repository, digest })
  const getBlob = new Operation.GetBlob({ repository, digest })
  const getRange = new Operation.GetBlob({ repository, digest, range: ByteRange.slice(2, 3) })
  const resolveTag = new Operation.ResolveManifest({ repository, reference: tag })
  const resolveDigest = new Operation.ResolveManifest({ repository, reference: digest })
  const getTag = new Operation.GetManifest({ repository, reference: tag })
  const getDigest = new Operation.GetManifest({ repository, reference: digest })
  const mount = new Operation.MountBlob({ repository, digest })
  const start = new Operation.StartUpload({ repository })
  const getUpload = new Operation.GetUpload({ repository, id: "old" })
  const append = (fields: { readonly offset?: number; readonly body: Body.Body }) =>
    new Operation.AppendUpload({ repository, id: "old", ...fields })
  const complete = (fields: { readonly offset?: number; readonly body?: Body.Body } = {}) =>
    new Operation.CompleteUpload({ repository, id: "old", digest, ...fields })
  const unknownSize = Body.stream(Stream.make(content))
  const push = (fields: { readonly digest?: Digest.Digest; readonly tags: ReadonlyArray<Tag.Tag> }) =>
    new Operation.PushManifest({ repository, mediaType: MediaType.image, bytes: content, ...fields })

  const image = { "content-type": MediaType.image, "content-length": "2" }
  const at = "/v2/team/app/blobs/uploads/new"
  const ten = Body.bytes(new TextEncoder().encode("0123456789"))

  const taken: ReadonlyArray<
    readonly [name: string, operation: Plain, response: Partial<Wire.Response>, result: unknown]
  > = [
    [
      "a blob without a digest",
      resolveBlob,
      { headers: { "content-length": "7" } },
      { mediaType: octetStream, digest, size: 7 }
    ],
    [
      "a blob of another type",
      resolveBlob,
      { headers: { "content-length": "7", "content-type": "text/html" } },
      { mediaType: octetStream, digest, size: 7 }
    ],
    [
      "a manifest's type with parameters",
      resolveTag,
      { headers: { ...image, "content-type": `${MediaType.image}; charset=utf-8`, "docker-content-digest": digest } },
      { mediaType: MediaType.image, digest, size: 2 }
    ],
    [
      "a manifest by digest without a digest header",
      resolveDigest,
      { headers: image },
      { mediaType: MediaType.image, digest, size: 2 }
    ],
    [
      "a manifest by digest with a digest header of another algorithm",
      resolveDigest,
      { headers: { ...image, "docker-content-digest": sha512 } },
      { mediaType: MediaType.image, digest, size: 2 }
    ],
    [
      "a pushed blob with another digest in the response",
      new Operation.PushBlob({ repository, descriptor: { mediaType: "a/b", digest, size: 2 }, body }),
      {
        status: 201,
        headers: { "docker-content-digest": "rubbish" }
      },
      { mediaType: "a/b", digest, size: 2 }
    ],
    ["a mount", mount, { status: 201 }, new Operation.Mounted({ digest })],
    [
      "an upload in place of a mount",
      mount,
      { status: 202, headers: { location: at } },
      new Operation.UploadStarted({ upload: { id: at, offset: 0 } })
    ],
    ["a new upload that says no range", start, { status: 202, headers: { location: at } }, { id: at, offset: 0 }],
    [
      "a new upload of 0-0",
      start,
      { status: 202, headers: { location: at, range: "0-0" } },
      { id: at, offset: 0 }
    ],
    [
      "a new upload of 0--1",
      start,
      { status: 202, headers: { location: at, range: "0--1" } },
      { id: at, offset: 0 }
    ],
    [
      "the minimum chunk size of an upload",
      start,
      { status: 202, headers: { location: at, "oci-chunk-min-length": "5" } },
      { id: at, offset: 0, minChunkSize: 5 }
    ],
    [
      "an invalid minimum chunk size of an upload",
      start,
      { status: 202, headers: { location: at, "oci-chunk-min-length": "-5" } },
      { id: at, offset: 0 }
    ],
    ["an upload by 204", getUpload, { status: 204, headers: { location: at, range: "0-9" } }, { id: at, offset: 10 }],
    ["an upload by 200", getUpload, { status: 200, headers: { range: "bytes=0-9" } }, { id: "old", offset: 10 }],
    ["an upload by 202", getUpload, { status: 202, headers: { range: "0-0" } }, { id: "old", offset: 0 }],
    ["an upload of one byte", getUpload, { status: 204, headers: { range: "0-0", "upload-offset": "1" } }, {
      id: "old",
      offset: 1
    }],
    ["an upload without a range", getUpload, { status: 204 }, { id: "old", offset: 0 }],
    [
      "a chunk by 201",
      append({ offset: 5, body }),
      { status: 201, headers: { location: at, range: "0-6" } },
      { id: at, offset: 7 }
    ],
    ["a chunk without a location", append({ offset: 5, body }), { status: 202, headers: { range: "0-6" } }, {
      id: "old",
      offset: 7
    }],
    ["a chunk without a range", append({ offset: 5, body }), { status: 202 }, { id: "old", offset: 7 }],
    ["a chunk whose range lags behind", append({ offset: 5, body }), { status: 202, headers: { range: "0-4" } }, {
      id: "old",
      offset: 7
    }],
    [
      "a chunk that was accepted in part",
      append({ offset: 5, body }),
      { status: 202, headers: { range: "0-5", "upload-offset": "6" } },
      { id: "old", offset: 6 }
    ],
    ["a first chunk of one byte", append({ offset: 0, body: Body.bytes(new Uint8Array(1)) }), {
      status: 202,
      headers: { range: "0-0" }
    }, { id: "old", offset: 1 }],
    [
      "a first chunk of one byte that was not accepted",
      append({ offset: 0, body: Body.bytes(new Uint8Array(1)) }),
      { status: 202, headers: { range: "0-0", "upload-offset": "0" } },
      { id: "old", offset: 0 }
    ],
    ["a chunk of one byte somewhere", append({ body: Body.bytes(new Uint8Array(1)) }), {
      status: 202,
      headers: { range: "0-0" }
    }, { id: "old", offset: 1 }],
    ["an empty chunk somewhere", append({ body: Body.empty }), { status: 202, headers: { range: "0-0" } }, {
      id: "old",
      offset: 0
    }],
    ["an empty chunk at one", append({ offset: 1, body: Body.empty }), { status: 202, headers: { range: "0-0" } }, {
      id: "old",
      offset: 1
    }],
    ["a chunk somewhere", append({ body }), { status: 202, headers: { range: "0-9" } }, { id: "old", offset: 10 }],
    ["a chunk of unknown size", append({ offset: 5, body: unknownSize }), { status: 204, headers: { range: "0-9" } }, {
      id: "old",
      offset: 10
    }],
    ["the end of an upload at an offset", complete({ offset: 10 }), { status: 201 }, {
      mediaType: octetStream,
      digest,
      size: 10
    }],
    ["the end of an upload with a chunk", complete({ offset: 10, body }), { status: 201 }, {
      mediaType: octetStream,
      digest,
      size: 12
    }],
    [
      "the end of an upload by 204, with its size",
      complete({ body: unknownSize }),
      { status: 204, headers: { "upload-offset": "12" } },
      { mediaType: octetStream, digest, size: 12 }
    ],
    ["a manifest to a tag that the response does not name", push({ tags: [tag] }), { status: 201 }, {
      mediaType: MediaType.image,
      digest,
      size: 2,
      tags: [tag]
    }],
    [
      "the tags that were set, of several in one header",
      push({ digest, tags: [tag, Tag.make("v2"), Tag.make("v3")] }),
      { status: 201, headers: { "oci-tag": "v3,v1 , v9" } },
      { mediaType: MediaType.image, digest, size: 2, tags: [tag, "v3"] }
    ],
    ["tags that were not set", push({ digest, tags: [tag] }), { status: 201 }, {
      mediaType: MediaType.image,
      digest,
      size: 2,
      tags: []
    }],
    [
      "an invalid subject",
      push({ tags: [tag] }),
      { status: 201, headers: { "oci-subject": "sha256:x" } },
      { mediaType: MediaType.image, digest, size: 2, tags: [tag] }
    ],
    [
      "a manifest stored by another algorithm",
      push({ tags: [tag] }),
      { status: 201, headers: { "docker-content-digest": sha512 } },
      { mediaType: MediaType.image, digest, size: 2, tags: [tag] }
    ],
    ["a manifest by 200", push({ tags: [tag] }), { status: 200 }, {
      mediaType: MediaType.image,
      digest,
      size: 2,
      tags: [tag]
    }],
    ...[200, 202, 204].flatMap((status) =>
      [
        new Operation.DeleteBlob({ repository, digest }),
        new Operation.DeleteManifest({ repository, digest }),
        new Operation.DeleteTag({ repository, tag }),
        new Operation.CancelUpload({ repository, id: "old" })
      ].map((operation) => [`${operation._tag} by ${status}`, operation, { status }, Operation.done] as const)
    )
  ]
  it.effect.each(taken)(
    "accepts %s",
    ([, operation, response, result]) =>
      Effect.map(decode(operation, received(operation, response)), (decoded) => {
        expect(decoded).toEqual(result)
      })
  )

  const part = (contentRange: string, headers: Wire.Headers = {}): Wire.Response => ({
    status: 206,
    headers: { "content-range": contentRange, ...headers },
    body: Body.bytes(new TextEncoder().encode("234"))
  })
  const refused: ReadonlyArray<
    readonly [
      name: string,
      operation: Plain,
      response: Partial<Wire.Response>,
      error: RegistryError.RegistryError["_tag"],
      reason: RegExp
    ]
  > = [
    ["a blob without a length", resolveBlob, {}, "OciResponseInvalid", /without a Content-Length/],
    [
      "an invalid length",
      resolveBlob,
      { headers: { "content-length": "-1" } },
      "OciResponseInvalid",
      /without a Content-Length/
    ],
    [
      "a length that is not a safe integer",
      resolveBlob,
      { headers: { "content-length": "9007199254740992" } },
      "OciResponseInvalid",
      /Content-Length/
    ],
    ["a blob by another status", resolveBlob, { status: 204 }, "OciResponseInvalid", /status 204 instead of 200/],
    ["content without a length", getBlob, { body }, "OciResponseInvalid", /without a Content-Length/],
    ["a part that was not requested", getBlob, part("bytes 2-4/10"), "OciResponseInvalid", /status 206 instead of 200/],
    ["a part without a range", getRange, { status: 206, body }, "OciResponseInvalid", /without a valid Content-Range/],
    [
      "a part with an invalid range",
      getRange,
      part("bytes 4-2/10"),
      "OciResponseInvalid",
      /without a valid Content-Range/
    ],
    [
      "several parts",
      getRange,
      { status: 206, headers: { "content-type": "multipart/byteranges" } },
      "OciResponseInvalid",
      /Content-Range/
    ],
    ["a part of nothing", getRange, part("bytes */10"), "OciResponseInvalid", /without a valid Content-Range/],
    [
      "a part of unknown total size",
      getRange,
      part("bytes 2-4/*"),
      "OciResponseInvalid",
      /does not contain the size of the blob/
    ],
    [
      "a part of the past",
      getRange,
      part("bytes 1-3/10"),
      "OciResponseInvalid",
      /sent the range 1-3 of 10, but the client requested bytes=2-4/
    ],
    ["a part that is shorter", getRange, part("bytes 2-3/10"), "OciResponseInvalid", /sent the range 2-3 of 10/],
    ["a part that is longer", getRange, part("bytes 2-5/10"), "OciResponseInvalid", /sent the range 2-5 of 10/],
    [
      "a part that was not cut off",
      getRange,
      part("bytes 2-3/4"),
      "OciResponseInvalid",
      /sent 3 bytes for a range of 2/
    ],
    ["a part where there is none", getRange, part("bytes 0-0/1"), "OciResponseInvalid", /sent the range 0-0 of 1/],
    [
      "a part of other bytes",
      getRange,
      { ...part("bytes 2-4/10"), body: ten },
      "OciResponseInvalid",
      /sent 10 bytes for a range of 3/
    ],
    [
      "a whole blob that does not contain the range",
      getRange,
      { headers: { "content-length": "2" }, body },
      "OciRangeInvalid",
      /^invalid content range$/
    ],
    ["all of a blob without a length", getRange, { body: ten }, "OciResponseInvalid", /without a Content-Length/],
    [
      "a manifest without a type",
      resolveTag,
      { headers: { "content-length": "2" } },
      "OciResponseInvalid",
      /Content-Type/
    ],
    [
      "a manifest with an invalid media type",
      resolveTag,
      { headers: { ...image, "content-type": "json" } },
      "OciResponseInvalid",
      /Content-Type/
    ],
    [
      "a manifest without a length",
      resolveTag,
      { headers: { "content-type": "a/b" } },
      "OciResponseInvalid",
      /Content-Length/
    ],
    [
      "a manifest by tag without a digest",
      resolveTag,
      { headers: image },
      "OciResponseInvalid",
      /Docker-Content-Digest/
    ],
    [
      "a manifest with an invalid digest",
      resolveTag,
      { headers: { ...image, "docker-content-digest": "sha256:../x" } },
      "OciResponseInvalid",
      /Docker-Content-Digest/
    ],
    [
      "a manifest that was not requested",
      resolveDigest,
      { headers: { ...image, "docker-content-digest": other } },
      "OciResponseInvalid",
      /but the client requested sha256:/
    ],
    [
      "a web page",
      getTag,
      { headers: { "content-type": "text/html; charset=utf-8" }, body },
      "OciResponseInvalid",
      /Content-Type/
    ],
    ["bytes without a type", getTag, { body }, "OciResponseInvalid", /Content-Type/],
    [
      "bytes that do not match the digest header",
      getTag,
      { headers: { ...image, "docker-content-digest": other }, body },
      "OciDigestInvalid",
      /does not match/
    ],
    [
      "other bytes than the requested ones, with another digest header",
      getDigest,
      { headers: { ...image, "docker-content-digest": other }, body: Body.empty },
      "OciDigestInvalid",
      /does not match/
    ],
    [
      "truncated bytes",
      getDigest,
      { headers: image, body: Body.bytes(content.subarray(0, 1)) },
      "OciDigestInvalid",
      /does not match/
    ],
    [
      "a blob that is still to be sent",
      new Operation.PushBlob({ repository, descriptor: { mediaType: "a/b", digest, size: 2 }, body }),
      { status: 202 },
      "OciResponseInvalid",
      /status 202 instead of 201/
    ],
    ["a mount by 200", mount, { status: 200 }, "OciResponseInvalid", /status 200 instead of 201 or 202/],
    ["an upload without a location", start, { status: 202 }, "OciResponseInvalid", /Location/],
    ["an upload in place of a mount, without a location", mount, { status: 202 }, "OciResponseInvalid", /Location/],
    [
      "an upload at no URL",
      start,
      { status: 202, headers: { location: "http://[" } },
      "OciResponseInvalid",
      /Location/
    ],
    [
      "an upload in a file",
      start,
      { status: 202, headers: { location: "file:///etc/passwd" } },
      "OciResponseInvalid",
      /Location/
    ],
    [
      "an upload in a script",
      start,
      { status: 202, headers: { location: "javascript:alert(1)" } },
      "OciResponseInvalid",
      /Location/
    ],
    [
      "a new upload by 201",
      start,
      { status: 201, headers: { location: at } },
      "OciResponseInvalid",
      /status 201 instead of 202/
    ],
    ["a chunk by 200", append({ offset: 0, body }), { status: 200 }, "OciResponseInvalid", /status 200/],
    [
      "a chunk without an offset or a range",
      append({ body }),
      { status: 202 },
      "OciResponseInvalid",
      /the offset of the upload/
    ],
    [
      "a chunk without an offset, with an invalid range",
      append({ body }),
      { status: 202, headers: { range: "a-b" } },
      "OciResponseInvalid",
      /the offset of the upload/
    ],
    [
      "the end of an upload of unknown size",
      complete({ body: unknownSize }),
      { status: 201 },
      "OciResponseInvalid",
      /the size of the blob/
    ],
    [
      "the completion of an upload with status 202",
      complete({ offset: 2 }),
      { status: 202 },
      "OciResponseInvalid",
      /status 202/
    ],
    [
      "a manifest that was stored under another digest",
      push({ digest, tags: [] }),
      { status: 201, headers: { "docker-content-digest": other } },
      "OciResponseInvalid",
      /stored the manifest as/
    ],
    [
      "a deletion by 201",
      new Operation.DeleteTag({ repository, tag }),
      { status: 201 },
      "OciResponseInvalid",
      /status 201/
    ],
    [
      "a redirect that was not followed",
      getBlob,
      { status: 307, headers: { location: "https://cdn.example/x" } },
      "OciUnknownCode",
      /status 307/
    ],
    ["a failure", getBlob, { status: 404 }, "OciBlobUnknown", /^blob unknown to registry$/],
    [
      "a failure with a reason",
      getBlob,
      {
        status: 404,
        body: Body.bytes(new TextEncoder().encode(`{"errors":[{"code":"NAME_UNKNOWN","message":"gone"}]}`))
      },
      "OciNameUnknown",
      /^gone$/
    ],
    [
      "a failure with an endless body",
      getBlob,
      { status: 500, body: Body.stream(Stream.repeatValue(new Uint8Array(1024))) },
      "OciUnknownCode",
      /^the registry answered with status 500$/
    ],
    [
      "a failure with a truncated body",
      getBlob,
      { status: 503, body: Body.stream(Stream.fail(new Error("reset"))) },
      "OciUnavailable",
      /^service unavailable$/
    ]
  ]
  it.effect.each(refused)("refuses %s", ([, operation, response, tag, reason]) =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(decode(operation, received(operation, response)))
      expect(error).toMatchObject({ _tag: tag, ...Operation.errorFields(operation) })
      const { message } = error
      const prefix = message.slice(0, message.indexOf(": "))
      expect(prefix.startsWith(`${operation._tag} team/app`)).toBe(true)
      expect(message.slice(prefix.length + 2)).toMatch(reason)
    }))

  describe("of content", () => {
    const whole = { headers: { "content-length": "10" } }
    const cuts: ReadonlyArray<readonly [range: ByteRange.ByteRange, text: string]> = [
      [ByteRange.slice(2, 3), "234"],
      [ByteRange.slice(8, 5), "89"],
      [ByteRange.from(7), "789"],
      [ByteRange.last(4), "6789"],
      [ByteRange.last(40), "0123456789"],
      [ByteRange.from(0), "0123456789"]
    ]
    it.effect.each(cuts)("cuts %j out of a whole blob", ([range, text]) =>
      Effect.gen(function*() {
        const operation = new Operation.GetBlob({ repository, digest, range })
        for (const body of [ten, Body.stream(ten.stream), Body.stream(Stream.rechunk(ten.stream, 1), { size: 10 })]) {
          const found = yield* decode(operation, received(operation, { ...whole, body }))
          expect(found.descriptor.size).toBe(10)
          expect(found.range).toEqual(ByteRange.resolve(range, 10))
          expect([found.verified, found.body.size]).toEqual([false, text.length])
          expect(new TextDecoder().decode(yield* bytesOf(found.body))).toBe(text)
        }
      }))

    it.effect("accepts a partial response", () =>
      Effect.gen(function*() {
        for (const body of [Body.bytes(new TextEncoder().encode("234")), Body.stream(Stream.make(new Uint8Array(3)))]) {
          const found = yield* decode(getRange, received(getRange, { ...part("bytes 2-4/10"), body }))
          expect([found.range, found.descriptor.size, found.body.size]).toEqual([{ offset: 2, length: 3 }, 10, 3])
          expect((yield* bytesOf(found.body)).byteLength).toBe(3)
        }
      }))

    it.effect("fails if the content is too short or too long", () =>
      Effect.gen(function*() {
        const short = Body.stream(Stream.make(new Uint8Array(2)))
        const long = Body.stream(Stream.make(new Uint8Array(4)))
        for (const body of [short, long]) {
          const found = yield* decode(getRange, received(getRange, { ...part("bytes 2-4/10"), body }))
          const error = yield* Effect.flip(bytesOf(found.body))
          expect(error).toMatchObject({ _tag: "OciSizeInvalid", operation: "GetBlob", repository })
        }
        const cut = yield* decode(getRange, received(getRange, { ...whole, body: long }))
        expect((yield* Effect.flip(bytesOf(cut.body)))._tag).toBe("OciSizeInvalid")
      }))

    it.effect("does not read the content before it is consumed", () =>
      Effect.gen(function*() {
        const body = Body.stream(Stream.die("it was read"))
        expect((yield* decode(getBlob, received(getBlob, { ...whole, body }))).descriptor.size).toBe(10)
        expect((yield* decode(getRange, received(getRange, { ...whole, body }))).descriptor.size).toBe(10)
      }))

    it.effect("reads at most the limit of a manifest", () =>
      Effect.gen(function*() {
        let read = 0
        const endless = Body.stream(Stream.repeatEffect(Effect.sync(() => {
          read++
          return new Uint8Array(1024)
        })))
        const response = received(getTag, { headers: { "content-type": "a/b" }, body: endless })
        const limits = { manifest: 4096, page: 1 }
        const error = yield* Effect.flip(Response.decode(getTag, response, Operation.errorFields(getTag), limits))
        expect([error._tag, error.operation, read]).toEqual(["OciSizeInvalid", "GetManifest", 5])
      }))
  })

  describe("of a location", () => {
    const rows: ReadonlyArray<
      readonly [
        name: string,
        location: string,
        id: string,
        at?: { readonly url?: string; readonly origin?: string }
      ]
    > = [
      ["a path", "/v2/x/blobs/uploads/1", "/v2/x/blobs/uploads/1"],
      ["a path with state", "/v2/x/blobs/uploads/1?_state=a%2Bb%3D%3D&x", "/v2/x/blobs/uploads/1?_state=a%2Bb%3D%3D&x"],
      ["a path beside the request's", "1", "/v2/team/app/blobs/uploads/1"],
      ["a path below the registry's", "/oci/v2/x/blobs/uploads/1", "/oci/v2/x/blobs/uploads/1"],
      ["a query", "?upload=1", "/v2/team/app/blobs/uploads/?upload=1"],
      ["a whole URL here", `${origin}/v2/x/blobs/uploads/1?a=b`, "/v2/x/blobs/uploads/1?a=b"],
      ["a whole URL here, with its port", "https://Registry.example:443/v2/x", "/v2/x"],
      ["another host", "https://storage.example/put?sig=x", "https://storage.example/put?sig=x"],
      ["another host without a scheme", "//storage.example/put", "https://storage.example/put"],
      ["another port", "https://registry.example:8443/v2/x", "https://registry.example:8443/v2/x"],
      ["another scheme at the same host", "http://registry.example/v2/x", "/v2/x"],
      ["a path that looks like another host", `${origin}//storage.example/put`, `${origin}//storage.example/put`],
      ["a path that goes up", "/v2/a/../../b", "/b"],
      ["a fragment", "/v2/x#digest", "/v2/x"],
      ["a fragment elsewhere", "https://storage.example/put#digest", "https://storage.example/put"],
      ["credentials here", "https://me:secret@registry.example/v2/x", "/v2/x"],
      ["credentials elsewhere", "https://me:secret@storage.example/x", "https://storage.example/x"],
      ["a path after a redirect", "/v2/x", "https://mirror.example/v2/x", {
        url: "https://mirror.example/v2/team/app/blobs/uploads/",
        origin
      }],
      ["the way back from a redirect", `${origin}/v2/x`, "/v2/x", {
        url: "https://mirror.example/v2/team/app/blobs/uploads/",
        origin
      }]
    ]
    it.effect.each(rows)("accepts %s", ([, location, id, at]) =>
      Effect.gen(function*() {
        const { id: found } = yield* decode(start, received(start, { status: 202, headers: { location } }, at))
        expect(found).toBe(id)
        // The next request goes to the location that the registry sent.
        const { target } = Request.encode(new Operation.GetUpload({ repository, id: found }))
        expect(target).toBe(id)
      }))

    it("never throws", () => {
      fc.assert(
        fc.property(texts, (location) => {
          const exit = Effect.runSyncExit(decode(start, received(start, { status: 202, headers: { location } })))
          expect(exit._tag === "Success" ? exit._tag : exit.cause._tag).toMatch(/^(Success|Fail)$/)
        }),
        { numRuns: 2000 }
      )
    })
  })

  it.each(hostileTexts)("decodes $name in 5 ms", ({ text }) => {
    const headers = {
      location: text,
      range: text,
      "content-type": text,
      "content-length": text,
      "content-range": text,
      "docker-content-digest": text,
      "oci-tag": text,
      "oci-subject": text
    }
    const answers = [
      [append({ body }), 202],
      [getRange, 206],
      [resolveTag, 200],
      [push({ digest, tags: [tag] }), 201]
    ] as const
    for (const [operation, status] of answers) {
      const response = received(operation, { status, headers })
      expect(quickest(() => Effect.runSyncExit(decode<Plain>(operation, response)))).toBeLessThan(5)
    }
  })
})

describe("decodePage", () => {
  const listTags = new Operation.ListTags({ repository })
  const listReferrers = new Operation.ListReferrers({ repository, digest })
  const decodePage = (operation: ListOperation, text: string, headers: Wire.Headers = {}, status = 200) =>
    Response.decodePage(
      operation,
      received(operation, { status, headers, body: Body.bytes(new TextEncoder().encode(text)) }),
      Operation.errorFields(operation)
    )
  const descriptor = { mediaType: "a/b", digest, size: 2 }

  const taken: ReadonlyArray<
    readonly [
      name: string,
      operation: ListOperation,
      text: string,
      headers: Wire.Headers,
      page: Response.ReceivedPage<unknown>
    ]
  > = [
    ["null for nothing", listTags, `{"name":"x","tags":null}`, {}, { items: [], next: undefined, filtered: false }],
    ["nothing at all", listTags, "{}", {}, { items: [], next: undefined, filtered: false }],
    [
      "items among invalid ones",
      listTags,
      `{"tags":["a",null,1,true,{},["b"],".x","","b c","${"x".repeat(129)}","b"]}`,
      {},
      { items: ["a", "b"], next: undefined, filtered: false }
    ],
    [
      "names among invalid ones",
      new Operation.ListRepositories({}),
      `{"repositories":["a/b","A","../x",7,null,"null"]}`,
      {},
      { items: ["a/b", "null"], next: undefined, filtered: false }
    ],
    [
      "descriptors among invalid ones",
      listReferrers,
      JSON.stringify({
        manifests: [
          descriptor,
          { ...descriptor, size: -1 },
          { ...descriptor, size: 1.5 },
          { ...descriptor, size: "2" },
          { ...descriptor, size: 2 ** 53 },
          { ...descriptor, digest: "sha256:../x" },
          { digest, size: 2 },
          null
        ]
      }),
      {},
      { items: [descriptor], next: undefined, filtered: false }
    ],
    [
      "a page after it",
      listTags,
      `{"tags":["a"]}`,
      { link: `</v2/team/app/tags/list?last=a>; rel="next"` },
      { items: ["a"], next: "/v2/team/app/tags/list?last=a", filtered: false }
    ],
    [
      "a link to something else",
      listTags,
      `{"tags":["a"]}`,
      { link: `</help>; rel="help"` },
      { items: ["a"], next: undefined, filtered: false }
    ],
    [
      "a filter, and others",
      listReferrers,
      `{"manifests":[]}`,
      { "oci-filters-applied": "annotation, artifactType" },
      { items: [], next: undefined, filtered: true }
    ],
    [
      "another filter",
      listReferrers,
      `{"manifests":[]}`,
      { "oci-filters-applied": "artifactTypes" },
      { items: [], next: undefined, filtered: false }
    ]
  ]
  it.effect.each(taken)(
    "accepts %s",
    ([, operation, text, headers, page]) =>
      Effect.map(decodePage(operation, text, headers), (decoded) => {
        expect(decoded).toEqual(page)
      })
  )

  const refused: ReadonlyArray<
    readonly [
      name: string,
      text: string,
      headers: Wire.Headers,
      status: number,
      error: RegistryError.RegistryError["_tag"],
      reason: RegExp
    ]
  > = [
    ["a web page", "<html>", {}, 200, "OciResponseInvalid", /not a JSON object/],
    ["nothing", "", {}, 200, "OciResponseInvalid", /not a JSON object/],
    ["null", "null", {}, 200, "OciResponseInvalid", /not a JSON object/],
    ["an array", `["a"]`, {}, 200, "OciResponseInvalid", /not a JSON object/],
    ["invalid tags", `{"tags":{"a":1}}`, {}, 200, "OciResponseInvalid", /"tags" is not an array/],
    ["a truncated list", `{"tags":["a","b"`, {}, 200, "OciResponseInvalid", /not a JSON object/],
    ["another status", `{"tags":[]}`, {}, 202, "OciResponseInvalid", /status 202/],
    [
      "a malformed link",
      `{"tags":["a"]}`,
      { link: `/next; rel="next"` },
      200,
      "OciResponseInvalid",
      /a malformed Link/
    ],
    [
      "a link that is too long",
      `{"tags":["a"]}`,
      { link: `<${"a".repeat(20_000)}>; rel="next"` },
      200,
      "OciResponseInvalid",
      /a malformed Link/
    ],
    ["a failure", `{"errors":[{"code":"NAME_UNKNOWN"}]}`, {}, 404, "OciNameUnknown", /^repository name not known/]
  ]
  it.effect.each(refused)(
    "refuses %s",
    ([, text, headers, status, tag, reason]) =>
      Effect.map(Effect.flip(decodePage(listTags, text, headers, status)), (error) => {
        expect(error).toMatchObject({ _tag: tag, operation: "ListTags", repository })
        expect(error.message.replace("ListTags team/app: ", "")).toMatch(reason)
      })
  )

  it.effect("reads at most the limit of a page", () =>
    Effect.gen(function*() {
      let read = 0
      const body = Body.stream(Stream.repeatEffect(Effect.sync(() => new Uint8Array(1024 * ++read / read))))
      const error = yield* Effect.flip(
        Response.decodePage(listTags, received(listTags, { body }), {}, { manifest: 1, page: 4096 })
      )
      expect([error._tag, read]).toEqual(["OciSizeInvalid", 5])
    }))

  it.effect("reads no names from a prototype", () =>
    Effect.gen(function*() {
      const text =
        `{"manifests":[{"mediaType":"a/b","digest":"${digest}","size":2,"annotations":{"__proto__":"x"},"__proto__":{"y":1}}]}`
      const [item] = (yield* decodePage(listReferrers, text)).items as ReadonlyArray<Descriptor.Descriptor>
      expect(Object.getPrototypeOf(item)).toBe(Object.prototype)
      expect(({} as { readonly y?: unknown }).y).toBe(undefined)
    }))

  const of = (item: string) => `{"manifests":[${Array(Math.floor(65_536 / item.length)).fill(item).join(",")}]}`
  it.each([
    { name: "numbers", text: of("1") },
    { name: "empty items", text: of("{}") },
    { name: "descriptors without a digest", text: of(JSON.stringify({ ...descriptor, digest: "" })) },
    { name: "descriptors", text: of(JSON.stringify(descriptor)) }
  ])("is done with a page full of $name in 20 ms", ({ text }) => {
    expect(quickest(() => Effect.runSyncExit(decodePage(listReferrers, text)))).toBeLessThan(20)
  })
})
