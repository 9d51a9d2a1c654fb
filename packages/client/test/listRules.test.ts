/** Lists of registries that treat `n`, `last`, the order and `Link` in different ways. */
import { Tag } from "@effect-oci/core"
import type { Registry, RegistryError } from "@effect-oci/core"
import { repository } from "@effect-oci/testing/Samples"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { describe, expect, it } from "@effect/vitest"
import { Chunk, Effect, FastCheck as fc, Stream, TestClock } from "effect"
import * as Client from "../src/Client.js"

/** How a registry lists its tags. */
interface Rules {
  readonly order: "ascii" | "caseless" | "newest"
  readonly n: "honoured" | "ignored"
  readonly last: "honoured" | "ignored" | "inclusive"
  readonly link: "absolute" | "offset" | "none"
}

/** Returns the tags in the registry's order. `newest` is the order in which the tags were pushed. */
const inOrder = (tags: ReadonlyArray<string>, { order }: Rules): ReadonlyArray<string> =>
  order === "newest"
    ? tags
    : tags.toSorted((a, b) =>
      (order === "ascii" ? a < b : `${a.toLowerCase()}\0${a}` < `${b.toLowerCase()}\0${b}`) ? -1 : 1
    )

/** Creates a client of a registry with these tags, which counts the requests that the client sends. */
const connect = (tags: ReadonlyArray<string>, rules: Rules, options?: Partial<Client.Options>) => {
  let requests = 0
  const all = inOrder(tags, rules)
  const http = HttpClient.make((request, url) =>
    Effect.sync(() => {
      requests++
      if (request.method !== "GET") {
        return HttpClientResponse.fromWeb(request, new Response(null, { status: request.method === "PUT" ? 201 : 202 }))
      }
      const n = rules.n === "ignored" ? Infinity : Number(url.searchParams.get("n") ?? Infinity)
      const last = url.searchParams.get("last")
      // An offset in the registry's own order.
      const at = last === null || rules.last === "ignored" ? -1 : all.indexOf(last)
      const from = Number(url.searchParams.get("offset") ?? (at < 0 ? 0 : rules.last === "inclusive" ? at : at + 1))
      const page = all.slice(from, from + n)
      const more = rules.link !== "none" && from + n < all.length && page.length > 0
      const query = rules.link === "offset" || rules.last !== "honoured"
        ? `offset=${from + n}&n=${n}`
        : `n=${n}&last=${page.at(-1)}`
      return HttpClientResponse.fromWeb(
        request,
        new Response(JSON.stringify({ name: repository, tags: page }), {
          headers: more ? { link: `<${url.origin}${url.pathname}?${query}>; rel="next"` } : {}
        })
      )
    })
  )
  return Effect.map(
    Effect.provideService(Client.makeBare({ host: "registry.test", ...options }), HttpClient.HttpClient, http),
    (registry) => ({ ...registry, requests: () => requests })
  )
}

const collect = <A>(stream: Stream.Stream<A, RegistryError.RegistryError>) =>
  Effect.map(Stream.runCollect(stream), Chunk.toReadonlyArray)

/** Reads a list page by page, as a client of a server does. */
const walk = (registry: Registry.Service, limit: number, most: number) =>
  Effect.gen(function*() {
    const all: Array<string> = []
    let last: Tag.Tag | undefined
    for (let pages = 0; pages <= most; pages++) {
      const page: ReadonlyArray<Tag.Tag> = yield* collect(registry.listTags(repository, { last, limit }))
      all.push(...page)
      last = page.at(-1)
      if (page.length < limit) return all
    }
    return yield* Effect.dieMessage("the list does not end")
  })

const sorted = (tags: ReadonlyArray<string>) => tags.toSorted((a, b) => a < b ? -1 : 1)

const numbered = (count: number) => Array.from({ length: count }, (_, at) => `v${(at * 7919) % count}`)

const tags = fc.uniqueArray(fc.stringMatching(/^[aAbBcC_1-3][a-cA-C.-]{0,2}$/), { maxLength: 25 })

