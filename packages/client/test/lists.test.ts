import type { RegistryError } from "@effect-oci/core"
import { RepositoryName, Tag } from "@effect-oci/core"
import { connect, serve } from "@effect-oci/testing/NodeScripted"
import type { Answer, ReceivedRequest } from "@effect-oci/testing/NodeScripted"
import { repository } from "@effect-oci/testing/Samples"
import { describe, expect, it } from "@effect/vitest"
import { Chunk, Effect, Stream } from "effect"

const path = "/v2/team/app/tags/list"

const collect = <A>(stream: Stream.Stream<A, RegistryError.RegistryError>) =>
  Effect.map(Stream.runCollect(stream), Chunk.toReadonlyArray)

const page = (tags: ReadonlyArray<string>, link?: string): Answer => ({
  status: 200,
  ...(link === undefined ? {} : { headers: { link: `<${link}>; rel="next"` } }),
  body: JSON.stringify({ name: repository, tags })
})

const names = (count: number): ReadonlyArray<string> =>
  Array.from({ length: count }, (_, at) => `v${String(at).padStart(5, "0")}`)

/** A registry with `count` tags that follows the spec. */
const tagged = (count: number) => ({ target }: ReceivedRequest): Answer => {
  const query = new URL(target, "http://any").searchParams
  const all = names(count).filter((tag) => tag > (query.get("last") ?? ""))
  const some = all.slice(0, Number(query.get("n") ?? 1000))
  return page(some, some.length < all.length ? `${path}?n=${query.get("n")}&last=${some.at(-1)}` : undefined)
}

describe("a list", () => {
  it.scoped("requests each page only when the reader needs it", () =>
    Effect.gen(function*() {
      const server = yield* serve(tagged(2500))
      const registry = yield* connect(server)
      expect(server.lines()).toEqual([])
      expect(yield* collect(registry.listTags(repository))).toEqual(names(2500))
      expect(server.lines()).toEqual([
        `GET ${path}?n=1000`,
        `GET ${path}?n=1000&last=v00999`,
        `GET ${path}?n=1000&last=v01999`
      ])
      expect(yield* collect(Stream.take(registry.listTags(repository), 5))).toEqual(names(5))
      expect(server.requests.length).toBe(4)
    }))

  const limits: ReadonlyArray<{
    readonly name: string
    readonly limit: number
    readonly queries: ReadonlyArray<string>
  }> = [
    { name: "of 0", limit: 0, queries: ["?n=0"] },
    { name: "smaller than a page, and still requests a page to see the order", limit: 2, queries: ["?n=3"] },
    { name: "of a page", limit: 3, queries: ["?n=3"] },
    { name: "larger than a page", limit: 7, queries: ["?n=3", "?n=3&last=v00002", "?n=3&last=v00005"] },
    { name: "larger than the list", limit: 100, queries: ["?n=3", "?n=3&last=v00002", "?n=3&last=v00005"] }
  ]
  it.scoped.each(limits)("can have a limit $name", ({ limit, queries }) =>
    Effect.gen(function*() {
      const server = yield* serve(tagged(8))
      const registry = yield* connect(server, { pageSize: 3 })
      expect(yield* collect(registry.listTags(repository, { limit }))).toEqual(names(Math.min(limit, 8)))
      expect(server.lines()).toEqual(queries.map((query) => `GET ${path}${query}`))
    }))

  it.scoped("is cut to the limit if the registry sends more", () =>
    Effect.gen(function*() {
      const server = yield* serve(() => page(names(10), `${path}?last=v00009`))
      const registry = yield* connect(server)
      expect(yield* collect(registry.listTags(repository, { limit: 4 }))).toEqual(names(4))
      expect(server.requests.length).toBe(1)
    }))

  it.scoped("begins after last", () =>
    Effect.gen(function*() {
      const server = yield* serve(tagged(5))
      const registry = yield* connect(server)
      expect(yield* collect(registry.listTags(repository, { last: Tag.make("v00002") }))).toEqual(["v00003", "v00004"])
    }))

  it.scoped("continues after an empty page", () =>
    Effect.gen(function*() {
      const server = yield* serve((_, count) => count === 0 ? page([], `${path}?after=0`) : page(["v1"]))
      const registry = yield* connect(server)
      expect(yield* collect(registry.listTags(repository))).toEqual(["v1"])
    }))

  it.scoped("can be read again", () =>
    Effect.gen(function*() {
      const server = yield* serve(tagged(4))
      const registry = yield* connect(server, { pageSize: 2 })
      const list = registry.listTags(repository)
      expect([yield* collect(list), yield* collect(list)]).toEqual([names(4), names(4)])
    }))

  it.scoped("fails if one of its pages fails", () =>
    Effect.gen(function*() {
      const server = yield* serve((_, count) => count === 0 ? page(["v1"], `${path}?last=v1`) : { status: 500 })
      const registry = yield* connect(server)
      const seen: Array<string> = []
      const error = yield* Effect.flip(
        Stream.runForEach(registry.listTags(repository), (tag) => Effect.sync(() => seen.push(tag)))
      )
      expect(seen).toEqual(["v1"])
      expect(error).toMatchObject({ operation: "ListTags", repository, registry: server.host, status: 500 })
    }))
})

