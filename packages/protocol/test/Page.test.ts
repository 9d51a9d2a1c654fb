import type * as Descriptor from "@effect-oci/core/Descriptor"
import * as Digest from "@effect-oci/core/Digest"
import * as MediaType from "@effect-oci/core/MediaType"
import * as Operation from "@effect-oci/core/Operation"
import * as RegistryError from "@effect-oci/core/RegistryError"
import * as RepositoryName from "@effect-oci/core/RepositoryName"
import * as Tag from "@effect-oci/core/Tag"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as fc from "fast-check"
import * as Page from "../src/Page.js"
import * as Request from "../src/Request.js"

const repository = RepositoryName.make("team/app")
const subject = Digest.fromBytes(new Uint8Array(0))
const listTags = (fields: { readonly last?: Tag.Tag; readonly limit?: number } = {}) =>
  new Operation.ListTags({ repository, ...fields })
const listReferrers = new Operation.ListReferrers({ repository, digest: subject, artifactType: "a/b+c" })

const referrer = (index: number): Descriptor.Descriptor => ({
  mediaType: "a/b",
  digest: Digest.make(`sha256+b64u:${index}`),
  size: index
})

describe("size", () => {
  const rows: ReadonlyArray<readonly [limit: number | undefined, size: number]> = [
    [undefined, 1000],
    [0, 0],
    [1, 1],
    [1000, 1000],
    [1001, 1000],
    [Number.MAX_SAFE_INTEGER, 1000]
  ]
  it.each(rows)("of a page of %j requested items, at most 1000, is %i", (limit, size) => {
    const fields = limit === undefined ? {} : { limit }
    expect(Page.size(listTags(fields), 1000)).toBe(size)
    expect(Page.size(new Operation.ListRepositories(fields), 1000)).toBe(size)
    expect(Page.size(listReferrers, 1000)).toBe(1000)
  })
})

describe("widen", () => {
  it("requests one item more than the page has", () => {
    const last = Tag.make("a")
    expect(Page.widen(listTags({ last, limit: 5 }), 2)).toEqual(listTags({ last, limit: 3 }))
    const repositories = new Operation.ListRepositories({ last: repository })
    expect(Page.widen(repositories, 2)).toEqual(new Operation.ListRepositories({ last: repository, limit: 3 }))
    expect(Page.widen(listReferrers, 2)).toBe(listReferrers)
  })
})

describe("take", () => {
  const rows: ReadonlyArray<
    readonly [items: ReadonlyArray<number>, size: number, page: Page.Page<number>, read: number]
  > = [
    [[], 2, { items: [], more: false }, 0],
    [[1], 2, { items: [1], more: false }, 1],
    [[1, 2], 2, { items: [1, 2], more: false }, 2],
    [[1, 2, 3], 2, { items: [1, 2], more: true }, 3],
    [[1, 2, 3, 4, 5], 2, { items: [1, 2], more: true }, 3],
    // No items were requested, so no page follows. Spec: "Listing Tags".
    [[1, 2], 0, { items: [], more: false }, 1]
  ]
  it.effect.each(rows)("of %j at most %i is %j", ([items, size, page, most]) =>
    Effect.gen(function*() {
      let read = 0
      const list = Stream.fromIterable(items).pipe(
        Stream.rechunk(1),
        Stream.tap(() => Effect.sync(() => read++))
      )
      expect(yield* Page.take(list, size)).toEqual(page)
      expect(read).toBe(most)
    }))

  const descriptor = (annotation: string) => ({ digest: "sha256:00", annotations: { note: annotation } })
  it.effect.each(
    [
      ["names", ["a".repeat(300), "b".repeat(300), "c".repeat(300)], 2],
      ["descriptors", ["a", "b", "c"].map((letter) => descriptor(letter.repeat(300))), 2],
      [
        "text that is longer as UTF-8",
        ["\u00e9", "\u00e8", "\u00ea"].map((letter) => descriptor(letter.repeat(200))),
        1
      ],
      ["an item that is larger than a page", [descriptor("a".repeat(5000)), descriptor("b")], 1]
    ] as const
  )("a page of %s ends at its limit in bytes", ([, items, expected]) =>
    Effect.gen(function*() {
      const maxBytes = 1300
      const page = yield* Page.take<unknown>(Stream.fromIterable<unknown>(items), 1000, maxBytes)
      expect(page).toEqual({ items: items.slice(0, expected), more: true })
      if (expected > 1) {
        const index = JSON.stringify({ schemaVersion: 2, mediaType: MediaType.index, manifests: page.items })
        expect(new TextEncoder().encode(index).byteLength).toBeLessThanOrEqual(maxBytes)
      }
    }))

  it.effect("fails as the list fails", () =>
    Effect.gen(function*() {
      const list = Stream.concat(Stream.make(1), Stream.fail(new RegistryError.NameUnknown({})))
      expect((yield* Effect.flip(Page.take(list, 2)))._tag).toBe("OciNameUnknown")
      expect(yield* Page.take(list, 0)).toEqual({ items: [], more: false })
    }))
})

