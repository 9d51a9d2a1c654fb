/** Copies between stacks of wrappers: which requests reach the registries below. */
import * as Fixtures from "@effect-oci/conformance/Fixtures"
import { Body, Descriptor, Digest, MediaType, Registry, RepositoryName } from "@effect-oci/core"
import { Cache, Union } from "@effect-oci/middleware"
import { Memory } from "@effect-oci/store"
import { describe, expect, it } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { Copy } from "../src/index.js"
import { app, copyOf, pushDocument, pushImage, recorded, v1 } from "./support.js"

const built = <E>(layer: Layer.Layer<Registry, E>) => Effect.map(Layer.build(layer), Context.get(Registry))

const from = (registry: Registry["Type"]) => ({ registry, repository: app, reference: v1 })

describe("a copy from", () => {
  it.scoped("a cache reads from the upstream once, however often the copy runs", () =>
    Effect.gen(function*() {
      const base = yield* recorded()
      yield* pushImage(base.registry, ["one", "two"], {}, [v1])
      base.counts()
      const cache = yield* built(
        Layer.succeed(Registry, base.registry).pipe(Cache.wrap({ store: Memory.layer({ sparseManifests: true }) }))
      )
      const target = yield* recorded()
      const copies = Effect.forEach(["one", "two", "three"], (name) =>
        Copy.copy(from(cache), { registry: target.registry, repository: RepositoryName.make(name) }, {
          withoutReferrers: true
        }))
      expect((yield* copies).map(({ blobs }) =>
        blobs.moved
      )).toEqual([3, 3, 3])
      expect(base.counts()).toEqual({ GetManifest: 1, GetBlob: 3 })
    }))

  it.scoped("a union reads each blob from the member that has it", () =>
    Effect.gen(function*() {
      const one = yield* recorded({ sparseManifests: true })
      const other = yield* recorded()
      const image = yield* pushImage(other.registry, ["one", "two"])
      const manifest = yield* other.registry.getManifest(app, image.digest)
      yield* one.registry.pushManifest(app, { mediaType: MediaType.image, bytes: manifest.bytes, tags: [v1] })
      const union = yield* built(
        Union.layer([
          { name: "one", registry: Layer.succeed(Registry, one.registry) },
          { name: "other", registry: Layer.succeed(Registry, other.registry) }
        ])
      )
      const target = yield* recorded()
      one.counts()
      other.counts()
      yield* Copy.copy(from(union), { registry: target.registry, repository: copyOf }, { withoutReferrers: true })
      expect((yield* target.registry.resolveManifest(copyOf, v1)).digest).toBe(image.digest)
      expect(one.counts()).toEqual({ ResolveManifest: 1, GetManifest: 1, GetBlob: 3 })
      expect(other.counts()).toEqual({ GetBlob: 3 })
    }))
})

describe("a copy", () => {
  it.scoped.each(["sha512", "blake3"] as const)(
    "of %s keeps the digests of the blobs and of the manifest",
    (algorithm) =>
      Effect.gen(function*() {
        yield* Digest.load(algorithm)
        const source = yield* recorded()
        const target = yield* recorded()
        const encode = (bytes: Uint8Array, mediaType: string) => ({
          bytes,
          descriptor: Descriptor.fromBytes(bytes, mediaType, algorithm)
        })
        const push = ({ bytes, descriptor }: ReturnType<typeof encode>) =>
          Effect.zipRight(
            Effect.flatMap(
              source.registry.startUpload(app, { algorithm }),
              ({ id }) => source.registry.completeUpload(app, id, descriptor.digest, { body: Body.bytes(bytes) })
            ),
            Effect.succeed(descriptor)
          )
        const config = encode(Fixtures.bytesOf("{}"), MediaType.imageConfig)
        const layer = encode(Fixtures.bytesOf("a layer"), MediaType.layer)
        const image = Fixtures.document(MediaType.image, { config: yield* push(config), layers: [yield* push(layer)] })
        const manifest = encode(image.bytes, MediaType.image)
        const { digest } = manifest.descriptor
        yield* source.registry.pushManifest(app, {
          mediaType: MediaType.image,
          bytes: manifest.bytes,
          digest,
          tags: [v1]
        })
        yield* pushDocument(source.registry, MediaType.index, { manifests: [manifest.descriptor] }, [v1])

        yield* Copy.copy(from(source.registry), { registry: target.registry, repository: copyOf })

        expect((yield* target.registry.resolveManifest(copyOf, digest)).digest).toBe(digest)
        expect((yield* target.registry.resolveBlob(copyOf, layer.descriptor.digest)).size).toBe(7)
      })
  )
})
