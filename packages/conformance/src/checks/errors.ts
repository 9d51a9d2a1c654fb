import * as Digest from "@effect-oci/core/Digest"
import * as Effect from "effect/Effect"
import type { Check } from "../Check.js"
import * as Fixtures from "../Fixtures.js"
import { expect, expectError, expectHeader, expectStatus, get, head, send } from "../internal/asking.js"
import { putBlob } from "../internal/putting.js"
import { Target } from "../Target.js"

const section = "Error Codes"

const digest = Digest.fromBytes(Fixtures.bytesOf("never pushed"))

/** `..` is not among them: most clients take it out of a path before they send it. */
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

const tags = [".x", "-x", "a%3Ab%3Ac", "%C3%A9", "a%0a", "a".repeat(129)]

/** Rules 1 to 3 of the grammar, and 98 to 105: what is asked wrongly is told so. */
export const errors: ReadonlyArray<Check> = [
  {
    id: "name-malformed",
    rules: [98],
    section: "Pulling manifests",
    name: "a malformed repository name is refused with 400 or 404, on reading and writing",
    level: "must",
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
    section: "Pulling manifests",
    name: "a repository name of more than 255 characters is refused with 400 or 404",
    level: "should",
    run: Effect.gen(function*() {
      yield* expectError(yield* get(`/v2/${"a".repeat(256)}/tags/list`), [400, 404, 414])
    })
  },
  {
    id: "tag-malformed",
    rules: [98],
    section: "Pulling manifests",
    name: "a malformed tag is refused with 400 or 404, on reading and writing",
    level: "must",
    run: Effect.gen(function*() {
      const { repository } = yield* Target
      for (const tag of tags) {
        const path = `/v2/${repository}/manifests/${tag}`
        yield* expectError(yield* get(path), [400, 404])
        const headers = { "content-type": "application/vnd.oci.image.index.v1+json" }
        const body = Fixtures.document(headers["content-type"], { manifests: [] }).bytes
        yield* expectError(yield* send({ method: "PUT", path, headers, body }), [400, 404])
      }
    })
  },
  {
    id: "tag-longest",
    rules: [98],
    section: "Pulling manifests",
    name: "a tag of 128 characters is taken",
    level: "must",
    needs: ["push"],
    run: Effect.gen(function*() {
      const { repository } = yield* Target
      const headers = { "content-type": "application/vnd.oci.image.index.v1+json" }
      const body = Fixtures.document(headers["content-type"], { manifests: [] }).bytes
      const path = `/v2/${repository}/manifests/${"a".repeat(128)}`
      yield* expectStatus(yield* send({ method: "PUT", path, headers, body }), 201)
      yield* expectStatus(yield* get(path), 200)
      yield* Effect.ignore(send({ method: "DELETE", path: `/v2/${repository}/manifests/${Digest.fromBytes(body)}` }))
    })
  },
  {
    id: "error-json",
    rules: [98],
    section,
    name: "an error is JSON, and its Content-Type says so",
    level: "must",
    run: Effect.gen(function*() {
      const { repository } = yield* Target
      const received = yield* expectError(yield* get(`/v2/${repository}/manifests/nothing`), [404])
      yield* expectHeader(received, "content-type", /^application\/json/)
    })
  },
  {
    id: "error-head",
    rules: [104],
    section,
    name: "an error on HEAD has no body",
    level: "must",
    run: Effect.gen(function*() {
      const { repository } = yield* Target
      const received = yield* expectStatus(yield* head(`/v2/${repository}/blobs/${digest}`), 404)
      yield* expect(received, received.body.byteLength === 0, "no body", () => "a body")
    })
  },
  {
    id: "method-not-allowed",
    rules: [3],
    section: "Endpoints",
    name: "a method that a path does not know is answered with 405, and Allow says which it knows",
    level: "should",
    run: Effect.gen(function*() {
      const { repository } = yield* Target
      const rows = [["POST", `/v2/${repository}/manifests/v1`], ["PUT", `/v2/${repository}/tags/list`]] as const
      for (const [method, path] of rows) {
        const received = yield* expectStatus(yield* send({ method, path, body: new Uint8Array(0) }), 405, 404)
        if (received.status === 405) yield* expectHeader(received, "allow", /GET/)
      }
    })
  },
  {
    id: "warning-form",
    rules: [100],
    section: "Warnings",
    name: "a Warning, where there is one, has code 299, agent - and no date, and is not long",
    level: "must",
    needs: ["push"],
    run: Effect.gen(function*() {
      const { repository } = yield* Target
      const digest = yield* putBlob(repository, Fixtures.bytesOf("a blob"))
      const received = yield* get(`/v2/${repository}/blobs/${digest}`)
      const warning = received.headers["warning"]
      if (warning !== undefined) {
        yield* expect(received, warning.length <= 4096 && warning.startsWith(`299 - "`), `299 - "…"`, () => warning)
      }
    })
  }
]
