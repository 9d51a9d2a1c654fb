import * as Fixtures from "@effect-oci/conformance/Fixtures"
import { Descriptor, Digest, MediaType } from "@effect-oci/core"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import {
  absent,
  blob,
  blobDigest,
  blobPath,
  config,
  configDigest,
  fill,
  image,
  imageDigest,
  imageSha512,
  json,
  other,
  repository,
  signature,
  text
} from "../fixtures.js"
import { check, run } from "../rows.js"
import type { Expected, Row } from "../rows.js"
import { start } from "../servers.js"
import type { Composition } from "../servers.js"
import { accepted, created, length0, location, octets, uploads, withDigest } from "../uploadSessions.js"

const singles: ReadonlyArray<Row> = [
  [
    "37: good",
    { method: "POST", path: withDigest(uploads, blobDigest), headers: octets, body: blob },
    created(blobDigest)
  ],
  ["37, 58: no bytes", {
    method: "POST",
    path: withDigest(uploads, Digest.fromBytes(new Uint8Array(0))),
    headers: length0
  }, created(Digest.fromBytes(new Uint8Array(0)))],
  ["37: by sha512", {
    method: "POST",
    path: withDigest(uploads, Digest.fromBytes(blob, "sha512")),
    headers: octets,
    body: blob
  }, created(Digest.fromBytes(blob, "sha512"))],
  ["37: the slash is left out", {
    method: "POST",
    path: withDigest(uploads.slice(0, -1), blobDigest),
    headers: octets,
    body: blob
  }, created(blobDigest)],
  ["34, 37: another digest", { method: "POST", path: withDigest(uploads, absent), headers: octets, body: blob }, {
    status: 400,
    code: "DIGEST_INVALID"
  }],
  ["35, 37: no digest", { method: "POST", path: withDigest(uploads, "sha256:abc"), headers: octets, body: blob }, {
    status: 400,
    code: "DIGEST_INVALID"
  }],
  ["35, T28: a digest that the server cannot verify", {
    method: "POST",
    path: withDigest(uploads, "md5:d41d8cd98f00b204e9800998ecf8427e"),
    headers: octets,
    body: blob
  }, { status: 400, code: "DIGEST_INVALID" }],
  ["37: without its length, which opens an upload session", {
    method: "POST",
    path: withDigest(uploads, blobDigest),
    headers: { ...octets, "transfer-encoding": "chunked" },
    body: blob
  }, accepted(0, 0)],
  ["38: another algorithm", { method: "POST", path: `${uploads}?digest-algorithm=sha512`, headers: length0 }, {
    status: 202
  }],
  ["38: an unsupported algorithm", { method: "POST", path: `${uploads}?digest-algorithm=md5`, headers: length0 }, {
    status: 400,
    code: "DIGEST_INVALID"
  }],
  ["54: a mount of no digest", {
    method: "POST",
    path: `${uploads}?mount=sha256:abc&from=team/other`,
    headers: length0
  }, {
    status: 400,
    code: "DIGEST_INVALID"
  }],
  ["G1: a mount from no name", { method: "POST", path: `${uploads}?mount=${absent}&from=Team`, headers: length0 }, {
    status: 400,
    code: "NAME_INVALID"
  }],
  ["51, 54: a mount of an unknown blob", {
    method: "POST",
    path: `${uploads}?mount=${absent}&from=team/other`,
    headers: length0
  }, accepted(0, 0)],
  [
    "52: a mount from nowhere",
    { method: "POST", path: `${uploads}?mount=${configDigest}`, headers: length0 },
    accepted(0, 0)
  ]
]

/** Manifests that different programs parse differently. */
const ambiguous: ReadonlyArray<readonly [name: string, bytes: Uint8Array]> = [
  ["a member twice", text(`{"schemaVersion":2,"mediaType":"${MediaType.index}","manifests":[],"manifests":[]}`)],
  ["a byte order mark", text(`\ufeff{"schemaVersion":2,"mediaType":"${MediaType.index}","manifests":[]}`)]
]
const manifestPath = "/v2/team/app/manifests/v2"
const typed = { "content-type": MediaType.image }
const put = (path: string, body: Uint8Array, headers: Record<string, string> = typed) => ({
  method: "PUT",
  path,
  headers,
  body
})
const stored = (reference: string, digest: string, more: Expected["headers"] = {}): Expected => ({
  status: 201,
  headers: { ...length0, location: `/v2/team/app/manifests/${reference}`, "docker-content-digest": digest, ...more },
  body: ""
})

