import { Digest, MediaType, Registry, Tag } from "@effect-oci/core"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { absent, image, list, on, pushImage, repository, tagOf, v1, v2 } from "../fixtures.js"
import type { MakeStores } from "../fixtures.js"

export const manifestTags = (makeStores: MakeStores) => {
  const test = on(makeStores)

  describe("push: the tags of a manifest", () => {
    it.effect("sets many tags at once, each once (rule 71)", () =>
      Effect.gen(function*() {
        const registry = yield* Registry
        const tags = Array.from({ length: 12 }, (_, n) => Tag.make(`v${n + 10}`))
        expect((yield* pushImage({}, { tags: [...tags, ...tags] })).tags).toEqual(tags)
        expect(yield* list(registry.listTags(repository))).toEqual(tags)
      }).pipe(test))

    it.effect("moves a tag, and keeps the manifest at which the tag pointed (rule 72)", () =>
      Effect.gen(function*() {
        const registry = yield* Registry
        const first = yield* pushImage({}, { tags: [v1, v2] })
        const second = yield* pushImage({ annotations: { second: "yes" } }, { tags: [v1] })
        expect((yield* registry.resolveManifest(repository, v1)).digest).toBe(second.digest)
        expect((yield* registry.resolveManifest(repository, v2)).digest).toBe(first.digest)
        yield* registry.deleteManifest(repository, first.digest)
        expect(yield* list(registry.listTags(repository))).toEqual([v1])
      }).pipe(test))

    it.effect("ifAbsent: if one tag points at another manifest, moves no tag and stores nothing", () =>
      Effect.gen(function*() {
        const registry = yield* Registry
        const first = yield* pushImage({}, { tags: [v1] })
        const put = (fields: object, tags: ReadonlyArray<Tag.Tag>) =>
          registry.pushManifest(repository, {
            mediaType: MediaType.image,
            bytes: image({ ...fields }),
            tags,
            ifAbsent: true
          })
        const error = yield* Effect.flip(put({ annotations: {} }, [v2, v1]))
        expect(error).toMatchObject({ _tag: "OciDenied", operation: "PushManifest", repository })
        expect(error.message).toContain(`tag "v1" exists and points at ${first.digest}`)
        expect(yield* list(registry.listTags(repository))).toEqual([v1])
        expect(yield* tagOf(registry.getManifest(repository, Digest.fromBytes(image({ annotations: {} })))))
          .toBe("OciManifestUnknown")
        expect((yield* put({}, [v1, v2])).tags).toEqual([v1, v2])
        expect((yield* put({ annotations: {} }, [Tag.make("v3")])).tags).toEqual(["v3"])
      }).pipe(test))

    it.effect("ifMatch: if one tag points elsewhere or at nothing, moves no tag and stores nothing", () =>
      Effect.gen(function*() {
        const registry = yield* Registry
        const first = yield* pushImage({}, { tags: [v1] })
        const bytes = image({ annotations: {} })
        const put = (ifMatch: Digest.Digest, tags: ReadonlyArray<Tag.Tag>, ifAbsent = false) =>
          registry.pushManifest(repository, { mediaType: MediaType.image, bytes, tags, ifMatch, ifAbsent })
        const refused: ReadonlyArray<readonly [ReturnType<typeof put>, string]> = [
          [put(absent, [v1]), `tag "v1" exists and points at ${first.digest}`],
          [put(first.digest, [v1, v2]), `tag "v2" does not exist`],
          [put(first.digest, [v1], true), "not both"]
        ]
        for (const [push, reason] of refused) {
          const error = yield* Effect.flip(push)
          expect(error).toMatchObject({ _tag: "OciDenied", operation: "PushManifest", repository })
          expect(error.message).toContain(reason)
          expect((yield* registry.resolveManifest(repository, v1)).digest).toBe(first.digest)
          expect(yield* list(registry.listTags(repository))).toEqual([v1])
          expect(yield* tagOf(registry.getManifest(repository, Digest.fromBytes(bytes)))).toBe("OciManifestUnknown")
        }
        // The second push is a retry whose first answer was lost.
        for (let again = 0; again < 2; again++) {
          expect((yield* put(first.digest, [v1])).tags).toEqual([v1])
          expect((yield* registry.resolveManifest(repository, v1)).digest).toBe(Digest.fromBytes(bytes))
        }
      }).pipe(test))

    it.effect("ifMatch: of concurrent pushes from one manifest, one succeeds", () =>
      Effect.gen(function*() {
        const registry = yield* Registry
        const { digest: ifMatch } = yield* pushImage({}, { tags: [v1] })
        const pushes = Array.from({ length: 8 }, (_, n) => {
          const bytes = image({ annotations: { n: `${n}` } })
          return registry.pushManifest(repository, { mediaType: MediaType.image, bytes, tags: [v1], ifMatch })
        })
        const ends = yield* Effect.all(pushes.map(Effect.either), { concurrency: "unbounded" })
        const moved = ends.flatMap((end) => end._tag === "Right" ? [end.right.digest] : [])
        expect(moved).toEqual([(yield* registry.resolveManifest(repository, v1)).digest])
      }).pipe(test))
  })
}
