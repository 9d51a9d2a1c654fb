import { Digest, Manifest, MediaType } from "@effect-oci/core"
import type { RegistryError } from "@effect-oci/core"
import { connect, routes, serve } from "@effect-oci/testing/NodeScripted"
import type { Answer } from "@effect-oci/testing/NodeScripted"
import { encode, image, imageDescriptor, repository, tag } from "@effect-oci/testing/Samples"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Either } from "effect"

const path = "/v2/team/app/manifests"

/** A registry that serves one document, by tag and by digest, with the given `Content-Type`. */
const serving = (document: Uint8Array, mediaType: string | undefined, headers: Record<string, string> = {}) => {
  const answer: Answer = {
    status: 200,
    headers: {
      ...(mediaType === undefined ? {} : { "content-type": mediaType }),
      "docker-content-digest": Digest.fromBytes(document),
      ...headers
    },
    body: document
  }
  const references = ["v1", Digest.fromBytes(document)]
  return serve(
    routes(
      Object.fromEntries(
        references.flatMap((reference) => ["GET", "HEAD"].map((method) => [`${method} ${path}/${reference}`, answer]))
      )
    )
  )
}

const json = (document: object) => encode(JSON.stringify(document))

const untyped = json({ schemaVersion: 2, config: imageDescriptor, layers: [] })

describe("a manifest with a generic Content-Type", () => {
  it.scoped.each(["application/json", "text/plain; charset=utf-8", "application/octet-stream", undefined])(
    "gets its media type from its document: %s",
    (mediaType) =>
      Effect.gen(function*() {
        for (const document of [image, untyped]) {
          const server = yield* serving(document, mediaType)
          const registry = yield* connect(server)
          for (const reference of [tag, Digest.fromBytes(document)]) {
            const manifest = yield* registry.getManifest(repository, reference)
            expect(manifest.descriptor).toEqual({ ...manifest.descriptor, mediaType: MediaType.image })
            expect([...manifest.bytes]).toEqual([...document])
            expect(yield* registry.resolveManifest(repository, reference)).toEqual(manifest.descriptor)
          }
        }
      })
  )

  it.scoped("keeps the Content-Type if its document has no media type", () =>
    Effect.gen(function*() {
      const registry = yield* connect(yield* serving(encode("no JSON"), "text/plain"))
      expect((yield* registry.getManifest(repository, tag)).descriptor.mediaType).toBe("text/plain")
      const none = yield* connect(yield* serving(encode("no JSON"), undefined))
      expect((yield* Effect.flip(none.getManifest(repository, tag)))._tag).toBe("OciResponseInvalid")
    }))
})

describe("a manifest of Docker's schema 1 is Unsupported", () => {
  const document = json({ schemaVersion: 1, name: "a", tag: "b", fsLayers: [], history: [], signatures: [{}] })
  // The digest of a signed manifest is the digest of the document without its signatures.
  const headers = { "docker-content-digest": Digest.fromBytes(encode("without signatures")) }

  it.scoped.each([MediaType.dockerSchema1Signed, MediaType.dockerSchema1, "application/json", "text/plain"])(
    "as %s, in both directions",
    (mediaType) =>
      Effect.gen(function*() {
        const server = yield* serving(document, mediaType, headers)
        const registry = yield* connect(server)
        for (
          const ask of [
            registry.getManifest(repository, tag),
            registry.resolveManifest(repository, tag),
            registry.pushManifest(repository, { mediaType, bytes: document, tags: [tag] })
          ]
        ) {
          const error = yield* Effect.flip<unknown, RegistryError.RegistryError, never>(ask)
          expect(error._tag).toBe("OciUnsupported")
          expect(error.message).toContain("team/app:v1: Docker image manifests of schema 1 are not supported; convert")
        }
        expect(server.lines().filter((line) => line.startsWith("PUT"))).toEqual([])
      })
  )
})

describe("a manifest that other programs could interpret differently is refused in both directions (T23)", () => {
  const index = `{"schemaVersion":2,"mediaType":"${MediaType.index}","manifests":[]`
  const documents: ReadonlyArray<readonly [name: string, mediaType: string, document: string]> = [
    ["an unknown type that declares a known one", "application/vnd.example+json", `${index}}`],
    ["an unknown type that looks like a known one", "application/vnd.example+json", `{"layers":[]}`],
    ["a duplicate member", MediaType.index, `${index},"manifests":[]}`],
    ["a duplicate member, as application/json", "application/json", `${index},"manifests":[]}`],
    ["a byte order mark", MediaType.index, `\ufeff${index}}`],
    ["a document of another type", MediaType.image, `${index}}`],
    ["members of two kinds of manifest", MediaType.index, `${index},"layers":[]}`],
    ["a type that browsers run", "image/svg+xml", "<svg/>"]
  ]

  it.scoped.each(documents)("%s", ([, mediaType, document]) =>
    Effect.gen(function*() {
      const bytes = encode(document)
      const server = yield* serving(bytes, mediaType)
      const registry = yield* connect(server)
      for (
        const ask of [
          registry.getManifest(repository, tag),
          registry.getManifest(repository, Digest.fromBytes(bytes)),
          registry.pushManifest(repository, { mediaType, bytes, tags: [tag] })
        ]
      ) {
        const error = yield* Effect.flip<unknown, RegistryError.RegistryError, never>(ask)
        expect(error._tag).toBe("OciManifestInvalid")
        expect(error.message).toMatch(/team\/app[:@]/)
      }
      expect(server.lines().filter((line) => line.startsWith("PUT"))).toEqual([])
      expect(Either.isLeft(Manifest.identify({ mediaType, bytes }))).toBe(true)
    }))
})
