import { Body, Descriptor, Digest, MediaType } from "@effect-oci/core"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import {
  absent,
  blob,
  blobDigest,
  fill,
  image,
  imageDigest,
  imageSha512,
  other,
  repository,
  text
} from "../fixtures.js"
import { run } from "../rows.js"
import type { Row } from "../rows.js"
import { start } from "../servers.js"
import type { Composition } from "../servers.js"

const wholeBlob = {
  "content-type": "application/octet-stream",
  "content-length": "2048",
  "docker-content-digest": blobDigest,
  "accept-ranges": "bytes",
  "content-range": undefined,
  "transfer-encoding": undefined
}
const wholeImage = {
  "content-type": MediaType.image,
  "content-length": String(image.byteLength),
  "docker-content-digest": imageDigest
}
const blobPath = `/v2/team/app/blobs/${blobDigest}`
const tagPath = "/v2/team/app/manifests/v1"

const base: ReadonlyArray<Row> = [
  ["1, 105: the API version check", { path: "/v2/" }, {
    status: 200,
    headers: { "docker-distribution-api-version": "registry/2.0", "content-type": "application/json" },
    body: {}
  }],
  ["2: without its slash", { path: "/v2" }, { status: 200, body: {} }],
  ["2, 104: by HEAD", { method: "HEAD", path: "/v2/" }, {
    status: 200,
    headers: { "content-length": "2", "docker-distribution-api-version": "registry/2.0" },
    body: ""
  }],
  ["3: a path of no API", { path: "/" }, { status: 404, code: "UNSUPPORTED" }],
  ["3: a path of another API", { path: "/v1/_ping" }, { status: 404, code: "UNSUPPORTED" }],
  ["3: an unknown path", { path: "/v2/team/app/blobs" }, { status: 404, code: "UNSUPPORTED" }],
  ["3: another method", { method: "POST", path: "/v2/" }, {
    status: 405,
    headers: { allow: "GET, HEAD" },
    code: "UNSUPPORTED"
  }]
]

const manifests: ReadonlyArray<Row> = [
  ["4, 6, 7: by tag, the exact bytes", { path: tagPath }, { status: 200, headers: wholeImage, body: image }],
  ["4, 6, 7: by digest", { path: `/v2/team/app/manifests/${imageDigest}` }, {
    status: 200,
    headers: wholeImage,
    body: image
  }],
  ["6: by another digest of its bytes", { path: `/v2/team/other/manifests/${imageSha512}` }, {
    status: 200,
    headers: { "docker-content-digest": imageSha512 },
    body: image
  }],
  ["8, 104: HEAD by tag", { method: "HEAD", path: tagPath }, { status: 200, headers: wholeImage, body: "" }],
  ["13: with any `Accept` header", { path: tagPath, headers: { accept: "text/html" } }, { status: 200, body: image }],
  ["5: an absent tag", { path: "/v2/team/app/manifests/v2" }, { status: 404, code: "MANIFEST_UNKNOWN" }],
  ["5: an absent digest", { path: `/v2/team/app/manifests/${absent}` }, { status: 404, code: "MANIFEST_UNKNOWN" }],
  ["5: an absent repository", { path: "/v2/team/none/manifests/v1" }, { status: 404, code: "NAME_UNKNOWN" }],
  ["5, 104: HEAD of an absent tag", { method: "HEAD", path: "/v2/team/app/manifests/v2" }, {
    status: 404,
    headers: { "content-type": "application/json", "content-length": /^[1-9][0-9]+$/ },
    body: ""
  }],
  ["12: no digest", { path: "/v2/team/app/manifests/sha256:abc" }, { status: 400, code: "DIGEST_INVALID" }],
  ["12: no tag", { path: "/v2/team/app/manifests/.v1" }, { status: 400, code: "TAG_INVALID" }],
  ["T33: of another repository alone", { path: `/v2/team/other/manifests/${imageDigest}` }, {
    status: 404,
    code: "MANIFEST_UNKNOWN"
  }]
]

