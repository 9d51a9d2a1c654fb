import * as Digest from "@effect-oci/core/Digest"
import * as MediaType from "@effect-oci/core/MediaType"
import * as Effect from "effect/Effect"
import type { Check } from "../Check.js"
import * as Fixtures from "../Fixtures.js"
import {
  bytesEqual,
  expect,
  expectError,
  expectHeader,
  expectStatus,
  get,
  head,
  send,
  text
} from "../internal/asking.js"
import { putBlob, putDataSet, putManifest } from "../internal/putting.js"
import { Target } from "../Target.js"

const manifests = "Pulling manifests"
const blobs = "Pulling blobs"
const existence = "Checking if content exists in the registry"

const content = Fixtures.bytesOf("0123456789abcdef".repeat(128))
const missing = Digest.fromBytes(Fixtures.bytesOf("never pushed"))

const image = Fixtures.document(MediaType.image, {
  config: { mediaType: MediaType.empty, digest: Digest.fromBytes(Fixtures.bytesOf("{}")), size: 2 },
  layers: []
})

/** Pushes a blob to the repository of the check, and returns its path. */
const blob = Effect.gen(function*() {
  const { repository } = yield* Target
  const digest = yield* putBlob(repository, content)
  return { digest, path: `/v2/${repository}/blobs/${digest}` }
})

/** Pushes a small tagged image to the repository of the check, and returns its paths. */
const tagged = Effect.gen(function*() {
  const { repository } = yield* Target
  yield* putBlob(repository, Fixtures.bytesOf("{}"))
  const digest = yield* putManifest(repository, image, "v1")
  const base = `/v2/${repository}/manifests`
  return { digest, byTag: `${base}/v1`, byDigest: `${base}/${digest}` }
})

interface RangeRow {
  readonly id: string
  readonly rule: number
  readonly name: string
  readonly range: string
  readonly status: ReadonlyArray<number>
  /** The expected part of the content if the status is 206: start and end, the end excluded. */
  readonly part?: readonly [number, number]
}

const size = content.byteLength

const ranges: ReadonlyArray<RangeRow> = [
  { id: "inside", rule: 18, name: "within the blob", range: "bytes=500-1499", status: [206], part: [500, 1500] },
  { id: "to-the-end", rule: 19, name: "without an end", range: "bytes=500-", status: [206], part: [500, size] },
  { id: "suffix", rule: 20, name: "of the last bytes", range: "bytes=-500", status: [206], part: [size - 500, size] },
  { id: "clipped", rule: 21, name: "past the end", range: "bytes=2000-5000", status: [206], part: [2000, size] },
  { id: "outside", rule: 22, name: "after the end", range: "bytes=5000-10000", status: [416] },
  { id: "backwards", rule: 23, name: "that ends before it starts", range: "bytes=500-0", status: [416, 200] },
  { id: "other-unit", rule: 24, name: "in another unit", range: "lines=0-9", status: [200] }
]

const rangeChecks = ranges.map(({ id, name, part, range, rule, status }): Check => ({
  id: `blob-range-${id}`,
  rules: [rule],
  section: blobs,
  name: `a range ${name} returns ${status.join(" or ")}`,
  level: "should",
  needs: ["push"],
  run: Effect.gen(function*() {
    const { path } = yield* blob
    const received = yield* expectStatus(yield* get(path, { range }), ...status)
    if (received.status === 200) {
      yield* expect(received, bytesEqual(received.body, content), "the whole blob", () => "other bytes")
    }
    if (part !== undefined) {
      const [from, to] = part
      yield* expectHeader(received, "content-range", `bytes ${from}-${to - 1}/${size}`)
      yield* expectHeader(received, "content-length", String(to - from))
      yield* expect(
        received,
        bytesEqual(received.body, content.subarray(from, to)),
        `bytes ${from} to ${to}`,
        () => `${received.body.byteLength} other bytes`
      )
    }
    if (received.status === 416 && received.headers["content-range"] !== undefined) {
      yield* expectHeader(received, "content-range", /^bytes \*\/(2048|\*)$/)
    }
  })
}))

