import * as Digest from "@effect-oci/core/Digest"
import * as MediaType from "@effect-oci/core/MediaType"
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
  expectStatus
} from "../internal/expectations.js"
import { get, head, send } from "../internal/request.js"
import type { Row } from "../internal/section.js"
import { needsOf, section } from "../internal/section.js"
import { putBlob, putDataSet, putManifest, sampleBlob } from "../internal/upload.js"
import { Target } from "../Target.js"
import { pullBlobs } from "./pullBlobs.js"

const missing = Digest.fromBytes(Fixtures.bytesOf("never pushed"))

const image = Fixtures.document(MediaType.image, {
  config: { mediaType: MediaType.empty, digest: Digest.fromBytes(Fixtures.bytesOf("{}")), size: 2 },
  layers: []
})

/** Pushes a small tagged image to the repository of the check, and returns its paths. */
const tagged = Effect.gen(function*() {
  const { repository } = yield* Target
  yield* putBlob(repository, Fixtures.bytesOf("{}"))
  const digest = yield* putManifest(repository, image, "v1")
  const base = `/v2/${repository}/manifests`
  return { digest, byTag: `${base}/v1`, byDigest: `${base}/${digest}` }
})

const pullsDataSet = (dataSet: Fixtures.DataSet): Row => ({
  id: `pull-${dataSet.name.replace(/[^a-z0-9]+/g, "-")}`,
  rules: [4, 62],
  name: `pushed content can be pulled unchanged, by tag and by digest: ${dataSet.name}`,
  ...needsOf(dataSet.algorithm),
  needs: ["push", ...dataSet.needs],
  run: Effect.gen(function*() {
    const { repository } = yield* Target
    const digests = yield* putDataSet(repository, dataSet)
    const whole = dataSet.manifests.at(-1)
    if (whole !== undefined) {
      yield* putManifest(repository, whole, "v1")
      yield* expectContent(`/v2/${repository}/manifests/v1`, whole.bytes)
    }
    yield* Effect.forEach(dataSet.manifests, (manifest, index) =>
      Effect.gen(function*() {
        const digest = digests[index]
        const received = yield* expectStatus(yield* get(`/v2/${repository}/manifests/${digest}`), 200)
        yield* expectBody(received, manifest.bytes)
        yield* expectHeader(received, "content-type", manifest.mediaType)
      }))
    yield* Effect.forEach(dataSet.blobs, (bytes) =>
      Effect.gen(function*() {
        const digest = Fixtures.digestOf(bytes, dataSet.algorithm)
        yield* expectContent(`/v2/${repository}/blobs/${digest}`, bytes)
      }))
  })
})

/** Rules 1 to 28: pushed content can be pulled unchanged. */
export const pull: ReadonlyArray<Check> = [
  ...section(
    "Determining Support",
    {
      id: "base",
      rules: [1],
      name: "GET /v2/ returns 200 if the caller has access",
      needs: [],
      run: Effect.flatMap(get("/v2/"), (received) => expectStatus(received, 200))
    },
    {
      id: "base-head",
      rules: [2, 104],
      name: "HEAD /v2/ returns the same as GET, without a body",
      level: "should",
      needs: [],
      run: Effect.gen(function*() {
        yield* expectNoBody(yield* expectStatus(yield* head("/v2/"), 200))
      })
    }
  ),
  ...section(
    "Endpoints",
    {
      id: "unknown-route",
      rules: [3],
      name: "a path outside the API returns 404",
      level: "should",
      needs: [],
      run: Effect.gen(function*() {
        const { repository } = yield* Target
        yield* expectStatus(yield* get(`/v2/${repository}/nothing/here`), 404)
      })
    }
  ),
  ...section(
    "Pulling manifests",
    {
      id: "manifest-missing",
      rules: [5],
      name: "GET and HEAD of an unknown manifest return 404, by tag and by digest",
      run: Effect.gen(function*() {
        const { repository } = yield* Target
        yield* putBlob(repository, sampleBlob)
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
      name: "a manifest in an unknown repository returns 404",
      needs: [],
      run: Effect.gen(function*() {
        const { other } = yield* Target
        yield* expectError(yield* get(`/v2/${other}/manifests/v1`), [404], ["NAME_UNKNOWN", "MANIFEST_UNKNOWN"])
      })
    },
    {
      id: "manifest-digest-header",
      rules: [6],
      name: "GET and HEAD of a manifest return its digest",
      since: "dev",
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
      name: "a manifest is returned with the media type of its push, without parameters",
      level: "should",
      run: Effect.gen(function*() {
        const { byTag } = yield* tagged
        yield* expectHeader(yield* get(byTag), "content-type", MediaType.image)
        yield* expectHeader(yield* head(byTag), "content-type", MediaType.image)
      })
    },
    {
      id: "manifest-bad-digest",
      rules: [12],
      name: "a malformed digest returns 400 or 404",
      needs: [],
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
      name:
        "a manifest is never converted to another type: GET returns it unchanged, or an error if Accept lacks its type",
      run: Effect.gen(function*() {
        const { byTag } = yield* tagged
        const plain = yield* expectStatus(yield* send({ method: "GET", path: byTag }), 200)
        yield* expectBody(plain, image.bytes)
        const other = yield* expectStatus(yield* get(byTag, { accept: MediaType.dockerList }), 200, 404, 406)
        yield* expect(
          other,
          other.status !== 200 || bytesEqual(other.body, image.bytes),
          "the bytes pushed, or an error",
          () => "other bytes"
        )
      })
    },
    ...Fixtures.dataSets.map(pullsDataSet)
  ),
  ...section(
    "Checking if content exists in the registry",
    {
      id: "manifest-head",
      rules: [8, 104],
      name: "HEAD of a manifest returns its length and no body",
      since: "dev",
      run: Effect.gen(function*() {
        const { byTag } = yield* tagged
        const received = yield* expectStatus(yield* head(byTag), 200)
        yield* expectHeader(received, "content-length", String(image.bytes.byteLength))
        yield* expectNoBody(received)
      })
    }
  ),
  ...pullBlobs
]
