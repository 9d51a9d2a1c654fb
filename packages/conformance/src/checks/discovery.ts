import * as Descriptor from "@effect-oci/core/Descriptor"
import * as Digest from "@effect-oci/core/Digest"
import * as MediaType from "@effect-oci/core/MediaType"
import * as Link from "@effect-oci/protocol/Link"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import type * as Scope from "effect/Scope"
import type { Check, Violation } from "../Check.js"
import * as Fixtures from "../Fixtures.js"
import { expect, expectError, expectHeader, expectStatus, get, json, send } from "../internal/asking.js"
import { putBlob, putManifest } from "../internal/putting.js"
import { Target } from "../Target.js"
import type { Received, Unreachable, Wire } from "../Target.js"

const tagging = "Listing Tags"
const referring = "Listing Referrers"

const emptyJson = Fixtures.bytesOf("{}")
const empty = Descriptor.fromBytes(emptyJson, MediaType.empty)

const imageOf = (name: string, more: object = {}) =>
  Fixtures.document(MediaType.image, { config: empty, layers: [], annotations: { "org.example.name": name }, ...more })

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

const strings = (received: Received, key: string) =>
  Effect.flatMap(json(received), (body) => {
    const list = Predicate.hasProperty(body, key) ? body[key] : undefined
    return Effect.as(
      expect(received, Array.isArray(list), `an array "${key}"`, () => JSON.stringify(list) ?? "none"),
      Array.isArray(list) ? list as ReadonlyArray<unknown> : []
    )
  })

const tagsOf = (received: Received) => strings(received, "tags")

/** Reads all pages from a path on. The number of pages is limited, so that a cycle of links fails. */
const walk = (
  path: string,
  between: Effect.Effect<unknown, Violation | Unreachable, Wire | Scope.Scope> = Effect.void,
  most = 50
) =>
  Effect.gen(function*() {
    const pages: Array<Received> = []
    let next: string | undefined = path
    while (next !== undefined && pages.length < most) {
      if (pages.length > 0) yield* between
      const received: Received = yield* expectStatus(yield* get(next), 200)
      pages.push(received)
      const link = Link.next(received.headers["link"])
      const url: URL | undefined = link === undefined ? undefined : new URL(link, `http://registry.invalid${next}`)
      next = url === undefined ? undefined : `${url.pathname}${url.search}`
    }
    return pages
  })

const same = (received: Received, actual: ReadonlyArray<unknown>, expected: ReadonlyArray<string>) =>
  expect(received, actual.join() === expected.join(), shown(expected), () => shown(actual))

const shown = (list: ReadonlyArray<unknown>) => list.length === 0 ? "nothing" : list.join()

/** Expects one of the orders. Two tags that are equal in an order may come in any sequence. */
const inOrder = (
  received: Received,
  listed: ReadonlyArray<unknown>,
  expected: (order: Order) => ReadonlyArray<string>
) =>
  expect(
    received,
    orders.some((order) => listed.map(String).map(order).join() === expected(order).map(order).join()),
    [...new Set(orders.map((order) => shown(expected(order))))].join(" or "),
    () => shown(listed)
  )

/**
 * Checks a page of tags. The page contains all requested tags, or fewer and a `Link`. No page ends between two tags
 * that are equal in the case-insensitive order.
 */
const tagRow = (
  id: string,
  rules: ReadonlyArray<number>,
  name: string,
  { last, n }: { readonly n?: number; readonly last?: string }
): Check => ({
  id: `tags-${id}`,
  rules,
  section: tagging,
  name,
  level: "must",
  needs: ["push"],
  run: Effect.gen(function*() {
    const query = new URLSearchParams({
      ...(n === undefined ? {} : { n: String(n) }),
      ...(last === undefined ? {} : { last })
    })
    const received = yield* expectStatus(yield* get(`${yield* tagged}?${query}`), 200)
    const listed = yield* tagsOf(received)
    const more = received.headers["link"] !== undefined && listed.length > 0
    yield* inOrder(received, listed, (order) =>
      sorted(tags, order)
        .filter((tag) => last === undefined || order(tag) > order(last))
        .slice(0, more ? Math.min(n ?? listed.length, listed.length) : n))
  })
})

/**
 * Pushes a subject and its referrers to a repository, and returns the expected referrers and the path of their list.
 */
