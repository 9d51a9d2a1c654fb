import * as Digest from "@effect-oci/core/Digest"
import * as Effect from "effect/Effect"
import type { Check } from "../Check.js"
import * as Fixtures from "../Fixtures.js"
import { bytesEqual, expect, expectBody, expectContent, expectHeader, expectStatus } from "../internal/expectations.js"
import { emptyJson, image, imageOf, putAt, putDocument } from "../internal/manifests.js"
import { get, head } from "../internal/request.js"
import type { Row } from "../internal/section.js"
import { needsOf, section } from "../internal/section.js"
import { cleanUp, follow, putBlob, putManifest } from "../internal/upload.js"
import { Target } from "../Target.js"

/** Rules 61, 71 to 73: pushes set and move tags. */
export const pushTags: ReadonlyArray<Check> = [
  ...section(
    "Pushing Manifests",
    {
      id: "manifest-put-tag",
      rules: [61, 73],
      name: "a push by tag returns 201 and a Location, and the manifest can also be pulled by digest",
      run: Effect.gen(function*() {
        const digest = Digest.fromBytes(image.bytes)
        const received = yield* expectStatus(yield* putAt("v1", image), 201)
        if (received.headers["docker-content-digest"] !== undefined) {
          yield* expectHeader(received, "docker-content-digest", digest)
        }
        const pulled = yield* expectStatus(yield* get(yield* follow(received)), 200)
        yield* expectBody(pulled, image.bytes)
        const { repository } = yield* Target
        yield* expectStatus(yield* get(`/v2/${repository}/manifests/${digest}`), 200)
      })
    },
    ...Digest.algorithms.map((algorithm): Row => ({
      id: `manifest-tag-parameter-${algorithm}`,
      rules: [71],
      name: `a push by digest with ten tags sets all of them, and lists them in OCI-Tag (${algorithm})`,
      level: "should",
      since: "dev",
      needs: [...needsOf(algorithm).needs, "tagParameter"],
      run: Effect.gen(function*() {
        const digest = Fixtures.digestOf(image.bytes, algorithm)
        const tags = Array.from({ length: 10 }, (_, index) => `v1.${index}`)
        const query = tags.map((tag) => `tag=${tag}`).join("&")
        const received = yield* expectStatus(yield* putAt(`${digest}?${query}`, image, algorithm), 201)
        const listed = (received.headers["oci-tag"] ?? "").split(",").map((tag) => tag.trim()).filter((tag) =>
          tag !== ""
        )
        yield* expect(received, listed.sort().join() === tags.join(), `OCI-Tag: ${tags.join()}`, () => listed.join())
        const { repository } = yield* Target
        for (const tag of tags) {
          yield* expectContent(`/v2/${repository}/manifests/${tag}`, image.bytes)
        }
      })
    })),
    {
      id: "manifest-tag-moves",
      rules: [72],
      name: "a tag that is pushed again moves, and concurrent reads return the old or the new manifest",
      run: Effect.gen(function*() {
        const next = imageOf("next")
        yield* expectStatus(yield* putAt("v1", image), 201)
        const { repository } = yield* Target
        yield* cleanUp(`/v2/${repository}/manifests/${Digest.fromBytes(next.bytes)}`)
        const path = `/v2/${repository}/manifests/v1`
        let moved = false
        const read = Effect.flatMap(get(path), (received) =>
          expect(
            received,
            received.status === 200 && [image, next].some(({ bytes }) => bytesEqual(received.body, bytes)),
            "the old manifest or the new",
            () => `status ${received.status}`
          ))
        const move = Effect.gen(function*() {
          for (const manifest of [next, image, next]) yield* expectStatus(yield* putDocument(path, manifest), 201)
          moved = true
        })
        yield* Effect.all([Effect.repeat(Effect.zipLeft(read, Effect.yieldNow()), { until: () => moved }), move], {
          concurrency: "unbounded"
        })
        const pulled = yield* get(path)
        yield* expect(pulled, bytesEqual(pulled.body, next.bytes), "the new manifest", () => "another")
        const after = yield* expectStatus(yield* head(path), 200)
        if (after.headers["docker-content-digest"] !== undefined) {
          yield* expectHeader(after, "docker-content-digest", Digest.fromBytes(next.bytes))
        }
        if (after.headers["content-length"] !== undefined) {
          yield* expectHeader(after, "content-length", String(next.bytes.byteLength))
        }
        yield* expectStatus(yield* get(`/v2/${repository}/manifests/${Digest.fromBytes(image.bytes)}`), 200)
      })
    },
    {
      id: "manifest-if-absent",
      rules: [72],
      name: "a push with If-None-Match: * creates a tag, and does not move an existing tag",
      level: "may",
      needs: ["push", "conditionalPush"],
      run: Effect.gen(function*() {
        yield* expectStatus(yield* putAt("v1", image), 201)
        const { repository } = yield* Target
        const path = `/v2/${repository}/manifests/v1`
        const next = imageOf("next")
        yield* cleanUp(`/v2/${repository}/manifests/${Digest.fromBytes(next.bytes)}`)
        const absent = { "if-none-match": "*" }
        yield* expectStatus(yield* putDocument(path, next, absent), 412)
        yield* expectStatus(yield* putDocument(`/v2/${repository}/manifests/v2`, next, absent), 201)
        const after = yield* get(path)
        yield* expect(after, bytesEqual(after.body, image.bytes), "the manifest that was there", () => "another")
      })
    },
    {
      id: "manifest-if-match",
      rules: [72],
      name:
        "a push with If-Match moves a tag from the manifest named, and neither from another nor a tag that is absent",
      level: "may",
      needs: ["push", "conditionalPush"],
      run: Effect.gen(function*() {
        yield* expectStatus(yield* putAt("v1", image), 201)
        const { repository } = yield* Target
        const path = `/v2/${repository}/manifests/v1`
        const next = imageOf("next")
        const match = (bytes: Uint8Array) => ({ "if-match": `"${Digest.fromBytes(bytes)}"` })
        yield* cleanUp(`/v2/${repository}/manifests/${Digest.fromBytes(next.bytes)}`)
        yield* expectStatus(yield* putDocument(path, next, match(emptyJson)), 412)
        yield* expectContent(path, image.bytes)
        yield* expectStatus(yield* putDocument(`/v2/${repository}/manifests/v2`, next, match(image.bytes)), 412)
        yield* expectStatus(yield* get(`/v2/${repository}/manifests/v2`), 404)
        yield* expectStatus(yield* putDocument(path, next, match(image.bytes)), 201)
        yield* expectContent(path, next.bytes)
      })
    },
    {
      id: "manifest-put-many-tags-one-by-one",
      rules: [72],
      name: "several tags can point at one manifest",
      run: Effect.gen(function*() {
        const { repository } = yield* Target
        yield* putBlob(repository, emptyJson)
        for (const tag of ["v1", "v1.0", "latest"]) yield* putManifest(repository, image, tag)
        for (const tag of ["v1", "v1.0", "latest"]) {
          yield* expectBody(yield* get(`/v2/${repository}/manifests/${tag}`), image.bytes)
        }
      })
    }
  )
]
