import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import type { Check } from "../Check.js"
import { expect, expectError, expectStatus, json } from "../internal/expectations.js"
import { arrayOf, expectItems, listText, pagesOf } from "../internal/lists.js"
import { emptyJson, imageOf } from "../internal/manifests.js"
import { get } from "../internal/request.js"
import type { Row } from "../internal/section.js"
import { section } from "../internal/section.js"
import { putBlob, putManifest } from "../internal/upload.js"
import { Target } from "../Target.js"
import type { Received } from "../Target.js"
import { referrers } from "./referrers.js"

/** Tags with common prefixes, whose order depends on whether case matters. */
const tags = ["1.0", "A", "Z", "_x", "a", "a-1", "a.1", "a1", "b", "v1.10", "v1.2"]

type Order = (tag: string) => string

/** Case-sensitive order; and case-insensitive order, which the spec allowed before it defined the order. */
const orders: ReadonlyArray<Order> = [(tag) => tag, (tag) => tag.toLowerCase()]

const sorted = (list: ReadonlyArray<string>, order: Order) => list.toSorted((a, b) => order(a) < order(b) ? -1 : 1)

/** Pushes the tags to a repository, and returns the path of its tag list. */
const tagged = Effect.gen(function*() {
  const { repository } = yield* Target
  yield* putBlob(repository, emptyJson)
  for (const tag of ["b", "v1.2", "a1", "Z", ...tags]) yield* putManifest(repository, imageOf("tagged"), tag)
  return `/v2/${repository}/tags/list`
})

const tagsOf = (received: Received) => arrayOf(received, "tags")

/** Expects one of the orders. Two tags that are equal in an order may be in any sequence. */
const expectInOrder = (
  received: Received,
  listed: ReadonlyArray<unknown>,
  expected: (order: Order) => ReadonlyArray<string>
) =>
  expect(
    received,
    orders.some((order) => listed.map(String).map(order).join() === expected(order).map(order).join()),
    [...new Set(orders.map((order) => listText(expected(order))))].join(" or "),
    () => listText(listed)
  )

/**
 * Checks a page of tags. The page contains all requested tags, or fewer and a `Link`. No page ends between two tags
 * that are equal in the case-insensitive order.
 */
const listsTags = (
  id: string,
  rules: ReadonlyArray<number>,
  name: string,
  { last, n }: { readonly n?: number; readonly last?: string }
): Row => ({
  id: `tags-${id}`,
  rules,
  name,
  run: Effect.gen(function*() {
    const query = new URLSearchParams({
      ...(n === undefined ? {} : { n: String(n) }),
      ...(last === undefined ? {} : { last })
    })
    const received = yield* expectStatus(yield* get(`${yield* tagged}?${query}`), 200)
    const listed = yield* tagsOf(received)
    const more = received.headers["link"] !== undefined && listed.length > 0
    yield* expectInOrder(received, listed, (order) =>
      sorted(tags, order)
        .filter((tag) => last === undefined || order(tag) > order(last))
        .slice(0, more ? Math.min(n ?? listed.length, listed.length) : n))
  })
})

