/** Answers of widely used registries that differ from the spec, and how the client handles them. */
import { Digest, MediaType, RepositoryName } from "@effect-oci/core"
import type { ByteRange, Registry } from "@effect-oci/core"
import { connect, platforms, routes, serve } from "@effect-oci/testing/NodeScripted"
import type { Answer } from "@effect-oci/testing/NodeScripted"
import { blob, failure, image, imageDescriptor, repository, tag } from "@effect-oci/testing/Samples"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { gzipSync } from "node:zlib"

const digest = Digest.fromBytes(blob)
const blobPath = `/v2/team/app/blobs/${digest}`
const uploads = "/v2/team/app/blobs/uploads/"

const pull = (registry: Registry.Service) =>
  Effect.scoped(Effect.flatMap(registry.getBlob(repository, digest), ({ body }) => Stream.runDrain(body.stream)))

describe("a mount", () => {
  it.scoped.each([401, 403, 404, 405, 500, 503])(
    "that is answered with %s becomes an upload",
    (status) =>
      Effect.gen(function*() {
        const server = yield* serve(({ target }) =>
          target.includes("mount=") ? { status } : { status: 202, headers: { location: `${uploads}1` } }
        )
        const registry = yield* connect(server)
        for (const from of [RepositoryName.make("team/base"), undefined]) {
          const mounted = yield* registry.mountBlob(repository, digest, { from })
          expect(mounted._tag).toBe("UploadStarted")
        }
      })
  )

  it.scoped("that is answered with 429 does not start an upload", () =>
    Effect.gen(function*() {
      const server = yield* serve(() => ({ status: 429 }))
      const registry = yield* connect(server)
      expect((yield* Effect.flip(registry.mountBlob(repository, digest)))._tag).toBe("OciTooManyRequests")
      expect(server.requests.length).toBe(1)
    }))
})

describe("the answer to HEAD of a manifest", () => {
  const manifest = (headers: Record<string, string>): Answer => ({
    status: 200,
    headers: { "docker-content-digest": imageDescriptor.digest, ...headers }
  })
  const heads: ReadonlyArray<readonly [name: string, answer: Answer]> = [
    ["without a length", manifest({ "content-type": MediaType.image, "content-length": "0" })],
    ["without a type", manifest({ "content-length": String(image.byteLength) })]
  ]
  it.scoped.each(heads)("%s makes the client get the manifest", ([, head]) =>
    Effect.gen(function*() {
      const path = `/v2/team/app/manifests/${tag}`
      const get: Answer = { status: 200, headers: { "content-type": MediaType.image }, body: image }
      const server = yield* serve(routes({ [`HEAD ${path}`]: head, [`GET ${path}`]: get }))
      const registry = yield* connect(server)
      const { digest, mediaType, size } = yield* registry.resolveManifest(repository, tag)
      expect({ digest, mediaType, size }).toEqual(imageDescriptor)
      expect(server.lines()).toEqual([`HEAD ${path}`, `GET ${path}`])
    }))
})

describe("a body with a Content-Encoding", () => {
  const coded = (headers: Record<string, string>, body: Uint8Array): Answer => ({ status: 200, headers, body })

  it.scoped("is accepted for an unencoded layer, as Apache sends it", () =>
    Effect.gen(function*() {
      const answer = coded({ "content-encoding": "x-gzip" }, blob)
      const server = yield* serve(routes({ [`GET ${blobPath}`]: answer, [`HEAD ${blobPath}`]: answer }))
      for (const platform of ["undici", "node"] as const) {
        const registry = yield* connect(server, {}, platforms[platform])
        yield* pull(registry)
        expect((yield* registry.resolveBlob(repository, digest)).size).toBe(blob.byteLength)
      }
      expect(server.requests.map(({ headers }) => headers["accept-encoding"])).toEqual(
        server.requests.map(() => "identity")
      )
    }))

  it.scoped("fails with an error that names the encoding if the body is encoded", () =>
    Effect.gen(function*() {
      const manifestPath = `/v2/team/app/manifests/${tag}`
      const server = yield* serve(routes({
        [`GET ${blobPath}`]: coded({ "content-encoding": "gzip" }, gzipSync(blob)),
        [`GET ${manifestPath}`]: coded(
          { "content-encoding": "gzip", "content-type": MediaType.image },
          gzipSync(image)
        )
      }))
      for (const platform of ["undici", "node"] as const) {
        const registry = yield* connect(server, {}, platforms[platform])
        for (const failing of [pull(registry), registry.getManifest(repository, tag)]) {
          const error = yield* Effect.flip(failing)
          expect(error._tag).toBe("OciResponseInvalid")
          expect(error.message).toContain("its body has the Content-Encoding gzip")
        }
      }
    }))
})

describe("a status that disagrees with the code", () => {
  it.scoped("416 for a range is RangeInvalid, even with BLOB_UNKNOWN", () =>
    Effect.gen(function*() {
      const server = yield* serve(() => ({
        status: 416,
        headers: { "content-range": "bytes */12" },
        body: failure("BLOB_UNKNOWN", "no")
      }))
      const registry = yield* connect(server)
      const range: ByteRange.ByteRange = { offset: 500 }
      const error = yield* Effect.flip(Effect.scoped(registry.getBlob(repository, digest, { range })))
      expect(error).toMatchObject({ _tag: "OciRangeInvalid", size: 12, status: 416 })
    }))

  it.scoped("416 for a chunk is RangeInvalid, with the size of the upload", () =>
    Effect.gen(function*() {
      const server = yield* serve(({ method }) =>
        method === "POST"
          ? { status: 202, headers: { location: `${uploads}1` } }
          : { status: 416, headers: { range: "0-4" }, body: failure("SIZE_INVALID", "no") }
      )
      const registry = yield* connect(server)
      const { id } = yield* registry.startUpload(repository)
      const error = yield* Effect.flip(registry.completeUpload(repository, id, Digest.fromBytes(blob), { offset: 9 }))
      expect(error).toMatchObject({ _tag: "OciRangeInvalid", size: 5 })
    }))

  it.scoped("404 for the list of repositories is Unsupported", () =>
    Effect.gen(function*() {
      const server = yield* serve(() => ({ status: 404 }))
      const registry = yield* connect(server)
      const error = yield* Effect.flip(Stream.runCollect(registry.listRepositories()))
      expect(error).toMatchObject({ _tag: "OciUnsupported", operation: "ListRepositories" })
    }))
})
