/** Layouts that other programs leave: with broken entries, with ambiguous names, or without names. */
import { MediaType, Registry, Tag } from "@effect-oci/core"
import type { Descriptor } from "@effect-oci/core"
import { describe, expect, it } from "@effect/vitest"
import { Chunk, Context, Effect, Layer, Stream } from "effect"
import { readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Copy } from "../src/index.js"
import * as NodeLayoutImages from "../src/NodeLayoutImages.js"
import * as NodeOciLayout from "../src/NodeOciLayout.js"
import { folder } from "./folder.js"
import { app, pushImage, pushIndex, pushReferrer, recorded, v1 } from "./support.js"

const { repository } = NodeOciLayout

const opened = (path: string) =>
  Effect.map(Layer.build(NodeOciLayout.layer(path)), (context) => Context.get(context, Registry))

type Line = Descriptor.Descriptor & { readonly annotations?: { readonly [key: string]: string } }

const refName = "org.opencontainers.image.ref.name"
const imageName = "io.containerd.image.name"

/** Creates a layout of images with one layer each. */
const layoutOf = (...layers: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const path = yield* folder
    const source = yield* recorded()
    const registry = Context.get(yield* Layer.build(NodeOciLayout.layer(path, { create: true })), Registry)
    const images = yield* Effect.forEach(layers, (layer, at) =>
      Effect.tap(pushImage(source.registry, [layer], {}, [Tag.make(`t${at}`)]), () =>
        Copy.copy({ registry: source.registry, repository: app, reference: Tag.make(`t${at}`) }, {
          registry,
          repository
        })))
    const file = join(path, "index.json")
    return {
      path,
      images,
      source,
      fileOf: ({ digest }: Descriptor.Descriptor) =>
        join(path, "blobs", ...digest.split(":")),
      lines: () =>
        (JSON.parse(readFileSync(file, "utf8")) as { readonly manifests: ReadonlyArray<Line> }).manifests,
      write: (manifests: ReadonlyArray<object>) => writeFileSync(file, JSON.stringify({ schemaVersion: 2, manifests }))
    }
  })

const named = (
  { digest, mediaType, size }: Descriptor.Descriptor,
  ...names: ReadonlyArray<readonly [string, string]>
) => ({
  mediaType,
  digest,
  size,
  annotations: Object.fromEntries(names)
})

const tagsOf = (registry: Registry["Type"]) =>
  Effect.map(Stream.runCollect(registry.listTags(repository)), Chunk.toReadonlyArray)

describe("a layout with a broken entry", () => {
  const spoils: ReadonlyArray<readonly [string, (file: string) => void, RegExp]> = [
    ["whose file is missing", (file) => rmSync(file), /there is no such file/],
    ["whose bytes are not its digest's", (file) => writeFileSync(file, "{}"), /content does not match its digest/]
  ]
  for (const [title, spoil, says] of spoils) {
    it.scoped(`${title} opens, serves the other entries, and fails for that entry only`, () =>
      Effect.gen(function*() {
        const { fileOf, images, lines, path, source } = yield* layoutOf("old", "new")
        const [old, whole] = images
        spoil(fileOf(old!))
        const layout = yield* opened(path)
        expect((yield* layout.getManifest(repository, Tag.make("t1"))).descriptor.digest).toBe(whole!.digest)
        for (const reference of [Tag.make("t0"), old!.digest]) {
          for (const read of [layout.getManifest, layout.resolveManifest]) {
            const error = yield* Effect.flip(
              Effect.asVoid<unknown, { readonly _tag: string; readonly message: string }, never>(
                read(repository, reference)
              )
            )
            expect(error._tag).toBe("OciManifestUnknown")
            expect(error.message).toMatch(says)
            expect(error.message).toContain(fileOf(old!))
          }
        }
        expect(yield* tagsOf(layout)).toEqual(["t0", "t1"])

        // A write keeps the entry, and a copy repairs it.
        yield* Copy.copy({ registry: source.registry, repository: app, reference: whole!.digest }, {
          registry: layout,
          repository,
          tags: [v1]
        })
        expect(lines().map(({ annotations }) => annotations?.[refName])).toEqual(["t0", "t1", "v1"])
        yield* Copy.copy({ registry: source.registry, repository: app, reference: Tag.make("t0") }, {
          registry: layout,
          repository
        })
        expect((yield* layout.getManifest(repository, Tag.make("t0"))).descriptor.digest).toBe(old!.digest)
        expect((yield* (yield* opened(path)).getManifest(repository, Tag.make("t0"))).bytes.byteLength).toBe(old!.size)
      }))
  }

  it.scoped("opens too if the entry is in a nested index, and a broken entry can be deleted", () =>
    Effect.gen(function*() {
      const { fileOf, images, path, source } = yield* layoutOf("one")
      const index = yield* pushIndex(source.registry, images, {}, [v1])
      const layout = yield* opened(path)
      yield* Copy.copy({ registry: source.registry, repository: app, reference: v1 }, { registry: layout, repository })
      yield* layout.deleteTag(repository, Tag.make("t0"))
      writeFileSync(fileOf(images[0]!), "{}")
      const again = yield* opened(path)
      expect((yield* again.getManifest(repository, v1)).descriptor.digest).toBe(index.digest)
      expect((yield* Effect.flip(again.getManifest(repository, images[0]!.digest)))._tag).toBe("OciManifestUnknown")
      yield* again.deleteManifest(repository, images[0]!.digest)
      expect((yield* again.getManifest(repository, v1)).descriptor.digest).toBe(index.digest)
    }))
})

