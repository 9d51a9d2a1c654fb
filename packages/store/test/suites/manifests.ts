import { Descriptor, Digest, Manifest, MediaType, Registry } from "@effect-oci/core"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Either } from "effect"
import {
  absent,
  emptyConfig,
  failureOf,
  hello,
  helloDigest,
  image,
  index,
  list,
  on,
  other,
  pushBytes,
  pushImage,
  repository,
  tagOf,
  text,
  unknown,
  v1,
  v2
} from "../fixtures.js"
import type { MakeStores } from "../fixtures.js"

const layer = { mediaType: MediaType.layer, digest: helloDigest, size: 12 }
const absentLayer = { ...layer, digest: absent }

const accepted: ReadonlyArray<[name: string, mediaType: string, bytes: Uint8Array]> = [
  ["image", MediaType.image, image({ layers: [layer] })],
  ["no layers", MediaType.image, image()],
  ["Docker image", MediaType.dockerImage, image({ mediaType: MediaType.dockerImage, layers: [layer] })],
  ["artifact with a type", MediaType.image, image({ artifactType: "application/vnd.example" })],
  ["artifact manifest", MediaType.artifact, text(JSON.stringify({ mediaType: MediaType.artifact, blobs: [layer] }))],
  ["empty index", MediaType.index, index()],
  ["Docker list", MediaType.dockerList, index({ mediaType: MediaType.dockerList })],
  ["sparse index (rule 66)", MediaType.index, index({ manifests: [{ ...absentLayer, mediaType: MediaType.image }] })],
  [
    "non-distributable layer (rule 66)",
    MediaType.image,
    image({
      layers: [{ ...absentLayer, mediaType: "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip" }]
    })
  ],
  [
    "foreign Docker layer (rule 66)",
    MediaType.dockerImage,
    image({
      mediaType: MediaType.dockerImage,
      layers: [{ ...absentLayer, mediaType: "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip" }]
    })
  ],
  [
    "layer with urls (rule 66)",
    MediaType.image,
    image({ layers: [{ ...absentLayer, urls: ["https://example.com/layer"] }] })
  ],
  [
    "missing subject (rule 67)",
    MediaType.image,
    image({ subject: { mediaType: MediaType.image, digest: absent, size: 7 } })
  ],
  ["custom fields (rule 74)", MediaType.image, image({ custom: { deep: [1, null] }, another: true })],
  ["data field (rule 74)", MediaType.image, image({ config: { ...emptyConfig, data: "e30=" } })],
  ["white space (rule 62)", MediaType.index, text(` {"schemaVersion":2,\n"manifests":[] }\n`)],
  ["unknown type (rule 70)", "application/vnd.example+json", text("not even JSON")],
  ["unknown type, no bytes (rule 70)", "application/vnd.example+json", new Uint8Array(0)]
]

const invalid: ReadonlyArray<[name: string, mediaType: string, bytes: Uint8Array]> = [
  ["not JSON (rule 65)", MediaType.image, text("{")],
  ["not an object (rule 65)", MediaType.image, text("[]")],
  ["not UTF-8 (rule 65)", MediaType.image, new Uint8Array([0x22, 0xff, 0x22])],
  ["no config (rule 65)", MediaType.image, text(`{"schemaVersion":2,"layers":[]}`)],
  ["another type inside (rule 70)", MediaType.index, index({ mediaType: MediaType.image })],
  ["no type (rule 70)", "", image()],
  ["an image with manifests (T23)", MediaType.image, image({ manifests: [] })],
  ["an index with layers (T23)", MediaType.index, index({ layers: [] })],
  ["an index with a config (T23)", MediaType.index, index({ config: emptyConfig })],
  [
    "an unknown type that declares another (T23)",
    "application/vnd.example+json",
    index({ mediaType: MediaType.index })
  ],
  ["an unknown type that looks like an image (T23)", "application/json", text(`{"layers":[]}`)],
  ["a field twice (T23)", MediaType.index, text(`{"schemaVersion":2,"manifests":[],"manifests":[]}`)],
  ["a byte order mark (T23)", MediaType.index, text(`\ufeff{"schemaVersion":2,"manifests":[]}`)],
  ["HTML (T60)", "text/html", text("<script>alert(1)</script>")],
  ["SVG (T60)", "image/svg+xml", text("<svg/>")],
  [
    "a path in place of a digest (T25)",
    MediaType.image,
    image({ layers: [{ ...layer, digest: "sha256:../../x" as never }] })
  ],
  ["an invalid size (T37)", MediaType.image, image({ layers: [{ ...layer, size: 2 ** 53 }] })],
  ["deeply nested (T38)", MediaType.image, text("[".repeat(100_000))]
]

