import * as Descriptor from "@effect-oci/core/Descriptor"
import * as Digest from "@effect-oci/core/Digest"
import * as MediaType from "@effect-oci/core/MediaType"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import type { Check } from "../Check.js"
import * as Fixtures from "../Fixtures.js"
import { expect, expectError, expectStatus, json } from "../internal/expectations.js"
import { emptyJson } from "../internal/manifests.js"
import { get, head, remove, send } from "../internal/request.js"
import { section } from "../internal/section.js"
import { putBlob, putManifest } from "../internal/upload.js"
import { Target } from "../Target.js"

const content = Fixtures.bytesOf("a blob to be deleted")
const image = Fixtures.document(MediaType.image, {
  config: Descriptor.fromBytes(emptyJson, MediaType.empty),
  layers: []
})
const missing = Digest.fromBytes(Fixtures.bytesOf("never pushed"))

/** Pushes an image with two tags, and returns the path of the manifests. */
const tagged = Effect.gen(function*() {
  const { repository } = yield* Target
  yield* putBlob(repository, emptyJson)
  yield* putManifest(repository, image, "v1")
  const digest = yield* putManifest(repository, image, "latest")
  return { base: `/v2/${repository}/manifests`, digest }
})

/** Expects the listed tags. A repository without content may be absent. */
const expectTags = (expected: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const { repository } = yield* Target
    const received = yield* get(`/v2/${repository}/tags/list`)
    if (expected.length === 0 && received.status === 404) return
    yield* expectStatus(received, 200)
    const body = yield* json(received)
    const listed = Predicate.hasProperty(body, "tags") && Array.isArray(body.tags) ? body.tags : []
    yield* expect(received, listed.join() === expected.join(), `tags ${expected.join()}`, () => listed.join())
  })

/** The statuses with which a registry, or a proxy in front of it, refuses an unsupported operation. */
const refusal = [400, 401, 403, 405]