const referred = Effect.gen(function*() {
  const { repository } = yield* Target
  yield* putBlob(repository, emptyJson)
  const image = imageOf("subject")
  const subject = Descriptor.fromBytes(image.bytes, image.mediaType)
  yield* putManifest(repository, image, "v1")
  const push = (manifest: Fixtures.Document, artifactType: string | undefined, annotations: object) =>
    Effect.map(putManifest(repository, manifest), (digest): Expected => ({
      digest,
      mediaType: manifest.mediaType,
      size: manifest.bytes.byteLength,
      artifactType,
      annotations
    }))
  const artifact = (artifactType: string) => {
    const annotations = { "org.example.name": artifactType, "org.example.by": "conformance" }
    const fields = { artifactType, config: empty, layers: [empty], subject, annotations }
    return push(Fixtures.document(MediaType.image, fields), artifactType, annotations)
  }
  const signature = yield* artifact("application/vnd.example.signature")
  const sbom = yield* artifact("application/vnd.example.sbom")
  const named = { "org.example.name": "index" }
  const index = Fixtures.document(MediaType.index, { manifests: [], subject, annotations: named })
  const untyped = yield* push(index, undefined, named)
  const plain = yield* push(imageOf("plain", { subject }), MediaType.empty, { "org.example.name": "plain" })
  const path = `/v2/${repository}/referrers/${subject.digest}`
  return { subject, push, all: [signature, sbom, untyped, plain], path }
})

interface Expected {
  readonly digest: Digest.Digest
  readonly mediaType: string
  readonly size: number
  readonly artifactType: string | undefined
  readonly annotations: object
}

interface Listed {
  readonly digest?: unknown
  readonly mediaType?: unknown
  readonly size?: unknown
  readonly artifactType?: unknown
  readonly annotations?: unknown
}

const manifestsOf = (received: Received) =>
  Effect.map(strings(received, "manifests"), (list) => list as ReadonlyArray<Listed>)

const digestsOf = (list: ReadonlyArray<Listed>) => list.map(({ digest }) => String(digest)).sort()

/** Returns the items of all pages of a referrers list, and the first page. */
const referrersOf = (path: string) =>
  Effect.gen(function*() {
    const pages = yield* walk(path)
    yield* Effect.forEach(pages, (page) => expectHeader(page, "content-type", MediaType.index))
    return { pages, list: (yield* Effect.forEach(pages, manifestsOf)).flat() }
  })

/** Expects the listed referrers, each once. */
const expectReferrers = (path: string, expected: ReadonlyArray<Listed>) =>
  Effect.gen(function*() {
    const { list, pages } = yield* referrersOf(path)
    const [first] = pages
    if (first !== undefined) yield* same(first, digestsOf(list), digestsOf(expected))
    return { pages, list }
  })

const sortedEntries = (value: unknown) =>
  typeof value === "object" && value !== null ? Object.entries(value).sort(([a], [b]) => a < b ? -1 : 1) : value

