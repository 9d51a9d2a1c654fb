import * as Descriptor from "@effect-oci/core/Descriptor"
import * as Digest from "@effect-oci/core/Digest"
import * as MediaType from "@effect-oci/core/MediaType"
import * as Link from "@effect-oci/protocol/Link"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import type { Check } from "../Check.js"
import * as Fixtures from "../Fixtures.js"
import { expect, expectError, expectHeader, expectStatus, get, json, send } from "../internal/asking.js"
import { putBlob, putManifest } from "../internal/putting.js"
import { Target } from "../Target.js"
import type { Received } from "../Target.js"

const tagging = "Listing Tags"
const referring = "Listing Referrers"

const emptyJson = Fixtures.bytesOf("{}")
const empty = Descriptor.fromBytes(emptyJson, MediaType.empty)

const imageOf = (name: string, more: object = {}) =>
  Fixtures.document(MediaType.image, { config: empty, layers: [], annotations: { "org.example.name": name }, ...more })

/** Tags that begin like one another, and sort otherwise by letter than by locale. */
const tags = ["1.0", "A", "Z", "_x", "a", "a-1", "a.1", "a1", "b", "v1.10", "v1.2"]

/** A repository with those tags, and the path of its list. */
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

/** All pages from a path on. Bounded, so that a registry that goes round in circles fails. */
const walk = (path: string) =>
  Effect.gen(function*() {
    const pages: Array<Received> = []
    let next: string | undefined = path
    while (next !== undefined && pages.length < 50) {
      const received: Received = yield* expectStatus(yield* get(next), 200)
      pages.push(received)
      const link = Link.next(received.headers["link"])
      const url: URL | undefined = link === undefined ? undefined : new URL(link, `http://registry.invalid${next}`)
      next = url === undefined ? undefined : `${url.pathname}${url.search}`
    }
    return pages
  })

const same = (received: Received, actual: ReadonlyArray<unknown>, expected: ReadonlyArray<string>) =>
  expect(received, actual.join() === expected.join(), expected.join(), () => actual.join())

const tagRow = (
  id: string,
  rules: ReadonlyArray<number>,
  name: string,
  query: string,
  expected: ReadonlyArray<string>
): Check => ({
  id: `tags-${id}`,
  rules,
  section: tagging,
  name,
  level: "must",
  needs: ["push"],
  run: Effect.gen(function*() {
    const path = yield* tagged
    const received = yield* expectStatus(yield* get(`${path}${query}`), 200)
    yield* same(received, yield* tagsOf(received), expected)
  })
})

/** A subject, three referrers of it in one repository, and the path of their list. */
const referred = Effect.gen(function*() {
  const { repository } = yield* Target
  yield* putBlob(repository, emptyJson)
  const image = imageOf("subject")
  const subject = Descriptor.fromBytes(image.bytes, image.mediaType)
  yield* putManifest(repository, image, "v1")
  const artifactOf = (name: string, artifactType: string) =>
    Fixtures.document(MediaType.image, {
      artifactType,
      config: empty,
      layers: [empty],
      subject,
      annotations: { "org.example.name": name }
    })
  const signature = yield* putManifest(repository, artifactOf("signature", "application/vnd.example.signature"))
  const sbom = yield* putManifest(repository, artifactOf("sbom", "application/vnd.example.sbom"))
  const index = Fixtures.document(MediaType.index, {
    manifests: [],
    subject,
    annotations: { "org.example.name": "index" }
  })
  const untyped = yield* putManifest(repository, index)
  const plain = yield* putManifest(repository, imageOf("plain", { subject }))
  return {
    subject,
    all: [signature, sbom, untyped, plain],
    signature,
    untyped,
    plain,
    path: `/v2/${repository}/referrers/${subject.digest}`
  }
})

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