const blobs: ReadonlyArray<Row> = [
  ["14, 16, 26", { path: blobPath }, { status: 200, headers: wholeBlob, body: blob }],
  ["17, 104: HEAD", { method: "HEAD", path: blobPath }, { status: 200, headers: wholeBlob, body: "" }],
  ["17: HEAD takes no range", { method: "HEAD", path: blobPath, headers: { range: "bytes=0-9" } }, {
    status: 200,
    headers: wholeBlob,
    body: ""
  }],
  ["15: an absent digest", { path: `/v2/team/app/blobs/${absent}` }, { status: 404, code: "BLOB_UNKNOWN" }],
  ["15, T33: of another repository alone", { path: `/v2/team/other/blobs/${blobDigest}` }, {
    status: 404,
    code: "BLOB_UNKNOWN"
  }],
  ["15, T33: HEAD of another repository's", { method: "HEAD", path: `/v2/team/other/blobs/${blobDigest}` }, {
    status: 404,
    body: ""
  }],
  ["12, T25: no digest", { path: "/v2/team/app/blobs/sha256:..%2f..%2fx" }, { status: 400, code: "DIGEST_INVALID" }],
  ["12, G4: upper case", { path: `/v2/team/app/blobs/${blobDigest.toUpperCase()}` }, {
    status: 400,
    code: "DIGEST_INVALID"
  }],
  ["T28: a digest that the server cannot verify", { path: "/v2/team/app/blobs/md5:d41d8cd98f00b204e9800998ecf8427e" }, {
    status: 404,
    code: "BLOB_UNKNOWN"
  }]
]

const part = (first: number, last: number) => ({
  status: 206,
  headers: {
    ...wholeBlob,
    "content-range": `bytes ${first}-${last}/2048`,
    "content-length": String(last - first + 1)
  },
  body: blob.subarray(first, last + 1)
})
const whole = { status: 200, headers: wholeBlob, body: blob }
const outside = { status: 416, headers: { "content-range": "bytes */2048" }, code: "RANGE_INVALID" }

const ranges: ReadonlyArray<readonly [name: string, range: string, expected: Row[2], ifRange?: string]> = [
  ["18: both ends", "bytes=500-1499", part(500, 1499)],
  ["18: one byte", "bytes=0-0", part(0, 0)],
  ["19: to the end", "bytes=500-", part(500, 2047)],
  ["20: the last", "bytes=-500", part(1548, 2047)],
  ["20: more than all at the end", "bytes=-5000", part(0, 2047)],
  ["21: clipped", "bytes=2000-5000", part(2000, 2047)],
  ["22: outside", "bytes=5000-10000", outside],
  ["22: at the end", "bytes=2048-", outside],
  ["23: turned round", "bytes=500-0", { status: 416, code: "RANGE_INVALID" }],
  ["23: the last 0 bytes", "bytes=-0", { status: 416, code: "RANGE_INVALID" }],
  ["24: several", "bytes=0-1,5-6", whole],
  ["24: another unit", "lines=0-1", whole],
  ["24: rubbish", "bytes=a-b", whole],
  ["26: if the content is unchanged", "bytes=0-9", part(0, 9), `"${blobDigest}"`],
  ["26: if the content has changed", "bytes=0-9", whole, `"${absent}"`]
]

export const pull = (composition: Composition) => {
  const filled = Effect.gen(function*() {
    const running = yield* start(composition)
    yield* fill(running.registry)
    yield* running.registry.pushBlob(other, Descriptor.fromBytes(text("{}")), Body.bytes(text("{}")))
    yield* running.registry.pushManifest(other, { mediaType: MediaType.image, bytes: image, digest: imageSha512 })
    return running
  })

  describe("pull", () => {
    it.scoped.each([...base, ...manifests, ...blobs])(
      "%s",
      ([, sent, expected]) => Effect.flatMap(filled, (running) => run(running, sent, expected))
    )

    it.scoped.each(ranges)(
      "range %s",
      ([, range, expected, ifRange]) =>
        Effect.flatMap(filled, (running) =>
          run(running, {
            path: blobPath,
            headers: { range, ...(ifRange === undefined ? {} : { "if-range": ifRange }) }
          }, expected))
    )

    it.scoped("serves an empty blob, and refuses a range of it (rules 25, 58)", () =>
      Effect.gen(function*() {
        const running = yield* start(composition)
        const empty = new Uint8Array(0)
        const path = `/v2/team/app/blobs/${Digest.fromBytes(empty)}`
        yield* running.registry.pushBlob(repository, Descriptor.fromBytes(empty), Body.bytes(empty))
        yield* run(running, { path }, { status: 200, headers: { "content-length": "0" }, body: "" })
        yield* run(running, { path, headers: { range: "bytes=0-0" } }, {
          status: 416,
          headers: { "content-range": "bytes */0" },
          code: "RANGE_INVALID"
        })
      }))

    it.scoped("sends the same headers for GET and HEAD (rule 104)", () =>
      Effect.gen(function*() {
        const { ask } = yield* filled
        for (const path of ["/v2/", tagPath, blobPath, "/v2/team/none/manifests/v1", `/v2/team/app/blobs/${absent}`]) {
          const got = yield* ask({ path })
          const head = yield* ask({ method: "HEAD", path })
          const { date: _, ...headers } = got.headers
          expect({ status: head.status, headers: { ...head.headers, date: undefined } })
            .toEqual({ status: got.status, headers: { ...headers, date: undefined } })
          expect(head.bytes.byteLength).toBe(0)
        }
      }))
  })
}
