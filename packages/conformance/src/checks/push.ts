import * as Descriptor from "@effect-oci/core/Descriptor"
import * as Digest from "@effect-oci/core/Digest"
import * as MediaType from "@effect-oci/core/MediaType"
import * as Effect from "effect/Effect"
import type { Check } from "../Check.js"
import * as Fixtures from "../Fixtures.js"
import {
  bytesEqual,
  expect,
  expectCode,
  expectError,
  expectHeader,
  expectStatus,
  get,
  head
} from "../internal/asking.js"
import {
  empty,
  emptyJson,
  image,
  imageOf,
  invalid,
  place,
  put,
  putAt,
  refused,
  section
} from "../internal/manifests.js"
import { cleanUp, follow, putBlob, putDataSet, putManifest } from "../internal/putting.js"
import { Target } from "../Target.js"
import type { Received } from "../Target.js"

/** A manifest larger than any registry accepts (the spec requires at least 4 MiB). It is created once, on first use. */
const tooLarge = Effect.runSync(Effect.cached(Effect.sync(() => Fixtures.padded(image, 33 * 1024 * 1024))))

/** Checks that a registry accepts a manifest with a missing blob, or refuses it and does not store it. */
const takenOrBlobUnknown = (received: Received) =>
  Effect.gen(function*() {
    if (received.status === 201) return
    yield* expectStatus(received, 400, 404)
    yield* expectCode(received, ["MANIFEST_BLOB_UNKNOWN"])
    yield* expectStatus(yield* head(received.sent.path), 404)
  })

