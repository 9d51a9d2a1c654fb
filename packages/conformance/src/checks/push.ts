import * as Descriptor from "@effect-oci/core/Descriptor"
import * as Digest from "@effect-oci/core/Digest"
import * as MediaType from "@effect-oci/core/MediaType"
import * as Effect from "effect/Effect"
import type { Check } from "../Check.js"
import * as Fixtures from "../Fixtures.js"
import {
  expectBody,
  expectCode,
  expectContent,
  expectError,
  expectHeader,
  expectNoHeader,
  expectStatus
} from "../internal/expectations.js"
import {
  empty,
  emptyJson,
  image,
  imageOf,
  manifestPath,
  putAt,
  putDocument,
  refusesManifest
} from "../internal/manifests.js"
import { get, head } from "../internal/request.js"
import { needsOf, section } from "../internal/section.js"
import type { Row } from "../internal/section.js"
import { cleanUp, follow, putBlob, putDataSet } from "../internal/upload.js"
import { Target } from "../Target.js"
import type { Received } from "../Target.js"
import { pushTags } from "./pushTags.js"

/** A manifest larger than any registry accepts (the spec requires at least 4 MiB). It is created once, on first use. */
const tooLarge = Effect.runSync(Effect.cached(Effect.sync(() => Fixtures.padded(image, 33 * 1024 * 1024))))

/** Checks that a registry accepts a manifest with a missing blob, or refuses it and does not store it. */
const expectAcceptedOrBlobUnknown = (received: Received) =>
  Effect.gen(function*() {
    if (received.status === 201) return
    yield* expectStatus(received, 400, 404)
    yield* expectCode(received, ["MANIFEST_BLOB_UNKNOWN"])
    yield* expectStatus(yield* head(received.sent.path), 404)
  })