/** Rules 75 to 94: lists of tags, repositories and referrers. */
export const discovery: ReadonlyArray<Check> = [
  {
    id: "tags",
    rules: [75, 76, 82],
    section: tagging,
    name: "a tag list contains the repository name and all tags, sorted, each once",
    level: "must",
    needs: ["push"],
    run: Effect.gen(function*() {
      const { repository } = yield* Target
      const received = yield* expectStatus(yield* get(yield* tagged), 200)
      const body = yield* json(received)
      const name = Predicate.hasProperty(body, "name") ? body.name : undefined
      yield* expect(received, name === repository, `name ${repository}`, () => String(name))
      const listed = yield* tagsOf(received)
      yield* inOrder(received, listed, (order) => sorted(tags, order))
      yield* same(received, listed.map(String).sort(), [...tags].sort())
    })
  },
  {
    id: "tags-ascii-order",
    rules: [76],
    section: tagging,
    name: "tags are sorted in ASCII order",
    level: "should",
    since: "dev",
    needs: ["push"],
    run: Effect.gen(function*() {
      const received = yield* expectStatus(yield* get(yield* tagged), 200)
      yield* same(received, yield* tagsOf(received), tags)
    })
  },
  {
    id: "tags-none",
    rules: [75],
    section: tagging,
    name: "the tag list of a repository without tags is an empty array, not null",
    level: "must",
    needs: ["push"],
    run: Effect.gen(function*() {
      const { repository } = yield* Target
      yield* putBlob(repository, emptyJson)
      yield* putManifest(repository, imageOf("untagged"))
      const received = yield* expectStatus(yield* get(`/v2/${repository}/tags/list`), 200)
      yield* same(received, yield* tagsOf(received), [])
    })
  },
  {
    id: "tags-unknown-repository",
    rules: [75],
    section: tagging,
    name: "the tag list of an unknown repository returns 404",
    level: "must",
    run: Effect.gen(function*() {
      const { other } = yield* Target
      yield* expectError(yield* get(`/v2/${other}/tags/list`), [404], ["NAME_UNKNOWN"])
    })
  },
  tagRow("n", [77], "n limits the number of listed tags; fewer tags come only with a Link", { n: 4 }),
  tagRow("n-large", [77], "an n larger than the list returns all tags, or fewer and a Link", { n: 500 }),
  tagRow("last", [79], "the list continues after the tag last, without this tag", { last: "a-1" }),
  tagRow("last-missing", [79], "last may be a tag that does not exist", { last: "a0" }),
  tagRow("n-and-last", [77, 79], "n and last can be combined", { n: 2, last: "a1" }),
  {
    id: "tags-n-zero",
    rules: [78],
    section: tagging,
    name: "n=0 returns an empty list without a Link",
    level: "must",
    needs: ["push"],
    run: Effect.gen(function*() {
      const received = yield* expectStatus(yield* get(`${yield* tagged}?n=0`), 200)
      yield* same(received, yield* tagsOf(received), [])
      const link = received.headers["link"]
      yield* expect(received, link === undefined, "no Link", () => link ?? "")
    })
  },
  {
    id: "tags-link",
    rules: [80, 83],
    section: tagging,
    name: "following Link returns all pages, with each tag once",
    level: "must",
    needs: ["push"],
    run: Effect.gen(function*() {
      const pages = yield* walk(`${yield* tagged}?n=3`)
      const listed = (yield* Effect.forEach(pages, tagsOf)).flat()
      const [first] = pages
      if (first !== undefined) {
        yield* inOrder(first, listed, (order) => sorted(tags, order))
        yield* expect(first, pages.length >= 4, "4 pages or more", () => String(pages.length))
      }
    })
  },
  {
    id: "tags-link-while-tags-come",
    rules: [83],
    section: tagging,
    name: "tags pushed between two pages do not make the list skip or repeat other tags",
    level: "must",
    needs: ["push"],
    run: Effect.gen(function*() {
      const { repository } = yield* Target
      const path = yield* tagged
      let come = 0
      const push = Effect.suspend(() => putManifest(repository, imageOf("tagged"), `0.${come++}`))
      const pages = yield* walk(`${path}?n=3`, push)
      const listed = (yield* Effect.forEach(pages, tagsOf)).flat().map(String)
      const [first] = pages
      if (first === undefined) return
      yield* inOrder(first, listed.filter((tag) => !tag.startsWith("0.")), (order) => sorted(tags, order))
    })
  },
  {
    id: "tags-bad-n",
    rules: [81, 106],
    section: tagging,
    name: "an invalid or very large n is refused with 400, or returns a correct page",
    level: "must",
    needs: ["push"],
    run: Effect.gen(function*() {
      const path = yield* tagged
      for (const n of ["-1", "abc", "1e9", "%D9%A3", "2147483648", "99999999999999999999"]) {
        const received = yield* expectStatus(yield* get(`${path}?n=${n}`), 200, 400)
        if (received.status === 400) continue
        const listed = yield* tagsOf(received)
        yield* inOrder(received, listed, (order) => sorted(tags, order).slice(0, listed.length))
      }
    })
  },
  {
    id: "catalog",
    rules: [106],
    section: "Extensions",
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
      const pages = yield* walk(`/v2/_catalog?n=1&last=${before}`, Effect.void, 4)
      const names = (yield* Effect.forEach(pages, (page) => strings(page, "repositories"))).flat().map(String)
      const [first] = pages
      if (first === undefined) return
      const found = names.filter((name) => name === repository || name === other)
      yield* same(first, found, [repository, other])
      yield* expect(
        first,
        names.every((name, at) => at === 0 || name > (names[at - 1] ?? "")),
        "in order",
        () => names.join()
      )
    })
  },
  {
    id: "referrers",
    rules: [84, 86, 87, 88],
    section: referring,
    name: "referrers are listed as an index with digest, size, media type, artifact type and annotations",
    level: "must",
    needs: ["push", "referrers"],
    run: Effect.gen(function*() {
      const { all, path } = yield* referred
      const { list, pages } = yield* expectReferrers(path, all)
      for (const page of pages) {
        const index = yield* json(page)
        const said = Predicate.hasProperty(index, "mediaType") ? index.mediaType : undefined
        yield* expect(page, said === MediaType.index, `mediaType ${MediaType.index}`, () => String(said))
        for (const expected of all) {
          const listed = list.find(({ digest }) => digest === expected.digest)
          const right = listed?.mediaType === expected.mediaType && listed.size === expected.size &&
            listed.artifactType === expected.artifactType &&
            JSON.stringify(sortedEntries(listed.annotations)) === JSON.stringify(sortedEntries(expected.annotations))
          yield* expect(page, right, JSON.stringify(expected), () => JSON.stringify(listed))
        }
      }
    })
  },
  {
    id: "referrers-large",
    rules: [88],
    section: referring,
    name: "referrers with large annotations are listed in pages of at most 4 MiB",
    level: "should",
    needs: ["push", "referrers"],
    run: Effect.gen(function*() {
      const { path, push, subject } = yield* referred
      const annotations = { "org.example.large": "x".repeat(800 * 1024) }
      const names = ["a", "b", "c", "d", "e", "f"]
      const all = yield* Effect.forEach(
        names,
        (name) => push(imageOf(name, { subject, annotations: { ...annotations, name } }), MediaType.empty, {})
      )
      const { list, pages } = yield* referrersOf(path)
      for (const page of pages) {
        const { byteLength } = page.body
        yield* expect(page, byteLength <= 4 * 1024 * 1024, "at most 4 MiB", () => `${byteLength} bytes`)
        const listed = digestsOf(list)
        yield* expect(
          page,
          all.every(({ digest }) => listed.includes(digest)),
          "all referrers",
          () => listed.join()
        )
      }
    })
  },
  {
    id: "referrers-none",
    rules: [84],
    section: referring,
    name: "a subject without referrers has an empty list, whether or not the subject exists",
    level: "must",
    needs: ["push", "referrers"],
    run: Effect.gen(function*() {
      const { repository } = yield* Target
      yield* putBlob(repository, emptyJson)
      const digest = yield* putManifest(repository, imageOf("alone"), "v1")
      for (const subject of [digest, Digest.fromBytes(Fixtures.bytesOf("never pushed"))]) {
        yield* expectReferrers(`/v2/${repository}/referrers/${subject}`, [])
      }
    })
  },
  {
    id: "referrers-unknown-repository",
    rules: [84],
    section: referring,
    name: "the referrers list of an unknown repository is empty",
    level: "must",
    needs: ["referrers"],
    run: Effect.gen(function*() {
      const { repository } = yield* Target
      const path = `/v2/${repository}/referrers/${Digest.fromBytes(Fixtures.bytesOf("never pushed"))}`
      yield* expectReferrers(path, [])
      yield* expectReferrers(`${path}?artifactType=text%2Fplain`, [])
    })
  },
  {
    id: "referrers-bad-digest",
    rules: [85],
    section: referring,
    name: "the referrers list of a malformed digest returns 400",
    level: "must",
    needs: ["referrers"],
    run: Effect.gen(function*() {
      const { repository } = yield* Target
      yield* expectError(yield* get(`/v2/${repository}/referrers/sha256:abc`), [400])
      yield* expectError(yield* get(`/v2/${repository}/referrers/latest`), [400])
    })
  },
  {
    id: "referrers-filter",
    rules: [89],
    section: referring,
    name: "referrers are filtered by artifact type, and the answer has OCI-Filters-Applied",
    level: "should",
    needs: ["push", "referrers"],
    run: Effect.gen(function*() {
      const { all, path } = yield* referred
      for (const artifactType of ["application/vnd.example.signature", MediaType.empty, "text/plain"]) {
        const filtered = `${path}?artifactType=${encodeURIComponent(artifactType)}`
        const { pages } = yield* expectReferrers(filtered, all.filter((each) => each.artifactType === artifactType))
        yield* Effect.forEach(pages, (page) => expectHeader(page, "oci-filters-applied", "artifactType"))
      }
      const plainly = yield* get(path)
      const said = plainly.headers["oci-filters-applied"]
      yield* expect(plainly, said === undefined, "no OCI-Filters-Applied without a filter", () => said ?? "")
    })
  },
  {
    id: "referrers-deleted",
    rules: [90],
    section: referring,
    name: "a deleted referrer disappears from the list; the list remains after its subject is deleted",
    level: "must",
    needs: ["push", "referrers", "deleteManifest"],
    run: Effect.gen(function*() {
      const { repository } = yield* Target
      const { all, path, subject } = yield* referred
      const [signature, ...rest] = all
      for (const gone of [signature, subject]) {
        if (gone === undefined) continue
        const asked = { method: "DELETE", path: `/v2/${repository}/manifests/${gone.digest}` }
        yield* expectStatus(yield* send(asked), 202)
        yield* expectReferrers(path, rest)
      }
    })
  }
]
