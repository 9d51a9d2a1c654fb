import { Digest, MediaType, Registry, RepositoryName, Tag } from "@effect-oci/core"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import {
  absent,
  failureOf,
  hello,
  helloDigest,
  index,
  list,
  on,
  pushBytes,
  pushImage,
  repository,
  text,
  unknown,
  v1
} from "../fixtures.js"
import type { MakeStores } from "../fixtures.js"

const tags = ["v1", "a", "a.1", "a-1", "a_1", "A", "Z", "_", "0", "10", "9", "v1.0", "a1"].map(Tag.make)
/** In ASCII order: dash, dot, digits, upper case, underscore, lower case. */
const sorted = ["0", "10", "9", "A", "Z", "_", "a", "a-1", "a.1", "a1", "a_1", "v1", "v1.0"]

const selections: ReadonlyArray<[
  name: string,
  options: { readonly last?: string; readonly limit?: number },
  expected: ReadonlyArray<string>
]> = [
  ["all, in ASCII order (rules 76, 82)", {}, sorted],
  ["the first three (rule 77)", { limit: 3 }, ["0", "10", "9"]],
  ["more than exist (rule 77)", { limit: 100 }, sorted],
  ["exactly all tags (rule 77)", { limit: 13 }, sorted],
  ["no tags (rule 78)", { limit: 0 }, []],
  ["after one (rule 79)", { last: "a_1" }, ["v1", "v1.0"]],
  ["after a tag that does not exist (rule 79)", { last: "a0" }, ["a1", "a_1", "v1", "v1.0"]],
  ["after the last (rule 79)", { last: "v1.0" }, []],
  ["two after one (rule 79)", { last: "Z", limit: 2 }, ["_", "a"]],
  ["the largest limit (rule 81, T35)", { limit: Number.MAX_SAFE_INTEGER }, sorted],
  ["a negative limit (rule 81)", { limit: -1 }, []]
]

const subject = { mediaType: MediaType.image, digest: absent, size: 7 }

