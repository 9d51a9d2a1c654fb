import { Digest, MediaType, Tag } from "@effect-oci/core"
import { describe, expect, it } from "@effect/vitest"
import * as display from "../src/display.js"

const descriptor = { mediaType: MediaType.layer, digest: Digest.make(`sha256:${"0a".repeat(32)}`), size: 1023 * 1024 }

describe("a bar", () => {
  it("contains the percentage and the size at every width", () => {
    for (let columns = 42; columns < 200; columns++) {
      const text = display.bar({ descriptor, state: "moving", transferred: 1000 * 1024 }, columns)
      expect(text).toMatch(/^layer {4}0a0a.* {1,2}97% 1000 KiB \/ 1023 KiB$/)
      expect(text.length).toBeLessThanOrEqual(columns)
    }
    expect(display.bar({ descriptor, state: "moving", transferred: 0 }, 79)).toContain("[                    ")
    expect(display.bar({ descriptor, state: "existed", transferred: 0 }, 44)).toMatch(/there 1023 KiB$/)
  })
})

describe("the summary", () => {
  const options = { dryRun: false, seconds: 1.25, target: "example.com/app:v1" }
  const none = {
    descriptor,
    tags: [],
    digestTags: [],
    manifests: { pushed: 0, existed: 0 },
    blobs: { moved: 0, mounted: 0, existed: 0 },
    bytes: 0
  }
  const { digest } = descriptor

  it("counts copied, mounted and existing content, with singular and plural nouns", () => {
    expect(display.summarize({
      ...none,
      manifests: { pushed: 1, existed: 0 },
      blobs: { moved: 2, mounted: 0, existed: 0 },
      bytes: 256 * 1024 * 1024
    }, options)).toBe(`copied ${digest} to example.com/app:v1: 1 manifest and 2 blobs (256 MiB), in 1.3 s`)
    expect(display.summarize({
      ...none,
      manifests: { pushed: 2, existed: 1 },
      blobs: { moved: 0, mounted: 1, existed: 3 },
      digestTags: [Tag.make("sha256-a.sig"), Tag.make("sha256-b.sig"), Tag.make("sha256-b.sbom")]
    }, { ...options, dryRun: true })).toBe(
      `would copy ${digest} to example.com/app:v1: 2 manifests, 1 blob mounted, 1 manifest already there, ` +
        "3 blobs already there, with 2 signatures and 1 SBOM"
    )
  })

  it("reports that nothing was copied if the target had everything, and which tag was set", () => {
    const there = { ...none, manifests: { pushed: 0, existed: 3 } }
    expect(display.summarize(there, options)).toBe(
      `nothing to copy: example.com/app:v1 already has ${digest} (3 manifests)`
    )
    expect(display.summarize({ ...there, tags: [Tag.make("v1")] }, options)).toBe(
      `set tag v1: example.com/app:v1 already has ${digest} (3 manifests)`
    )
  })

  it("writes bytes in the largest unit", () => {
    const written = [0, 1023, 1024, 1536, 3 * 1024 * 1024, 256 * 1024 * 1024].map(display.bytes)
    expect(written).toEqual(["0 B", "1023 B", "1 KiB", "1.5 KiB", "3 MiB", "256 MiB"])
  })
})