export const manifests = (makeStores: MakeStores) => {
  const test = on(makeStores)

  describe("push: manifests", () => {
    it.effect.each(accepted)(
      "accepts a manifest (rules 61, 62, 73): %s",
      ([, mediaType, bytes]) =>
        Effect.gen(function*() {
          const registry = yield* Registry
          yield* pushBytes(hello)
          yield* pushBytes(text("{}"))
          const pushed = yield* registry.pushManifest(repository, { mediaType, bytes, tags: [v1] })
          const descriptor = { mediaType, digest: Digest.fromBytes(bytes), size: bytes.byteLength }
          expect(pushed).toMatchObject({ ...descriptor, tags: [v1] })
          for (const reference of [v1, descriptor.digest]) {
            const manifest = yield* registry.getManifest(repository, reference)
            expect(manifest.descriptor).toEqual(descriptor)
            expect(manifest.bytes).toEqual(bytes)
          }
        }).pipe(test)
    )

    it.effect.each(invalid)(
      "%s: fails with ManifestInvalid and stores nothing",
      ([, mediaType, bytes]) =>
        Effect.gen(function*() {
          const registry = yield* Registry
          yield* pushBytes(hello)
          yield* pushBytes(text("{}"))
          expect(yield* failureOf(registry.pushManifest(repository, { mediaType, bytes, tags: [v1] })))
            .toEqual({ tag: "OciManifestInvalid", operation: "PushManifest", repository, reference: v1 })
          expect(yield* tagOf(registry.getManifest(repository, Digest.fromBytes(bytes)))).toBe("OciManifestUnknown")
          expect(yield* list(registry.listTags(repository))).toEqual([])
        }).pipe(test)
    )

    it.effect.each(Digest.algorithms)(
      "accepts a manifest by its %s digest (rules 61, 64)",
      (algorithm) =>
        Effect.gen(function*() {
          const registry = yield* Registry
          yield* Digest.load(algorithm)
          const digest = Digest.fromBytes(index(), algorithm)
          const pushed = yield* registry.pushManifest(repository, {
            mediaType: MediaType.index,
            bytes: index(),
            digest,
            tags: [v1]
          })
          expect(pushed.digest).toBe(digest)
          for (const reference of [digest, v1]) {
            expect((yield* registry.getManifest(repository, reference)).descriptor.digest).toBe(digest)
          }
        }).pipe(test)
    )

    it.effect("stores one manifest under two digests, and deletes them one by one (rule 64)", () =>
      Effect.gen(function*() {
        const registry = yield* Registry
        const [short, long] = [Digest.fromBytes(index()), Digest.fromBytes(index(), "sha512")]
        for (const digest of [short, long]) {
          yield* registry.pushManifest(repository, { mediaType: MediaType.index, bytes: index(), digest })
        }
        for (const digest of [short, long]) {
          expect((yield* registry.getManifest(repository, digest)).bytes).toEqual(index())
        }
        yield* registry.deleteManifest(repository, short)
        expect(yield* tagOf(registry.getManifest(repository, short))).toBe("OciManifestUnknown")
        expect((yield* registry.getManifest(repository, long)).bytes).toEqual(index())
      }).pipe(test))

    it.effect.each(
      [
        ["another digest (rule 63)", absent],
        ["another digest, sha512 (rule 63)", Digest.fromBytes(hello, "sha512")],
        ["an unsupported algorithm (T28)", Digest.make("md5:00")]
      ] as const
    )("%s: fails with DigestInvalid and stores nothing", ([, digest]) =>
      Effect.gen(function*() {
        const registry = yield* Registry
        yield* pushBytes(hello)
        const push = registry.pushManifest(repository, {
          mediaType: MediaType.index,
          bytes: index(),
          digest,
          tags: [v1]
        })
        expect(yield* failureOf(push)).toEqual({
          tag: "OciDigestInvalid",
          operation: "PushManifest",
          repository,
          reference: digest
        })
        for (const reference of [digest, v1, Digest.fromBytes(index())]) {
          expect(yield* tagOf(registry.getManifest(repository, reference))).toBe("OciManifestUnknown")
        }
      }).pipe(test))

    it.effect("accepts 4 MiB, and refuses one byte more with SizeInvalid and the limit (rule 69, T36)", () =>
      Effect.gen(function*() {
        const registry = yield* Registry
        const mediaType = "application/vnd.example"
        const size = 4 * 1024 * 1024
        expect((yield* registry.pushManifest(repository, { mediaType, bytes: new Uint8Array(size) })).size).toBe(size)
        const push = registry.pushManifest(repository, { mediaType, bytes: new Uint8Array(size + 1) })
        expect(yield* Effect.flip(push)).toMatchObject({
          _tag: "OciSizeInvalid",
          limit: size,
          operation: "PushManifest"
        })
      }).pipe(test))

    it.effect("names the missing content (rule 66)", () =>
      Effect.gen(function*() {
        const registry = yield* Registry
        yield* pushBytes(hello)
        yield* pushBytes(text("{}"), other)
        const bytes = image({ layers: [layer, absentLayer, absentLayer] })
        const error = yield* Effect.flip(
          registry.pushManifest(repository, { mediaType: MediaType.image, bytes, tags: [v1] })
        )
        expect(error).toMatchObject({
          _tag: "OciManifestBlobUnknown",
          operation: "PushManifest",
          detail: [{ digest: emptyConfig.digest }, { digest: absent }]
        })
        expect(error.message).toContain(emptyConfig.digest)
        expect(yield* list(registry.listTags(repository))).toEqual([])
      }).pipe(test))

    it.effect("limits the size of the detail (rule 66)", () =>
      Effect.gen(function*() {
        const registry = yield* Registry
        const layers = Array.from({ length: 1000 }, (_, n) => ({ ...layer, digest: Digest.fromBytes(text(String(n))) }))
        const push = registry.pushManifest(repository, { mediaType: MediaType.image, bytes: image({ layers }) })
        expect((yield* Effect.flip(push)).detail).toHaveLength(100)
      }).pipe(test))

    it.effect("requires the manifests of an index if sparseIndexes is false (rule 66)", () =>
      Effect.gen(function*() {
        const registry = yield* Registry
        const child = yield* pushImage()
        const push = (manifests: ReadonlyArray<unknown>) =>
          registry.pushManifest(repository, { mediaType: MediaType.index, bytes: index({ manifests }) })
        yield* push([child])
        yield* push([emptyConfig])
        expect(yield* Effect.flip(push([child, { ...child, digest: absent }])))
          .toMatchObject({ _tag: "OciManifestBlobUnknown", detail: [{ digest: absent }] })
      }).pipe(on(makeStores, { sparseIndexes: false })))

    it.effect("accepts an image without its blobs if sparseManifests is true (rule 66)", () =>
      Effect.gen(function*() {
        const registry = yield* Registry
        const pushed = yield* registry.pushManifest(repository, { mediaType: MediaType.image, bytes: image() })
        expect((yield* registry.getManifest(repository, pushed.digest)).bytes).toEqual(image())
      }).pipe(on(makeStores, { sparseManifests: true })))

    it.effect("returns the subject, to show that referrers are supported (rule 68)", () =>
      Effect.gen(function*() {
        const subject = { mediaType: MediaType.image, digest: absent, size: 7 }
        expect((yield* pushImage({ subject })).subject).toBe(absent)
        expect((yield* pushImage({})).subject).toBeUndefined()
      }).pipe(test))

    it.effect("stores a copy of the bytes (rule 62)", () =>
      Effect.gen(function*() {
        const registry = yield* Registry
        const bytes = index()
        const { digest } = yield* registry.pushManifest(repository, { mediaType: MediaType.index, bytes })
        bytes.fill(0)
        expect((yield* registry.getManifest(repository, digest)).bytes).toEqual(index())
      }).pipe(test))

    it.effect("drops the parameters of the media type (rule 7)", () =>
      Effect.gen(function*() {
        const registry = yield* Registry
        const mediaType = `${MediaType.index}; charset=utf-8`
        expect((yield* registry.pushManifest(repository, { mediaType, bytes: index(), tags: [v1] })).mediaType)
          .toBe(MediaType.index)
        expect((yield* registry.resolveManifest(repository, v1)).mediaType).toBe(MediaType.index)
      }).pipe(test))

    it.effect("keeps the type, the tags and the referrers entry of a manifest that is pushed again with another type (T58)", () =>
      Effect.gen(function*() {
        const registry = yield* Registry
        const subject = { mediaType: MediaType.image, digest: absent, size: 7 }
        const bytes = text(JSON.stringify({ manifests: [], subject }))
        const digest = Digest.fromBytes(bytes)
        yield* registry.pushManifest(repository, { mediaType: MediaType.index, bytes, tags: [v1] })
        for (
          const reference of [{ tags: [v2] }, { tags: [] }, { digest, tags: [v1] }, { tags: [v2], ifAbsent: true }]
        ) {
          const again = registry.pushManifest(repository, { mediaType: MediaType.dockerList, bytes, ...reference })
          const error = yield* Effect.flip(again)
          expect(error._tag).toBe("OciManifestInvalid")
          expect(error.message).toContain(`as a manifest of type ${MediaType.index}; push them with that type`)
        }
        expect((yield* registry.resolveManifest(repository, v1)).mediaType).toBe(MediaType.index)
        expect(yield* tagOf(registry.resolveManifest(repository, v2))).toBe("OciManifestUnknown")
        expect(yield* list(registry.listReferrers(repository, absent))).toMatchObject([{ mediaType: MediaType.index }])
        yield* registry.deleteManifest(repository, digest)
        yield* registry.pushManifest(repository, { mediaType: MediaType.dockerList, bytes, tags: [v1] })
        expect((yield* registry.resolveManifest(repository, v1)).mediaType).toBe(MediaType.dockerList)
      }).pipe(test))

    it.effect("refuses a manifest of Docker schema 1", () =>
      Effect.gen(function*() {
        const registry = yield* Registry
        const bytes = text(JSON.stringify({ schemaVersion: 1, fsLayers: [], history: [] }))
        for (const mediaType of [MediaType.dockerSchema1, MediaType.dockerSchema1Signed, "application/json"]) {
          const error = yield* Effect.flip(registry.pushManifest(repository, { mediaType, bytes, tags: [v1] }))
          expect(error._tag).toBe("OciUnsupported")
          expect(error.message).toContain("schema 1")
        }
      }).pipe(test))

    it.effect("refuses content that only another repository has (T33)", () =>
      Effect.gen(function*() {
        const registry = yield* Registry
        yield* pushImage({}, { tags: [v1] })
        const push = registry.pushManifest(unknown, { mediaType: MediaType.image, bytes: image() })
        expect(yield* tagOf(push)).toBe("OciManifestBlobUnknown")
        expect(yield* tagOf(registry.getManifest(unknown, v1))).toBe("OciNameUnknown")
      }).pipe(test))

    it.effect("parses a manifest as it was pushed (rule 74)", () =>
      Effect.gen(function*() {
        const registry = yield* Registry
        yield* pushBytes(hello)
        const { digest } = yield* pushImage({ layers: [layer] })
        const { bytes, descriptor } = yield* registry.getManifest(repository, digest)
        const document = Either.getOrThrow(Manifest.parse({ mediaType: descriptor.mediaType, bytes }))
        expect(Manifest.references(document).map(({ descriptor }) => descriptor.digest))
          .toEqual([emptyConfig.digest, helloDigest])
        expect(descriptor).toEqual(Descriptor.fromBytes(image({ layers: [layer] }), MediaType.image))
      }).pipe(test))
  })
}
