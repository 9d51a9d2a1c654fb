import { describe, expect, it } from "@effect/vitest"
import * as MediaType from "../src/MediaType.js"
import { active } from "./mediaTypes.js"

describe("MediaType.essence", () => {
  it.each([
    { text: "application/json", essence: "application/json" },
    { text: "application/json; charset=utf-8", essence: "application/json" },
    { text: " Application/JSON ;charset=utf-8", essence: "application/json" },
    { text: "application/json;", essence: "application/json" },
    { text: ";", essence: "" },
    { text: "", essence: "" }
  ])("of %j", ({ essence, text }) => {
    expect(MediaType.essence(text)).toBe(essence)
  })
})

describe("MediaType.manifests", () => {
  it("are normalized, and listed once each", () => {
    expect(MediaType.manifests.map(MediaType.essence)).toEqual(MediaType.manifests)
    expect(new Set(MediaType.manifests).size).toBe(MediaType.manifests.length)
  })
})

describe("MediaType.isNonDistributable", () => {
  it.each([
    { mediaType: "application/vnd.oci.image.layer.nondistributable.v1.tar", is: true },
    { mediaType: "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", is: true },
    { mediaType: "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd", is: true },
    { mediaType: "application/vnd.docker.image.rootfs.foreign.diff.tar", is: true },
    { mediaType: "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", is: true },
    { mediaType: MediaType.layer, is: false },
    { mediaType: MediaType.layerGzip, is: false },
    { mediaType: "application/vnd.docker.image.rootfs.diff.tar.gzip", is: false },
    { mediaType: "application/vnd.example.nondistributable", is: false },
    { mediaType: "", is: false }
  ])("$mediaType: $is", ({ is, mediaType }) => {
    expect(MediaType.isNonDistributable(mediaType)).toBe(is)
  })
})

describe("MediaType.isActive", () => {
  it.each(active)("is true of %s", (mediaType) => expect(MediaType.isActive(mediaType)).toBe(true))

  it.each([
    ...MediaType.manifests,
    MediaType.dockerSchema1Signed,
    "application/json",
    "text/plain",
    "application/xmlish"
  ])(
    "is false of %s",
    (mediaType) => expect(MediaType.isActive(mediaType)).toBe(false)
  )
})

describe("MediaType.isGeneric", () => {
  it.each(["", "application/json; charset=utf-8", "text/plain", "Application/Octet-Stream"])(
    "is true of %s",
    (mediaType) => expect(MediaType.isGeneric(mediaType)).toBe(true)
  )

  it.each([...MediaType.manifests, "application/vnd.example+json", "text/html"])(
    "is false of %s",
    (mediaType) => expect(MediaType.isGeneric(mediaType)).toBe(false)
  )
})

describe("MediaType.isValid", () => {
  it.each([...MediaType.manifests, "a/b"])(
    "is true of %s",
    (mediaType) => expect(MediaType.isValid(mediaType)).toBe(true)
  )

  it.each(["", "a", "/", "a/", "a/b; c=d", "a/b\r\nx: y", `a/${"b".repeat(128)}`])(
    "is false of %j",
    (mediaType) => expect(MediaType.isValid(mediaType)).toBe(false)
  )
})