describe("nextTarget", () => {
  const rows: ReadonlyArray<readonly [operation: Page.ListOperation, items: ReadonlyArray<unknown>, target: unknown]> =
    [
      [listTags(), ["a", "b"], "/v2/team/app/tags/list?n=2&last=b"],
      [listTags({ last: Tag.make("a"), limit: 9 }), ["b"], "/v2/team/app/tags/list?n=2&last=b"],
      [new Operation.ListRepositories({}), ["a/b"], "/v2/_catalog?n=2&last=a%2Fb"],
      [
        listReferrers,
        [referrer(7)],
        `/v2/team/app/referrers/${subject}?artifactType=a%2Fb%2Bc&last=sha256%2Bb64u%3A7`
      ],
      [
        new Operation.ListReferrers({ repository, digest: subject }),
        [referrer(7)],
        `/v2/team/app/referrers/${subject}?last=sha256%2Bb64u%3A7`
      ],
      [listTags(), [], undefined]
    ]
  it.each(rows)("after %j with %j", (operation, items, target) => {
    expect(Page.nextTarget(operation, { items, more: true }, 2)).toBe(target)
  })

  it.effect("requests the items after the page", () =>
    Effect.gen(function*() {
      const next = Page.nextTarget(listTags(), { items: ["a", "b"], more: true }, 2) ?? ""
      const decoded = yield* Request.decode({ method: "GET", target: next, headers: {}, body: undefined })
      expect(decoded).toSatisfy((decoded: Operation.Operation) =>
        Operation.equivalence(decoded, listTags({ last: Tag.make("b"), limit: 2 }))
      )
    }))
})

describe("resume", () => {
  const collect = <A>(list: Stream.Stream<A, RegistryError.RegistryError>) =>
    Effect.map(Stream.runCollect(list), (items) => [...items])
  const list = (...indices: ReadonlyArray<number>) => Stream.fromIterable(indices.map(referrer))
  const target = (query: string) => `/v2/team/app/referrers/${subject}${query}`
  const after = (index: number) => target(`?last=${encodeURIComponent(referrer(index).digest)}`)

  const rows: ReadonlyArray<
    readonly [name: string, target: string, items: ReadonlyArray<number>, rest: ReadonlyArray<number>]
  > = [
    ["no query", target(""), [1, 2, 3], [1, 2, 3]],
    ["another query", target("?artifactType=a"), [1, 2, 3], [1, 2, 3]],
    ["an empty last", target("?last="), [1, 2, 3], [1, 2, 3]],
    ["the first", after(1), [1, 2, 3], [2, 3]],
    ["a last with a plus sign that is not escaped", target("?last=sha256+b64u:2"), [1, 2, 3], [3]],
    ["the last", after(3), [1, 2, 3], []],
    // A deleted item must not hide the other items: listing an item twice is better than never.
    ["a last item that was deleted", after(9), [1, 2, 3], [1, 2, 3]],
    ["one that is gone, of nothing", after(9), [], []]
  ]
  it.effect.each(rows)("after %s", ([, target, items, rest]) =>
    Effect.gen(function*() {
      expect(yield* collect(Page.resume(listReferrers, list(...items), target))).toEqual(rest.map(referrer))
    }))

  it("does not change lists whose requests contain the position", () => {
    const tags = Stream.make(Tag.make("a"))
    expect(Page.resume(listTags(), tags, "/v2/team/app/tags/list?last=a")).toBe(tags)
  })

  it.effect("reads a whole list page by page", () =>
    Effect.promise(() =>
      fc.assert(
        fc.asyncProperty(
          fc.uniqueArray(fc.nat({ max: 50 })),
          fc.integer({ min: 1, max: 10 }),
          (indices, size) =>
            Effect.gen(function*() {
              const found: Array<unknown> = []
              let next: string | undefined = target("")
              while (next !== undefined) {
                const resumed: Stream.Stream<Descriptor.Descriptor, RegistryError.RegistryError> = Page.resume(
                  listReferrers,
                  list(...indices),
                  next
                )
                const page: Page.Page<Descriptor.Descriptor> = yield* Page.take(resumed, size)
                found.push(...page.items)
                next = page.more ? Page.nextTarget(listReferrers, page, size) : undefined
              }
              expect(found).toEqual(indices.map(referrer))
            }).pipe(Effect.runPromise)
        )
      )
    ))
})