describe("a list without links", () => {
  /** A registry that pages by `n` and `last`, without a `Link`. */
  const unlinked = (all: ReadonlyArray<string>, knowsLast = true) => ({ target }: ReceivedRequest): Answer => {
    const query = new URL(target, "http://any").searchParams
    const rest = all.filter((tag) => !knowsLast || tag > (query.get("last") ?? ""))
    return page(rest.slice(0, Number(query.get("n") ?? Infinity)))
  }

  it.scoped("continues after the last item of a full page", () =>
    Effect.gen(function*() {
      const server = yield* serve(unlinked(names(6)))
      const registry = yield* connect(server, { pageSize: 3 })
      expect(yield* collect(registry.listTags(repository))).toEqual(names(6))
      expect(server.lines()).toEqual([
        `GET ${path}?n=3`,
        `GET ${path}?n=3&last=v00002`,
        `GET ${path}?n=3&last=v00005`
      ])
    }))

  it.scoped("is requested without n if last returns the same page again", () =>
    Effect.gen(function*() {
      const server = yield* serve(unlinked(names(6), false))
      const registry = yield* connect(server, { pageSize: 3 })
      expect(yield* collect(registry.listTags(repository))).toEqual(names(6))
      expect(server.lines()).toEqual([`GET ${path}?n=3`, `GET ${path}?n=3&last=v00002`, `GET ${path}`])
    }))

  it.scoped("ends at a page without new items", () =>
    Effect.gen(function*() {
      const server = yield* serve((_, count) => page(count % 2 === 0 ? ["a", "b"] : ["c", "d"]))
      const registry = yield* connect(server, { pageSize: 2 })
      expect(yield* collect(registry.listTags(repository))).toEqual(["a", "b", "c", "d"])
      expect(server.requests.length).toBe(4)
    }))

  it.scoped("fails after maxPages pages", () =>
    Effect.gen(function*() {
      const server = yield* serve((_, count) => page([`a${count}`, `b${count}`]))
      const registry = yield* connect(server, { pageSize: 2, maxPages: 20 })
      const error = yield* Effect.flip(collect(registry.listTags(repository)))
      expect(error.message).toContain("the list has more than 20 pages")
      expect(server.requests.length).toBe(20)
    }))
})

