import { MediaType, Registry } from "@effect-oci/core"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import {
  absent,
  emptyConfig,
  failureOf,
  hello,
  helloDigest,
  index,
  list,
  on,
  other,
  pullText,
  pushBytes,
  pushImage,
  repository,
  tagOf,
  unknown,
  v1,
  v2
} from "../fixtures.js"
import type { MakeStores } from "../fixtures.js"

export const deletes = (makeStores: MakeStores) => {
  const test = on(makeStores)

  describe("management", () => {
    it.effect("deletes a tag, and keeps its manifest and the other tags (rule 95)", () =>
      Effect.gen(function*() {
        const registry = yield* Registry
        const { digest } = yield* pushImage({}, { tags: [v1, v2] })
        expect((yield* registry.deleteTag(repository, v1))._tag).toBe("Done")
        expect(yield* tagOf(registry.resolveManifest(repository, v1))).toBe("OciManifestUnknown")
        expect((yield* registry.resolveManifest(repository, v2)).digest).toBe(digest)
        yield* registry.deleteTag(repository, v2)
        expect((yield* registry.resolveManifest(repository, digest)).digest).toBe(digest)
        expect(yield* list(registry.listTags(repository))).toEqual([])
      }).pipe(test))

    it.effect("deletes a manifest and all tags that point at it (rule 96)", () =>
      Effect.gen(function*() {
        const registry = yield* Registry
        const { digest } = yield* pushImage({}, { tags: [v1, v2] })
        yield* pushImage({ annotations: {} }, { tags: [v2] })
        expect((yield* registry.deleteManifest(repository, digest))._tag).toBe("Done")
        for (const reference of [digest, v1]) {
          expect(yield* tagOf(registry.getManifest(repository, reference))).toBe("OciManifestUnknown")
        }
        expect(yield* list(registry.listTags(repository))).toEqual([v2])
      }).pipe(test))

    it.effect("deletes a manifest, and keeps a tag that has moved to another manifest (rule 96)", () =>
      Effect.gen(function*() {
        const registry = yield* Registry
        const first = yield* pushImage({}, { tags: [v1] })
        yield* registry.deleteTag(repository, v1)
        const second = yield* pushImage({ annotations: {} }, { tags: [v1] })
        yield* registry.deleteManifest(repository, first.digest)
        expect((yield* registry.resolveManifest(repository, v1)).digest).toBe(second.digest)
      }).pipe(test))

    it.effect("deletes a blob, which other repositories keep (rule 97)", () =>
      Effect.gen(function*() {
        const registry = yield* Registry
        yield* pushBytes(hello)
        yield* pushBytes(hello, other)
        expect((yield* registry.deleteBlob(repository, helloDigest))._tag).toBe("Done")
        expect(yield* tagOf(registry.resolveBlob(repository, helloDigest))).toBe("OciBlobUnknown")
        expect(yield* tagOf(registry.deleteBlob(repository, helloDigest))).toBe("OciBlobUnknown")
        expect(yield* pullText(other, helloDigest)).toBe("hello, world")
      }).pipe(test))

    it.effect("accepts a push of deleted content (T57)", () =>
      Effect.gen(function*() {
        const registry = yield* Registry
        for (let round = 0; round < 3; round++) {
          yield* pushBytes(hello)
          expect(yield* pullText(repository, helloDigest)).toBe("hello, world")
          const { digest } = yield* pushImage({}, { tags: [v1] })
          yield* registry.deleteManifest(repository, digest)
          yield* registry.deleteBlob(repository, helloDigest)
          expect(yield* tagOf(registry.resolveBlob(repository, helloDigest))).toBe("OciBlobUnknown")
        }
      }).pipe(test))

    it.effect("keeps a repository whose content is all deleted (rule 75)", () =>
      Effect.gen(function*() {
        const registry = yield* Registry
        yield* pushBytes(hello)
        yield* registry.deleteBlob(repository, helloDigest)
        expect(yield* list(registry.listTags(repository))).toEqual([])
        expect(yield* list(registry.listRepositories())).toEqual([repository])
        expect(yield* tagOf(registry.getManifest(repository, v1))).toBe("OciManifestUnknown")
      }).pipe(test))

    it.effect("refuses to delete a blob or a manifest that a manifest of the repository refers to (rule 97)", () =>
      Effect.gen(function*() {
        const registry = yield* Registry
        yield* pushBytes(hello)
        const layer = { mediaType: MediaType.layer, digest: helloDigest, size: hello.byteLength }
        const { digest } = yield* pushImage({ layers: [layer] })
        const child = { mediaType: MediaType.image, digest, size: 1 }
        const parent = yield* registry.pushManifest(repository, {
          mediaType: MediaType.index,
          bytes: index({ manifests: [child] })
        })
        expect(yield* Effect.flip(registry.deleteBlob(repository, helloDigest))).toMatchObject({
          _tag: "OciUnsupported",
          operation: "DeleteBlob",
          reason: `manifest ${digest} of the repository refers to this content; delete that manifest first`
        })
        expect(yield* Effect.flip(registry.deleteManifest(repository, digest))).toMatchObject({
          _tag: "OciUnsupported",
          operation: "DeleteManifest",
          reason: `manifest ${parent.digest} of the repository refers to this content; delete that manifest first`
        })
        expect(yield* pullText(repository, helloDigest)).toBe("hello, world")
        yield* registry.deleteManifest(repository, parent.digest)
        yield* registry.deleteManifest(repository, digest)
        yield* registry.deleteBlob(repository, helloDigest)
        expect(yield* tagOf(registry.resolveBlob(repository, helloDigest))).toBe("OciBlobUnknown")
      }).pipe(test))

    it.effect("deletes the subject of a manifest (rule 96)", () =>
      Effect.gen(function*() {
        const registry = yield* Registry
        const { digest } = yield* pushImage()
        const subject = { mediaType: MediaType.image, digest, size: 1 }
        const signature = yield* pushImage({ subject })
        yield* registry.deleteManifest(repository, digest)
        expect(yield* list(registry.listReferrers(repository, digest))).toMatchObject([{ digest: signature.digest }])
      }).pipe(test))

    it.effect.each(
      [["deleteReferenced", { deleteReferenced: true }], ["sparseManifests", { sparseManifests: true }]] as const
    )("deletes what a manifest refers to if the option %s is set", ([, options]) =>
      Effect.gen(function*() {
        const registry = yield* Registry
        const { digest } = yield* pushImage()
        const child = { mediaType: MediaType.image, digest, size: 1 }
        yield* registry.pushManifest(repository, { mediaType: MediaType.index, bytes: index({ manifests: [child] }) })
        yield* registry.deleteBlob(repository, emptyConfig.digest)
        yield* registry.deleteManifest(repository, digest)
        expect(yield* tagOf(registry.resolveManifest(repository, digest))).toBe("OciManifestUnknown")
      }).pipe(on(makeStores, options)))

    const missing = [
      ["DeleteBlob, in a repository (rule 97)", "DeleteBlob", repository, "OciBlobUnknown", absent],
      ["DeleteBlob, in no repository (rule 97)", "DeleteBlob", unknown, "OciBlobUnknown", absent],
      ["DeleteBlob of another repository's (rule 97, T33)", "DeleteBlob", other, "OciBlobUnknown", helloDigest],
      ["DeleteManifest, in a repository (rule 96)", "DeleteManifest", repository, "OciManifestUnknown", absent],
      ["DeleteManifest, in no repository (rule 96)", "DeleteManifest", unknown, "OciNameUnknown", absent],
      ["DeleteTag, in a repository (rule 95)", "DeleteTag", repository, "OciManifestUnknown", v1],
      ["DeleteTag, in no repository (rule 95)", "DeleteTag", unknown, "OciNameUnknown", v1]
    ] as const
    it.effect.each(missing)(
      "fails if the content is missing: %s",
      ([, operation, from, tag, reference]) =>
        Effect.gen(function*() {
          const registry = yield* Registry
          yield* pushBytes(hello)
          const calls = {
            DeleteBlob: () => registry.deleteBlob(from, reference as never),
            DeleteManifest: () => registry.deleteManifest(from, reference as never),
            DeleteTag: () => registry.deleteTag(from, reference as never)
          }
          expect(yield* failureOf(calls[operation]())).toEqual({ tag, operation, repository: from, reference })
        }).pipe(test)
    )
  })
}