/** Rules 61 to 74: manifests are stored unchanged, or refused with a reason. */
export const push: ReadonlyArray<Check> = [
  ...(["sha256", "sha512"] as const).map((algorithm): Check => ({
    id: `manifest-put-${algorithm}`,
    rules: algorithm === "sha256" ? [61] : [61, 64],
    section,
    name: `a push by digest returns 201, a Location that can be pulled, and the digest (${algorithm})`,
    level: "must",
    needs: algorithm === "sha256" ? ["push"] : ["push", "sha512"],
    run: Effect.gen(function*() {
      const digest = Digest.fromBytes(image.bytes, algorithm)
      const received = yield* expectStatus(yield* putAt(digest, image, algorithm), 201)
      yield* expectHeader(received, "docker-content-digest", digest)
      const pulled = yield* expectStatus(yield* get(yield* follow(received)), 200)
      yield* expect(pulled, bytesEqual(pulled.body, image.bytes), "the bytes pushed", () => "other bytes")
    })
  })),
  {
    id: "manifest-put-tag",
    rules: [61, 73],
    section,
    name: "a push by tag returns 201 and a Location, and the manifest can also be pulled by digest",
    level: "must",
    needs: ["push"],
    run: Effect.gen(function*() {
      const digest = Digest.fromBytes(image.bytes)
      const received = yield* expectStatus(yield* putAt("v1", image), 201)
      if (received.headers["docker-content-digest"] !== undefined) {
        yield* expectHeader(received, "docker-content-digest", digest)
      }
      const pulled = yield* expectStatus(yield* get(yield* follow(received)), 200)
      yield* expect(pulled, bytesEqual(pulled.body, image.bytes), "the bytes pushed", () => "other bytes")
      const { repository } = yield* Target
      yield* expectStatus(yield* get(`/v2/${repository}/manifests/${digest}`), 200)
    })
  },
  {
    id: "manifest-exact-bytes",
    rules: [62, 74],
    section,
    name: "white space, order and unknown fields of a manifest are preserved",
    level: "must",
    needs: ["push"],
    run: Effect.gen(function*() {
      const odd = {
        mediaType: MediaType.image,
        bytes: Fixtures.bytesOf(
          `{"x":1 ,\n"config":${
            JSON.stringify(empty)
          },"layers":[],"schemaVersion":2,"mediaType":"${MediaType.image}"}\n\n`
        )
      }
      yield* expectStatus(yield* putAt("odd", odd), 201)
      const { repository } = yield* Target
      const pulled = yield* get(`/v2/${repository}/manifests/odd`)
      yield* expect(pulled, bytesEqual(pulled.body, odd.bytes), "the bytes pushed", () => "other bytes")
    })
  },
  {
    id: "manifest-wrong-digest",
    rules: [63],
    section,
    name: "a manifest whose digest differs from the path is refused with 400, and not stored",
    level: "must",
    needs: ["push"],
    run: Effect.gen(function*() {
      const path = yield* place(Digest.fromBytes(Fixtures.bytesOf("another manifest")))
      yield* expectError(yield* put(path, image), [400], ["DIGEST_INVALID", "MANIFEST_INVALID"])
      yield* expectStatus(yield* head(path), 404)
      const { repository } = yield* Target
      yield* expectStatus(yield* head(`/v2/${repository}/manifests/${Digest.fromBytes(image.bytes)}`), 404)
    })
  },
  refused(
    "no-json",
    [65],
    "a manifest that is not JSON",
    "must",
    {
      mediaType: MediaType.image,
      bytes: Fixtures.bytesOf("no json")
    },
    [400],
    invalid
  ),
  refused(
    "cut-short",
    [65],
    "a truncated manifest",
    "must",
    {
      mediaType: MediaType.image,
      bytes: image.bytes.subarray(0, -10)
    },
    [400],
    invalid
  ),
  refused(
    "ambiguous",
    [10],
    "a manifest that is both an image and an index (CVE-2021-41190)",
    "should",
    {
      ...imageOf("ambiguous", { manifests: [] })
    },
    [400],
    invalid
  ),
  refused(
    "media-type-mismatch",
    [70],
    "a manifest whose mediaType differs from its Content-Type",
    "should",
    {
      mediaType: MediaType.index,
      bytes: image.bytes
    },
    [400],
    invalid
  ),
  {
    id: "manifest-missing-blob",
    rules: [66],
    section,
    name: "a manifest with a missing layer is accepted, or refused with MANIFEST_BLOB_UNKNOWN and not stored",
    level: "must",
    needs: ["push"],
    run: Effect.gen(function*() {
      const layers = [Descriptor.fromBytes(Fixtures.bytesOf("never pushed"), MediaType.layer)]
      yield* takenOrBlobUnknown(yield* putAt("v1", imageOf("missing blob", { layers })))
    })
  },
  refused(
    "malformed-descriptor",
    [65],
    "a manifest that contains a malformed digest (CVE-2024-3727)",
    "should",
    imageOf("bad", {
      layers: [{ mediaType: MediaType.layer, digest: "sha256:../../etc/passwd", size: 1 }]
    }),
    [400],
    ["MANIFEST_INVALID", "DIGEST_INVALID", "MANIFEST_BLOB_UNKNOWN"]
  ),
  {
    id: "manifest-other-repository-blob",
    rules: [66],
    section,
    name: "a manifest that refers to a blob in another repository does not make this blob visible",
    level: "must",
    needs: ["push"],
    run: Effect.gen(function*() {
      const { other, repository } = yield* Target
      const secret = Fixtures.bytesOf("in the other repository")
      yield* putBlob(other, secret)
      yield* putBlob(repository, emptyJson)
      const layer = Descriptor.fromBytes(secret, MediaType.layer)
      yield* takenOrBlobUnknown(yield* putAt("v1", imageOf("reaches over", { layers: [layer] })))
      yield* expectStatus(yield* get(`/v2/${repository}/blobs/${layer.digest}`), 404)
    })
  },
  {
    id: "manifest-subject",
    rules: [68, 67],
    section: "Pushing Manifests with Subject",
    name: "a push with a subject returns OCI-Subject, whether or not the subject exists",
    level: "must",
    needs: ["push", "referrers"],
    run: Effect.gen(function*() {
      const subject = Descriptor.fromBytes(Fixtures.bytesOf("never pushed"), MediaType.image)
      const received = yield* expectStatus(yield* putAt("signature", imageOf("signature", { subject })), 201)
      yield* expectHeader(received, "oci-subject", subject.digest)
    })
  },
  {
    id: "manifest-no-subject",
    rules: [68],
    section: "Pushing Manifests with Subject",
    name: "a push without a subject does not return OCI-Subject",
    level: "must",
    needs: ["push", "referrers"],
    run: Effect.gen(function*() {
      const received = yield* expectStatus(yield* putAt("v1", image), 201)
      const said = received.headers["oci-subject"]
      yield* expect(received, said === undefined, "no OCI-Subject", () => said ?? "")
    })
  },
  {
    id: "manifest-too-large",
    rules: [69],
    section,
    name: "a manifest that is too large is refused with 413",
    level: "should",
    needs: ["push"],
    run: Effect.gen(function*() {
      const path = yield* place("too-large")
      yield* expectError(yield* put(path, yield* tooLarge), [413])
      yield* expectStatus(yield* head(path), 404)
    })
  },
  {
    id: "manifest-unknown-type",
    rules: [70],
    section,
    name: "a manifest of an unknown media type is stored unchanged, or refused with 400 or 415",
    level: "may",
    needs: ["push"],
    run: Effect.gen(function*() {
      const manifest = {
        mediaType: "application/vnd.example.unknown.v1+json",
        bytes: Fixtures.bytesOf(`{"any":"thing"}`)
      }
      const received = yield* expectStatus(yield* putAt("unknown", manifest), 201, 400, 415)
      if (received.status !== 201) return
      const { repository } = yield* Target
      const pulled = yield* expectStatus(yield* get(`/v2/${repository}/manifests/unknown`), 200)
      yield* expect(pulled, bytesEqual(pulled.body, manifest.bytes), "the bytes pushed", () => "other bytes")
      yield* expectHeader(pulled, "content-type", manifest.mediaType)
    })
  },
  ...(["sha256", "sha512"] as const).map((algorithm): Check => ({
    id: `manifest-tag-parameter-${algorithm}`,
    rules: [71],
    section,
    name: `a push by digest with ten tags sets all of them, and lists them in OCI-Tag (${algorithm})`,
    level: "should",
    since: "dev",
    needs: algorithm === "sha256" ? ["push", "tagParameter"] : ["push", "tagParameter", "sha512"],
    run: Effect.gen(function*() {
      const digest = Digest.fromBytes(image.bytes, algorithm)
      const tags = Array.from({ length: 10 }, (_, index) => `v1.${index}`)
      const query = tags.map((tag) => `tag=${tag}`).join("&")
      const received = yield* expectStatus(yield* putAt(`${digest}?${query}`, image, algorithm), 201)
      const said = (received.headers["oci-tag"] ?? "").split(",").map((tag) => tag.trim()).filter((tag) => tag !== "")
      yield* expect(received, said.sort().join() === tags.join(), `OCI-Tag: ${tags.join()}`, () => said.join())
      const { repository } = yield* Target
      for (const tag of tags) {
        const pulled = yield* expectStatus(yield* get(`/v2/${repository}/manifests/${tag}`), 200)
        yield* expect(pulled, bytesEqual(pulled.body, image.bytes), "the bytes pushed", () => "other bytes")
      }
    })
  })),
  {
    id: "manifest-tag-moves",
    rules: [72],
    section,
    name: "a tag that is pushed again moves, and concurrent reads return the old or the new manifest",
    level: "must",
    needs: ["push"],
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
        for (const manifest of [next, image, next]) yield* expectStatus(yield* put(path, manifest), 201)
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
    section,
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
      yield* expectStatus(yield* put(path, next, absent), 412)
      yield* expectStatus(yield* put(`/v2/${repository}/manifests/v2`, next, absent), 201)
      const after = yield* get(path)
      yield* expect(after, bytesEqual(after.body, image.bytes), "the manifest that was there", () => "another")
    })
  },
  {
    id: "manifest-repeated-push",
    rules: [57],
    section,
    name: "a manifest that is pushed twice is accepted twice",
    level: "must",
    needs: ["push"],
    run: Effect.gen(function*() {
      yield* expectStatus(yield* putAt("v1", image), 201)
      yield* expectStatus(yield* putAt("v1", image), 201)
    })
  },
  {
    id: "manifest-content-type-parameters",
    rules: [6],
    section,
    name: "parameters of a Content-Type are ignored",
    level: "should",
    needs: ["push"],
    run: Effect.gen(function*() {
      const path = yield* place("v1")
      const { repository } = yield* Target
      yield* cleanUp(`/v2/${repository}/manifests/${Digest.fromBytes(image.bytes)}`)
      const type = `${MediaType.image}; charset=utf-8`
      yield* expectStatus(yield* put(path, image, { "content-type": type }), 201)
      yield* expectHeader(yield* get(path), "content-type", MediaType.image)
    })
  },
  {
    id: "manifest-shared-data-set",
    rules: [66],
    section,
    name: "an index is accepted after its manifests, and each manifest can be pulled separately",
    level: "must",
    needs: ["push"],
    run: Effect.gen(function*() {
      const { repository } = yield* Target
      const index = Fixtures.dataSets.find(({ name }) => name === "nested index")
      if (index === undefined) return
      const digests = yield* putDataSet(repository, index)
      yield* Effect.forEach(
        digests,
        (digest) =>
          Effect.flatMap(get(`/v2/${repository}/manifests/${digest}`), (received) => expectStatus(received, 200))
      )
    })
  },
  {
    id: "manifest-put-many-tags-one-by-one",
    rules: [72],
    section,
    name: "several tags can point at one manifest",
    level: "must",
    needs: ["push"],
    run: Effect.gen(function*() {
      const { repository } = yield* Target
      yield* putBlob(repository, emptyJson)
      for (const tag of ["v1", "v1.0", "latest"]) yield* putManifest(repository, image, tag)
      for (const tag of ["v1", "v1.0", "latest"]) {
        const received = yield* get(`/v2/${repository}/manifests/${tag}`)
        yield* expect(received, bytesEqual(received.body, image.bytes), "the bytes pushed", () => "other bytes")
      }
    })
  }
]