/** Rules 57, 61 to 74: manifests are stored unchanged, or refused with a reason. */
export const push: ReadonlyArray<Check> = [
  ...section(
    "Pushing Manifests",
    ...Digest.algorithms.map((algorithm): Row => ({
      id: `manifest-put-${algorithm}`,
      rules: algorithm === "sha256" ? [61] : [61, 64],
      name: `a push by digest returns 201, a Location that can be pulled, and the digest (${algorithm})`,
      ...needsOf(algorithm),
      run: Effect.gen(function*() {
        const digest = Fixtures.digestOf(image.bytes, algorithm)
        const received = yield* expectStatus(yield* putAt(digest, image, algorithm), 201)
        yield* expectHeader(received, "docker-content-digest", digest)
        yield* expectContent(yield* follow(received), image.bytes)
      })
    })),
    {
      id: "manifest-exact-bytes",
      rules: [62, 74],
      name: "white space, order and unknown fields of a manifest are preserved",
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
        yield* expectBody(yield* get(`/v2/${repository}/manifests/odd`), odd.bytes)
      })
    },
    {
      id: "manifest-wrong-digest",
      rules: [63],
      name: "a manifest whose digest differs from the path is refused with 400, and not stored",
      run: Effect.gen(function*() {
        const path = yield* manifestPath(Digest.fromBytes(Fixtures.bytesOf("another manifest")))
        yield* expectError(yield* putDocument(path, image), [400], ["DIGEST_INVALID", "MANIFEST_INVALID"])
        yield* expectStatus(yield* head(path), 404)
        const { repository } = yield* Target
        yield* expectStatus(yield* head(`/v2/${repository}/manifests/${Digest.fromBytes(image.bytes)}`), 404)
      })
    },
    refusesManifest({
      id: "no-json",
      rules: [65],
      name: "a manifest that is not JSON",
      manifest: {
        mediaType: MediaType.image,
        bytes: Fixtures.bytesOf("no json")
      }
    }),
    refusesManifest({
      id: "cut-short",
      rules: [65],
      name: "a truncated manifest",
      manifest: {
        mediaType: MediaType.image,
        bytes: image.bytes.subarray(0, -10)
      }
    }),
    refusesManifest({
      id: "ambiguous",
      rules: [10],
      name: "a manifest that is both an image and an index (CVE-2021-41190)",
      level: "should",
      manifest: imageOf("ambiguous", { manifests: [] })
    }),
    refusesManifest({
      id: "media-type-mismatch",
      rules: [70],
      name: "a manifest whose mediaType differs from its Content-Type",
      level: "should",
      manifest: {
        mediaType: MediaType.index,
        bytes: image.bytes
      }
    }),
    {
      id: "manifest-missing-blob",
      rules: [66],
      name: "a manifest with a missing layer is accepted, or refused with MANIFEST_BLOB_UNKNOWN and not stored",
      run: Effect.gen(function*() {
        const layers = [Descriptor.fromBytes(Fixtures.bytesOf("never pushed"), MediaType.layer)]
        yield* expectAcceptedOrBlobUnknown(yield* putAt("v1", imageOf("missing blob", { layers })))
      })
    },
    refusesManifest({
      id: "malformed-descriptor",
      rules: [65],
      name: "a manifest that contains a malformed digest (CVE-2024-3727)",
      level: "should",
      manifest: imageOf("bad", {
        layers: [{ mediaType: MediaType.layer, digest: "sha256:../../etc/passwd", size: 1 }]
      }),
      codes: ["MANIFEST_INVALID", "DIGEST_INVALID", "MANIFEST_BLOB_UNKNOWN"]
    }),
    {
      id: "manifest-other-repository-blob",
      rules: [66],
      name: "a manifest that refers to a blob in another repository does not make this blob visible",
      run: Effect.gen(function*() {
        const { other, repository } = yield* Target
        const secret = Fixtures.bytesOf("in the other repository")
        yield* putBlob(other, secret)
        yield* putBlob(repository, emptyJson)
        const layer = Descriptor.fromBytes(secret, MediaType.layer)
        yield* expectAcceptedOrBlobUnknown(yield* putAt("v1", imageOf("reaches over", { layers: [layer] })))
        yield* expectStatus(yield* get(`/v2/${repository}/blobs/${layer.digest}`), 404)
      })
    },
    {
      id: "manifest-too-large",
      rules: [69],
      name: "a manifest that is too large is refused with 413",
      level: "should",
      run: Effect.gen(function*() {
        const path = yield* manifestPath("too-large")
        yield* expectError(yield* putDocument(path, yield* tooLarge), [413])
        yield* expectStatus(yield* head(path), 404)
      })
    },
    {
      id: "manifest-unknown-type",
      rules: [70],
      name: "a manifest of an unknown media type is stored unchanged, or refused with 400 or 415",
      level: "may",
      run: Effect.gen(function*() {
        const manifest = {
          mediaType: "application/vnd.example.unknown.v1+json",
          bytes: Fixtures.bytesOf(`{"any":"thing"}`)
        }
        const received = yield* expectStatus(yield* putAt("unknown", manifest), 201, 400, 415)
        if (received.status !== 201) return
        const { repository } = yield* Target
        const pulled = yield* expectStatus(yield* get(`/v2/${repository}/manifests/unknown`), 200)
        yield* expectBody(pulled, manifest.bytes)
        yield* expectHeader(pulled, "content-type", manifest.mediaType)
      })
    },
    {
      id: "manifest-repeated-push",
      rules: [57],
      name: "a manifest that is pushed twice is accepted twice",
      run: Effect.gen(function*() {
        yield* expectStatus(yield* putAt("v1", image), 201)
        yield* expectStatus(yield* putAt("v1", image), 201)
      })
    },
    {
      id: "manifest-content-type-parameters",
      rules: [6],
      name: "parameters of a Content-Type are ignored",
      level: "should",
      run: Effect.gen(function*() {
        const path = yield* manifestPath("v1")
        const { repository } = yield* Target
        yield* cleanUp(`/v2/${repository}/manifests/${Digest.fromBytes(image.bytes)}`)
        const type = `${MediaType.image}; charset=utf-8`
        yield* expectStatus(yield* putDocument(path, image, { "content-type": type }), 201)
        yield* expectHeader(yield* get(path), "content-type", MediaType.image)
      })
    },
    {
      id: "manifest-shared-data-set",
      rules: [66],
      name: "an index is accepted after its manifests, and each manifest can be pulled separately",
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
    }
  ),
  ...pushTags,
  ...section(
    "Pushing Manifests with Subject",
    {
      id: "manifest-subject",
      rules: [68, 67],
      name: "a push with a subject returns OCI-Subject, whether or not the subject exists",
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
      name: "a push without a subject does not return OCI-Subject",
      needs: ["push", "referrers"],
      run: Effect.gen(function*() {
        const received = yield* expectStatus(yield* putAt("v1", image), 201)
        yield* expectNoHeader(received, "oci-subject")
      })
    }
  )
]
