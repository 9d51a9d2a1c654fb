import * as Digest from "@effect-oci/core/Digest"
import * as Effect from "effect/Effect"
import type { Check } from "../Check.js"
import * as Fixtures from "../Fixtures.js"
import {
  bytesEqual,
  expect,
  expectBody,
  expectContent,
  expectError,
  expectHeader,
  expectNoBody,
  expectStatus,
  text
} from "../internal/expectations.js"
import { get, head } from "../internal/request.js"
import type { Row } from "../internal/section.js"
import { section } from "../internal/section.js"
import { putBlob, sampleBlob } from "../internal/upload.js"
import { Target } from "../Target.js"

const missing = Digest.fromBytes(Fixtures.bytesOf("never pushed"))

/** Pushes a blob to the repository of the check, and returns its path. */
const blob = Effect.gen(function*() {
  const { repository } = yield* Target
  const digest = yield* putBlob(repository, sampleBlob)
  return { digest, path: `/v2/${repository}/blobs/${digest}` }
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

const size = sampleBlob.byteLength

const ranges: ReadonlyArray<RangeRow> = [
  { id: "inside", rule: 18, name: "within the blob", range: "bytes=500-1499", status: [206], part: [500, 1500] },
  { id: "to-the-end", rule: 19, name: "without an end", range: "bytes=500-", status: [206], part: [500, size] },
  { id: "suffix", rule: 20, name: "of the last bytes", range: "bytes=-500", status: [206], part: [size - 500, size] },
  { id: "clipped", rule: 21, name: "past the end", range: "bytes=2000-5000", status: [206], part: [2000, size] },
  { id: "outside", rule: 22, name: "after the end", range: "bytes=5000-10000", status: [416] },
  { id: "backwards", rule: 23, name: "that ends before it starts", range: "bytes=500-0", status: [416, 200] },
  { id: "other-unit", rule: 24, name: "in another unit", range: "lines=0-9", status: [200] }
]

const returnsRange = ({ id, name, part, range, rule, status }: RangeRow): Row => ({
  id: `blob-range-${id}`,
  rules: [rule],
  name: `a range ${name} returns ${status.join(" or ")}`,
  level: "should",
  run: Effect.gen(function*() {
    const { path } = yield* blob
    const received = yield* expectStatus(yield* get(path, { range }), ...status)
    if (received.status === 200) {
      yield* expectBody(received, sampleBlob, "the whole blob")
    }
    if (part !== undefined) {
      const [from, to] = part
      yield* expectHeader(received, "content-range", `bytes ${from}-${to - 1}/${size}`)
      yield* expectHeader(received, "content-length", String(to - from))
      yield* expect(
        received,
        bytesEqual(received.body, sampleBlob.subarray(from, to)),
        `bytes ${from} to ${to}`,
        () => `${received.body.byteLength} other bytes`
      )
    }
    if (received.status === 416 && received.headers["content-range"] !== undefined) {
      yield* expectHeader(received, "content-range", /^bytes \*\/(2048|\*)$/)
    }
  })
})

/** Rules 14 to 26: blobs and their ranges can be pulled. */
export const pullBlobs: ReadonlyArray<Check> = [
  ...section(
    "Checking if content exists in the registry",
    {
      id: "blob-head",
      rules: [17, 104],
      name: "HEAD of a blob returns its length and no body",
      since: "dev",
      run: Effect.gen(function*() {
        const { path } = yield* blob
        const received = yield* expectStatus(yield* head(path), 200)
        yield* expectHeader(received, "content-length", String(sampleBlob.byteLength))
        yield* expectNoBody(received)
      })
    }
  ),
  ...section(
    "Pulling blobs",
    {
      id: "blob-get",
      rules: [14],
      name: "GET of a blob returns its bytes",
      run: Effect.gen(function*() {
        const { path } = yield* blob
        yield* expectContent(path, sampleBlob)
      })
    },
    {
      id: "blob-missing",
      rules: [15],
      name: "GET and HEAD of an unknown blob return 404",
      needs: [],
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
      name: "a blob in one repository is not visible in another (CVE-2024-39897)",
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
      name: "GET and HEAD of a blob return its digest",
      since: "dev",
      run: Effect.gen(function*() {
        const { digest, path } = yield* blob
        yield* expectHeader(yield* get(path), "docker-content-digest", digest)
        yield* expectHeader(yield* head(path), "docker-content-digest", digest)
      })
    },
    ...ranges.map(returnsRange),
    {
      id: "blob-range-several",
      rules: [24],
      name: "a request of several ranges returns 200 and the whole blob, or 206 and all parts",
      level: "should",
      run: Effect.gen(function*() {
        const { path } = yield* blob
        const received = yield* expectStatus(yield* get(path, { range: "bytes=0-9,20-31" }), 200, 206)
        if (received.status === 200) {
          return yield* expectBody(received, sampleBlob, "the whole blob")
        }
        yield* expectHeader(received, "content-type", /^multipart\/byteranges/)
        const parts = [
          "Content-Range: bytes 0-9/2048",
          "\r\n0123456789\r\n",
          "Content-Range: bytes 20-31/2048",
          "\r\n456789abcdef\r\n"
        ]
        const lowerCase = text(received).toLowerCase()
        yield* expect(
          received,
          parts.every((part) => lowerCase.includes(part.toLowerCase())),
          "both parts",
          () => text(received)
        )
      })
    },
    {
      id: "blob-range-empty",
      rules: [25],
      name: "a range of an empty blob returns 416, or 200 without a body",
      level: "should",
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
      name: "Accept-Ranges, if present, says correctly whether ranges are supported",
      level: "may",
      run: Effect.gen(function*() {
        const { path } = yield* blob
        const received = yield* head(path)
        if (received.headers["accept-ranges"] === undefined) return
        yield* expectHeader(received, "accept-ranges", /^(bytes|none)$/)
        const part = yield* get(path, { range: "bytes=0-9" })
        yield* expectStatus(part, received.headers["accept-ranges"] === "bytes" ? 206 : 200)
      })
    }
  )
]
