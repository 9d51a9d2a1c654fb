import { Handler, Registry, RegistryError } from "@effect-oci/core"
import type { Operation } from "@effect-oci/core"
import { ReadOnly } from "@effect-oci/middleware"
import { Memory } from "@effect-oci/store"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { absent, blob, blobDigest, fill, image, imageDigest, other } from "../fixtures.js"
import { check, run } from "../rows.js"
import type { Row } from "../rows.js"
import { start } from "../servers.js"
import type { Composition } from "../servers.js"

const deleted = { status: 202, headers: { "content-length": "0" }, body: "" }

/** Deletes, what is gone after them, and what remains. */
const deletes: ReadonlyArray<
  readonly [name: string, path: string, gone: ReadonlyArray<string>, code: string, left: ReadonlyArray<string>]
> = [
  [
    "95: a tag",
    "/v2/team/app/manifests/v1",
    ["/v2/team/app/manifests/v1"],
    "MANIFEST_UNKNOWN",
    [`/v2/team/app/manifests/${imageDigest}`]
  ],
  [
    "96: a manifest, with its tags",
    `/v2/team/app/manifests/${imageDigest}`,
    [`/v2/team/app/manifests/${imageDigest}`, "/v2/team/app/manifests/v1"],
    "MANIFEST_UNKNOWN",
    ["/v2/team/other/manifests/v1"]
  ],
  [
    "97: a blob that other repositories have too",
    `/v2/team/app/blobs/${blobDigest}`,
    [`/v2/team/app/blobs/${blobDigest}`],
    "BLOB_UNKNOWN",
    [`/v2/team/other/blobs/${blobDigest}`]
  ]
]

const missing: ReadonlyArray<Row> = [
  ["95: a tag", { method: "DELETE", path: "/v2/team/app/manifests/v2" }, { status: 404, code: "MANIFEST_UNKNOWN" }],
  ["96: a manifest", { method: "DELETE", path: `/v2/team/app/manifests/${absent}` }, {
    status: 404,
    code: "MANIFEST_UNKNOWN"
  }],
  ["96: of no repository", { method: "DELETE", path: `/v2/team/none/manifests/${absent}` }, {
    status: 404,
    code: "NAME_UNKNOWN"
  }],
  ["97: a blob", { method: "DELETE", path: `/v2/team/app/blobs/${absent}` }, { status: 404, code: "BLOB_UNKNOWN" }]
]

/** Every method that changes something. */
const verbs: ReadonlyArray<readonly [name: string, method: string, path: string]> = [
  ["a blob", "POST", `/v2/team/app/blobs/uploads/?digest=${blobDigest}`],
  ["a mount", "POST", `/v2/team/app/blobs/uploads/?mount=${blobDigest}`],
  ["an upload", "POST", "/v2/team/app/blobs/uploads/"],
  ["a manifest", "PUT", "/v2/team/app/manifests/v1"],
  ["the end of a tag", "DELETE", "/v2/team/app/manifests/v1"],
  ["the end of a manifest", "DELETE", `/v2/team/app/manifests/${imageDigest}`],
  ["the end of a blob", "DELETE", `/v2/team/app/blobs/${blobDigest}`]
]

/** A registry that fails every operation with one error. */
const failing = (error: RegistryError.RegistryError) =>
  Registry.layerHandler(<O extends Operation.Operation>(_: O) => Effect.fail(error) as never)

const errors: ReadonlyArray<readonly [name: string, error: RegistryError.RegistryError, expected: Row[2]]> = [
  ["99: too many requests", new RegistryError.TooManyRequests({ retryAfter: 1500 }), {
    status: 429,
    headers: { "retry-after": "2" },
    code: "TOOMANYREQUESTS"
  }],
  ["98: denied", new RegistryError.Denied({}), { status: 403, code: "DENIED" }],
  ["98: unavailable", new RegistryError.Unavailable({}), { status: 503, code: "UNAVAILABLE" }],
  ["98: the upstream registry does not answer", new RegistryError.TransportError({ url: "https://inner.example/" }), {
    status: 502,
    body: {
      errors: [{
        code: "UNKNOWN",
        message: "the registry cannot be reached",
        detail: { _tag: "OciTransportError" }
      }]
    }
  }],
  ["98: a policy", new RegistryError.Refused({ by: "policy", reason: "not today" }), {
    status: 403,
    body: { errors: [{ code: "UNKNOWN", message: "not today", detail: { _tag: "OciRefused", by: "policy" } }] }
  }],
  ["98: a code of others, with its status", new RegistryError.UnknownCode({ code: "TEAPOT", status: 418 }), {
    status: 418,
    code: "TEAPOT"
  }],
  [
    "98, T20: the cause stays inside",
    new RegistryError.Unavailable({ cause: new Error("password=hunter2"), reason: "no" }),
    { status: 503, body: { errors: [{ code: "UNAVAILABLE", message: "no" }] } }
  ]
]

export const management = (composition: Composition) => {
  const filled = Effect.tap(
    start(composition),
    ({ registry }) => Effect.zipRight(fill(registry), fill(registry, other))
  )

  describe("management", () => {
    it.scoped.each(deletes)("%s", ([, path, gone, code, left]) =>
      Effect.gen(function*() {
        const running = yield* filled
        check(yield* running.ask({ method: "DELETE", path }), deleted)
        for (const path of gone) check(yield* running.ask({ path }), { status: 404, code })
        for (const path of left) {
          check(yield* running.ask({ path }), { status: 200, body: path.includes("blobs") ? blob : image })
        }
        check(yield* running.ask({ method: "DELETE", path }), { status: 404, code })
      }))

    it.scoped.each(missing)(
      "absent %s",
      ([, sent, expected]) => Effect.flatMap(filled, (running) => run(running, sent, expected))
    )

    it.scoped.each(verbs)("a read-only registry refuses %s (rule 95)", ([, method, path]) =>
      Effect.gen(function*() {
        const running = yield* start(composition, { registry: Memory.layer().pipe(ReadOnly.wrap()) })
        const answer = yield* running.ask({ method, path, headers: { "content-type": "a/b" }, body: image })
        check(answer, { status: 405, code: "UNSUPPORTED" })
      }))

    it.scoped.each(errors)("error %s", ([, error, expected]) =>
      Effect.gen(function*() {
        const running = yield* start(composition, { registry: failing(error) })
        for (
          const path of ["/v2/team/app/manifests/v1", `/v2/team/app/blobs/${blobDigest}`, "/v2/team/app/tags/list"]
        ) {
          check(yield* running.ask({ path }), expected)
          const { body: _, code: __, ...head } = expected
          if (!path.endsWith("list")) check(yield* running.ask({ method: "HEAD", path }), { ...head, body: "" })
        }
      }))

    it.scoped("allows a handler that supports only some operations", () =>
      Effect.gen(function*() {
        const keeping = Registry.wrap((next) =>
          Handler.override(next, {
            DeleteBlob: (operation) =>
              Effect.fail(new RegistryError.Refused({ by: "keeping", reason: `kept: ${operation.digest}` }))
          })
        )
        const running = yield* start(composition, { registry: keeping(Memory.layer()) })
        const answer = yield* running.ask({ method: "DELETE", path: `/v2/team/app/blobs/${blobDigest}` })
        expect(answer.json).toMatchObject({ errors: [{ message: `kept: ${blobDigest}` }] })
      }))
  })
}
