import * as Digest from "@effect-oci/core/Digest"
import * as MediaType from "@effect-oci/core/MediaType"
import * as Effect from "effect/Effect"
import type { Check } from "../Check.js"
import * as Fixtures from "../Fixtures.js"
import { expect, expectCode, expectError, expectHeader, expectNoBody, expectStatus } from "../internal/expectations.js"
import { get, head, send } from "../internal/request.js"
import { section } from "../internal/section.js"
import { putBlob, putManifest } from "../internal/upload.js"
import { Target } from "../Target.js"

const digest = Digest.fromBytes(Fixtures.bytesOf("never pushed"))

/** Malformed names. `..` is not among them, because most clients remove it from a path before they send the request. */
const names = [
  "A",
  "a//b",
  ".a",
  "a.",
  "a..b",
  "a___b",
  "a._b",
  "-a",
  "a-",
  "a%2fb",
  "a%20b",
  "a%0a",
  "%C3%A9",
  "%"
]

const emptyIndex = Fixtures.document(MediaType.index, { manifests: [] })

const tags = [".x", "-x", "a%3Ab%3Ac", "%C3%A9", "a%0a", "a".repeat(129)]

/** Matches one or more warnings, each with a code, an agent and a quoted text. */
const warningForm = /^299 - "(?:[^"\\]|\\.)*"(?:, *299 - "(?:[^"\\]|\\.)*")*$/

/** Rules 3 and 98 to 104: malformed names, errors and warnings. */
export const errors: ReadonlyArray<Check> = [
  ...section(
    "Pulling manifests",
    {
      id: "name-malformed",
      rules: [98],
      name: "a malformed repository name is refused with 400 or 404, for reads and writes",
      needs: [],
      run: Effect.gen(function*() {
        for (const name of names) {
          const paths = [`/v2/${name}/manifests/latest`, `/v2/${name}/blobs/${digest}`, `/v2/${name}/tags/list`]
          for (const path of paths) yield* expectError(yield* get(path), [400, 404])
          const upload = { method: "POST", path: `/v2/${name}/blobs/uploads/`, body: new Uint8Array(0) }
          yield* expectError(yield* send(upload), [400, 404])
        }
      })
    },
    {
      id: "name-too-long",
      rules: [98],
      name: "a repository name of more than 255 characters is refused with 400, 404 or 414, for reads and writes",
      level: "should",
      needs: [],
      run: Effect.gen(function*() {
        const base = `/v2/${"a".repeat(256)}`
        yield* expectError(yield* get(`${base}/tags/list`), [400, 404, 414])
        const upload = { method: "POST", path: `${base}/blobs/uploads/`, body: new Uint8Array(0) }
        yield* expectError(yield* send(upload), [400, 404, 414])
      })
    },
    {
      id: "tag-malformed",
      rules: [98],
      name: "a malformed tag is refused with 400 or 404, for reads and writes",
      needs: [],
      run: Effect.gen(function*() {
        const { repository } = yield* Target
        for (const tag of tags) {
          const path = `/v2/${repository}/manifests/${tag}`
          yield* expectError(yield* get(path), [400, 404])
          const headers = { "content-type": emptyIndex.mediaType }
          yield* expectError(yield* send({ method: "PUT", path, headers, body: emptyIndex.bytes }), [400, 404])
        }
      })
    },
    {
      id: "tag-longest",
      rules: [98],
      name: "a tag of 128 characters is accepted",
      run: Effect.gen(function*() {
        const { repository } = yield* Target
        const tag = "a".repeat(128)
        yield* putManifest(repository, emptyIndex, tag)
        yield* expectStatus(yield* get(`/v2/${repository}/manifests/${tag}`), 200)
      })
    }
  ),
  ...section(
    "Error Codes",
    {
      id: "error-json",
      rules: [98],
      name: "an error body in JSON has the form of the spec",
      needs: [],
      run: Effect.gen(function*() {
        const { repository } = yield* Target
        yield* expectError(yield* get(`/v2/${repository}/manifests/nothing`), [404])
        yield* expectError(yield* get(`/v2/${repository}/blobs/${digest}`), [404])
      })
    },
    {
      id: "error-code",
      rules: [98],
      name: "an error body is JSON, has a JSON Content-Type, and has a code of the spec",
      level: "should",
      needs: [],
      run: Effect.gen(function*() {
        const { repository } = yield* Target
        const received = yield* expectStatus(yield* get(`/v2/${repository}/manifests/nothing`), 404)
        yield* expectCode(received, ["MANIFEST_UNKNOWN", "NAME_UNKNOWN"])
        yield* expectHeader(received, "content-type", /^application\/json/)
      })
    },
    {
      id: "error-head",
      rules: [104],
      name: "an error response to HEAD has no body",
      needs: [],
      run: Effect.gen(function*() {
        const { repository } = yield* Target
        yield* expectNoBody(yield* expectStatus(yield* head(`/v2/${repository}/blobs/${digest}`), 404))
      })
    }
  ),
  ...section(
    "Endpoints",
    {
      id: "method-not-allowed",
      rules: [3],
      name: "an unsupported method returns 404, or 405 with an Allow header that lists the supported methods",
      level: "should",
      needs: [],
      run: Effect.gen(function*() {
        const { repository } = yield* Target
        const rows = [["POST", `/v2/${repository}/manifests/v1`], ["PUT", `/v2/${repository}/tags/list`]] as const
        for (const [method, path] of rows) {
          const received = yield* expectStatus(yield* send({ method, path, body: new Uint8Array(0) }), 405, 404)
          if (received.status === 405) yield* expectHeader(received, "allow", /GET/)
        }
      })
    }
  ),
  ...section(
    "Warnings",
    {
      id: "warning-form",
      rules: [100],
      name: "a Warning header, if present, has code 299, agent -, no date, and limited length",
      run: Effect.gen(function*() {
        const { repository } = yield* Target
        const digest = yield* putBlob(repository, Fixtures.bytesOf("a blob"))
        const received = yield* get(`/v2/${repository}/blobs/${digest}`)
        const warning = received.headers["warning"]
        if (warning !== undefined) {
          const formed = warning.length <= 4096 && warningForm.test(warning)
          yield* expect(received, formed, `299 - "…"`, () => warning.slice(0, 200))
        }
      })
    }
  )
]
