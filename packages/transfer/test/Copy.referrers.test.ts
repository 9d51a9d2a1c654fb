/** Copies of referrers, and of the tags that cosign makes from digests. */
import { Answer, Handler, MediaType, Operation, RegistryError, Tag } from "@effect-oci/core"
import type { Descriptor, Registry } from "@effect-oci/core"
import { describe, expect, it } from "@effect/vitest"
import { Chunk, Effect, Stream } from "effect"
import { Copy, Transform } from "../src/index.js"
import { app, copyOf, on, pushBlob, pushDocument, pushImage, pushIndex, pushReferrer, recorded, v1 } from "./support.js"

type End = { readonly registry: Registry["Type"] }

const from = ({ registry }: End) => ({ registry, repository: app, reference: v1 })
const to = ({ registry }: End) => ({ registry, repository: copyOf })

const tagFor = ({ digest }: Descriptor.Descriptor, ending: string) => Tag.make(`${digest.replace(":", "-")}${ending}`)

/** Pushes an image manifest under a tag made from a digest, as cosign does. */
const sign = (registry: Registry["Type"], subject: Descriptor.Descriptor, ending: string, content = ending) =>
  Effect.gen(function*() {
    const config = yield* pushBlob(registry, "{}", MediaType.imageConfig)
    const layers = [
      yield* pushBlob(registry, `${content} of ${subject.digest}`, "application/vnd.dev.cosign.simplesigning.v1+json")
    ]
    return yield* pushDocument(registry, MediaType.image, { config, layers }, [tagFor(subject, ending)])
  })

const tagsOf = (registry: Registry["Type"]) =>
  Effect.map(Stream.runCollect(registry.listTags(copyOf)), Chunk.toReadonlyArray)

/** Pushes an index of two images with the tags that cosign adds, and tags that only look similar. */
const signed = Effect.gen(function*() {
  const source = yield* recorded()
  const { registry } = source
  const amd = yield* pushImage(registry, ["base", "amd"])
  const arm = yield* pushImage(registry, ["base", "arm"])
  const index = yield* pushIndex(registry, [on(amd, "linux/amd64"), on(arm, "linux/arm64")], {}, [v1])
  const sig = yield* sign(registry, index, ".sig")
  const sbom = yield* sign(registry, amd, ".sbom")
  yield* sign(registry, sbom, ".sig")
  yield* sign(registry, yield* pushImage(registry, ["another"]), ".sig")
  yield* pushDocument(registry, MediaType.image, {
    config: yield* pushBlob(registry, "{}", MediaType.empty),
    layers: []
  }, [tagFor(index, ""), Tag.make("sha256-short.sig")])
  source.counts()
  return { source, index, amd, arm, sig, sbom }
})