describe("a link", () => {
  /** The links to the next page, and the targets that the client requests. */
  const followed: ReadonlyArray<readonly [name: string, link: (origin: string) => string, target: string]> = [
    ["with a path only", () => `${path}?last=v1`, `${path}?last=v1`],
    ["with a query only", () => "?last=v1", `${path}?last=v1`],
    ["relative to the page", () => "list?last=v1", `${path}?last=v1`],
    ["with a full URL", (origin) => `${origin}${path}?last=v1`, `${path}?last=v1`],
    ["with another scheme", (origin) => `${origin.replace("http:", "https:")}${path}?last=v1`, `${path}?last=v1`],
    ["with another port", () => `http://127.0.0.1${path}?last=v1`, `${path}?last=v1`],
    ["without the prefix of the repository", () => "/v2/app/tags/list?last=v1", `${path}?last=v1`],
    ["with a path prefix of a proxy", () => `/artifactory/api/docker/local${path}?last=v1`, `${path}?last=v1`],
    ["with an escaped path", () => "/v2/team%2Fapp/tags/list?last=v1", `${path}?last=v1`],
    ["with other parameters", () => `${path}?next_page=a%2Bb%20c%3D&n=7`, `${path}?next_page=a%2Bb%20c%3D&n=7`]
  ]
  it.scoped.each(followed)("%s is followed", ([, link, target]) =>
    Effect.gen(function*() {
      const server = yield* serve(({ headers }, count) =>
        count === 0 ? page(["v1"], link(`http://${headers.host}`)) : page(["v2"])
      )
      const registry = yield* connect(server)
      expect(yield* collect(registry.listTags(repository))).toEqual(["v1", "v2"])
      expect(server.lines()[1]).toBe(`GET ${target}`)
    }))

  const strayed: ReadonlyArray<readonly [name: string, link: (port: string) => string, target: string]> = [
    [
      "to another host",
      (port) => `http://localhost:${port}${path}?last=v1`,
      "leads to another host: http://localhost:PORT"
    ],
    [
      "to another host, without scheme",
      (port) => `//localhost:${port}${path}?last=v1`,
      "leads to another host: http://localhost:PORT"
    ],
    [
      "to another list",
      () => "/v2/team/secret/tags/list?last=v1",
      "leads to another list: /v2/team/secret/tags/list"
    ],
    [
      "out of its own list by ..",
      () => `${path}/../../../../token?last=v1`,
      "leads to another list: /v2/token"
    ],
    ["to an invalid URL", () => "http://[::1", "is not a URL"]
  ]
  it.scoped.each(strayed)("%s is not followed, and the error names it", ([, link, target]) =>
    Effect.gen(function*() {
      const evil = yield* serve(() => page(["evil"]))
      const { port } = new URL(evil.origin)
      const server = yield* serve(() => page(["v1"], link(port)))
      const registry = yield* connect(server)
      const error = yield* Effect.flip(collect(registry.listTags(repository)))
      expect(error).toMatchObject({
        _tag: "OciResponseInvalid",
        operation: "ListTags",
        repository,
        registry: server.host
      })
      expect(error.message).toBe(
        `ListTags team/app: the registry's answer breaks the protocol: the Link to the next page ${
          target.replace("PORT", port)
        }`
      )
      expect(evil.requests).toEqual([])
      expect(server.requests.length).toBe(1)
    }))

  const endless: ReadonlyArray<
    readonly [name: string, link: (count: number) => string, requests: number, reason: string]
  > = [
    ["to its own page", () => `${path}?n=1000`, 1, "the Link to the next page leads back to an earlier page"],
    [
      "in a loop",
      (count) => `${path}?page=${count % 3}`,
      4,
      "the Link to the next page leads back to an earlier page"
    ],
    ["to ever new pages", (count) => `${path}?page=${count}`, 20, "the list has more than 20 pages (option maxPages)"]
  ]
  it.scoped.each(endless)("%s fails", ([, link, requests, reason]) =>
    Effect.gen(function*() {
      const server = yield* serve((_, count) => page([`v${count}`], link(count)))
      const registry = yield* connect(server, { maxPages: 20 })
      const error = yield* Effect.flip(collect(registry.listTags(repository)))
      expect(error._tag).toBe("OciResponseInvalid")
      expect(error.message).toBe(`ListTags team/app: the registry's answer breaks the protocol: ${reason}`)
      expect(server.requests.length).toBe(requests)
    }))
})

it.scoped("lists repositories page by page, and skips invalid names", () =>
  Effect.gen(function*() {
    const server = yield* serve(({ target }) => ({
      status: 200,
      ...(target.includes("last=a") ? {} : { headers: { link: "</v2/_catalog?n=2&last=a>; rel=next" } }),
      body: JSON.stringify({ repositories: target.includes("last=a") ? ["b"] : ["a", "NOT/A/NAME"] })
    }))
    const registry = yield* connect(server, { pageSize: 2 })
    expect(yield* collect(registry.listRepositories())).toEqual(["a", "b"].map(RepositoryName.make))
  }))
