import { describe, expect, it } from "@effect/vitest"
import { Duration, Either } from "effect"
import * as options from "../src/options.js"

const given = (...args: ReadonlyArray<string>) => {
  const parsed = Either.getOrThrow(options.parse(args))
  if (parsed._tag !== "Copy") throw new Error(parsed._tag)
  return parsed.given
}

describe("the arguments", () => {
  it("have defaults", () => {
    expect(given("alpine:3", "oci:alpine")).toMatchObject({
      source: { _tag: "Registry", reference: { registry: "docker.io", repository: "library/alpine", tag: "3" } },
      target: { _tag: "Layout", path: "alpine", name: undefined, digest: undefined },
      all: false,
      platform: undefined,
      withoutReferrers: true,
      requireReferrers: false,
      concurrency: 4,
      dryRun: false,
      plainHttp: undefined
    })
    expect(Duration.toSeconds(given("a", "b").retryTime)).toBe(30)
  })

  it("may come in any order, and choose platforms, referrers, and HTTP or HTTPS", () => {
    const { retryTime, ...others } = given("--retry-time", "2m", "a", "-a", "--require-referrers", "b", "--dry-run")
    expect(others).toMatchObject({ all: true, withoutReferrers: false, requireReferrers: true, dryRun: true })
    expect(Duration.toSeconds(retryTime)).toBe(120)
    expect(given("a", "b", "--platform", "linux/aarch64").platform).toMatchObject({ architecture: "arm64" })
    expect(given("a", "b", "--tls").plainHttp?.("localhost")).toBe(false)
    expect(given("a", "b", "--plain-http").plainHttp?.("registry.example.com")).toBe(true)
    expect(given("a", "b").explain).toBeUndefined()
    expect(given("a", "b", "--explain").explain).toEqual({ file: undefined })
    expect(given("a", "b", "--explain-to", "f.json").explain).toEqual({ file: "f.json" })
    expect(given("a", "b", "--enforce", "f.json")).toMatchObject({ explain: undefined, enforce: "f.json" })
  })

  it("name images in layouts and archives by tag, name or digest", () => {
    const digest = `sha256:${"0a".repeat(32)}`
    const cases = [
      ["oci:d", { _tag: "Layout", path: "d" }],
      ["oci:../a.b/c:v1", { path: "../a.b/c", name: "v1" }],
      ["oci:C:\\images:v1", { path: "C:\\images", name: "v1" }],
      [`oci:d@${digest}`, { path: "d", name: undefined, digest }],
      [`oci-archive:d@2/a.tar:v1@${digest}`, { _tag: "Archive", path: "d@2/a.tar", name: "v1", digest }],
      ["docker-archive:a.tar:example.com:5000/team/app:v1", { _tag: "Docker", name: "example.com:5000/team/app:v1" }],
      ["docker://alpine", { _tag: "Registry" }]
    ] as const
    for (const [text, expected] of cases) expect(given(text, "b").source).toMatchObject(expected)
  })

  it("are refused with an error that names the problem", () => {
    const cases: ReadonlyArray<readonly [ReadonlyArray<string>, RegExp]> = [
      [[], /^SOURCE and TARGET are missing$/],
      [["only-one"], /^TARGET is missing$/],
      [["a", "b", "--explain", "--enforce", "f"], /^--explain excludes --dry-run and --enforce$/],
      [["a", "b", "--explain-to", "f", "--dry-run"], /^--explain excludes --dry-run and --enforce$/],
      [["a", "b", "c"], /^there are 3 arguments; /],
      [["a", "b", "--unknown"], /^Unknown option '--unknown'$/],
      [["a", "b", "--concurrency", "0"], /^--concurrency must be a whole number of at least 1, not "0"$/],
      [["a", "b", "--concurrency", "many"], /at least 1, not "many"$/],
      [["a", "b", "--concurrency=-1"], /at least 1, not "-1"$/],
      [["a", "b", "--retry-time", "long"], /^--retry-time must be a time such as 30s or 2m, not "long"$/],
      [["a", "b", "--tls", "--plain-http"], /exclude each other/],
      [["a", "b", "--all", "--platform", "linux/arm64"], /exclude each other/],
      [["a", "docker-archive:b", "--all"], /contains images for one platform/],
      [["a", "b", "--platform", "arm"], /^invalid platform "arm": /],
      [["oci:", "b"], /^invalid reference "oci:": a path is missing/],
      [["a", "oci:d:no tag"], /"no tag" is neither a tag nor the name of an image/],
      [["oci:d@sha256:abc", "b"], /^invalid digest "sha256:abc"/],
      [["dir:x", "b"], /^invalid reference "dir:x": dir: is not supported; use oci:DIR, /],
      [["docker-daemon:x:y", "b"], /docker-daemon: is not supported/],
      [["https://a/b", "b"], /^invalid reference "https:\/\/a\/b": leave out https:\/\//]
    ]
    for (const [args, says] of cases) expect(Either.getOrThrow(Either.flip(options.parse(args))).message).toMatch(says)
  })

  it("have a help text that fits a terminal and contains no escape sequences", () => {
    expect(Either.getOrThrow(options.parse(["a", "--help"]))._tag).toBe("Help")
    for (const line of options.help.split("\n")) expect(line).toMatch(/^[ -~]{0,104}$/)
  })
})
