import * as Fixtures from "@effect-oci/conformance/Fixtures"
import { Body, Descriptor, Digest, MediaType, RepositoryName, Tag } from "@effect-oci/core"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { config, fill, image, imageDigest, repository, signature, text } from "../fixtures.js"
import type { Answered } from "../http.js"
import * as probe from "../probe.js"
import { check, run } from "../rows.js"
import type { Row } from "../rows.js"
import { start } from "../servers.js"
import type { Composition, Running } from "../servers.js"

/** Names with a common prefix, in ASCII order. */
const tags = ["A", "a", "a-1", "a.1", "a1", "b", "v1"]
const names = ["0", "team/app", "team/app-1", "team/app/inner", "zoo"]

const tagsPath = "/v2/team/app/tags/list"
const page = (tags: ReadonlyArray<string>, link?: string) => ({
  status: 200,
  headers: { "content-type": "application/json", "content-length": /^\d+$/, link },
  body: { name: "team/app", tags }
})
const next = (target: string) => `<${target}>; rel="next"`

const tagPages: ReadonlyArray<Row> = [
  ["75, 76, 82: all", { path: tagsPath }, page(tags)],
  ["77: the first", { path: `${tagsPath}?n=2` }, page(["A", "a"], next(`${tagsPath}?n=2&last=a`))],
  ["77, 79: those after", { path: `${tagsPath}?n=2&last=a` }, page(["a-1", "a.1"], next(`${tagsPath}?n=2&last=a.1`))],
  ["77: exactly all items", { path: `${tagsPath}?n=7` }, page(tags)],
  ["77: the last, and no more", { path: `${tagsPath}?n=2&last=a1` }, page(["b", "v1"])],
  ["78: no items", { path: `${tagsPath}?n=0` }, page([])],
  ["79: after an item that does not exist", { path: `${tagsPath}?last=a-9` }, page(["a.1", "a1", "b", "v1"])],
  ["79: after the last", { path: `${tagsPath}?last=zz` }, page([])],
  ["81, T35: more than can be counted", { path: `${tagsPath}?n=99999999999999999999999` }, page(tags)],
  ["81, T35: more than fits into memory", { path: `${tagsPath}?n=2147483648` }, page(tags)],
  ...["-1", "abc", "1e9", "1.5", "٣", "0x10", " 1", ""].map((n): Row => [
    `81, T35: n=${n}`,
    { path: `${tagsPath}?n=${encodeURIComponent(n)}` },
    { status: 400, code: "PAGINATION_NUMBER_INVALID" }
  ]),
  ["79: after no tag", { path: `${tagsPath}?last=..` }, { status: 400, code: "TAG_INVALID" }],
  ["75: of no repository", { path: "/v2/team/none/tags/list" }, { status: 404, code: "NAME_UNKNOWN" }],
  ["G1: of no name", { path: "/v2/Team/tags/list" }, { status: 400, code: "NAME_INVALID" }]
]

const catalog = (repositories: ReadonlyArray<string>, link?: string) => ({
  status: 200,
  headers: { "content-type": "application/json", link },
  body: { repositories }
})

const catalogPages: ReadonlyArray<Row> = [
  ["106: all", { path: "/v2/_catalog" }, catalog(names)],
  [
    "106: the first",
    { path: "/v2/_catalog?n=2" },
    catalog(names.slice(0, 2), next("/v2/_catalog?n=2&last=team%2Fapp"))
  ],
  ["106: those after", { path: "/v2/_catalog?n=3&last=team%2Fapp" }, catalog(names.slice(2))],
  ["106: no repositories", { path: "/v2/_catalog?n=0" }, catalog([])],
  ["106, T35: no number", { path: "/v2/_catalog?n=-1" }, { status: 400, code: "PAGINATION_NUMBER_INVALID" }],
  ["106: after no name", { path: "/v2/_catalog?last=A" }, { status: 400, code: "NAME_INVALID" }]
]

const signatures = ["a", "b", "c", "d", "e"].map(signature)
const referrersPath = `/v2/team/app/referrers/${imageDigest}`

