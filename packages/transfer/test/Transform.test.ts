import * as Fixtures from "@effect-oci/conformance/Fixtures"
import { Descriptor, Manifest, MediaType } from "@effect-oci/core"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Either } from "effect"
import { Transform } from "../src/index.js"

const blob = (mediaType: string) => Descriptor.fromBytes(new TextEncoder().encode(mediaType), mediaType)

const manifest = (mediaType: string, configType: string, more: object = {}) =>
  Either.getOrThrow(Manifest.make(Fixtures.document(mediaType, {
    config: { ...blob(configType), urls: ["https://elsewhere.example"] },
    layers: [blob("application/vnd.docker.image.rootfs.diff.tar.gzip")],
    ...more
  })))

const jsonOf = ({ bytes }: Manifest.Manifest) => JSON.parse(new TextDecoder().decode(bytes))

describe("dockerConfig", () => {
  for (const type of ["application/octet-stream", "text/html"]) {
    it.effect(`corrects the type of a config of ${type}, and changes nothing else`, () =>
      Effect.gen(function*() {
        const before = manifest(MediaType.dockerImage, type, { extra: [1] })
        const after = yield* Transform.dockerConfig(before)
        const config = { ...jsonOf(before).config, mediaType: "application/vnd.docker.container.image.v1+json" }
        expect(jsonOf(after)).toEqual({ ...jsonOf(before), config })
        expect(after.descriptor.digest).not.toBe(before.descriptor.digest)
        expect(yield* Transform.dockerConfig(after)).toBe(after)
      }))
  }

  for (
    const [name, other] of [
      ["an OCI image", manifest(MediaType.image, "application/octet-stream")],
      ["a config that has its type", manifest(MediaType.dockerImage, "application/vnd.docker.container.image.v1+json")],
      ["a plugin", manifest(MediaType.dockerImage, "application/vnd.docker.plugin.v1+json")]
    ] as const
  ) {
    it.effect(`does not change ${name}`, () =>
      Effect.map(Transform.dockerConfig(other), (after) => {
        expect(after).toBe(other)
      }))
  }
})