const rules: fc.Arbitrary<Rules> = fc.record({
  order: fc.constantFrom("ascii", "caseless", "newest"),
  n: fc.constantFrom("honoured", "ignored"),
  last: fc.constantFrom("honoured", "ignored", "inclusive"),
  link: fc.constantFrom("absolute", "offset", "none")
})

describe("a list", () => {
  it.effect.prop(
    "has each item once, in order, whatever rules the registry follows",
    { tags, rules },
    ({ rules, tags }) =>
      Effect.gen(function*() {
        const registry = yield* connect(tags, rules)
        expect(yield* collect(registry.listTags(repository))).toEqual(sorted(tags))
      })
  )

  it.effect.prop(
    "has each item once, in order, if the caller reads it page by page",
    { tags, rules, limit: fc.integer({ min: 1, max: 9 }) },
    ({ limit, rules, tags }) =>
      Effect.gen(function*() {
        const registry = yield* connect(tags, rules)
        expect(yield* walk(registry, limit, tags.length)).toEqual(sorted(tags))
      })
  )

  it.effect.prop(
    "is complete and ends with any page size",
    { tags, rules, pageSize: fc.integer({ min: 1, max: 9 }) },
    ({ pageSize, rules, tags }) =>
      Effect.gen(function*() {
        const registry = yield* connect(tags, rules, { pageSize })
        const listed = yield* collect(registry.listTags(repository))
        expect(sorted(listed)).toEqual(sorted(tags))
        expect(registry.requests()).toBeLessThanOrEqual(2 * tags.length + 3)
      })
  )

  it.effect.prop(
    "begins after last even if the registry ignores last",
    { tags, last: fc.stringMatching(/^[aAbBcC_1-3][a-cA-C.-]{0,2}$/), order: fc.constantFrom("ascii", "newest") },
    ({ last, order, tags }) =>
      Effect.gen(function*() {
        const registry = yield* connect(tags, {
          order: order as "ascii" | "newest",
          n: "ignored",
          last: "ignored",
          link: "none"
        })
        expect(yield* collect(registry.listTags(repository, { last: Tag.make(last) })))
          .toEqual(sorted(tags).filter((tag) => tag > last))
      })
  )
})

describe("a list that the registry sends whole and unsorted", () => {
  const old: Rules = { order: "newest", n: "ignored", last: "ignored", link: "none" }

  it.effect("is read once for all of its pages", () =>
    Effect.gen(function*() {
      const registry = yield* connect(numbered(1101), old)
      expect(yield* walk(registry, 100, 20)).toEqual(sorted(numbered(1101)))
      expect(registry.requests()).toBe(1)
    }))

  it.effect("is read again after 30 seconds", () =>
    Effect.gen(function*() {
      const registry = yield* connect(numbered(10), old)
      const page = collect(registry.listTags(repository, { last: Tag.make("v7") }))
      yield* collect(registry.listTags(repository))
      expect(yield* page).toEqual(["v8", "v9"])
      expect(registry.requests()).toBe(1)
      yield* TestClock.adjust("30 seconds")
      expect(yield* page).toEqual(["v8", "v9"])
      expect(registry.requests()).toBe(2)
    }))

  it.effect("is read again after a write", () =>
    Effect.gen(function*() {
      const registry = yield* connect(numbered(10), old)
      yield* collect(registry.listTags(repository))
      yield* registry.deleteTag(repository, Tag.make("v1"))
      yield* collect(registry.listTags(repository, { last: Tag.make("v7") }))
      expect(registry.requests()).toBe(3)
    }))

  it.effect("is read again for a call without last", () =>
    Effect.gen(function*() {
      const registry = yield* connect(numbered(10), old)
      yield* collect(registry.listTags(repository))
      yield* collect(registry.listTags(repository, { limit: 1 }))
      expect(registry.requests()).toBe(2)
    }))

  it.effect("fails if it has more than maxSorted items", () =>
    Effect.gen(function*() {
      const registry = yield* connect(numbered(30), { ...old, n: "honoured", link: "offset" }, {
        pageSize: 10,
        maxSorted: 20
      })
      const error = yield* Effect.flip(collect(registry.listTags(repository)))
      expect(error.message).toContain("has more than the 20 items that the client sorts: raise maxSorted")
    }))
})