/** Rules 95 to 97: deletes remove exactly the given content, and unsupported operations are refused. */
export const management: ReadonlyArray<Check> = [
  ...section(
    "Push",
    {
      id: "refuses-push",
      rules: [95],
      name: "a read-only registry refuses every push and every delete",
      unless: "push",
      needs: [],
      run: Effect.gen(function*() {
        const { repository } = yield* Target
        const base = `/v2/${repository}`
        const body = new Uint8Array(0)
        const upload = `${base}/blobs/uploads/`
        const requests = [
          { method: "POST", path: upload, body },
          { method: "POST", path: `${upload}?digest=${missing}`, body: content },
          { method: "POST", path: `${upload}?mount=${missing}&from=other`, body },
          {
            method: "PUT",
            path: `${base}/manifests/v1`,
            headers: { "content-type": image.mediaType },
            body: image.bytes
          },
          { method: "DELETE", path: `${base}/manifests/v1` },
          { method: "DELETE", path: `${base}/manifests/${missing}` },
          { method: "DELETE", path: `${base}/blobs/${missing}` }
        ]
        for (const request of requests) yield* expectError(yield* send(request), refusal)
        yield* expectStatus(yield* get(`${base}/manifests/v1`), 404)
      })
    }
  ),
  ...section(
    "Deleting tags",
    {
      id: "delete-tag",
      rules: [95],
      name: "DELETE of a tag returns 202 and deletes only the tag, not its manifest or other tags",
      needs: ["push", "deleteTag"],
      run: Effect.gen(function*() {
        const { base, digest } = yield* tagged
        yield* expectStatus(yield* remove(`${base}/v1`), 202)
        yield* expectStatus(yield* get(`${base}/v1`), 404)
        yield* expectStatus(yield* head(`${base}/v1`), 404)
        yield* expectStatus(yield* get(`${base}/${digest}`), 200)
        yield* expectStatus(yield* get(`${base}/latest`), 200)
        yield* expectTags(["latest"])
      })
    },
    {
      id: "delete-tag-missing",
      rules: [95],
      name: "DELETE of an unknown tag returns 404",
      level: "should",
      needs: ["push", "deleteTag"],
      run: Effect.gen(function*() {
        const { base } = yield* tagged
        yield* expectError(yield* remove(`${base}/nothing`), [404], ["MANIFEST_UNKNOWN", "TAG_INVALID"])
      })
    }
  ),
  ...section(
    "Deleting Manifests",
    {
      id: "delete-manifest",
      rules: [96],
      name: "DELETE of a manifest returns 202 and deletes the manifest and all tags that point at it",
      needs: ["push", "deleteManifest"],
      run: Effect.gen(function*() {
        const { base, digest } = yield* tagged
        yield* expectStatus(yield* remove(`${base}/${digest}`), 202)
        for (const reference of [digest, "v1", "latest"]) {
          yield* expectStatus(yield* get(`${base}/${reference}`), 404)
          yield* expectStatus(yield* head(`${base}/${reference}`), 404)
        }
        yield* expectTags([])
      })
    },
    {
      id: "delete-manifest-missing",
      rules: [96],
      name: "DELETE of an unknown manifest, or in an unknown repository, returns 404",
      needs: ["push", "deleteManifest"],
      run: Effect.gen(function*() {
        const { base } = yield* tagged
        const { other } = yield* Target
        yield* expectError(yield* remove(`${base}/${missing}`), [404], ["MANIFEST_UNKNOWN"])
        yield* expectError(yield* remove(`/v2/${other}/manifests/${missing}`), [404], [
          "NAME_UNKNOWN",
          "MANIFEST_UNKNOWN"
        ])
      })
    },
    {
      id: "delete-manifest-again",
      rules: [96],
      name: "a deleted manifest can be pushed again",
      needs: ["push", "deleteManifest"],
      run: Effect.gen(function*() {
        const { base, digest } = yield* tagged
        yield* expectStatus(yield* remove(`${base}/${digest}`), 202)
        const { repository } = yield* Target
        yield* putManifest(repository, image, "v1")
        yield* expectStatus(yield* get(`${base}/v1`), 200)
      })
    }
  ),
  ...section(
    "Deleting Blobs",
    {
      id: "delete-blob",
      rules: [97, 33],
      name: "DELETE of a blob returns 202 and deletes the blob in this repository only",
      needs: ["push", "deleteBlob"],
      run: Effect.gen(function*() {
        const { other, repository } = yield* Target
        const digest = yield* putBlob(repository, content)
        yield* putBlob(other, content)
        const path = `/v2/${repository}/blobs/${digest}`
        yield* expectStatus(yield* remove(path), 202)
        yield* expectStatus(yield* get(path), 404)
        yield* expectStatus(yield* head(path), 404)
        yield* expectStatus(yield* get(`/v2/${other}/blobs/${digest}`), 200)
      })
    },
    {
      id: "delete-blob-missing",
      rules: [97],
      name: "DELETE of an unknown blob returns 404",
      needs: ["push", "deleteBlob"],
      run: Effect.gen(function*() {
        const { repository } = yield* Target
        yield* putBlob(repository, content)
        yield* expectError(yield* remove(`/v2/${repository}/blobs/${missing}`), [404], ["BLOB_UNKNOWN"])
      })
    },
    {
      id: "delete-blob-again",
      rules: [97, 57],
      name: "a deleted blob can be pushed again",
      needs: ["push", "deleteBlob"],
      run: Effect.gen(function*() {
        const { repository } = yield* Target
        const digest = yield* putBlob(repository, content)
        yield* expectStatus(yield* remove(`/v2/${repository}/blobs/${digest}`), 202)
        yield* putBlob(repository, content)
        yield* expectStatus(yield* get(`/v2/${repository}/blobs/${digest}`), 200)
      })
    }
  )
]
