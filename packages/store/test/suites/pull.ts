import { ByteRange, Digest, MediaType, Registry } from "@effect-oci/core"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import {
  absent,
  failureOf,
  hello,
  helloDigest,
  image,
  on,
  other,
  pullText,
  pushBytes,
  pushImage,
  read,
  repository,
  tagOf,
  text,
  unknown,
  v1
} from "../fixtures.js"
import type { MakeStores } from "../fixtures.js"

const blob = new Uint8Array(2048).map((_, index) => index % 251)
const digest = Digest.fromBytes(blob)

const ranges: ReadonlyArray<[name: string, range: ByteRange.ByteRange, span: [number, number]]> = [
  ["from 500 to 1499 (rule 18)", ByteRange.slice(500, 1000), [500, 1000]],
  ["from 500 to the end (rule 19)", ByteRange.from(500), [500, 1548]],
  ["the last 500 (rule 20)", ByteRange.last(500), [1548, 500]],
  ["beyond the end is clipped (rule 21)", ByteRange.slice(2000, 3001), [2000, 48]],
  ["the last 5000 of fewer bytes (rule 20)", ByteRange.last(5000), [0, 2048]],
  ["the first byte (rule 18)", ByteRange.slice(0, 1), [0, 1]],
  ["the last byte (rule 18)", ByteRange.slice(2047, 1), [2047, 1]]
]

const wrongRanges: ReadonlyArray<[name: string, range: ByteRange.ByteRange]> = [
  ["past the end (rule 22)", ByteRange.slice(5000, 5001)],
  ["at the end (rule 22)", ByteRange.from(2048)],
  ["an empty range (rule 23)", ByteRange.slice(500, 0)],
  ["the last 0 bytes (rule 23)", ByteRange.last(0)]
]

export const pull = (makeStores: MakeStores) => {
  const test = on(makeStores)

  describe("pull: blobs", () => {
    it.effect("returns the bytes, the digest and the size (rules 14, 16, 17)", () =>
      Effect.gen(function*() {
        const registry = yield* Registry
        const pushed = yield* pushBytes(hello)
        const resolved = yield* registry.resolveBlob(repository, helloDigest)
        const content = yield* registry.getBlob(repository, helloDigest)
        expect(pushed).toEqual({ mediaType: "application/octet-stream", digest: helloDigest, size: 12 })
        expect(resolved).toEqual(pushed)
        expect(content.descriptor).toEqual(pushed)
        expect(content.range).toBeUndefined()
        expect(content.verified).toBe(true)
        expect(content.body.size).toBe(12)
        expect(yield* read(content.body)).toEqual(hello)
      }).pipe(Effect.scoped, test))

    it.effect.each(
      [
        ["absent (rule 15)", repository, absent],
        ["only in another repository (rule 15, T33)", other, helloDigest],
        ["in a repository that does not exist (rule 15)", unknown, helloDigest]
      ] as const
    )("fails with BlobUnknown for a blob: %s", ([, from, wanted]) =>
      Effect.gen(function*() {
        const registry = yield* Registry
        yield* pushBytes(hello)
        yield* pushBytes(text("else"), other)
        const expected = { tag: "OciBlobUnknown", repository: from, reference: wanted }
        expect(yield* failureOf(registry.resolveBlob(from, wanted))).toEqual({ ...expected, operation: "ResolveBlob" })
        expect(yield* failureOf(registry.getBlob(from, wanted))).toEqual({ ...expected, operation: "GetBlob" })
        expect(yield* tagOf(registry.getBlob(from, wanted, { range: ByteRange.from(1) }))).toBe("OciBlobUnknown")
      }).pipe(Effect.scoped, test))

    it.effect.each(ranges)("returns a range: %s", ([, range, [offset, length]]) =>
      Effect.gen(function*() {
        const registry = yield* Registry
        yield* pushBytes(blob)
        const content = yield* registry.getBlob(repository, digest, { range })
        expect(content.descriptor.size).toBe(2048)
        expect(content.range).toEqual({ offset, length })
        expect(content.body.size).toBe(length)
        expect(yield* read(content.body)).toEqual(blob.subarray(offset, offset + length))
      }).pipe(Effect.scoped, test))

    it.effect.each(wrongRanges)("%s: fails with RangeInvalid and the size", ([, range]) =>
      Effect.gen(function*() {
        const registry = yield* Registry
        yield* pushBytes(blob)
        const error = yield* Effect.flip(registry.getBlob(repository, digest, { range }))
        expect(error).toMatchObject({ _tag: "OciRangeInvalid", size: 2048, operation: "GetBlob", reference: digest })
      }).pipe(Effect.scoped, test))

    it.effect("refuses a range of an empty blob with RangeInvalid (rule 25)", () =>
      Effect.gen(function*() {
        const registry = yield* Registry
        const { digest } = yield* pushBytes(new Uint8Array(0))
        expect(yield* tagOf(registry.getBlob(repository, digest, { range: ByteRange.from(0) }))).toBe("OciRangeInvalid")
        expect(yield* pullText(repository, digest)).toBe("")
      }).pipe(Effect.scoped, test))

    it.effect("returns a body that can be run twice (rule 14)", () =>
      Effect.gen(function*() {
        const registry = yield* Registry
        yield* pushBytes(blob)
        const { body } = yield* registry.getBlob(repository, digest)
        expect(body.replayable).toBe(true)
        expect(yield* read(body)).toEqual(yield* read(body))
      }).pipe(Effect.scoped, test))
  })

  describe("pull: manifests", () => {
    it.effect("returns the exact bytes, digest, type and size, by tag and by digest (rules 4, 6, 7, 8)", () =>
      Effect.gen(function*() {
        const registry = yield* Registry
        const { digest } = yield* pushImage({}, { tags: [v1] })
        const descriptor = { mediaType: MediaType.image, digest, size: image().byteLength }
        for (const reference of [v1, digest]) {
          const manifest = yield* registry.getManifest(repository, reference)
          expect(manifest.bytes).toEqual(image())
          expect(manifest.descriptor).toEqual(descriptor)
          expect(yield* registry.resolveManifest(repository, reference)).toEqual(descriptor)
        }
      }).pipe(test))

    it.effect.each(
      [
        ["a tag (rule 5)", repository, v1, "OciManifestUnknown"],
        ["a digest (rule 5)", repository, absent, "OciManifestUnknown"],
        ["a repository, by tag (rule 5)", unknown, v1, "OciNameUnknown"],
        ["a repository, by digest (rule 5)", unknown, absent, "OciNameUnknown"]
      ] as const
    )("fails if it does not exist: %s", ([, from, reference, tag]) =>
      Effect.gen(function*() {
        const registry = yield* Registry
        yield* pushBytes(hello)
        const expected = { tag, repository: from, reference }
        expect(yield* failureOf(registry.getManifest(from, reference)))
          .toEqual({ ...expected, operation: "GetManifest" })
        expect(yield* failureOf(registry.resolveManifest(from, reference)))
          .toEqual({ ...expected, operation: "ResolveManifest" })
      }).pipe(test))

    it.effect("does not return a manifest as a blob (rule 15)", () =>
      Effect.gen(function*() {
        const registry = yield* Registry
        const { digest } = yield* pushImage()
        expect(yield* tagOf(registry.resolveBlob(repository, digest))).toBe("OciBlobUnknown")
      }).pipe(test))
  })
}
