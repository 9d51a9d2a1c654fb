import * as Digest from "@effect-oci/core/Digest"
import type { RepositoryName } from "@effect-oci/core/RepositoryName"
import * as Effect from "effect/Effect"
import type { Check } from "../Check.js"
import * as Fixtures from "../Fixtures.js"
import { bytesEqual, expect, expectError, expectHeader, expectStatus, get, head, send } from "../internal/asking.js"
import { cleanUp, follow, openUpload, putBlob } from "../internal/putting.js"
import { patch, patched, put, start, ways } from "../internal/ways.js"
import { Target } from "../Target.js"
import type { Received } from "../Target.js"

const pushing = "Pushing blobs"
const chunked = "Pushing a blob in chunks"
const mounting = "Mounting a blob from another repository"
const cancelling = "Cancelling an upload"

const content = Fixtures.bytesOf("0123456789abcdef".repeat(128))
const digest = Digest.fromBytes(content)
const algorithms = ["sha256", "sha512"] as const

/** Pushes a blob with the correct digest: the blob exists immediately, with the sent bytes. */
const goodChecks = ways.flatMap((way) =>
  algorithms.map((algorithm): Check => ({
    id: `upload-${way.id}-${algorithm}`,
    rules: [...way.rules, 59],
    section: way.rules.includes(39) || way.rules.includes(42) ? chunked : pushing,
    name: `a blob pushed by ${way.name} (${algorithm}) can be pulled immediately`,
    level: "must",
    needs: algorithm === "sha512" ? ["push", "sha512"] : ["push"],
    run: Effect.gen(function*() {
      const { repository } = yield* Target
      const digest = Digest.fromBytes(content, algorithm)
      const path = `/v2/${repository}/blobs/${digest}`
      yield* cleanUp(path)
      const pushed = yield* expectStatus(yield* way.push({ repository, bytes: content, digest, algorithm }), 201)
      yield* expectStatus(yield* head(path), 200)
      const received = yield* expectStatus(yield* get(yield* follow(pushed)), 200)
      yield* expect(received, bytesEqual(received.body, content), "the bytes pushed", () => "other bytes")
    })
  }))
)

/** Pushes a blob with the digest of other content: it is refused, and no blob exists under either digest. */
const badChecks = ways.flatMap((way) =>
  algorithms.map((algorithm): Check => ({
    id: `upload-${way.id}-${algorithm}-bad-digest`,
    rules: [34],
    section: pushing,
    name: `a blob with the wrong digest is refused and not stored: ${way.name} (${algorithm})`,
    level: "must",
    needs: algorithm === "sha512" ? ["push", "sha512"] : ["push"],
    run: Effect.gen(function*() {
      const { repository } = yield* Target
      const said = Digest.fromBytes(Fixtures.bytesOf("something else"), algorithm)
      const answer = yield* way.push({ repository, bytes: content, digest: said, algorithm })
      yield* expectError(answer, [400], ["DIGEST_INVALID", "BLOB_UPLOAD_INVALID", "SIZE_INVALID"])
      for (const digest of [said, Digest.fromBytes(content), Digest.fromBytes(content, "sha512")]) {
        yield* expectStatus(yield* head(`/v2/${repository}/blobs/${digest}`), 404)
        yield* expectStatus(yield* get(`/v2/${repository}/blobs/${digest}`), 404)
      }
    })
  }))
)

/** Opens an upload session and sends the first 100 bytes. Returns the path where the session continues. */
const begun = Effect.gen(function*() {
  const { repository } = yield* Target
  const answer = yield* patched((yield* openUpload(repository)).path, content.subarray(0, 100), 0)
  return { repository, answer, path: yield* follow(answer) }
})

/** Checks that the upload session kept its offset, and completes the blob from there. */
const goesOn = (path: string) =>
  Effect.gen(function*() {
    const { repository } = yield* Target
    yield* cleanUp(`/v2/${repository}/blobs/${digest}`)
    const answer = yield* patched(path, content.subarray(100), 100)
    yield* expectStatus(yield* put(yield* follow(answer, { digest })), 201)
    const received = yield* get(`/v2/${repository}/blobs/${digest}`)
    yield* expect(received, bytesEqual(received.body, content), "the bytes pushed", () => "other bytes")
  })

