import * as Fixtures from "@effect-oci/conformance/Fixtures"
import {
  Answer,
  Body,
  Descriptor,
  Digest,
  Handler,
  MediaType,
  Operation,
  Reference,
  Registry,
  RegistryError,
  Tag
} from "@effect-oci/core"
import { Memory } from "@effect-oci/store"
import { describe, expect, it } from "@effect/vitest"
import { Chunk, Effect, Either, Layer, Stream } from "effect"
import { Namespace, Resolver } from "../src/index.js"
import { app, pushImage } from "./support.js"

const at = (text: string) => Either.getOrThrow(Reference.parse(text))

const registries = Resolver.layerStatic({ "one.test": Memory.layer(), "two.test": Memory.layer() })

const inside = <A, E>(f: (one: Registry["Type"], two: Registry["Type"]) => Effect.Effect<A, E, Resolver.Resolver>) =>
  Effect.scoped(Effect.gen(function*() {
    const resolver = yield* Resolver.Resolver
    return yield* f(yield* resolver.registry("one.test"), yield* resolver.registry("two.test"))
  })).pipe(Effect.provide(Layer.fresh(registries)))

const other = Digest.fromBytes(new TextEncoder().encode("other"))

describe("operations on references", () => {
  it.effect("read the named content; a tag that points at another digest is an error, a missing tag is not", () =>
    inside((one) =>
      Effect.gen(function*() {
        const { blob, digest } = yield* pushImage(one, "image")
        for (
          const text of [
            "one.test/team/app:v1",
            `one.test/team/app@${digest}`,
            `one.test/team/app:v1@${digest}`,
            `one.test/team/app:gone@${digest}`
          ]
        ) {
          expect((yield* Namespace.getManifest(at(text))).descriptor.digest).toBe(digest)
          expect((yield* Namespace.resolveManifest(at(text))).digest).toBe(digest)
        }
        const asks: ReadonlyArray<
          (reference: Reference.Reference) => Effect.Effect<unknown, Namespace.NamespaceError, Resolver.Resolver>
        > = [
          Namespace.getManifest,
          Namespace.resolveManifest
        ]
        for (const ask of asks) {
          const moved = yield* Effect.flip(ask(at(`one.test/team/app:v1@${other}`)))
          expect(moved).toMatchObject({ _tag: "OciTagConflict" })
          expect(moved.message).toContain(`the tag points at ${digest}, not at the digest ${other}`)
          expect((yield* Effect.flip(ask(at("one.test/team/app")))).message).toContain("neither a tag nor a digest")
          expect((yield* Effect.flip(ask(at("three.test/team/app:v1"))))._tag).toBe("OciHostUnknown")
        }
        const whole = at(`one.test/team/app@${blob.digest}`)
        expect((yield* Namespace.resolveBlob(whole)).size).toBe(blob.size)
        const text = yield* Effect.scoped(
          Effect.flatMap(
            Namespace.getBlob(whole, { range: { offset: 2, length: 4 } }),
            ({ body }) => Body.toBytes(body, { limit: 100, onLimit: () => "too large" })
          )
        )
        expect(new TextDecoder().decode(text)).toBe("text")
        expect((yield* Effect.flip(Namespace.resolveBlob(at(`one.test/team/app:v1@${blob.digest}`)))).message)
          .toContain("a blob has no tag")
        expect((yield* Effect.flip(Effect.scoped(Namespace.getBlob(at("one.test/team/app"))))).message)
          .toContain("name the blob by its digest")
      })
    ))

  it.effect("accept a single image for the platform in its config, and an artifact for any platform", () =>
    inside((one) =>
      Effect.gen(function*() {
        const pushed = (mediaType: string, text: string, tag: string) =>
          Effect.gen(function*() {
            const bytes = new TextEncoder().encode(text)
            const config = { ...Descriptor.fromBytes(bytes), mediaType }
            yield* one.pushBlob(app, config, Body.bytes(bytes))
            const image = Fixtures.document(MediaType.image, { config, layers: [] })
            yield* one.pushManifest(app, { ...image, tags: [Tag.make(tag)] })
          })
        const platform = { os: "linux", architecture: "amd64" }
        const get = (tag: string) => Namespace.getManifest(at(`one.test/team/app:${tag}`), { platform })
        yield* pushed(MediaType.imageConfig, "{\"os\":\"linux\",\"architecture\":\"arm64\"}", "arm")
        const error = yield* Effect.flip(get("arm"))
        expect(error).toMatchObject({ _tag: "OciManifestUnknown" })
        expect(error.message).toContain("the image is for linux/arm64, not for linux/amd64")
        yield* pushed(MediaType.imageConfig, "{\"os\":\"linux\",\"architecture\":\"x86_64\"}", "amd")
        yield* pushed(MediaType.imageConfig, "{}", "silent")
        yield* pushed("application/vnd.example.config.v1+json", "no JSON", "artifact")
        for (const tag of ["amd", "silent", "artifact"]) yield* get(tag)
      })
    ))

  it.effect("choose the image for a platform", () =>
    inside((one) =>
      Effect.gen(function*() {
        const arm = yield* pushImage(one, "arm")
        const { descriptor } = yield* one.getManifest(app, arm.digest)
        const entry = { ...descriptor, platform: { os: "linux", architecture: "arm64" } }
        const index = yield* one.pushManifest(app, Fixtures.document(MediaType.index, { manifests: [entry] }))
        const reference = at(`one.test/team/app@${index.digest}`)
        const found = yield* Namespace.getManifest(reference, { platform: { os: "linux", architecture: "aarch64" } })
        expect(found.descriptor.digest).toBe(arm.digest)
        const none = yield* Effect.flip(
          Namespace.getManifest(reference, { platform: { os: "linux", architecture: "amd64" } })
        )
        expect(none.message).toContain("no image for linux/amd64: it has linux/arm64")
      })
    ))

  it.effect("copy one manifest or one blob, within a registry and between registries", () =>
    inside((one, two) =>
      Effect.gen(function*() {
        const { blob, digest } = yield* pushImage(one, "image")
        for (const to of ["one.test/copy", "two.test/copy"]) {
          yield* Namespace.copyBlob(at(`one.test/team/app@${blob.digest}`), at(to))
          yield* Namespace.copyBlob(at(`one.test/team/app@${blob.digest}`), at(to))
          yield* Namespace.copyManifest(at("one.test/team/app:v1"), at(`${to}:v2`))
          expect((yield* Namespace.resolveManifest(at(`${to}:v2`))).digest).toBe(digest)
        }
        expect(Chunk.toReadonlyArray(yield* Stream.runCollect(Namespace.tags(at("two.test/copy"))))).toEqual(["v2"])
        expect(Chunk.toReadonlyArray(yield* Stream.runCollect(two.listRepositories()))).toEqual(["copy"])
      })
    ))

  it.effect("copy a blob if the registry mounts nothing, and leave no upload behind if the copy fails", () =>
    Effect.gen(function*() {
      const received: Array<string> = []
      const denied = new RegistryError.Denied({})
      let reads = true
      const registry = Memory.layer().pipe(
        Registry.wrap((next) =>
          Handler.override(next, {
            MountBlob: (operation) =>
              operation.from === app
                ? Answer.fail(denied)
                : next(new Operation.MountBlob({ ...operation, from: undefined })),
            GetBlob: (operation) => reads ? next(operation) : Answer.fail(denied)
          })
        ),
        Registry.wrap((next) => (operation) => {
          received.push(operation._tag)
          return next(operation)
        })
      )
      const copied = Effect.scoped(Effect.gen(function*() {
        const one = yield* (yield* Resolver.Resolver).registry("one.test")
        const { blob } = yield* pushImage(one, "image")
        const there = at(`one.test/there@${blob.digest}`)
        yield* Namespace.copyBlob(at(`one.test/team/app@${blob.digest}`), there)
        expect((yield* Namespace.resolveBlob(there)).size).toBe(blob.size)
        reads = false
        received.length = 0
        const error = yield* Effect.flip(Namespace.copyBlob(there, at("one.test/another")))
        expect(error._tag).toBe("OciDenied")
        expect(received).toEqual(["ResolveBlob", "MountBlob", "GetBlob", "CancelUpload"])
      }))
      yield* Effect.provide(copied, Resolver.layerStatic({ "one.test": registry }))
    }))

  it.effect("list referrers, and delete tags and manifests", () =>
    inside((one) =>
      Effect.gen(function*() {
        const { digest } = yield* pushImage(one, "image")
        const { bytes, descriptor } = yield* one.getManifest(app, digest)
        const signature = new TextEncoder().encode(
          JSON.stringify({
            ...JSON.parse(new TextDecoder().decode(bytes)),
            artifactType: "a/signature",
            subject: descriptor
          })
        )
        const pushed = yield* one.pushManifest(app, { mediaType: MediaType.image, bytes: signature })
        for (const text of ["one.test/team/app:v1", `one.test/team/app@${digest}`, `one.test/team/app:v1@${digest}`]) {
          const found = yield* Stream.runCollect(Namespace.referrers(at(text), { artifactType: "a/signature" }))
          expect(Chunk.toReadonlyArray(found).map((each) => each.digest)).toEqual([pushed.digest])
        }
        expect((yield* Effect.flip(Namespace.delete(at(`one.test/team/app:v1@${other}`))))._tag).toBe("OciTagConflict")
        yield* Namespace.delete(at(`one.test/team/app:v1@${digest}`))
        expect((yield* Namespace.resolveManifest(at(`one.test/team/app@${digest}`))).digest).toBe(digest)
        yield* Namespace.delete(at(`one.test/team/app@${digest}`))
        expect((yield* Effect.flip(Namespace.resolveManifest(at(`one.test/team/app@${digest}`))))._tag).toBe(
          "OciManifestUnknown"
        )
      })
    ))
})
