import { Registry, Tag } from "@effect-oci/core"
import { describe, expect, it } from "@effect/vitest"
import { Context, Effect, Layer, Stream } from "effect"
import { packTar, unpackTar } from "modern-tar"
import type { TarEntry } from "modern-tar"
import { existsSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import { Copy, LayoutTar, OciLayout } from "../src/index.js"
import { folder } from "./folder.js"
import { app, copyOf, pushImage, recorded, v1 } from "./support.js"

const { repository } = OciLayout

const exported = (archive: string, layers: ReadonlyArray<string | Uint8Array>) =>
  Effect.gen(function*() {
    const source = yield* recorded()
    const image = yield* pushImage(source.registry, layers, {}, [v1])
    yield* LayoutTar.write(
      archive,
      Effect.flatMap(Registry, (registry) =>
        Copy.copy({ registry: source.registry, repository: app, reference: v1 }, { registry, repository }))
    )
    return image
  })

const opened = (archive: string) =>
  Effect.map(Layer.build(LayoutTar.layer(archive)), (context) => Context.get(context, Registry))

describe("an archive of a layout", () => {
  it.scoped("is written whole, and read again", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const archive = join(path, "app.tar")
      const image = yield* exported(archive, ["one", new Uint8Array(1_000_000).fill(3)])
      expect(readdirSync(path)).toEqual(["app.tar"])
      const names = (yield* Effect.promise(() => unpackTar(new Uint8Array(readFileSync(archive))))).map(({ header }) =>
        header.name
      )
      expect(names[0]).toBe("oci-layout")
      expect(names.at(-1)).toBe("index.json")
      const target = yield* recorded()
      const registry = yield* opened(archive)
      yield* Copy.copy({ registry, repository, reference: v1 }, { registry: target.registry, repository: copyOf })
      expect((yield* target.registry.resolveManifest(copyOf, v1)).digest).toBe(image.digest)
      expect((yield* Effect.flip(registry.startUpload(repository)))._tag).toBe("Unsupported")
    }))

  it.scoped("is that of docker save too, whatever lies beside the layout, and is closed when it has been read", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const archive = join(path, "app.tar")
      const image = yield* exported(archive, ["one"])
      const layout = yield* Effect.promise(() => unpackTar(new Uint8Array(readFileSync(archive))))
      const entry = (name: string, body: string): TarEntry => ({
        header: { name, size: body.length, type: "file" },
        body
      })
      const folders = ["blobs/", "blobs/sha256/"].map((name): TarEntry => ({
        header: { name, size: 0, type: "directory" }
      }))
      const old = [{ Config: "blobs/sha256/abc", RepoTags: ["app:v1"], Layers: [] }]
      const saved = yield* Effect.promise(() =>
        packTar([
          ...folders,
          ...layout.filter(({ header }) => header.name.startsWith("blobs/")),
          ...layout.filter(({ header }) => header.name === "index.json"),
          entry("manifest.json", JSON.stringify(old)),
          ...layout.filter(({ header }) => header.name === "oci-layout"),
          entry("repositories", "{\"app\":{\"v1\":\"abc\"}}")
        ])
      )
      writeFileSync(archive, saved)
      const registry = yield* opened(archive)
      expect((yield* registry.resolveManifest(repository, v1)).digest).toBe(image.digest)
      const open = readdirSync("/proc/self/fd").flatMap((fd) => {
        const link = join("/proc/self/fd", fd)
        return existsSync(link) ? [readlinkSync(link)] : []
      })
      expect(open).not.toContain(archive)
    }))

  it.scoped("is whole, of a layout that is written to meanwhile", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const layout = join(path, "layout")
      const source = yield* recorded()
      yield* pushImage(source.registry, ["one", new Uint8Array(3_000_000)], {}, [v1])
      const context = yield* Layer.build(OciLayout.layer(layout, { create: true }))
      const registry = Context.get(context, Registry)
      const copy = (tag: Tag.Tag) =>
        Copy.copy({ registry: source.registry, repository: app, reference: v1 }, { registry, repository, tags: [tag] })
      yield* copy(v1)
      let writes = 0
      const packed = LayoutTar.pack(layout).pipe(
        Stream.tap(() => writes++ === 0 ? copy(Tag.make("v2")) : Effect.void)
      )
      const into = join(path, "unpacked")
      yield* LayoutTar.unpack(packed, into)
      expect(writes).toBeGreaterThan(1)
      const tags = yield* Effect.scoped(Effect.flatMap(
        Layer.build(OciLayout.layer(into)),
        (context) => Stream.runCollect(Context.get(context, Registry).listTags(repository))
      ))
      expect([...tags]).toEqual([v1])
    }))

  it.scoped("stays as it was where what should go into it fails", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const archive = join(path, "app.tar")
      writeFileSync(archive, "what was there")
      expect(yield* Effect.flip(LayoutTar.write(archive, Effect.fail("failed")))).toBe("failed")
      expect(readFileSync(archive, "utf8")).toBe("what was there")
      expect(readdirSync(path)).toEqual(["app.tar"])
    }))

  it.scoped("that is damaged or hostile writes nothing outside, and is refused", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const archive = join(path, "good.tar")
      yield* exported(archive, ["one"])
      const good = yield* Effect.promise(() => unpackTar(new Uint8Array(readFileSync(archive))))
      const file = (name: string, body = "x"): TarEntry => ({ header: { name, size: body.length, type: "file" }, body })
      const link = (name: string, type: "symlink" | "link"): TarEntry => ({
        header: { name, size: 0, type, linkname: "/etc/passwd" }
      })
      const pack = (...more: ReadonlyArray<TarEntry>) => packTar([...good, ...more])
      const digest = "a".repeat(64)
      const cases: ReadonlyArray<readonly [Promise<Uint8Array>, RegExp]> = [
        [pack(file("index.json")), /has index.json twice/],
        [packTar([link("index.json", "symlink"), ...good]), /index.json as a symlink/],
        [pack(link(`blobs/sha256/${digest}`, "link")), /as a link, and no file/],
        [packTar(good.filter(({ header }) => header.name !== "oci-layout")), /has no oci-layout/],
        [Promise.resolve(new Uint8Array(gzipSync(readFileSync(archive)))), /is compressed/],
        [Promise.resolve(new TextEncoder().encode("rubbish".repeat(1000))), /is damaged, or none/],
        [Promise.resolve(new Uint8Array(readFileSync(archive).subarray(0, 1600))), /is damaged|has no/]
      ]
      for (const [bytes, says] of cases) {
        const bad = join(path, "bad.tar")
        writeFileSync(bad, yield* Effect.promise(() => bytes))
        const error = yield* Effect.flip(Effect.scoped(opened(bad)))
        expect(error.message).toMatch(says)
        expect(error.message).toContain("bad.tar")
      }
      const tricks = pack(
        file("../escaped"),
        file("/tmp/escaped-from-a-test"),
        file("blobs/sha256/../../../escaped"),
        file("blobs/sha256/ABC"),
        file("manifest.json")
      )
      const into = join(path, "into", "layout")
      yield* LayoutTar.unpack(Stream.fromEffect(Effect.promise(() => tricks)), into)
      expect(readdirSync(into).sort()).toEqual(["blobs", "index.json", "oci-layout"])
      expect(existsSync(join(path, "into", "escaped"))).toBe(false)
      expect(existsSync(join(path, "escaped"))).toBe(false)
      expect(existsSync("/tmp/escaped-from-a-test")).toBe(false)
    }))
})