/** Mounts a blob from another repository, or from any repository that has the blob. */
const mount = (repository: RepositoryName, digest: string, from?: RepositoryName) =>
  send({
    method: "POST",
    path: `/v2/${repository}/blobs/uploads/?mount=${digest}${
      from === undefined ? "" : `&from=${encodeURIComponent(from)}`
    }`,
    body: new Uint8Array(0)
  })

/**
 * Checks that the mounted blob can be pulled from its `Location`, or pushes the blob with the opened upload session.
 */
const mounted = (received: Received) =>
  Effect.gen(function*() {
    const { repository } = yield* Target
    yield* expectStatus(received, 201, 202)
    yield* cleanUp(`/v2/${repository}/blobs/${digest}`)
    if (received.status === 202) {
      return yield* expectStatus(yield* put(yield* follow(received, { digest }), content), 201)
    }
    const blob = yield* expectStatus(yield* get(yield* follow(received)), 200)
    return yield* expect(blob, bytesEqual(blob.body, content), "the bytes pushed", () => "other bytes")
  })

const outOfOrder = (
  id: string,
  rule: number,
  name: string,
  statuses: ReadonlyArray<number>,
  attempt: (path: string) => ReturnType<typeof patch>,
  level: Check["level"] = "must"
): Check => ({
  id: `upload-${id}`,
  rules: [rule],
  section: chunked,
  name: `${name} is refused with ${statuses.join(" or ")}, and the upload session keeps its offset`,
  level,
  needs: ["push"],
  run: Effect.gen(function*() {
    const { path } = yield* begun
    yield* expectStatus(yield* attempt(path), ...statuses)
    yield* goesOn(path)
  })
})