const dataSetChecks = Fixtures.dataSets.map((dataSet): Check => ({
  id: `pull-${dataSet.name.replace(/[^a-z0-9]+/g, "-")}`,
  rules: [4, 62],
  section: manifests,
  name: `pushed content can be pulled unchanged, by tag and by digest: ${dataSet.name}`,
  level: "must",
  needs: ["push", ...dataSet.needs],
  run: Effect.gen(function*() {
    const { repository } = yield* Target
    const digests = yield* putDataSet(repository, dataSet)
    const whole = dataSet.manifests.at(-1)
    if (whole !== undefined) {
      yield* putManifest(repository, whole, "v1")
      const received = yield* expectStatus(yield* get(`/v2/${repository}/manifests/v1`), 200)
      yield* expect(received, bytesEqual(received.body, whole.bytes), "the bytes pushed", () => "other bytes")
    }
    yield* Effect.forEach(dataSet.manifests, (manifest, index) =>
      Effect.gen(function*() {
        const digest = digests[index]
        const received = yield* expectStatus(yield* get(`/v2/${repository}/manifests/${digest}`), 200)
        yield* expect(received, bytesEqual(received.body, manifest.bytes), "the bytes pushed", () => "other bytes")
        yield* expectHeader(received, "content-type", manifest.mediaType)
      }))
    yield* Effect.forEach(dataSet.blobs, (bytes) =>
      Effect.gen(function*() {
        const digest = Digest.fromBytes(bytes, dataSet.algorithm)
        const received = yield* expectStatus(yield* get(`/v2/${repository}/blobs/${digest}`), 200)
        yield* expect(received, bytesEqual(received.body, bytes), "the bytes pushed", () => "other bytes")
      }))
  })
}))