/** Rules 75 to 94: what is there is found by lists. */
export const discovery: ReadonlyArray<Check> = [
  {
    id: "tags",
    rules: [75, 76, 82],
    section: tagging,
    name: "the tags of a repository are listed in order, each once, with its name",
    level: "must",
    needs: ["push"],
    run: Effect.gen(function*() {
      const { repository } = yield* Target
      const received = yield* expectStatus(yield* get(yield* tagged), 200)
      const body = yield* json(received)
      const name = Predicate.hasProperty(body, "name") ? body.name : undefined
      yield* expect(received, name === repository, `name ${repository}`, () => String(name))
      const listed = yield* tagsOf(received)
      const folded = [...tags].sort((a, b) => a.toLowerCase() < b.toLowerCase() ? -1 : 1)
      const ordered = listed.join() === tags.join() ||
        listed.map(String).join().toLowerCase() === folded.join().toLowerCase()
      yield* expect(received, ordered, `in order: ${tags.join()}`, () => listed.join())
    })
  },
  {
    id: "tags-ascii-order",
    rules: [76],
    section: tagging,
    name: "tags are in ASCII order",
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
    name: "a repository without tags has an empty list, not null",
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
    name: "the tags of a repository that is not there are answered with 404",
    level: "must",
    run: Effect.gen(function*() {
      const { other } = yield* Target
      yield* expectError(yield* get(`/v2/${other}/tags/list`), [404], ["NAME_UNKNOWN"])
    })
  },
  tagRow("n", [77], "n is how many tags are listed", "?n=4", tags.slice(0, 4)),
  tagRow("n-large", [77], "an n larger than the list gives all of it", "?n=500", tags),
  tagRow("last", [79], "last is where the list goes on, and is not in it", "?last=a-1", tags.slice(6)),
  tagRow("last-missing", [79], "last need not be there", "?last=a0", tags.slice(7)),
  tagRow("n-and-last", [77, 79], "n and last go together", "?n=2&last=Z", tags.slice(3, 5)),
  {
    id: "tags-n-zero",
    rules: [78],
    section: tagging,
    name: "n=0 gives an empty list and no Link",
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
    name: "Link leads through all pages, each tag once",
    level: "must",
    needs: ["push"],
    run: Effect.gen(function*() {
      const pages = yield* walk(`${yield* tagged}?n=3`)
      const listed = (yield* Effect.forEach(pages, tagsOf)).flat()
      const [first] = pages
      if (first !== undefined) {
        yield* same(first, listed, tags)
        yield* expect(first, pages.length >= 4, "4 pages or more", () => String(pages.length))
      }
    })
  },
  {
    id: "tags-bad-n",
    rules: [81, 106],
    section: tagging,
    name: "an n that is no count, or is out of all measure, is refused or cut down, at once",
    level: "must",
    needs: ["push"],
    run: Effect.gen(function*() {
      const path = yield* tagged
      for (const n of ["-1", "abc", "1e9", "%D9%A3", "2147483648", "99999999999999999999"]) {
        yield* expectStatus(yield* get(`${path}?n=${n}`), 200, 400)
      }
    })
  },
  {
    id: "catalog",
    rules: [106],
    section: "Extensions",
    name: "the catalog lists repositories in order, in pages that Link leads through",
    level: "may",
    needs: ["push", "catalog"],
    run: Effect.gen(function*() {
      const { other, repository } = yield* Target
      for (const name of [repository, other]) {
        yield* putBlob(name, emptyJson)
        yield* putManifest(name, imageOf("listed"), "v1")
      }
      const before = encodeURIComponent(repository.slice(0, -1) + "0")
      const pages = yield* walk(`/v2/_catalog?n=1&last=${before}`)
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
    rules: [84, 86, 87],
    section: referring,
    name: "referrers are listed as an index: digest, size, media type, artifact type and annotations of each",
    level: "must",
    needs: ["push", "referrers"],
    run: Effect.gen(function*() {
      const { all, path, plain, signature, untyped } = yield* referred
      const received = yield* expectStatus(yield* get(path), 200)
      yield* expectHeader(received, "content-type", MediaType.index)
      const list = yield* manifestsOf(received)
      yield* same(received, digestsOf(list), [...all].sort())
      const find = (digest: Digest.Digest) => list.find((listed) => listed.digest === digest)
      const rows: ReadonlyArray<readonly [Digest.Digest, string, unknown, string]> = [
        [signature, MediaType.image, "application/vnd.example.signature", "signature"],
        [untyped, MediaType.index, undefined, "index"],
        [plain, MediaType.image, MediaType.empty, "plain"]
      ]
      for (const [digest, mediaType, artifactType, name] of rows) {
        const listed = find(digest)
        const right = listed?.mediaType === mediaType && listed.artifactType === artifactType &&
          typeof listed.size === "number" && Predicate.hasProperty(listed.annotations, "org.example.name") &&
          listed.annotations["org.example.name"] === name
        yield* expect(
          received,
          right,
          `${name} with its media type, artifact type and annotations`,
          () => JSON.stringify(listed)
        )
      }
    })
  },
  {
    id: "referrers-none",
    rules: [84],
    section: referring,
    name: "what has no referrers, there or not, has an empty list",
    level: "must",
    needs: ["push", "referrers"],
    run: Effect.gen(function*() {
      const { repository } = yield* Target
      yield* putBlob(repository, emptyJson)
      const digest = yield* putManifest(repository, imageOf("alone"), "v1")
      for (const subject of [digest, Digest.fromBytes(Fixtures.bytesOf("never pushed"))]) {
        const received = yield* expectStatus(yield* get(`/v2/${repository}/referrers/${subject}`), 200)
        yield* expectHeader(received, "content-type", MediaType.index)
        yield* same(received, digestsOf(yield* manifestsOf(received)), [])
      }
    })
  },
  {
    id: "referrers-bad-digest",
    rules: [85],
    section: referring,
    name: "referrers of a malformed digest are refused with 400",
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
    name: "referrers are filtered by artifact type, and OCI-Filters-Applied says so",
    level: "should",
    needs: ["push", "referrers"],
    run: Effect.gen(function*() {
      const { path, plain, signature } = yield* referred
      const rows = [["application/vnd.example.signature", signature], [MediaType.empty, plain]] as const
      for (const [artifactType, digest] of rows) {
        const received = yield* expectStatus(
          yield* get(`${path}?artifactType=${encodeURIComponent(artifactType)}`),
          200
        )
        yield* expectHeader(received, "oci-filters-applied", "artifactType")
        yield* same(received, digestsOf(yield* manifestsOf(received)), [digest])
      }
      const plainly = yield* get(path)
      const said = plainly.headers["oci-filters-applied"]
      yield* expect(plainly, said === undefined, "no OCI-Filters-Applied without a filter", () => said ?? "")
    })
  },
  {
    id: "referrers-pages",
    rules: [88],
    section: referring,
    name: "Link leads through all referrers, each once",
    level: "must",
    needs: ["push", "referrers"],
    run: Effect.gen(function*() {
      const { all, path } = yield* referred
      const pages = yield* walk(path)
      const listed = (yield* Effect.forEach(pages, manifestsOf)).flat()
      const [first] = pages
      if (first !== undefined) yield* same(first, digestsOf(listed), [...all].sort())
    })
  },
  {
    id: "referrers-deleted",
    rules: [90],
    section: referring,
    name: "a referrer that is deleted leaves the list; the list outlives its subject",
    level: "must",
    needs: ["push", "referrers", "deleteManifest"],
    run: Effect.gen(function*() {
      const { repository } = yield* Target
      const { all, path, signature, subject } = yield* referred
      const remove = (digest: string) => send({ method: "DELETE", path: `/v2/${repository}/manifests/${digest}` })
      yield* expectStatus(yield* remove(signature), 202)
      const rest = all.filter((digest) => digest !== signature).sort()
      const received = yield* expectStatus(yield* get(path), 200)
      yield* same(received, digestsOf(yield* manifestsOf(received)), rest)
      yield* expectStatus(yield* remove(subject.digest), 202)
      const orphaned = yield* expectStatus(yield* get(path), 200)
      yield* same(orphaned, digestsOf(yield* manifestsOf(orphaned)), rest)
    })
  }
]