const sized = (size: number) => {
  const frame = (pad: string) => json({ schemaVersion: 2, mediaType: MediaType.index, manifests: [], pad })
  return frame("x".repeat(size - frame("").byteLength))
}
const largest = sized(4 * 1024 * 1024)
const signed = signature("a")

const manifests: ReadonlyArray<Row> = [
  ["61: by tag", put(manifestPath, image), stored("v2", imageDigest, { "oci-tag": "v2" })],
  ["61: by digest", put(`/v2/team/app/manifests/${imageDigest}`, image), stored(imageDigest, imageDigest)],
  ["64: by sha512", put(`/v2/team/app/manifests/${imageSha512}`, image), stored(imageSha512, imageSha512)],
  ["71: by digest and tags", put(`/v2/team/app/manifests/${imageDigest}?tag=a&tag=b`, image), {
    ...stored(imageDigest, imageDigest, { "oci-tag": "a, b" })
  }],
  ["71: one of the tags is invalid", put(`/v2/team/app/manifests/${imageDigest}?tag=a&tag=.b`, image), {
    status: 400,
    code: "TAG_INVALID"
  }],
  ["63: another digest", put(`/v2/team/app/manifests/${absent}`, image), { status: 400, code: "DIGEST_INVALID" }],
  ["65: no JSON", put(manifestPath, text("{")), { status: 400, code: "MANIFEST_INVALID" }],
  ["65: an empty body", put(manifestPath, text("")), { status: 400, code: "MANIFEST_INVALID" }],
  ["65: no object", put(manifestPath, text("[]")), { status: 400, code: "MANIFEST_INVALID" }],
  [
    "65: an image and an index",
    put(manifestPath, json({ ...JSON.parse(new TextDecoder().decode(image)), manifests: [] })),
    {
      status: 400,
      code: "MANIFEST_INVALID"
    }
  ],
  ["G6: another type than the manifest declares", put(manifestPath, image, { "content-type": MediaType.index }), {
    status: 400,
    code: "MANIFEST_INVALID"
  }],
  ["G6: parameters of the type", put(manifestPath, image, { "content-type": `${MediaType.image}; charset=utf-8` }), {
    status: 201
  }],
  ["70: no type", put(manifestPath, image, {}), { status: 400, code: "MANIFEST_INVALID" }],
  ["66: a blob that is missing", put(manifestPath, imageOf(absent)), {
    status: 400,
    code: "MANIFEST_BLOB_UNKNOWN"
  }],
  [
    "67, 68: a subject",
    put(manifestPath, signed),
    stored("v2", Digest.fromBytes(signed), { "oci-subject": imageDigest })
  ],
  ["69: as large as can be", put(manifestPath, largest, { "content-type": MediaType.index }), {
    status: 201,
    headers: { "docker-content-digest": Digest.fromBytes(largest) }
  }],
  ["G1: no name", put("/v2/Team/App/manifests/v1", image), { status: 400, code: "NAME_INVALID" }],
  ["G3: no tag", put("/v2/team/app/manifests/-v1", image), { status: 400, code: "TAG_INVALID" }],
  ["a tag that must not move", put("/v2/team/app/manifests/v1", signed, { ...typed, "if-none-match": "*" }), {
    status: 412,
    code: "DENIED"
  }],
  [
    "a tag that points elsewhere",
    put("/v2/team/app/manifests/v1", signed, { ...typed, "if-match": `"${Digest.fromBytes(signed)}"` }),
    { status: 412, code: "DENIED" }
  ],
  ["a tag that points there", put("/v2/team/app/manifests/v1", signed, { ...typed, "if-match": imageDigest }), {
    status: 201
  }],
  [
    "two conditions",
    put("/v2/team/app/manifests/v1", signed, { ...typed, "if-match": imageDigest, "if-none-match": "*" }),
    { status: 412, code: "DENIED" }
  ]
]

function imageOf(layer: Digest.Digest): Uint8Array {
  return Fixtures.document(MediaType.image, {
    config: Descriptor.fromBytes(config, MediaType.empty),
    layers: [{ mediaType: MediaType.layer, digest: layer, size: 1 }]
  }).bytes
}

