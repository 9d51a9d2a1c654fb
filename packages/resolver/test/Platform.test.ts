import { Descriptor } from "@effect-oci/core"
import { describe, expect, it } from "@effect/vitest"
import { Either } from "effect"
import * as fc from "fast-check"
import { Platform } from "../src/index.js"

const parse = (text: string) => Either.getOrThrow(Platform.parse(text))

const entry = (platform: string | undefined, name = platform ?? "none"): Descriptor.Descriptor => ({
  ...Descriptor.fromBytes(new TextEncoder().encode(name)),
  ...(platform === undefined ? {} : { platform: written(platform) })
})

/** Returns a platform as a user may write it, not in its normal form. */
const written = (text: string): Platform.Platform => {
  const [os = "", architecture = "", variant] = text.split("/")
  return { os, architecture, ...(variant === undefined ? {} : { variant }) }
}

const selected = (wanted: string, ...entries: ReadonlyArray<string | undefined>) => {
  const found = Platform.select(entries.map((each) => entry(each)), parse(wanted))
  if (found === undefined) return undefined
  const { platform } = found
  return platform === undefined ? "none" : `${platform.os}/${platform.architecture}/${platform.variant ?? ""}`
}

describe("Platform", () => {
  it("is parsed in every common spelling", () => {
    for (
      const [text, shown] of [
        ["linux/amd64", "linux/amd64"],
        ["Linux/x86_64", "linux/amd64"],
        ["linux/amd64/v1", "linux/amd64"],
        ["linux/amd64/v3", "linux/amd64/v3"],
        ["linux/aarch64", "linux/arm64"],
        ["linux/arm64/8", "linux/arm64"],
        ["linux/arm64/v9", "linux/arm64/v9"],
        ["linux/arm", "linux/arm/v7"],
        ["linux/armel", "linux/arm/v6"],
        ["linux/arm/v5", "linux/arm/v5"],
        ["macos/arm64", "darwin/arm64"],
        ["wasi/wasm", "wasi/wasm"]
      ]
    ) expect(Platform.format(parse(text!))).toBe(shown)
  })

  it("refuses other texts", () => {
    for (
      const text of [
        "",
        "linux",
        "linux/",
        "/amd64",
        "linux/amd64/v1/x",
        "linux/am d64",
        "linux/amd64\n",
        "a".repeat(1e6)
      ]
    ) {
      const error = Either.flip(Platform.parse(text)).pipe(Either.getOrThrow)
      expect(error.message.length).toBeLessThan(300)
      expect(error.message).toContain("such as linux/arm64")
    }
  })

  it("is equal after formatting and parsing", () => {
    const part = fc.stringMatching(/^[a-z0-9]{1,8}$/)
    fc.assert(fc.property(part, part, fc.option(part, { nil: undefined }), (os, architecture, variant) => {
      const platform = { os, architecture, ...(variant === undefined ? {} : { variant }) }
      expect(Platform.equals(parse(Platform.format(platform)), platform)).toBe(true)
      expect(Platform.normalize(Platform.normalize(platform))).toEqual(Platform.normalize(platform))
      expect(Platform.fallbacks(platform)[0]).toEqual(Platform.normalize(platform))
    }))
  })

  it("prefers its own image to images for older machines, and never chooses one for newer machines", () => {
    expect(selected("linux/arm64/v8", "linux/amd64", "linux/arm64")).toBe("linux/arm64/")
    expect(selected("linux/arm64", "linux/arm/v7", "linux/arm64/v8")).toBe("linux/arm64/v8")
    expect(selected("linux/arm64", "linux/arm/v6", "linux/arm/v7")).toBe("linux/arm/v7")
    expect(selected("linux/arm/v6", "linux/arm/v7", "linux/arm/v5")).toBe("linux/arm/v5")
    expect(selected("linux/arm/v6", "linux/arm/v7")).toBeUndefined()
    expect(selected("linux/amd64/v3", "linux/amd64", "linux/amd64/v2", "linux/amd64/v4")).toBe("linux/amd64/v2")
    expect(selected("linux/amd64", "linux/amd64/v2", "linux/386")).toBe("linux/386/")
    expect(selected("linux/amd64", "windows/amd64", undefined, "unknown/unknown")).toBeUndefined()
  })

  it("chooses the image for its own build of Windows", () => {
    const build = (version: string) => ({
      ...entry("windows/amd64", version),
      platform: { ...written("windows/amd64"), "os.version": version }
    })
    const entries = [build("10.0.17763.1"), build("10.0.20348.1")]
    const of = (version: string | undefined) =>
      Platform.select(entries, { ...parse("windows/amd64"), "os.version": version })
    expect(of("10.0.20348.999")).toBe(entries[1])
    expect(of(undefined)).toBe(entries[0])
    expect(of("10.0.1.1")).toBeUndefined()
  })
})
