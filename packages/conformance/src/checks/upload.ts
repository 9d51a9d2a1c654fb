import * as Digest from "@effect-oci/core/Digest"
import * as Effect from "effect/Effect"
import type { Check } from "../Check.js"
import * as Fixtures from "../Fixtures.js"
import { expect, expectBody, expectContent, expectError, expectStatus } from "../internal/expectations.js"
import { get, head } from "../internal/request.js"
import { needsOf, section } from "../internal/section.js"
import type { Row } from "../internal/section.js"
import { cleanUp, follow, openUpload, putBlob, sampleBlob, sampleDigest } from "../internal/upload.js"
import { put, uploadMethods } from "../internal/uploadMethods.js"
import type { UploadMethod } from "../internal/uploadMethods.js"
import { Target } from "../Target.js"
import { chunks } from "./chunks.js"
import { mounts } from "./mounts.js"

interface Case {
  readonly method: UploadMethod
  readonly algorithm: Digest.Algorithm
}

const cases = uploadMethods.flatMap((method) => Digest.algorithms.map((algorithm): Case => ({ method, algorithm })))

/** The section of the spec for uploads in chunks covers the methods that test rules 39 and 42. */
const isChunked = ({ method: { rules } }: Case) => rules.includes(39) || rules.includes(42)

/** Pushes a blob with the correct digest: the blob exists immediately, with the sent bytes. */
const storesBlob = ({ algorithm, method }: Case): Row => ({
  id: `upload-${method.id}-${algorithm}`,
  rules: [...method.rules, 59],
  name: `a blob pushed by ${method.name} (${algorithm}) can be pulled immediately`,
  ...needsOf(algorithm),
  run: Effect.gen(function*() {
    const { repository } = yield* Target
    const digest = Fixtures.digestOf(sampleBlob, algorithm)
    const path = `/v2/${repository}/blobs/${digest}`
    yield* cleanUp(path)
    const pushed = yield* expectStatus(yield* method.push({ repository, bytes: sampleBlob, digest, algorithm }), 201)
    yield* expectStatus(yield* head(path), 200)
    yield* expectContent(yield* follow(pushed), sampleBlob)
  })
})

/** Pushes a blob with the digest of other content: it is refused, and no blob exists under either digest. */
const refusesWrongDigest = ({ algorithm, method }: Case): Row => ({
  id: `upload-${method.id}-${algorithm}-bad-digest`,
  rules: [34],
  name: `a blob with the wrong digest is refused and not stored: ${method.name} (${algorithm})`,
  ...needsOf(algorithm),
  run: Effect.gen(function*() {
    const { repository } = yield* Target
    const wrong = Fixtures.digestOf(Fixtures.bytesOf("something else"), algorithm)
    const refused = new Set<Digest.Algorithm>(["sha256", "sha512", algorithm])
    const received = yield* method.push({ repository, bytes: sampleBlob, digest: wrong, algorithm })
    yield* expectError(received, [400], ["DIGEST_INVALID", "BLOB_UPLOAD_INVALID", "SIZE_INVALID"])
    for (const digest of [wrong, ...Array.from(refused, (each) => Fixtures.digestOf(sampleBlob, each))]) {
      yield* expectStatus(yield* head(`/v2/${repository}/blobs/${digest}`), 404)
      yield* expectStatus(yield* get(`/v2/${repository}/blobs/${digest}`), 404)
    }
  })
})

/** Rules 29 to 60: all ways to push a blob, and their failures. */
export const upload: ReadonlyArray<Check> = [
  ...section(
    "Pushing blobs",
    ...cases.filter((each) => !isChunked(each)).map(storesBlob),
    ...cases.map(refusesWrongDigest),
    ...Fixtures.blobs.map(({ bytes, name }, index): Row => ({
      id: `upload-content-${index}`,
      rules: [58, 57],
      name: `${name} can be pushed twice and pulled unchanged`,
      run: Effect.gen(function*() {
        const { repository } = yield* Target
        yield* putBlob(repository, bytes)
        const digest = yield* putBlob(repository, bytes)
        yield* expectContent(`/v2/${repository}/blobs/${digest}`, bytes)
      })
    })),
    {
      id: "upload-start",
      rules: [29],
      name: "POST opens an upload session: 202 and a unique Location",
      run: Effect.gen(function*() {
        const { repository } = yield* Target
        const first = yield* openUpload(repository)
        const second = yield* openUpload(repository)
        yield* expect(
          second.started,
          first.path !== second.path,
          "a Location of its own",
          () => "the same Location twice"
        )
      })
    },
    {
      id: "upload-digest-malformed",
      rules: [35],
      name: "a digest that is missing, malformed or of an unknown algorithm is refused with 400",
      level: "should",
      run: Effect.gen(function*() {
        const { repository } = yield* Target
        const digests = ["", "sha256:abc", `md5:${"0".repeat(32)}`, "nonsense", `sha256:${"G".repeat(64)}`]
        for (const query of [{}, ...digests.map((digest) => ({ digest }))]) {
          const path = yield* follow((yield* openUpload(repository)).started, query)
          yield* expectError(yield* put(path, sampleBlob), [400], [
            "DIGEST_INVALID",
            "BLOB_UPLOAD_INVALID",
            "UNSUPPORTED"
          ])
        }
        yield* expectStatus(yield* head(`/v2/${repository}/blobs/${sampleDigest}`), 404)
      })
    },
    {
      id: "upload-concurrent-blobs",
      rules: [56],
      name: "several clients can push the same blob at the same time",
      run: Effect.gen(function*() {
        const { repository } = yield* Target
        yield* cleanUp(`/v2/${repository}/blobs/${sampleDigest}`)
        const opened = yield* Effect.replicateEffect(openUpload(repository), 4)
        yield* Effect.forEach(
          opened,
          ({ started }) =>
            Effect.flatMap(
              follow(started, { digest: sampleDigest }),
              (path) => Effect.flatMap(put(path, sampleBlob), (received) => expectStatus(received, 201))
            ),
          { concurrency: "unbounded" }
        )
        yield* expectBody(yield* get(`/v2/${repository}/blobs/${sampleDigest}`), sampleBlob)
      })
    }
  ),
  ...section(
    "Pushing a blob in chunks",
    ...cases.filter(isChunked).map(storesBlob)
  ),
  ...chunks,
  ...mounts
]