describe("the tags that cosign makes from digests", () => {
  it.scoped("are copied with their manifests, also those of signatures, and no other tags", () =>
    Effect.gen(function*() {
      const { amd, index, sbom, sig, source } = yield* signed
      const target = yield* recorded()
      const copied = yield* Copy.copy(from(source), to(target))
      const tags = [tagFor(index, ".sig"), tagFor(amd, ".sbom"), tagFor(sbom, ".sig")]
      expect(yield* tagsOf(target.registry)).toEqual([...tags, v1].sort((one, other) => one < other ? -1 : 1))
      expect(new Set(copied.digestTags)).toEqual(new Set(tags))
      expect((yield* target.registry.resolveManifest(copyOf, tagFor(index, ".sig"))).digest).toBe(sig.digest)
      expect(source.counts()["ListTags"]).toBe(1)

      const again = yield* Copy.copy(from(source), to(target))
      expect(again.manifests).toMatchObject({ pushed: 0 })
      expect(again.digestTags).toHaveLength(3)
    }))

  it.scoped("are moved after a new signature, and copied if only they are missing", () =>
    Effect.gen(function*() {
      const { index, source } = yield* signed
      const target = yield* recorded()
      yield* Copy.copy(from(source), to(target))
      const newer = yield* sign(source.registry, index, ".sig", "a second signature")
      yield* target.registry.deleteTag(copyOf, v1)
      yield* Copy.copy(from(source), to(target))
      expect((yield* target.registry.resolveManifest(copyOf, tagFor(index, ".sig"))).digest).toBe(newer.digest)
      yield* target.registry.deleteTag(copyOf, tagFor(index, ".sig"))
      yield* Copy.copy(from(source), to(target))
      expect((yield* target.registry.resolveManifest(copyOf, tagFor(index, ".sig"))).digest).toBe(newer.digest)
      const dry = yield* recorded()
      yield* Copy.copy(from(source), to(dry), { dryRun: true })
      expect(dry.counts()["PushManifest"]).toBe(undefined)
    }))

  it.scoped("are left out by options, and if the copy has another digest", () =>
    Effect.gen(function*() {
      const { amd, sbom, source } = yield* signed
      for (
        const [options, expected] of [
          [{ digestTags: false }, []],
          [{ withoutReferrers: true }, []],
          [{ platform: { os: "linux", architecture: "amd64" } }, [tagFor(amd, ".sbom"), tagFor(sbom, ".sig")]],
          [{ platforms: [{ os: "linux", architecture: "amd64" }] }, [tagFor(amd, ".sbom"), tagFor(sbom, ".sig")]],
          [{ transform: Transform.dockerConfig }, undefined]
        ] as const
      ) {
        const target = yield* recorded()
        const { digestTags } = yield* Copy.copy(from(source), to(target), options)
        if (expected === undefined) expect(digestTags).toHaveLength(3)
        else expect(new Set(digestTags)).toEqual(new Set(expected))
        expect(yield* tagsOf(target.registry)).toHaveLength(digestTags.length + 1)
      }
    }))

  it.scoped("are requested by name if a registry cannot list tags", () =>
    Effect.gen(function*() {
      const { source } = yield* signed
      const unlisted = yield* recorded({
        wrap: () =>
          Handler.override(source.registry.handle, { ListTags: () => Answer.fail(new RegistryError.Unsupported({})) })
      })
      const target = yield* recorded()
      expect((yield* Copy.copy(from(unlisted), to(target))).digestTags).toHaveLength(3)
    }))
})

describe("a copy whose referrers cannot be read", () => {
  const failing = (error: RegistryError.RegistryError, wrap: (next: Handler.Handler) => Handler.Handler) =>
    Effect.gen(function*() {
      const inner = yield* recorded()
      const image = yield* pushImage(inner.registry, ["one"], {}, [v1])
      const signature = yield* pushReferrer(inner.registry, image, "a/signature")
      const source = yield* recorded({ wrap: () => wrap(inner.registry.handle) })
      return { source, image, signature, error }
    })

  for (
    const error of [
      new RegistryError.Unauthorized({}),
      new RegistryError.TooManyRequests({}),
      new RegistryError.ResponseInvalid({ reason: "text/html" }),
      new RegistryError.Unavailable({}),
      new RegistryError.Unsupported({})
    ]
  ) {
    it.scoped(`continues without them after ${error._tag}, unless they are required`, () =>
      Effect.gen(function*() {
        const { image, source } = yield* failing(error, (next) =>
          Handler.override(next, { ListReferrers: () => Answer.fail(error) }))
        const target = yield* recorded()
        expect((yield* Copy.copy(from(source), to(target))).descriptor.digest).toBe(image.digest)
        const failed = yield* Effect.flip(Copy.copy(from(source), to(yield* recorded()), { referrers: "required" }))
        expect(failed._tag).toBe(error._tag)
      }))
  }

  it.scoped("continues without a referrer that is listed but missing, unless it is required", () =>
    Effect.gen(function*() {
      const { image, signature, source } = yield* failing(
        new RegistryError.ManifestUnknown({}),
        (next) => (operation) =>
          operation._tag === "GetManifest" && Operation.isDigest(operation.reference)
            ? Answer.fail(new RegistryError.ManifestUnknown({}))
            : next(operation)
      )
      const target = yield* recorded()
      expect((yield* Copy.copy(from(source), to(target))).descriptor.digest).toBe(image.digest)
      expect((yield* Effect.flip(target.registry.resolveManifest(copyOf, signature.digest)))._tag).toBe(
        "OciManifestUnknown"
      )
      const failed = yield* Effect.flip(Copy.copy(from(source), to(yield* recorded()), { referrers: "required" }))
      expect(failed._tag).toBe("OciManifestUnknown")
    }))
})