/** Follows the links to the last page. Returns the items of each page. */
const walk = (running: Running, from: string, key: string) =>
  Effect.gen(function*() {
    const pages: Array<ReadonlyArray<unknown>> = []
    let path: string | undefined = from
    while (path !== undefined && pages.length < 50) {
      const answer: Answered = yield* running.ask({ path })
      check(answer, { status: 200 })
      pages.push((answer.json as Record<string, ReadonlyArray<unknown>>)[key] ?? [])
      path = /^<(.*)>; rel="next"$/.exec(String(answer.headers.link))?.[1]
    }
    return pages
  })

export const lists = (composition: Composition) => {
  const tagged = (maxPageSize?: number, maxPageBytes?: number) =>
    Effect.tap(start(composition, { maxPageSize, maxPageBytes }), ({ registry }) =>
      Effect.gen(function*() {
        yield* fill(registry)
        yield* registry.pushManifest(repository, {
          mediaType: MediaType.image,
          bytes: image,
          tags: tags.map((tag) => Tag.make(tag))
        })
        for (const name of names) {
          yield* registry.pushBlob(RepositoryName.make(name), Descriptor.fromBytes(config), Body.bytes(config))
        }
      }))
  const signed = (maxPageSize?: number) =>
    Effect.tap(start(composition, { maxPageSize }), ({ registry }) =>
      Effect.zipRight(
        fill(registry),
        Effect.forEach(signatures, (bytes) => registry.pushManifest(repository, { mediaType: MediaType.image, bytes }))
      ))

  describe("lists", () => {
    it.scoped.each(tagPages)(
      "tags %s",
      ([, sent, expected]) => Effect.flatMap(tagged(), (running) => run(running, sent, expected))
    )

    it.scoped.each(catalogPages)(
      "catalog %s",
      ([, sent, expected]) => Effect.flatMap(tagged(), (running) => run(running, sent, expected))
    )

    it.scoped("lists no tags if the repository has none (rule 75)", () =>
      Effect.gen(function*() {
        const running = yield* start(composition)
        yield* running.registry.pushBlob(repository, Descriptor.fromBytes(config), Body.bytes(config))
        yield* run(running, { path: tagsPath }, page([]))
      }))

    it.scoped.each(
      [
        ["tags", tagsPath, "tags", tags],
        ["tags, more at a time than a page holds", `${tagsPath}?n=1000`, "tags", tags],
        ["catalog", "/v2/_catalog", "repositories", names]
      ] as const
    )(
      "follows the links of %s, with no page larger than the limit (rule 80)",
      ([, path, key, all]) =>
        Effect.gen(function*() {
          const running = yield* tagged(3)
          const pages = yield* walk(running, path, key)
          expect(pages.flat()).toEqual(all)
          expect(pages.map((items) => items.length)).toEqual(all.length === 7 ? [3, 3, 1] : [3, 2])
        })
    )

    it.scoped("sends as many items per page as requested (rule 80)", () =>
      Effect.gen(function*() {
        const running = yield* tagged(3)
        const pages = yield* walk(running, `${tagsPath}?n=2`, "tags")
        expect(pages).toEqual([["A", "a"], ["a-1", "a.1"], ["a1", "b"], ["v1"]])
      }))

    it.scoped("lists referrers in pages (rules 84, 86, 88)", () =>
      Effect.gen(function*() {
        const running = yield* signed(2)
        const pages = yield* walk(running, referrersPath, "manifests")
        expect(pages.map((items) => items.length)).toEqual([2, 2, 1])
        const found = pages.flat() as ReadonlyArray<Descriptor.Descriptor>
        const byName = [...found].sort((a, b) =>
          (a.annotations?.["name"] ?? "") < (b.annotations?.["name"] ?? "") ? -1 : 1
        )
        expect(byName).toEqual(
          signatures.map((bytes, index) => ({
            ...Descriptor.fromBytes(bytes, MediaType.image),
            artifactType: "application/vnd.example.signature",
            annotations: { name: "abcde"[index] }
          }))
        )
      }))

    it.scoped("keeps the filter from page to page (rules 88, 89)", () =>
      Effect.gen(function*() {
        const running = yield* signed(2)
        const filtered = (type: string) => `${referrersPath}?artifactType=${encodeURIComponent(type)}`
        const pages = yield* walk(running, filtered("application/vnd.example.signature"), "manifests")
        expect(pages.map((items) => items.length)).toEqual([2, 2, 1])
        check(yield* running.ask({ path: filtered("application/vnd.example.other") }), {
          status: 200,
          headers: { "oci-filters-applied": "artifactType" },
          body: { schemaVersion: 2, mediaType: MediaType.index, manifests: [] }
        })
      }))

    it.scoped.each(
      [
        ["tags", tagsPath, "tags", tags],
        ["repositories", "/v2/_catalog", "repositories", names]
      ] as const
    )("cuts pages of %s by bytes, and lists every item once (T59)", ([, path, key, all]) =>
      Effect.gen(function*() {
        const running = yield* tagged(undefined, 512 + 12)
        const pages = yield* walk(running, path, key)
        expect(pages.flat()).toEqual(all)
        expect(pages.length).toBeGreaterThan(2)
      }))

    it.scoped("lists referrers with annotations of megabytes in pages of at most 4 MiB (T59)", () =>
      Effect.gen(function*() {
        const running = yield* start(composition)
        yield* fill(running.registry)
        const large = "x".repeat(1024 * 1024)
        const pushed = yield* Effect.forEach(
          Array.from({ length: 6 }, (_, n) => n),
          (n) =>
            running.registry.pushManifest(
              repository,
              Fixtures.document(MediaType.image, {
                config: Descriptor.fromBytes(config, MediaType.empty),
                layers: [],
                subject: Descriptor.fromBytes(image, MediaType.image),
                annotations: { large, name: `referrer ${n}` }
              })
            )
        )
        const answer = yield* running.ask({ path: referrersPath })
        expect(answer.bytes.byteLength).toBeLessThan(4 * 1024 * 1024)
        const listed = (answer.json as { readonly manifests: ReadonlyArray<Descriptor.Descriptor> }).manifests
        expect(new Set(listed.map(({ digest }) => digest))).toEqual(new Set(pushed.map(({ digest }) => digest)))
        expect(listed.map(({ annotations }) => Object.keys(annotations ?? {}))).toEqual(listed.map(() => ["name"]))
      }))

    it.scoped("limits pages of an upstream list by bytes, with at least one referrer each (T59)", () =>
      Effect.gen(function*() {
        const annotations = { large: "x".repeat(1024 * 1024) }
        const referrers = signatures.map((bytes) => ({ ...Descriptor.fromBytes(bytes, MediaType.image), annotations }))
        for (const maxPageBytes of [100, 2.5 * 1024 * 1024]) {
          const running = yield* start(composition, {
            maxPageBytes,
            registry: probe.answering({ ListReferrers: () => Effect.succeed(Stream.fromIterable(referrers)) })
          })
          const pages = yield* walk(running, referrersPath, "manifests")
          expect(pages.flat()).toEqual(referrers)
          expect(pages.map((items) => items.length)).toEqual(maxPageBytes === 100 ? [1, 1, 1, 1, 1] : [2, 2, 1])
        }
      }))

    it.scoped("answers with an empty index if there are no referrers (rule 84)", () =>
      Effect.gen(function*() {
        const running = yield* signed()
        const subject = Digest.fromBytes(text("nothing refers to this"))
        check(yield* running.ask({ path: `/v2/team/app/referrers/${subject}` }), {
          status: 200,
          headers: { "content-type": MediaType.index, link: undefined, "oci-filters-applied": undefined },
          body: { schemaVersion: 2, mediaType: MediaType.index, manifests: [] }
        })
      }))

    it.scoped("refuses referrers of an invalid digest (rule 85)", () =>
      Effect.flatMap(
        signed(),
        (running) =>
          run(running, { path: "/v2/team/app/referrers/sha256:abc" }, { status: 400, code: "DIGEST_INVALID" })
      ))
  })
}