/** Rules 1 to 28: pushed content can be pulled unchanged. */
export const pull: ReadonlyArray<Check> = [
  {
    id: "base",
    rules: [1],
    section: "Determining Support",
    name: "GET /v2/ returns 200 if the caller has access",
    level: "must",
    run: Effect.flatMap(get("/v2/"), (received) => expectStatus(received, 200))
  },
  {
    id: "base-head",
    rules: [2, 104],
    section: "Determining Support",
    name: "HEAD /v2/ returns the same as GET, without a body",
    level: "should",
    run: Effect.gen(function*() {
      const received = yield* expectStatus(yield* head("/v2/"), 200)
      yield* expect(received, received.body.byteLength === 0, "no body", () => "a body")
    })
  },
  {
    id: "unknown-route",
    rules: [3],
    section: "Endpoints",
    name: "a path outside the API returns 404",
    level: "should",
    run: Effect.gen(function*() {
      const { repository } = yield* Target
      yield* expectStatus(yield* get(`/v2/${repository}/nothing/here`), 404)
    })
  },
  {
    id: "manifest-missing",
    rules: [5],
    section: manifests,
    name: "GET and HEAD of an unknown manifest return 404, by tag and by digest",
    level: "must",
    needs: ["push"],
    run: Effect.gen(function*() {
      const { repository } = yield* Target
      yield* putBlob(repository, content)
      for (const reference of ["nothing", missing]) {
        const path = `/v2/${repository}/manifests/${reference}`
        yield* expectError(yield* get(path), [404], ["MANIFEST_UNKNOWN", "NAME_UNKNOWN"])
        yield* expectStatus(yield* head(path), 404)
      }
    })
  },
  {
    id: "repository-missing",
    rules: [5],
    section: manifests,
    name: "a manifest in an unknown repository returns 404",
    level: "must",
    run: Effect.gen(function*() {
      const { other } = yield* Target
      yield* expectError(yield* get(`/v2/${other}/manifests/v1`), [404], ["NAME_UNKNOWN", "MANIFEST_UNKNOWN"])
    })
  },
  {
    id: "manifest-digest-header",
    rules: [6],
    section: manifests,
    name: "GET and HEAD of a manifest return its digest",
    level: "must",
    since: "dev",
    needs: ["push"],
    run: Effect.gen(function*() {
      const { byDigest, byTag, digest } = yield* tagged
      for (const path of [byTag, byDigest]) {
        yield* expectHeader(yield* get(path), "docker-content-digest", digest)
        yield* expectHeader(yield* head(path), "docker-content-digest", digest)
      }
    })
  },
  {
    id: "manifest-content-type",
    rules: [7],
    section: manifests,
    name: "a manifest is returned with the media type of its push, without parameters",
    level: "should",
    needs: ["push"],
    run: Effect.gen(function*() {
      const { byTag } = yield* tagged
      yield* expectHeader(yield* get(byTag), "content-type", MediaType.image)
      yield* expectHeader(yield* head(byTag), "content-type", MediaType.image)
    })
  },
  {
    id: "manifest-head",
    rules: [8, 104],
    section: existence,
    name: "HEAD of a manifest returns its length and no body",
    level: "must",
    since: "dev",
    needs: ["push"],
    run: Effect.gen(function*() {
      const { byTag } = yield* tagged
      const received = yield* expectStatus(yield* head(byTag), 200)
      yield* expectHeader(received, "content-length", String(image.bytes.byteLength))
      yield* expect(received, received.body.byteLength === 0, "no body", () => "a body")
    })
  },
  {
    id: "manifest-bad-digest",
    rules: [12],
    section: manifests,
    name: "a malformed digest returns 400 or 404",
    level: "must",
    run: Effect.gen(function*() {
      const { repository } = yield* Target
      for (const digest of ["sha256:abc", "sha256:", "sha256:zz", `sha256:${"A".repeat(64)}`, "sha256:..%2f.."]) {
        yield* expectError(yield* get(`/v2/${repository}/manifests/${digest}`), [400, 404])
        yield* expectError(yield* get(`/v2/${repository}/blobs/${digest}`), [400, 404])
      }
    })
  },
  {
    id: "manifest-accept",
    rules: [13],
    section: manifests,
    name:
      "a manifest is never converted to another type: GET returns it unchanged, or an error if Accept lacks its type",
    level: "must",
    needs: ["push"],
    run: Effect.gen(function*() {
      const { byTag } = yield* tagged
      const plain = yield* expectStatus(yield* send({ method: "GET", path: byTag }), 200)
      yield* expect(plain, bytesEqual(plain.body, image.bytes), "the bytes pushed", () => "other bytes")
      const other = yield* expectStatus(yield* get(byTag, { accept: MediaType.dockerList }), 200, 404, 406)
      yield* expect(
        other,
        other.status !== 200 || bytesEqual(other.body, image.bytes),
        "the bytes pushed, or an error",
        () => "other bytes"
      )
    })
  },
  ...dataSetChecks,
  {
    id: "blob-get",
    rules: [14],
    section: blobs,
    name: "GET of a blob returns its bytes",
    level: "must",
    needs: ["push"],
    run: Effect.gen(function*() {
      const { path } = yield* blob
      const received = yield* expectStatus(yield* get(path), 200)
      yield* expect(received, bytesEqual(received.body, content), "the bytes pushed", () => "other bytes")
    })
  },
  {
    id: "blob-missing",
    rules: [15],
    section: blobs,
    name: "GET and HEAD of an unknown blob return 404",
    level: "must",
    run: Effect.gen(function*() {
      const { repository } = yield* Target
      const path = `/v2/${repository}/blobs/${missing}`
      yield* expectError(yield* get(path), [404], ["BLOB_UNKNOWN", "NAME_UNKNOWN"])
      yield* expectStatus(yield* head(path), 404)
    })
  },
  {
    id: "blob-membership",
    rules: [15],
    section: blobs,
    name: "a blob in one repository is not visible in another (CVE-2024-39897)",
    level: "must",
    needs: ["push"],
    run: Effect.gen(function*() {
      const { other } = yield* Target
      const { digest } = yield* blob
      yield* putBlob(other, Fixtures.bytesOf("so that the other repository is there"))
      const path = `/v2/${other}/blobs/${digest}`
      yield* expectStatus(yield* get(path), 404)
      yield* expectStatus(yield* head(path), 404)
      yield* expectStatus(yield* get(path, { range: "bytes=0-0" }), 404)
    })
  },
  {
    id: "blob-digest-header",
    rules: [16, 17],
    section: blobs,
    name: "GET and HEAD of a blob return its digest",
    level: "must",
    since: "dev",
    needs: ["push"],
    run: Effect.gen(function*() {
      const { digest, path } = yield* blob
      yield* expectHeader(yield* get(path), "docker-content-digest", digest)
      yield* expectHeader(yield* head(path), "docker-content-digest", digest)
    })
  },
  {
    id: "blob-head",
    rules: [17, 104],
    section: existence,
    name: "HEAD of a blob returns its length and no body",
    level: "must",
    since: "dev",
    needs: ["push"],
    run: Effect.gen(function*() {
      const { path } = yield* blob
      const received = yield* expectStatus(yield* head(path), 200)
      yield* expectHeader(received, "content-length", String(content.byteLength))
      yield* expect(received, received.body.byteLength === 0, "no body", () => "a body")
    })
  },
  ...rangeChecks,
  {
    id: "blob-range-several",
    rules: [24],
    section: blobs,
    name: "a request of several ranges returns 200 and the whole blob, or 206 and all parts",
    level: "should",
    needs: ["push"],
    run: Effect.gen(function*() {
      const { path } = yield* blob
      const received = yield* expectStatus(yield* get(path, { range: "bytes=0-9,20-31" }), 200, 206)
      if (received.status === 200) {
        return yield* expect(received, bytesEqual(received.body, content), "the whole blob", () => "other bytes")
      }
      yield* expectHeader(received, "content-type", /^multipart\/byteranges/)
      const parts = [
        "Content-Range: bytes 0-9/2048",
        "\r\n0123456789\r\n",
        "Content-Range: bytes 20-31/2048",
        "\r\n456789abcdef\r\n"
      ]
      const said = text(received).toLowerCase()
      yield* expect(
        received,
        parts.every((part) => said.includes(part.toLowerCase())),
        "both parts",
        () => text(received)
      )
    })
  },
  {
    id: "blob-range-empty",
    rules: [25],
    section: blobs,
    name: "a range of an empty blob returns 416, or 200 without a body",
    level: "should",
    needs: ["push"],
    run: Effect.gen(function*() {
      const { repository } = yield* Target
      const digest = yield* putBlob(repository, new Uint8Array(0))
      const path = `/v2/${repository}/blobs/${digest}`
      const received = yield* expectStatus(yield* get(path, { range: "bytes=0-9" }), 416, 200)
      yield* expect(received, received.status === 416 || received.body.byteLength === 0, "no body", () => "a body")
    })
  },
  {
    id: "blob-accept-ranges",
    rules: [26],
    section: blobs,
    name: "Accept-Ranges, if present, says correctly whether ranges are supported",
    level: "may",
    needs: ["push"],
    run: Effect.gen(function*() {
      const { path } = yield* blob
      const received = yield* head(path)
      if (received.headers["accept-ranges"] === undefined) return
      yield* expectHeader(received, "accept-ranges", /^(bytes|none)$/)
      const part = yield* get(path, { range: "bytes=0-9" })
      yield* expectStatus(part, received.headers["accept-ranges"] === "bytes" ? 206 : 200)
    })
  }
]
