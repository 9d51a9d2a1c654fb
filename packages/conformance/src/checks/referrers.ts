import * as Descriptor from "@effect-oci/core/Descriptor"
import * as Digest from "@effect-oci/core/Digest"
import * as MediaType from "@effect-oci/core/MediaType"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import type { Check } from "../Check.js"
import * as Fixtures from "../Fixtures.js"
import { expect, expectError, expectHeader, expectNoHeader, expectStatus, json } from "../internal/expectations.js"
import { arrayOf, expectItems, pagesOf } from "../internal/lists.js"
import { empty, emptyJson, imageOf } from "../internal/manifests.js"
import { get, remove } from "../internal/request.js"
import { section } from "../internal/section.js"
import { putBlob, putManifest } from "../internal/upload.js"
import { Target } from "../Target.js"
import type { Received } from "../Target.js"

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
  Effect.map(arrayOf(received, "manifests"), (list) => list as ReadonlyArray<Listed>)

const digestsOf = (list: ReadonlyArray<Listed>) => list.map(({ digest }) => String(digest)).sort()

/** Returns the items of all pages of a referrers list, and the first page. */
const referrersOf = (path: string) =>
  Effect.gen(function*() {
    const pages = yield* pagesOf(path)
    yield* Effect.forEach(pages, (page) => expectHeader(page, "content-type", MediaType.index))
    return { pages, list: (yield* Effect.forEach(pages, manifestsOf)).flat() }
  })

/** Expects the listed referrers, each once. */
const expectReferrers = (path: string, expected: ReadonlyArray<Listed>) =>
  Effect.gen(function*() {
    const { list, pages } = yield* referrersOf(path)
    const [first] = pages
    if (first !== undefined) yield* expectItems(first, digestsOf(list), digestsOf(expected))
    return { pages, list }
  })

const sortedEntries = (value: unknown) =>
  typeof value === "object" && value !== null ? Object.entries(value).sort(([a], [b]) => a < b ? -1 : 1) : value

/** Rules 84 to 90: lists of referrers. */
export const referrers: ReadonlyArray<Check> = [
  ...section(
    "Listing Referrers",
    {
      id: "referrers",
      rules: [84, 86, 87, 88],
      name: "referrers are listed as an index with digest, size, media type, artifact type and annotations",
      needs: ["push", "referrers"],
      run: Effect.gen(function*() {
        const { all, path } = yield* referred
        const { list, pages } = yield* expectReferrers(path, all)
        for (const page of pages) {
          const index = yield* json(page)
          const mediaType = Predicate.hasProperty(index, "mediaType") ? index.mediaType : undefined
          yield* expect(page, mediaType === MediaType.index, `mediaType ${MediaType.index}`, () => String(mediaType))
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
      name: "a subject without referrers has an empty list, whether or not the subject exists",
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
      name: "the referrers list of an unknown repository is empty",
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
      name: "the referrers list of a malformed digest returns 400",
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
      name: "referrers are filtered by artifact type, and the response has OCI-Filters-Applied",
      level: "should",
      needs: ["push", "referrers"],
      run: Effect.gen(function*() {
        const { all, path } = yield* referred
        for (const artifactType of ["application/vnd.example.signature", MediaType.empty, "text/plain"]) {
          const filtered = `${path}?artifactType=${encodeURIComponent(artifactType)}`
          const { pages } = yield* expectReferrers(filtered, all.filter((each) => each.artifactType === artifactType))
          yield* Effect.forEach(pages, (page) => expectHeader(page, "oci-filters-applied", "artifactType"))
        }
        yield* expectNoHeader(yield* get(path), "oci-filters-applied")
      })
    },
    {
      id: "referrers-deleted",
      rules: [90],
      name: "a deleted referrer disappears from the list; the list remains after its subject is deleted",
      needs: ["push", "referrers", "deleteManifest"],
      run: Effect.gen(function*() {
        const { repository } = yield* Target
        const { all, path, subject } = yield* referred
        const [signature, ...rest] = all
        for (const gone of [signature, subject]) {
          if (gone === undefined) continue
          yield* expectStatus(yield* remove(`/v2/${repository}/manifests/${gone.digest}`), 202)
          yield* expectReferrers(path, rest)
        }
      })
    }
  )
]
