import { describe, expect, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Endpoint from "../src/Endpoint.js"
import * as Route from "../src/Route.js"
import { digests, repositories, tags } from "./arbitraries.js"
import { hostileTexts, quickest, texts } from "./hostile.js"

const digest = `sha256:${"0".repeat(64)}`
const encoded = digest.replace(":", "%3A")

const blob = (name: string, of: string = digest): Route.Route => ({ _tag: "Blob", name, digest: of })
const manifest = (name: string, reference: string): Route.Route => ({ _tag: "Manifest", name, reference })
const uploads = (name: string): Route.Route => ({ _tag: "Uploads", name })
const upload = (name: string, id: string): Route.Route => ({ _tag: "Upload", name, id })
const tagsOf = (name: string): Route.Route => ({ _tag: "Tags", name })
const referrers = (name: string): Route.Route => ({ _tag: "Referrers", name, digest })

type Rows = ReadonlyArray<readonly [path: string, route: Route.Route]>

describe("parse", () => {
  const plain: Rows = [
    ["/v2/", { _tag: "Base" }],
    ["/v2", { _tag: "Base" }],
    ["/v2/_catalog", { _tag: "Catalog" }],
    [`/v2/app/blobs/${digest}`, blob("app")],
    [`/v2/team/app/blobs/${digest}`, blob("team/app")],
    ["/v2/app/manifests/latest", manifest("app", "latest")],
    [`/v2/app/manifests/${digest}`, manifest("app", digest)],
    ["/v2/app/blobs/uploads/", uploads("app")],
    ["/v2/app/blobs/uploads", uploads("app")],
    ["/v2/app/blobs/uploads/1", upload("app", "1")],
    ["/v2/app/tags/list", tagsOf("app")],
    [`/v2/app/referrers/${digest}`, referrers("app")]
  ]
  it.each(plain)("parses %s", (path, route) => {
    expect(Route.parse(path)).toEqual(route)
  })

  const alike: Rows = [
    [`/v2/a/blobs/uploads/blobs/${digest}`, blob("a/blobs/uploads")],
    ["/v2/a/blobs/uploads/manifests/v1", manifest("a/blobs/uploads", "v1")],
    ["/v2/a/blobs/uploads/tags/list", tagsOf("a/blobs/uploads")],
    ["/v2/a/blobs/uploads/blobs/uploads/", uploads("a/blobs/uploads")],
    ["/v2/a/blobs/uploads/blobs/uploads", uploads("a/blobs/uploads")],
    ["/v2/a/blobs/uploads/blobs/uploads/1", upload("a/blobs/uploads", "1")],
    ["/v2/tags/tags/list", tagsOf("tags")],
    ["/v2/tags/list/tags/list", tagsOf("tags/list")],
    ["/v2/manifests/manifests/latest", manifest("manifests", "latest")],
    ["/v2/manifests/manifests/manifests/manifests", manifest("manifests/manifests", "manifests")],
    [`/v2/blobs/blobs/${digest}`, blob("blobs")],
    ["/v2/blobs/blobs/uploads/", uploads("blobs")],
    ["/v2/uploads/blobs/uploads", uploads("uploads")],
    ["/v2/a/blobs/blobs/uploads/1", upload("a/blobs", "1")],
    ["/v2/a/blobs/uploads/uploads", upload("a", "uploads")],
    [`/v2/referrers/referrers/${digest}`, referrers("referrers")],
    ["/v2/v2/manifests/v2", manifest("v2", "v2")],
    // An upload session in `a`, although it could also be the tag list of `a/blobs`.
    ["/v2/a/blobs/uploads/list", upload("a", "list")]
  ]
  it.each(alike)("parses %s, whose repository has the name of a part of the API", (path, route) => {
    expect(Route.parse(path)).toEqual(route)
  })

  const escaped: Rows = [
    [`/v2/app/blobs/${encoded}`, blob("app")],
    [`/v2/app/manifests/${encoded.replace("%3A", "%3a")}`, manifest("app", digest)],
    ["/v2/%61pp/manifests/v%31", manifest("app", "v1")],
    ["/v2/app/blobs/uploads/a%2Fb%3Fc", upload("app", "a/b?c")],
    ["/v2/app/blobs/uploads/%F0%9F%90%B3", upload("app", "\u{1f433}")],
    // Decoded once.
    ["/v2/app/manifests/%2576", manifest("app", "%76")],
    [`/v2/app/blobs/${encoded.replace("%", "%25")}`, blob("app", encoded)],
    ["/v2/%252e%252e/manifests/v1", manifest("%2e%2e", "v1")],
    // An escaped slash does not create a second component or another route.
    ["/v2/team%2Fapp/manifests/v1", manifest("team%2Fapp", "v1")],
    ["/v2/team%2fapp/manifests/v1", manifest("team%2Fapp", "v1")],
    ["/v2/a%2F..%2Fb/manifests/v1", manifest("a%2F..%2Fb", "v1")],
    ["/v2/app/manifests/..%2F..%2Fsecret", manifest("app", "../../secret")],
    // Dots do not lead to a parent path. They are part of the repository name, and invalid there.
    ["/v2/../app/manifests/v1", manifest("../app", "v1")],
    ["/v2/%2e%2e/app/manifests/v1", manifest("../app", "v1")],
    ["/v2/a/../b/tags/list", tagsOf("a/../b")],
    ["/v2/./app/tags/list", tagsOf("./app")],
    // Malformed escapes stay unchanged.
    ["/v2/app/manifests/%zz", manifest("app", "%zz")],
    ["/v2/app/manifests/%", manifest("app", "%")],
    ["/v2/app/manifests/%e9", manifest("app", "%e9")],
    ["/v2/%zz/tags/list", tagsOf("%zz")],
    ["/v2/app/blobs/uploads/%F0%9F", upload("app", "%F0%9F")],
    // Empty components stay, and no grammar accepts them.
    ["/v2//app/tags/list", tagsOf("/app")],
    ["/v2/team//app/tags/list", tagsOf("team//app")],
    ["/v2/app//tags/list", tagsOf("app/")],
    ["/v2//tags/list", tagsOf("")],
    ["/v2/app/manifests/", manifest("app", "")],
    ["/v2/app/blobs/", blob("app", "")]
  ]
  it.each(escaped)("parses %s", (path, route) => {
    expect(Route.parse(path)).toEqual(route)
  })

  const none: ReadonlyArray<string> = [
    "",
    "/",
    "v2/",
    "/v1/",
    "/V2/",
    "/v2x",
    "/v2x/",
    "//v2/",
    "/%762/",
    "/v2//",
    "/v2/x",
    "/v2/_catalog/",
    "/v2/_catalogue",
    "/v2/_catalog/tags",
    "/v2/app/",
    "/v2/app/tags",
    "/v2/app/tags/",
    "/v2/app/tags/list/",
    "/v2/app/tags/other",
    "/v2/tags/list",
    "/v2/manifests/latest",
    "/v2/blobs/uploads/",
    "/v2/blobs/uploads",
    `/v2/blobs/${digest}`,
    "/v2/app/manifests/latest/",
    `/v2/app/blobs/${digest}/`,
    "/v2/app/blobs/uploads/1/",
    "/v2/app/blobs/uploads/1/2",
    "/v2/app/uploads/1",
    "/v2/app/Manifests/latest",
    "/v2/app/%6danifests/latest",
    "/v2/app/blobs%2Fuploads/1",
    "/v2/app%2Fblobs/uploads/1",
    "/v2/app/manifests%2Flatest",
    "/v2/app/_trust/tuf/root.json",
    "/v2/\0/x"
  ]
  it.each(none)("returns undefined for %j", (path) => {
    expect(Route.parse(path)).toBe(undefined)
  })

  it("never throws", () => {
    fc.assert(fc.property(texts, (text) => void Route.parse(text)), { numRuns: 2000 })
    fc.assert(fc.property(texts, (text) => void Route.parse(`/v2/${text}/blobs/uploads/${text}`)), { numRuns: 2000 })
  })

  it.each(hostileTexts)("parses $name in 5 ms", ({ text }) => {
    expect(quickest(() => Route.parse(text))).toBeLessThan(5)
    expect(quickest(() => Route.parse(`/v2/${text}/blobs/uploads/${text}`))).toBeLessThan(5)
  })
})

describe("format", () => {
  it.each(plainPaths())("returns %s", (path) => {
    expect(Route.format(Route.parse(path) ?? { _tag: "Base" })).toBe(path)
  })

  it("has parse as its inverse", () => {
    const name = repositories
    const ids = fc.string({ unit: "grapheme", minLength: 1 })
    const routes: fc.Arbitrary<Route.Route> = fc.oneof(
      fc.record({ _tag: fc.constant("Blob" as const), name, digest: digests }),
      fc.record({ _tag: fc.constant("Manifest" as const), name, reference: fc.oneof(tags, digests) }),
      fc.record({ _tag: fc.constant("Uploads" as const), name }),
      fc.record({ _tag: fc.constant("Upload" as const), name, id: ids }),
      fc.record({ _tag: fc.constant("Tags" as const), name }),
      fc.record({ _tag: fc.constant("Referrers" as const), name, digest: digests })
    )
    fc.assert(
      fc.property(routes, (route) => {
        expect(Route.parse(Route.format(route))).toEqual(route)
      }),
      { numRuns: 1000 }
    )
  })

  it("encodes unpaired surrogates as U+FFFD", () => {
    expect(Route.format({ _tag: "Upload", name: "app", id: "a\ud83db" })).toBe("/v2/app/blobs/uploads/a%EF%BF%BDb")
  })
})

function plainPaths(): ReadonlyArray<string> {
  return [
    "/v2/",
    "/v2/_catalog",
    `/v2/team/app/blobs/${digest}`,
    "/v2/team/app/manifests/latest",
    `/v2/team/app/manifests/${digest}`,
    "/v2/team/app/blobs/uploads/",
    "/v2/team/app/blobs/uploads/a%2Fb%20c%2B",
    "/v2/team/app/tags/list",
    `/v2/team/app/referrers/${digest}`,
    "/v2/app/blobs/sha256%2Bb64u:aa=="
  ]
}

describe("methods", () => {
  const rows: ReadonlyArray<readonly [route: Route.RouteTag, methods: ReadonlyArray<string>]> = [
    ["Base", ["GET", "HEAD"]],
    ["Catalog", ["GET"]],
    ["Blob", ["HEAD", "GET", "DELETE"]],
    ["Manifest", ["HEAD", "GET", "PUT", "DELETE"]],
    ["Uploads", ["POST"]],
    ["Upload", ["GET", "PATCH", "PUT", "DELETE"]],
    ["Tags", ["GET"]],
    ["Referrers", ["GET"]]
  ]
  it.each(rows)("of %s", (route, methods) => {
    expect(Endpoint.methods(route)).toEqual(methods)
  })
})