describe("a layout with two images of one tag", () => {
  const twice = Effect.gen(function*() {
    const layout = yield* layoutOf("a", "b")
    const [a, b] = layout.images
    layout.write([
      named(a!, [refName, "latest"], [imageName, "docker.io/library/a:latest"]),
      named(b!, [refName, "latest"], [imageName, "docker.io/library/b:latest"])
    ])
    return { ...layout, a: a!, b: b! }
  })

  it.scoped("fails when that tag is read, and names both images", () =>
    Effect.gen(function*() {
      const { a, b, path } = yield* twice
      const layout = yield* opened(path)
      const error = yield* Effect.flip(layout.getManifest(repository, Tag.make("latest")))
      expect(error).toMatchObject({
        _tag: "OciTagConflict",
        members: [
          { name: "docker.io/library/a:latest", digest: a.digest },
          { name: "docker.io/library/b:latest", digest: b.digest }
        ]
      })
      expect(error.message).toContain("choose one by its name or digest")
      expect((yield* layout.getManifest(repository, b.digest)).descriptor.digest).toBe(b.digest)
    }))

  it.scoped("finds each image by its reference or its digest, and names both in the error otherwise", () =>
    Effect.gen(function*() {
      const { a, b, path } = yield* twice
      for (const [wanted, image] of [["docker.io/library/a:latest", a], ["b:latest", b], [b.digest, b]] as const) {
        expect((yield* NodeLayoutImages.find(path, wanted)).digest).toBe(image.digest)
      }
      for (const wanted of [undefined, "latest"]) {
        const error = yield* Effect.flip(NodeLayoutImages.find(path, wanted))
        expect(error.message).toContain("docker.io/library/a:latest, docker.io/library/b:latest; choose one")
      }
      const error = yield* Effect.flip(NodeLayoutImages.find(path, "v9"))
      expect(error.message).toMatch(/cannot find "v9" in .*: it contains docker.io\/library\/a:latest, /)
    }))

  it.scoped("serves the tag again after one image is deleted, and keeps both names when another is pushed", () =>
    Effect.gen(function*() {
      const { a, b, lines, path, source } = yield* twice
      const layout = yield* opened(path)
      yield* Copy.copy({ registry: source.registry, repository: app, reference: Tag.make("t0") }, {
        registry: layout,
        repository
      })
      expect(lines().map(({ annotations }) => [annotations?.[refName], annotations?.[imageName]])).toEqual([
        ["latest", "docker.io/library/a:latest"],
        ["t0", undefined],
        ["latest", "docker.io/library/b:latest"]
      ])
      yield* layout.deleteManifest(repository, a.digest)
      expect((yield* layout.resolveManifest(repository, Tag.make("latest"))).digest).toBe(b.digest)
    }))
})

describe("the only image of a layout", () => {
  it.scoped("is found without a name, beside its signatures and the tags that are made from digests", () =>
    Effect.gen(function*() {
      const { images: [image], path, source } = yield* layoutOf("one")
      const layout = yield* opened(path)
      const signature = yield* pushReferrer(source.registry, image!, "a/signature")
      const hex = image!.digest.replace(":", "-")
      yield* Copy.copy({ registry: source.registry, repository: app, reference: image!.digest }, {
        registry: layout,
        repository,
        tags: []
      })
      yield* layout.deleteTag(repository, Tag.make("t0"))
      expect(yield* tagsOf(layout)).toEqual([])
      expect(yield* NodeLayoutImages.find(path)).toEqual({ digest: image!.digest, tag: undefined, name: undefined })
      const signed = { registry: source.registry, repository: app, reference: signature.digest }
      yield* Copy.copy(signed, { registry: layout, repository, tags: [Tag.make(`${hex}.sig`), Tag.make(hex)] })
      expect((yield* NodeLayoutImages.find(path)).digest).toBe(image!.digest)
      expect(yield* NodeLayoutImages.list(path)).toHaveLength(1)
    }))

  it.scoped("is not a list of referrers that another program stores under a tag, and the tag is not listed", () =>
    Effect.gen(function*() {
      const { images: [image], lines, path, source, write } = yield* layoutOf("one")
      const fallback = `sha256-${image!.digest.slice("sha256:".length)}`
      const list = yield* pushIndex(source.registry, [], { annotations: { kept: "by another" } })
      const layout = yield* opened(path)
      yield* Copy.copy({ registry: source.registry, repository: app, reference: list.digest }, {
        registry: layout,
        repository
      })
      write([named(image!, [refName, "v1"]), named(list, [refName, fallback])])
      expect(yield* tagsOf(layout)).toEqual(["v1"])
      expect((yield* NodeLayoutImages.find(path)).tag).toBe("v1")
      yield* layout.pushManifest(repository, {
        mediaType: MediaType.image,
        bytes: (yield* layout.getManifest(repository, v1)).bytes,
        tags: [Tag.make("v2")]
      })
      expect(lines().map(({ annotations }) => annotations?.[refName])).toEqual(["v1", "v2", fallback])
    }))

  it.scoped("does not exist in an empty layout, and the error says so", () =>
    Effect.gen(function*() {
      const { path } = yield* layoutOf()
      expect((yield* Effect.flip(NodeLayoutImages.find(path))).message).toMatch(/: it contains no images$/)
    }))
})

describe("an index of very many names", () => {
  it.scoped("is read and written in linear time", () =>
    Effect.gen(function*() {
      const { images: [image], path, write } = yield* layoutOf("one")
      write(Array.from({ length: 64_000 }, (_, at) => named(image!, [refName, `no tag ${at}`])))
      const started = process.cpuUsage()
      const layout = yield* opened(path)
      const { bytes } = yield* layout.getManifest(repository, image!.digest)
      yield* layout.pushManifest(repository, { mediaType: MediaType.image, bytes, tags: [v1] })
      const { system, user } = process.cpuUsage(started)
      expect(user + system).toBeLessThan(8_000_000)
    }), 60_000)
})
