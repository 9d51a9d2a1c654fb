import type { RepositoryName } from "@effect-oci/core/RepositoryName"
import * as Effect from "effect/Effect"
import type { Check } from "../Check.js"
import * as Fixtures from "../Fixtures.js"
import { expectContent, expectError, expectStatus } from "../internal/expectations.js"
import { head, remove, send } from "../internal/request.js"
import { section } from "../internal/section.js"
import { cleanUp, follow, putBlob, sampleBlob, sampleDigest } from "../internal/upload.js"
import { put } from "../internal/uploadMethods.js"
import { Target } from "../Target.js"
import type { Received } from "../Target.js"

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
const expectMounted = (received: Received) =>
  Effect.gen(function*() {
    const { repository } = yield* Target
    yield* expectStatus(received, 201, 202)
    yield* cleanUp(`/v2/${repository}/blobs/${sampleDigest}`)
    if (received.status === 202) {
      return yield* expectStatus(yield* put(yield* follow(received, { digest: sampleDigest }), sampleBlob), 201)
    }
    return yield* expectContent(yield* follow(received), sampleBlob)
  })

/** Rules 50 to 55: mounts of blobs. */
export const mounts: ReadonlyArray<Check> = [
  ...section(
    "Mounting a blob from another repository",
    {
      id: "mount",
      rules: [50, 51, 55],
      name: "a mount adds the blob (201) or opens an upload session (202); a later delete in the source has no effect",
      run: Effect.gen(function*() {
        const { capabilities, other, repository } = yield* Target
        yield* putBlob(other, sampleBlob)
        const source = `/v2/${other}/blobs/${sampleDigest}`
        yield* expectMounted(yield* mount(repository, sampleDigest, other))
        yield* expectStatus(yield* head(source), 200)
        if (capabilities.deleteBlob) yield* expectStatus(yield* remove(source), 202)
        yield* expectContent(`/v2/${repository}/blobs/${sampleDigest}`, sampleBlob)
      })
    },
    {
      id: "mount-anonymous",
      rules: [52],
      name: "a mount without a source adds the blob (201) or opens an upload session (202)",
      level: "may",
      needs: ["push", "anonymousMount"],
      run: Effect.gen(function*() {
        const { other, repository } = yield* Target
        yield* putBlob(other, sampleBlob)
        yield* expectMounted(yield* mount(repository, sampleDigest))
      })
    },
    {
      id: "mount-source-without-it",
      rules: [51, 53],
      name:
        "a mount from a repository without the blob opens an upload session, and does not reveal other repositories",
      level: "should",
      run: Effect.gen(function*() {
        const { other, repository } = yield* Target
        yield* putBlob(other, sampleBlob)
        yield* putBlob(repository, Fixtures.bytesOf("so that the repository is there"))
        const received = yield* expectStatus(yield* mount(repository, sampleDigest, repository), 202)
        yield* expectStatus(yield* head(`/v2/${repository}/blobs/${sampleDigest}`), 404)
        yield* expectMounted(received)
      })
    },
    {
      id: "mount-missing",
      rules: [51, 54],
      name: "a mount of an unknown blob opens an upload session that can be completed",
      level: "should",
      run: Effect.gen(function*() {
        const { other, repository } = yield* Target
        yield* expectMounted(yield* expectStatus(yield* mount(repository, sampleDigest, other), 202))
      })
    },
    {
      id: "mount-digest-malformed",
      rules: [54],
      name: "a mount of a malformed digest is refused with 400",
      level: "should",
      run: Effect.gen(function*() {
        const { other, repository } = yield* Target
        yield* expectError(yield* mount(repository, "sha256:abc", other), [400], ["DIGEST_INVALID"])
      })
    }
  )
]