/** Rules 75 to 94 and 106: lists of tags, repositories and referrers. */
export const discovery: ReadonlyArray<Check> = [
  ...section(
    "Listing Tags",
    {
      id: "tags",
      rules: [75, 76, 82],
      name: "a tag list contains the repository name and all tags, sorted, each once",
      run: Effect.gen(function*() {
        const { repository } = yield* Target
        const received = yield* expectStatus(yield* get(yield* tagged), 200)
        const body = yield* json(received)
        const name = Predicate.hasProperty(body, "name") ? body.name : undefined
        yield* expect(received, name === repository, `name ${repository}`, () => String(name))
        const listed = yield* tagsOf(received)
        yield* expectInOrder(received, listed, (order) => sorted(tags, order))
        yield* expectItems(received, listed.map(String).sort(), [...tags].sort())
      })
    },
    {
      id: "tags-ascii-order",
      rules: [76],
      name: "tags are sorted in ASCII order",
      level: "should",
      since: "dev",
      run: Effect.gen(function*() {
        const received = yield* expectStatus(yield* get(yield* tagged), 200)
        yield* expectItems(received, yield* tagsOf(received), tags)
      })
    },
    {
      id: "tags-none",
      rules: [75],
      name: "the tag list of a repository without tags is an empty array, not null",
      run: Effect.gen(function*() {
        const { repository } = yield* Target
        yield* putBlob(repository, emptyJson)
        yield* putManifest(repository, imageOf("untagged"))
        const received = yield* expectStatus(yield* get(`/v2/${repository}/tags/list`), 200)
        yield* expectItems(received, yield* tagsOf(received), [])
      })
    },
    {
      id: "tags-unknown-repository",
      rules: [75],
      name: "the tag list of an unknown repository returns 404",
      needs: [],
      run: Effect.gen(function*() {
        const { other } = yield* Target
        yield* expectError(yield* get(`/v2/${other}/tags/list`), [404], ["NAME_UNKNOWN"])
      })
    },
    listsTags("n", [77], "n limits the number of listed tags; fewer tags require a Link", { n: 4 }),
    listsTags("n-large", [77], "an n larger than the list returns all tags, or fewer and a Link", { n: 500 }),
    listsTags("last", [79], "the list continues after the tag last, without this tag", { last: "a-1" }),
    listsTags("last-missing", [79], "last may be a tag that does not exist", { last: "a0" }),
    listsTags("n-and-last", [77, 79], "n and last can be combined", { n: 2, last: "a1" }),
    {
      id: "tags-n-zero",
      rules: [78],
      name: "n=0 returns an empty list without a Link",
      run: Effect.gen(function*() {
        const received = yield* expectStatus(yield* get(`${yield* tagged}?n=0`), 200)
        yield* expectItems(received, yield* tagsOf(received), [])
        const link = received.headers["link"]
        yield* expect(received, link === undefined, "no Link", () => link ?? "")
      })
    },
    {
      id: "tags-link",
      rules: [80, 83],
      name: "following Link returns all pages, with each tag once",
      run: Effect.gen(function*() {
        const pages = yield* pagesOf(`${yield* tagged}?n=3`)
        const listed = (yield* Effect.forEach(pages, tagsOf)).flat()
        const [first] = pages
        if (first !== undefined) {
          yield* expectInOrder(first, listed, (order) => sorted(tags, order))
          yield* expect(first, pages.length >= 4, "4 pages or more", () => String(pages.length))
        }
      })
    },
    {
      id: "tags-link-while-tags-come",
      rules: [83],
      name: "tags pushed between two pages do not make the list skip or repeat other tags",
      run: Effect.gen(function*() {
        const { repository } = yield* Target
        const path = yield* tagged
        let count = 0
        const push = Effect.suspend(() => putManifest(repository, imageOf("tagged"), `0.${count++}`))
        const pages = yield* pagesOf(`${path}?n=3`, push)
        const listed = (yield* Effect.forEach(pages, tagsOf)).flat().map(String)
        const [first] = pages
        if (first === undefined) return
        yield* expectInOrder(first, listed.filter((tag) => !tag.startsWith("0.")), (order) => sorted(tags, order))
      })
    },
    {
      id: "tags-bad-n",
      rules: [81, 106],
      name: "an invalid or very large n is refused with 400, or returns a correct page",
      run: Effect.gen(function*() {
        const path = yield* tagged
        for (const n of ["-1", "abc", "1e9", "%D9%A3", "2147483648", "99999999999999999999"]) {
          const received = yield* expectStatus(yield* get(`${path}?n=${n}`), 200, 400)
          if (received.status === 400) continue
          const listed = yield* tagsOf(received)
          yield* expectInOrder(received, listed, (order) => sorted(tags, order).slice(0, listed.length))
        }
      })
    }
  ),
  ...section(
    "Extensions",
    {
      id: "catalog",
      rules: [106],
      name: "the catalog lists repositories sorted, in pages connected by Link",
      level: "may",
      needs: ["push", "catalog"],
      run: Effect.gen(function*() {
        const { other, repository } = yield* Target
        for (const name of [repository, other]) {
          yield* putBlob(name, emptyJson)
          yield* putManifest(name, imageOf("listed"), "v1")
        }
        const before = encodeURIComponent(repository.slice(0, -1) + "0")
        const pages = yield* pagesOf(`/v2/_catalog?n=1&last=${before}`, Effect.void, 4)
        const names = (yield* Effect.forEach(pages, (page) => arrayOf(page, "repositories"))).flat().map(String)
        const [first] = pages
        if (first === undefined) return
        const found = names.filter((name) => name === repository || name === other)
        yield* expectItems(first, found, [repository, other])
        yield* expect(
          first,
          names.every((name, at) => at === 0 || name > (names[at - 1] ?? "")),
          "in order",
          () => names.join()
        )
      })
    }
  ),
  ...referrers
]