/** Rules 29 to 60: all ways to push a blob, and their failures. */
export const upload: ReadonlyArray<Check> = [
  ...goodChecks,
  ...badChecks,
  ...Fixtures.blobs.map(({ bytes, name }, index): Check => ({
    id: `upload-content-${index}`,
    rules: [58, 57],
    section: pushing,
    name: `${name} can be pushed twice and pulled unchanged`,
    level: "must",
    needs: ["push"],
    run: Effect.gen(function*() {
      const { repository } = yield* Target
      yield* putBlob(repository, bytes)
      const digest = yield* putBlob(repository, bytes)
      const received = yield* expectStatus(yield* get(`/v2/${repository}/blobs/${digest}`), 200)
      yield* expect(received, bytesEqual(received.body, bytes), "the bytes pushed", () => "other bytes")
    })
  })),
  {
    id: "upload-start",
    rules: [29],
    section: pushing,
    name: "POST opens an upload session: 202 and a unique Location",
    level: "must",
    needs: ["push"],
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
    id: "upload-min-chunk",
    rules: [32],
    section: chunked,
    name: "OCI-Chunk-Min-Length, if present, is a number of bytes",
    level: "should",
    needs: ["push"],
    run: Effect.gen(function*() {
      const { repository } = yield* Target
      const { started } = yield* openUpload(repository)
      if (started.headers["oci-chunk-min-length"] !== undefined) {
        yield* expectHeader(started, "oci-chunk-min-length", /^[0-9]+$/)
      }
    })
  },
  {
    id: "upload-digest-malformed",
    rules: [35],
    section: pushing,
    name: "a digest that is missing, malformed or of an unknown algorithm is refused with 400",
    level: "should",
    needs: ["push"],
    run: Effect.gen(function*() {
      const { repository } = yield* Target
      const digests = ["", "sha256:abc", `md5:${"0".repeat(32)}`, "nonsense", `sha256:${"G".repeat(64)}`]
      for (const query of [{}, ...digests.map((digest) => ({ digest }))]) {
        const path = yield* follow((yield* openUpload(repository)).started, query)
        yield* expectError(yield* put(path, content), [400], ["DIGEST_INVALID", "BLOB_UPLOAD_INVALID", "UNSUPPORTED"])
      }
      yield* expectStatus(yield* head(`/v2/${repository}/blobs/${digest}`), 404)
    })
  },
  {
    id: "upload-unknown",
    rules: [36],
    section: chunked,
    name: "requests to an unknown upload session return 404 or 400",
    level: "must",
    needs: ["push"],
    run: Effect.gen(function*() {
      const { repository } = yield* Target
      const path = `/v2/${repository}/blobs/uploads/00000000-0000-4000-8000-000000000000`
      yield* putBlob(repository, content)
      const codes = ["BLOB_UPLOAD_UNKNOWN", "BLOB_UPLOAD_INVALID", "NAME_UNKNOWN"]
      yield* expectError(yield* patch(path, content, 0), [404, 400], codes)
      yield* expectError(yield* put(`${path}?digest=${digest}`, content), [404, 400], codes)
      yield* expectError(yield* get(path), [404, 400], codes)
    })
  },
  {
    id: "upload-algorithm-unsupported",
    rules: [38],
    section: chunked,
    name: "an upload session for an unsupported digest algorithm is refused with 400",
    level: "should",
    since: "dev",
    needs: ["push"],
    run: Effect.gen(function*() {
      const { repository } = yield* Target
      const path = `/v2/${repository}/blobs/uploads/?digest-algorithm=md5`
      yield* expectStatus(yield* send({ method: "POST", path, body: new Uint8Array(0) }), 400)
    })
  },
  {
    id: "upload-range",
    rules: [40],
    section: chunked,
    name: "a chunk returns 202, a Location, and the range of the received bytes",
    level: "must",
    needs: ["push"],
    run: Effect.gen(function*() {
      const { answer, path } = yield* begun
      yield* expectHeader(answer, "range", "0-99")
      const next = yield* patched(path, content.subarray(100, 300), 100)
      yield* expectHeader(next, "range", "0-299")
      yield* follow(next)
    })
  },
  outOfOrder("gap", 41, "a chunk that leaves a gap", [416], (path) => patch(path, content.subarray(200, 300), 200)),
  outOfOrder("overlap", 43, "a chunk that was sent before", [416], (path) => patch(path, content.subarray(0, 100), 0)),
  outOfOrder(
    "backwards",
    43,
    "a chunk that ends before it starts",
    [400, 416],
    (path) => send({ method: "PATCH", path, headers: { "content-range": "199-100" }, body: content.subarray(100, 200) })
  ),
  outOfOrder(
    "shorter-than-range",
    43,
    "a chunk that is shorter than its range",
    [400, 416],
    (path) => send({ method: "PATCH", path, headers: { "content-range": "100-299" }, body: content.subarray(100, 200) })
  ),
  outOfOrder(
    "longer-than-range",
    43,
    "a chunk that is longer than its range",
    [400, 416],
    (path) => send({ method: "PATCH", path, headers: { "content-range": "100-149" }, body: content.subarray(100, 200) })
  ),
  {
    id: "upload-first-chunk-out-of-order",
    rules: [41],
    section: chunked,
    name: "a first chunk that does not start at 0 is refused with 416",
    level: "must",
    needs: ["push"],
    run: Effect.gen(function*() {
      const { repository } = yield* Target
      const { path } = yield* openUpload(repository)
      yield* expectStatus(yield* patch(path, content.subarray(100), 100), 416)
    })
  },
  {
    id: "upload-last-chunk-out-of-order",
    rules: [41],
    section: chunked,
    name: "a last chunk out of order is refused with 416, and the blob is not stored",
    level: "must",
    since: "dev",
    needs: ["push"],
    run: Effect.gen(function*() {
      const { answer, repository } = yield* begun
      const path = yield* follow(answer, { digest })
      yield* expectStatus(yield* put(path, content.subarray(200), 200), 416)
      yield* expectStatus(yield* head(`/v2/${repository}/blobs/${digest}`), 404)
    })
  },
  {
    id: "upload-status",
    rules: [45],
    section: chunked,
    name: "GET of an upload session returns 204, a Location, and the range of the received bytes",
    level: "must",
    needs: ["push"],
    run: Effect.gen(function*() {
      const { path } = yield* begun
      const received = yield* expectStatus(yield* get(path), 204)
      yield* expectHeader(received, "range", "0-99")
      yield* goesOn(yield* follow(received))
    })
  },
  {
    id: "upload-status-empty",
    rules: [45],
    section: chunked,
    name: "GET of an empty upload session returns no range, or 0-0",
    level: "should",
    needs: ["push"],
    run: Effect.gen(function*() {
      const { repository } = yield* Target
      const received = yield* expectStatus(yield* get((yield* openUpload(repository)).path), 204)
      if (received.headers["range"] !== undefined) yield* expectHeader(received, "range", /^0-(0|-1)$/)
    })
  },
  {
    id: "upload-cancel",
    rules: [46],
    section: cancelling,
    name: "DELETE of an upload session returns 204 and ends the session",
    level: "must",
    since: "dev",
    needs: ["push", "cancelUpload"],
    run: Effect.gen(function*() {
      const { path } = yield* begun
      yield* expectStatus(yield* send({ method: "DELETE", path }), 204)
      yield* expectStatus(yield* get(path), 404)
      yield* expectStatus(yield* patch(path, content.subarray(100), 100), 404)
      yield* expectStatus(yield* put(`${path}${path.includes("?") ? "&" : "?"}digest=${digest}`), 404)
      yield* expectStatus(yield* send({ method: "DELETE", path }), 404, 400)
    })
  },
  {
    id: "upload-repository-bound",
    rules: [47],
    section: chunked,
    name: "an upload session of one repository cannot be continued in another",
    level: "must",
    needs: ["push"],
    run: Effect.gen(function*() {
      const { other, repository } = yield* Target
      const { path } = yield* begun
      const elsewhere = path.replace(`/v2/${repository}/`, `/v2/${other}/`)
      // A `Location` may be any URL, also one that does not contain the repository.
      if (elsewhere === path) return
      yield* expectStatus(yield* get(elsewhere), 404, 400)
      yield* expectStatus(yield* patch(elsewhere, content.subarray(100), 100), 404, 400)
      yield* goesOn(path)
    })
  },
  {
    id: "upload-ended",
    rules: [48],
    section: chunked,
    name: "a completed upload session does not exist any more",
    level: "must",
    needs: ["push"],
    run: Effect.gen(function*() {
      const { repository } = yield* Target
      const { path } = yield* openUpload(repository)
      yield* cleanUp(`/v2/${repository}/blobs/${digest}`)
      const ended = yield* follow(yield* patched(path, content, 0), { digest })
      yield* expectStatus(yield* put(ended), 201)
      yield* expectStatus(yield* patch(path, content, content.byteLength), 404, 400)
      yield* expectStatus(yield* get(path), 404, 400)
    })
  },
  {
    id: "upload-concurrent-chunks",
    rules: [49],
    section: chunked,
    name: "of two concurrent chunks for the same offset, one is accepted and the other refused",
    level: "must",
    needs: ["push"],
    run: Effect.gen(function*() {
      const { path, repository } = yield* begun
      const chunk = patch(path, content.subarray(100), 100)
      const answers = yield* Effect.all([chunk, chunk], { concurrency: "unbounded" })
      const statuses = answers.map(({ status }) => status).sort((a, b) => a - b)
      const taken = answers.find(({ status }) => status === 202) ?? answers[0]
      yield* expect(
        taken,
        statuses[0] === 202 && [404, 409, 416].includes(statuses[1] ?? 0),
        "202 and 416",
        () => statuses.join(" and ")
      )
      yield* cleanUp(`/v2/${repository}/blobs/${digest}`)
      yield* expectStatus(yield* put(yield* follow(taken, { digest })), 201)
    })
  },
  {
    id: "upload-concurrent-blobs",
    rules: [56],
    section: pushing,
    name: "several clients can push the same blob at the same time",
    level: "must",
    needs: ["push"],
    run: Effect.gen(function*() {
      const { repository } = yield* Target
      yield* cleanUp(`/v2/${repository}/blobs/${digest}`)
      const opened = yield* Effect.replicateEffect(openUpload(repository), 4)
      yield* Effect.forEach(
        opened,
        ({ started }) =>
          Effect.flatMap(
            follow(started, { digest }),
            (path) => Effect.flatMap(put(path, content), (received) => expectStatus(received, 201))
          ),
        { concurrency: "unbounded" }
      )
      const received = yield* get(`/v2/${repository}/blobs/${digest}`)
      yield* expect(received, bytesEqual(received.body, content), "the bytes pushed", () => "other bytes")
    })
  },
  {
    id: "mount",
    rules: [50, 51, 55],
    section: mounting,
    name: "a mount adds the blob (201) or opens an upload session (202); a later delete in the source has no effect",
    level: "must",
    needs: ["push"],
    run: Effect.gen(function*() {
      const { capabilities, other, repository } = yield* Target
      yield* putBlob(other, content)
      const source = `/v2/${other}/blobs/${digest}`
      yield* mounted(yield* mount(repository, digest, other))
      yield* expectStatus(yield* head(source), 200)
      if (capabilities.deleteBlob) yield* expectStatus(yield* send({ method: "DELETE", path: source }), 202)
      const blob = yield* expectStatus(yield* get(`/v2/${repository}/blobs/${digest}`), 200)
      yield* expect(blob, bytesEqual(blob.body, content), "the bytes pushed", () => "other bytes")
    })
  },
  {
    id: "mount-anonymous",
    rules: [52],
    section: mounting,
    name: "a mount without a source adds the blob (201) or opens an upload session (202)",
    level: "may",
    needs: ["push", "anonymousMount"],
    run: Effect.gen(function*() {
      const { other, repository } = yield* Target
      yield* putBlob(other, content)
      yield* mounted(yield* mount(repository, digest))
    })
  },
  {
    id: "mount-source-without-it",
    rules: [51, 53],
    section: mounting,
    name: "a mount from a repository without the blob opens an upload session, and does not reveal other repositories",
    level: "should",
    needs: ["push"],
    run: Effect.gen(function*() {
      const { other, repository } = yield* Target
      yield* putBlob(other, content)
      yield* putBlob(repository, Fixtures.bytesOf("so that the repository is there"))
      const received = yield* expectStatus(yield* mount(repository, digest, repository), 202)
      yield* expectStatus(yield* head(`/v2/${repository}/blobs/${digest}`), 404)
      yield* mounted(received)
    })
  },
  {
    id: "mount-missing",
    rules: [51, 54],
    section: mounting,
    name: "a mount of an unknown blob opens an upload session that can be completed",
    level: "should",
    needs: ["push"],
    run: Effect.gen(function*() {
      const { other, repository } = yield* Target
      yield* mounted(yield* expectStatus(yield* mount(repository, digest, other), 202))
    })
  },
  {
    id: "mount-digest-malformed",
    rules: [54],
    section: mounting,
    name: "a mount of a malformed digest is refused with 400",
    level: "should",
    needs: ["push"],
    run: Effect.gen(function*() {
      const { other, repository } = yield* Target
      yield* expectError(yield* mount(repository, "sha256:abc", other), [400], ["DIGEST_INVALID"])
    })
  },
  {
    id: "upload-started-for-sha512",
    rules: [38],
    section: chunked,
    name: "an upload session opened for sha512 completes with a sha512 digest",
    level: "should",
    since: "dev",
    needs: ["push", "sha512"],
    run: Effect.gen(function*() {
      const { repository } = yield* Target
      const digest = Digest.fromBytes(content, "sha512")
      yield* cleanUp(`/v2/${repository}/blobs/${digest}`)
      const answer = yield* patched(yield* follow(yield* start({ repository, algorithm: "sha512" })), content, 0)
      yield* expectStatus(yield* put(yield* follow(answer, { digest })), 201)
      yield* expectStatus(yield* head(`/v2/${repository}/blobs/${digest}`), 200)
    })
  }
]