export const push = (composition: Composition) => {
  const filled = Effect.tap(start(composition), ({ registry }) => fill(registry))

  describe("push: blobs in one request", () => {
    it.scoped.each(singles)("%s", ([, sent, expected]) =>
      Effect.gen(function*() {
        const running = yield* start(composition)
        const answer = yield* run(running, sent, expected)
        if (expected.status === 201) check(yield* running.ask({ path: location(answer) }), { status: 200 })
        else check(yield* running.ask({ path: "/v2/_catalog" }), { status: 200, body: { repositories: [] } })
      }))

    it.scoped("accepts the same blob again, and serves it immediately (rules 57, 59)", () =>
      Effect.gen(function*() {
        const running = yield* start(composition)
        const sent = { method: "POST", path: withDigest(uploads, blobDigest), headers: octets, body: blob }
        for (const _ of [1, 2]) {
          check(yield* running.ask(sent), created(blobDigest))
          check(yield* running.ask({ method: "HEAD", path: blobPath }), { status: 200 })
        }
      }))

    it.scoped("accepts one blob from two clients at once (rule 56)", () =>
      Effect.gen(function*() {
        const running = yield* start(composition)
        const sent = { method: "POST", path: withDigest(uploads, blobDigest), headers: octets, body: blob }
        const answers = yield* Effect.all([running.ask(sent), running.ask(sent)], { concurrency: 2 })
        for (const answer of answers) check(answer, created(blobDigest))
        check(yield* running.ask({ path: blobPath }), { status: 200, body: blob })
      }))

    it.scoped("mounts a blob, which remains after its source is deleted (rules 50, 55)", () =>
      Effect.gen(function*() {
        const running = yield* start(composition)
        yield* fill(running.registry, other)
        const path = `${uploads}?mount=${blobDigest}&from=team/other`
        check(yield* running.ask({ method: "POST", path, headers: length0 }), created(blobDigest))
        check(yield* running.ask({ method: "DELETE", path: `/v2/team/other/blobs/${blobDigest}` }), { status: 202 })
        check(yield* running.ask({ path: blobPath }), { status: 200, body: blob })
      }))
  })

  describe("push: manifests", () => {
    it.scoped.each(manifests)("%s", ([, sent, expected]) =>
      Effect.gen(function*() {
        const running = yield* filled
        const answer = yield* run(running, sent, expected)
        if (expected.status === 201) {
          check(yield* running.ask({ path: location(answer) }), { status: 200, body: sent.body as Uint8Array })
          check(
            yield* running.ask({ path: `/v2/team/app/manifests/${String(answer.headers["docker-content-digest"])}` }),
            { status: 200, body: sent.body as Uint8Array }
          )
        } else {
          check(yield* running.ask({ path: "/v2/team/app/tags/list" }), {
            status: 200,
            body: { name: repository, tags: ["v1"] }
          })
          check(yield* running.ask({ path: "/v2/team/app/manifests/v1" }), { status: 200, body: image })
        }
      }))

    it.scoped("keeps the exact bytes of a manifest that no serializer would write (rule 62)", () =>
      Effect.gen(function*() {
        const running = yield* filled
        const bytes = text(`{"schemaVersion":2,"a":2.0, "mediaType" : "${MediaType.index}","manifests":[] }\n`)
        check(yield* running.ask(put(manifestPath, bytes, { "content-type": MediaType.index })), { status: 201 })
        check(yield* running.ask({ path: manifestPath }), { status: 200, body: bytes })
      }))

    it.scoped.each(ambiguous)(
      "62: bytes that programs read differently are refused: %s",
      ([, bytes]) =>
        Effect.gen(function*() {
          const running = yield* filled
          check(yield* running.ask(put(manifestPath, bytes, { "content-type": MediaType.index })), { status: 400 })
          check(yield* running.ask({ path: manifestPath }), { status: 404 })
        })
    )

    it.scoped("resolves a tag at every moment while the tag moves (rule 72)", () =>
      Effect.gen(function*() {
        const running = yield* filled
        const bodies = ["a", "b", "c", "d"].map(signature)
        const pushes = Effect.forEach(bodies, (body) => running.ask(put("/v2/team/app/manifests/v1", body)))
        const reads = Effect.replicateEffect(running.ask({ method: "HEAD", path: "/v2/team/app/manifests/v1" }), 12)
        const [, seen] = yield* Effect.all([pushes, reads], { concurrency: 2 })
        expect(new Set(seen.map(({ status }) => status))).toEqual(new Set([200]))
        check(yield* running.ask({ path: "/v2/team/app/manifests/v1" }), { status: 200, body: bodies[3]! })
      }))
  })
}