export const lists = (makeStores: MakeStores) => {
  const test = on(makeStores)

  describe("discovery: tags", () => {
    it.effect.each(selections)("lists %s", ([, { last, limit }, expected]) =>
      Effect.gen(function*() {
        const registry = yield* Registry
        yield* pushImage({}, { tags })
        const options = { limit, ...(last === undefined ? {} : { last: Tag.make(last) }) }
        expect(yield* list(registry.listTags(repository, options))).toEqual(expected)
      }).pipe(test))

    it.effect("lists no tags if the repository has none (rule 75)", () =>
      Effect.gen(function*() {
        const registry = yield* Registry
        yield* pushBytes(hello)
        expect(yield* list(registry.listTags(repository))).toEqual([])
      }).pipe(test))

    it.effect("fails if the repository does not exist (rule 75)", () =>
      Effect.gen(function*() {
        const registry = yield* Registry
        yield* registry.startUpload(unknown)
        for (const limit of [undefined, 0]) {
          expect(yield* failureOf(list(registry.listTags(unknown, { limit }))))
            .toEqual({ tag: "OciNameUnknown", operation: "ListTags", repository: unknown, reference: undefined })
        }
      }).pipe(test))

    it.effect("lists thousands of tags, each once, while others are pushed and deleted (rules 77, 83)", () =>
      Effect.gen(function*() {
        const registry = yield* Registry
        const name = (n: number) => Tag.make(`t${String(n).padStart(5, "0")}`)
        yield* pushImage({}, { tags: Array.from({ length: 3500 }, (_, n) => name(n * 2)) })
        let seen = 0
        const change = Effect.gen(function*() {
          seen++
          if (seen % 500 !== 0) return
          const tags = [name(seen * 2 - 1), name(seen * 2 + 3001)]
          yield* registry.pushManifest(repository, { mediaType: MediaType.index, bytes: index(), tags })
          yield* registry.deleteTag(repository, name(5500 + seen / 5))
        })
        const walked = yield* list(Stream.tap(Stream.rechunk(registry.listTags(repository), 1), () => change))
        expect(new Set(walked).size).toBe(walked.length)
        expect(walked).toEqual([...walked].sort())
        const untouched = Array.from({ length: 2750 }, (_, n) => name(n * 2))
        expect(untouched.filter((tag) => !walked.includes(tag))).toEqual([])
      }).pipe(test))

    it.effect("applies the limit to all pages together (rule 77)", () =>
      Effect.gen(function*() {
        const registry = yield* Registry
        const all = Array.from({ length: 2100 }, (_, n) => Tag.make(`t${String(n).padStart(5, "0")}`))
        yield* pushImage({}, { tags: all })
        for (const limit of [999, 1000, 1001, 2000, 2099]) {
          expect(yield* list(registry.listTags(repository, { limit }))).toEqual(all.slice(0, limit))
        }
      }).pipe(test))

    it.effect("reads the list again when the stream is run again", () =>
      Effect.gen(function*() {
        const registry = yield* Registry
        yield* pushImage({}, { tags: [v1] })
        const stream = registry.listTags(repository)
        expect(yield* list(stream)).toEqual(["v1"])
        yield* pushImage({}, { tags: [Tag.make("v2")] })
        expect(yield* list(stream)).toEqual(["v1", "v2"])
      }).pipe(test))
  })

  describe("discovery: repositories", () => {
    it.effect("lists the repositories that have had content, in ASCII order (rule 106)", () =>
      Effect.gen(function*() {
        const registry = yield* Registry
        const names = ["b", "a/b", "a", "a-b", "a.b", "0"].map(RepositoryName.make)
        yield* Effect.forEach(names, (name) => pushBytes(hello, name))
        yield* registry.startUpload(unknown)
        yield* registry.mountBlob(RepositoryName.make("mounted"), helloDigest, { from: RepositoryName.make("a") })
        expect(yield* list(registry.listRepositories())).toEqual(["0", "a", "a-b", "a.b", "a/b", "b", "mounted"])
        const after = { last: RepositoryName.make("a"), limit: 2 }
        expect(yield* list(registry.listRepositories(after))).toEqual(["a-b", "a.b"])
        expect(yield* list(registry.listRepositories({ limit: 0 }))).toEqual([])
      }).pipe(test))

    it.effect("lists no repositories if there are none (rule 106)", () =>
      Effect.gen(function*() {
        expect(yield* list((yield* Registry).listRepositories())).toEqual([])
      }).pipe(test))
  })

  describe("discovery: referrers", () => {
    it.effect("lists no referrers if the repository has none (rule 84)", () =>
      Effect.gen(function*() {
        yield* pushBytes(hello)
        expect(yield* list((yield* Registry).listReferrers(repository, absent))).toEqual([])
      }).pipe(test))

    it.effect("lists no referrers if the repository does not exist (rule 84)", () =>
      Effect.gen(function*() {
        expect(yield* list((yield* Registry).listReferrers(unknown, absent))).toEqual([])
      }).pipe(test))

    it.effect("lists descriptors with artifact type and annotations, ordered by digest (rules 86, 87)", () =>
      Effect.gen(function*() {
        const registry = yield* Registry
        const annotations = { "org.example": "yes" }
        const typed = yield* pushImage({ subject, artifactType: "application/vnd.example", annotations })
        const configured = yield* pushImage({ subject })
        const pushIndex = (fields: object) =>
          registry.pushManifest(repository, { mediaType: MediaType.index, bytes: index({ subject, ...fields }) })
        const plain = yield* pushIndex({})
        const typedIndex = yield* pushIndex({ artifactType: "application/vnd.index" })
        yield* pushImage({ subject: { ...subject, digest: helloDigest } })
        yield* pushImage()
        const of = ({ digest, mediaType, size }: typeof typed, fields: object) => ({
          mediaType,
          digest,
          size,
          ...fields
        })
        const expected = [
          of(typed, { artifactType: "application/vnd.example", annotations }),
          of(configured, { artifactType: MediaType.empty }),
          of(plain, {}),
          of(typedIndex, { artifactType: "application/vnd.index" })
        ].sort((a, b) => a.digest < b.digest ? -1 : 1)
        expect(yield* list(registry.listReferrers(repository, absent))).toEqual(expected)
        expect(yield* list(registry.listReferrers(repository, absent, { artifactType: "application/vnd.index" })))
          .toMatchObject([{ digest: typedIndex.digest }])
        expect(yield* list(registry.listReferrers(repository, absent, { artifactType: "application/vnd.none" })))
          .toEqual([])
      }).pipe(test))

    it.effect("lists thousands of referrers with and without a filter (rules 88, 89)", () =>
      Effect.gen(function*() {
        const registry = yield* Registry
        yield* pushBytes(text("{}"))
        yield* Effect.forEach(Array.from({ length: 2200 }, (_, n) => n), (n) =>
          registry.pushManifest(repository, {
            mediaType: MediaType.index,
            bytes: index({ subject, artifactType: n % 2 === 0 ? "application/vnd.even" : "application/vnd.odd", n })
          }), { discard: true })
        expect(yield* list(registry.listReferrers(repository, absent))).toHaveLength(2200)
        const even = yield* list(registry.listReferrers(repository, absent, { artifactType: "application/vnd.even" }))
        expect(new Set(even.map(({ digest }) => digest)).size).toBe(1100)
      }).pipe(test))

    it.effect("does not list a deleted referrer, and keeps the list after its subject is deleted (rule 90)", () =>
      Effect.gen(function*() {
        const registry = yield* Registry
        const base = yield* pushImage()
        const [a, b] = [
          yield* pushImage({ subject: base, annotations: { n: "a" } }),
          yield* pushImage({ subject: base, annotations: { n: "b" } })
        ]
        yield* registry.deleteManifest(repository, base.digest)
        expect(yield* list(registry.listReferrers(repository, base.digest))).toHaveLength(2)
        yield* registry.deleteManifest(repository, a.digest)
        expect(yield* list(registry.listReferrers(repository, base.digest))).toMatchObject([{ digest: b.digest }])
        yield* registry.deleteManifest(repository, b.digest)
        expect(yield* list(registry.listReferrers(repository, base.digest))).toEqual([])
      }).pipe(test))

    it.effect("lists referrers of manifests whose subjects form a cycle (T39)", () =>
      Effect.gen(function*() {
        const registry = yield* Registry
        const first = yield* pushImage({ subject })
        const second = yield* pushImage({ subject: first })
        const sha512Digest = Digest.fromBytes(index({ subject: second }), "sha512")
        yield* registry.pushManifest(repository, {
          mediaType: MediaType.index,
          bytes: index({ subject: second }),
          digest: sha512Digest
        })
        expect(yield* list(registry.listReferrers(repository, first.digest))).toMatchObject([{ digest: second.digest }])
        expect(yield* list(registry.listReferrers(repository, second.digest))).toMatchObject([{ digest: sha512Digest }])
        expect(yield* list(registry.listReferrers(unknown, sha512Digest))).toEqual([])
      }).pipe(test))
  })
}
