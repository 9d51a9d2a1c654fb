import { Descriptor, Digest, MediaType } from "@effect-oci/core"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import {
  absent,
  blob,
  blobDigest,
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
import type { Answered } from "../http.js"
import { check, run } from "../rows.js"
import type { Expected, Row } from "../rows.js"
import { start } from "../servers.js"
import type { Composition, Running } from "../servers.js"

const uploads = "/v2/team/app/blobs/uploads/"
const blobPath = `/v2/team/app/blobs/${blobDigest}`
const length0 = { "content-length": "0" }
const octets = { "content-type": "application/octet-stream" }

const accepted = (end: number, offset: number): Expected => ({
  status: 202,
  headers: {
    ...length0,
    location: /^\/v2\/team\/app\/blobs\/uploads\/[\w.-]+$/,
    range: `0-${end}`,
    "upload-offset": String(offset)
  },
  body: ""
})
const created = (digest: string): Expected => ({
  status: 201,
  headers: { ...length0, location: `/v2/team/app/blobs/${digest}`, "docker-content-digest": digest },
  body: ""
})

const location = (answer: Answered) => answer.headers.location ?? "/no-location"

/** Opens an upload session. Returns its location. */
const open = (running: Running, path = uploads) =>
  Effect.map(running.ask({ method: "POST", path, headers: length0 }), (answer) => {
    check(answer, { status: 202 })
    return location(answer)
  })

const patch = (running: Running, path: string, body: Uint8Array, range?: string) =>
  running.ask({
    method: "PATCH",
    path,
    body,
    headers: { ...octets, ...(range === undefined ? {} : { "content-range": range }) }
  })

const withDigest = (path: string, digest: string) => `${path}${path.includes("?") ? "&" : "?"}digest=${digest}`

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
  ["37: without its length", {
    method: "POST",
    path: withDigest(uploads, blobDigest),
    headers: { ...octets, "transfer-encoding": "chunked" },
    body: blob
  }, { status: 400, code: "SIZE_INVALID" }],
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

/** Requests to an upload session that has the first 10 bytes of the blob. */
const chunks: ReadonlyArray<readonly [name: string, range: string | undefined, body: Uint8Array, expected: Expected]> =
  [
    ["39, 40: the next", "10-19", blob.subarray(10, 20), accepted(19, 20)],
    ["42: without saying where", undefined, blob.subarray(10, 20), accepted(19, 20)],
    ["41: a gap", "20-29", blob.subarray(20, 30), {
      ...outOfOrder(),
      headers: { range: "0-9", "upload-offset": "10" }
    }],
    ["41, 43: again", "0-9", blob.subarray(0, 10), outOfOrder()],
    ["43: overlapping", "5-14", blob.subarray(5, 15), outOfOrder()],
    ["43: turned round", "19-10", blob.subarray(10, 20), { status: 416, code: "RANGE_INVALID" }],
    ["39: with a unit", "bytes 10-19/100", blob.subarray(10, 20), { status: 416, code: "RANGE_INVALID" }],
    ["43: shorter than declared", "10-29", blob.subarray(10, 20), { status: 400, code: "SIZE_INVALID" }],
    ["43: longer than declared", "10-14", blob.subarray(10, 20), { status: 400, code: "SIZE_INVALID" }]
  ]

function outOfOrder(): Expected {
  return { status: 416, code: "RANGE_INVALID" }
}

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
  return json({
    schemaVersion: 2,
    mediaType: MediaType.image,
    config: Descriptor.fromBytes(config, MediaType.empty),
    layers: [{ mediaType: MediaType.layer, digest: layer, size: 1 }]
  })
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

  describe("push: uploads", () => {
    it.scoped("starts a session and completes it with all bytes (rules 29, 33)", () =>
      Effect.gen(function*() {
        const running = yield* start(composition)
        const started = yield* running.ask({ method: "POST", path: uploads, headers: length0 })
        check(started, accepted(0, 0))
        const path = withDigest(location(started), blobDigest)
        check(yield* running.ask({ method: "PUT", path, headers: octets, body: blob }), {
          ...created(blobDigest),
          headers: { ...created(blobDigest).headers, "upload-offset": "2048" }
        })
        check(yield* running.ask({ path: blobPath }), { status: 200, body: blob })
      }))

    it.scoped("uploads in chunks, reports the offset in between, and completes with the last chunk (rules 40, 44, 45)", () =>
      Effect.gen(function*() {
        const running = yield* start(composition)
        let path = yield* open(running)
        check(yield* running.ask({ path }), {
          ...accepted(0, 0),
          status: 204,
          headers: { range: "0-0", "upload-offset": "0" }
        })
        const first = yield* patch(running, path, blob.subarray(0, 1), "0-0")
        check(first, accepted(0, 1))
        path = location(first)
        const second = yield* patch(running, path, blob.subarray(1, 1000), "1-999")
        check(second, accepted(999, 1000))
        path = location(second)
        const state = yield* running.ask({ path })
        check(state, {
          status: 204,
          headers: { location: /^\/v2\/team\/app\/blobs\/uploads\//, range: "0-999", "content-length": undefined },
          body: ""
        })
        const last = yield* running.ask({
          method: "PUT",
          path: withDigest(location(state), blobDigest),
          headers: { ...octets, "content-range": "1000-2047" },
          body: blob.subarray(1000)
        })
        check(last, created(blobDigest))
        check(yield* running.ask({ path: blobPath }), { status: 200, body: blob })
      }))

    it.scoped("accepts a stream without a declared length (rule 42)", () =>
      Effect.gen(function*() {
        const running = yield* start(composition)
        const path = yield* open(running)
        const streamed = yield* running.ask({
          method: "PATCH",
          path,
          headers: { ...octets, "transfer-encoding": "chunked" },
          body: blob
        })
        check(streamed, accepted(2047, 2048))
        check(
          yield* running.ask({ method: "PUT", path: withDigest(location(streamed), blobDigest), headers: length0 }),
          created(blobDigest)
        )
      }))

    it.scoped.each(chunks)(
      "chunk %s; then continues the upload",
      ([, range, body, expected]) =>
        Effect.gen(function*() {
          const running = yield* start(composition)
          const first = yield* patch(running, yield* open(running), blob.subarray(0, 10), "0-9")
          const path = location(first)
          const headers = { ...octets, ...(range === undefined ? {} : { "content-range": range }) }
          yield* run(running, { method: "PATCH", path, headers, body }, expected)
          const offset = expected.status === 202 ? 20 : 10
          check(yield* running.ask({ path }), { status: 204, headers: { "upload-offset": String(offset) } })
          check(
            yield* running.ask({
              method: "PUT",
              path: withDigest(path, blobDigest),
              headers: { ...octets, "content-range": `${offset}-2047` },
              body: blob.subarray(offset)
            }),
            created(blobDigest)
          )
        })
    )

    it.scoped("refuses a last chunk out of order without a change (rule 41)", () =>
      Effect.gen(function*() {
        const running = yield* start(composition)
        const path = yield* open(running)
        const sent = (first: number) => ({
          method: "PUT",
          path: withDigest(path, blobDigest),
          headers: { ...octets, "content-range": `${first}-2047` },
          body: blob.subarray(first)
        })
        yield* run(running, sent(10), { status: 416, headers: { "upload-offset": "0" }, code: "RANGE_INVALID" })
        check(yield* running.ask(sent(0)), created(blobDigest))
      }))

    it.scoped.each(
      [
        ["34: another", absent],
        ["35: invalid", "sha256:abc"],
        ["35: of an algorithm that the server cannot verify", "md5:d41d8cd98f00b204e9800998ecf8427e"],
        ["35: empty", ""]
      ] as const
    )("digest %s: no blob is seen", ([, digest]) =>
      Effect.gen(function*() {
        const running = yield* start(composition)
        const path = withDigest(yield* open(running), digest)
        yield* run(running, { method: "PUT", path, headers: octets, body: blob }, {
          status: 400,
          code: "DIGEST_INVALID"
        })
        check(yield* running.ask({ path: "/v2/_catalog" }), { status: 200, body: { repositories: [] } })
      }))

    it.scoped("cancels a session, which is then unknown (rule 46)", () =>
      Effect.gen(function*() {
        const running = yield* start(composition)
        const path = yield* open(running)
        check(yield* running.ask({ method: "DELETE", path }), {
          status: 204,
          headers: { "content-length": undefined },
          body: ""
        })
        yield* unknown(running, path)
      }))

    it.scoped("completes a session, which is then unknown (rule 48)", () =>
      Effect.gen(function*() {
        const running = yield* start(composition)
        const path = yield* open(running)
        const last = { method: "PUT", path: withDigest(path, blobDigest), headers: octets, body: blob }
        check(yield* running.ask(last), created(blobDigest))
        yield* unknown(running, path)
      }))

    it.scoped("accepts one of two concurrent chunks (rule 49)", () =>
      Effect.gen(function*() {
        const running = yield* start(composition)
        const path = yield* open(running)
        const one = patch(running, path, blob, "0-2047")
        const statuses = (yield* Effect.all([one, one], { concurrency: 2 })).map(({ status }) => status)
        expect(new Set(statuses)).toEqual(new Set([202, 416]))
        check(
          yield* running.ask({ method: "PUT", path: withDigest(path, blobDigest), headers: length0 }),
          created(blobDigest)
        )
      }))

    it.scoped.each(
      [
        ["36: made up", "/v2/team/app/blobs/uploads/0b62a9ac-8a1b-4c7e-93f4-6d0c3e8c9f0a"],
        ["36: with a made up signature", "/v2/team/app/blobs/uploads/MGI2MmE5YWM.AAAAAAAAAAAAAAAAAAAAAA"],
        ["36: of a URL to elsewhere", `/v2/team/app/blobs/uploads/${encodeURIComponent("http://169.254.169.254/")}`],
        ["36: much too long", `/v2/team/app/blobs/uploads/${"a".repeat(9000)}.AAAA`],
        ["36: a single dot", "/v2/team/app/blobs/uploads/."]
      ] as const
    )("id %s", ([, path]) => Effect.flatMap(start(composition), (running) => unknown(running, path)))

    it.scoped("refuses the upload id of another repository (rule 47, T43)", () =>
      Effect.gen(function*() {
        const running = yield* start(composition)
        const path = yield* open(running, "/v2/team/other/blobs/uploads/")
        yield* unknown(running, path.replace("team/other", "team/app"))
        check(yield* running.ask({ path }), { status: 204 })
      }))

    it.scoped("writes no upload id to the log (T20, T43)", () =>
      Effect.gen(function*() {
        const running = yield* start(composition)
        const path = yield* open(running)
        const id = path.slice(path.lastIndexOf("/") + 1)
        yield* running.ask({ method: "PUT", path: withDigest(path, "sha256:abc"), headers: octets, body: blob })
        yield* running.ask({ method: "POST", path, body: "x" })
        yield* unknown(running, path.replace("team/app", "team/other"))
        expect(running.lines.length).toBeGreaterThanOrEqual(6)
        const logged = JSON.stringify(running.lines)
        expect(logged).not.toContain(id)
        expect(logged).not.toContain(id.slice(0, 20))
        expect(logged).toContain("/v2/team/app/blobs/uploads/…")
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

/** Verifies that every request to an unknown upload session fails with 404. */
const unknown = (running: Running, path: string) =>
  Effect.gen(function*() {
    const expected = { status: 404, code: "BLOB_UPLOAD_UNKNOWN" }
    yield* run(running, { path }, expected)
    yield* run(running, { method: "PATCH", path, headers: octets, body: "x" }, expected)
    yield* run(running, { method: "PUT", path: withDigest(path, blobDigest), headers: octets, body: blob }, expected)
    yield* run(running, { method: "DELETE", path }, expected)
  })
