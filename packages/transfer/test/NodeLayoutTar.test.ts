import { Registry, Tag } from "@effect-oci/core"
import { describe, expect, it } from "@effect/vitest"
import { Context, Effect, Layer, Stream } from "effect"
import { packTar, unpackTar } from "modern-tar"
import type { TarEntry } from "modern-tar"
import { existsSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import { Copy } from "../src/index.js"
import * as NodeLayoutTar from "../src/NodeLayoutTar.js"
import * as NodeOciLayout from "../src/NodeOciLayout.js"
import { folder } from "./folder.js"
import { app, copyOf, pushImage, recorded, v1 } from "./support.js"

const { repository } = NodeOciLayout

const exported = (archive: string, layers: ReadonlyArray<string | Uint8Array>) =>
  Effect.gen(function*() {
    const source = yield* recorded()
    const image = yield* pushImage(source.registry, layers, {}, [v1])
    yield* NodeLayoutTar.write(
      archive,
      Effect.flatMap(Registry, (registry) =>
        Copy.copy({ registry: source.registry, repository: app, reference: v1 }, { registry, repository }))
    )
    return image
  })

const opened = (archive: string) =>
  Effect.map(Layer.build(NodeLayoutTar.layer(archive)), (context) => Context.get(context, Registry))

/** Returns a zstd frame of raw blocks, and of blocks that repeat a byte. RFC 8878, section 3.1.1. */
const zstdOf = (bytes: Uint8Array, repeats = 0): Uint8Array => {
  const size = 128 * 1024
  const header = (type: number, size: number, last: boolean) => {
    const value = (size << 3) | (type << 1) | (last ? 1 : 0)
    return Uint8Array.of(value & 255, (value >> 8) & 255, value >> 16)
  }
  const count = Math.ceil(bytes.byteLength / size)
  return Buffer.concat([
    Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0, 7 << 3),
    ...Array.from({ length: repeats }, () => Buffer.concat([header(1, size, false), Uint8Array.of(0)])),
    ...Array.from({ length: count }, (_, at) => {
      const block = bytes.subarray(at * size, (at + 1) * size)
      return Buffer.concat([header(0, block.byteLength, at === count - 1), block])
    }),
    ...count === 0 ? [header(0, 0, true)] : []
  ])
}

const xz = Uint8Array.of(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0, ...new Uint8Array(100))

/** A layout of one artifact, packed by `tar` and `zstd -19`. */
const compressedByZstd = Buffer.from(
  "KLUv/WQAJz0VAOZlbSJAi/PAPg20GrELkEu0oX1MOi7CZdDukkgiyVdxJknH1+9aagBjAGIACZFohRIC+LEsy4R1ifSRoHVGDuei" +
    "0fDUpG9ACHzGZ6SIQZOgCHo5qTMSQjnjESDE3ZpWKGFp+Ehn8pB22YVTk2id0PMFA69wxkyRJKr1SRTl8QhyJKskSzHmTTZpvcla" +
    "bZPIUSG+EJiwBtyWMbcJyKkL5+DhIfEjNekZThf5D/Q8nR7RCuk36qJ4aoo0CYoqpZ4Q27pJ7zChhEjOuf/FbznTSnm/ZtCf7LcY" +
    "U2+ZjzJKx4zhB91D9aTj3puTsuNbyzSNKUeAUpMi6BUzBq14FfNcY6sVM/NcY6sVAyhqVCAOvnj+URWowXAkKA1VKpShPo6iAKdj" +
    "QXmESGlWeToX3a2UWtwaS7bL/thbVi66+NxLFRu2t/fc82/HmQhX+UZHqlfu68Vdhp3qVo0TTEla67inLxqJqOGj5yG+SIgHBYka" +
    "jG+SYkpaIetlLKJ67a4/Kd0hN7lt4XK/d+4lKyiXIxfzzGrvnWwcvS1mf661w1i7bM1rMc81tlrxMua5xlYr3sU819hqxdvMc42t" +
    "dqixeEQzIjJSUJKCSuFgpaSgoOkyCIAgBIEYggZBEIQiQAh2CFYIRghIUzBDPohR0IDH3q1ah5OxQcA50Nwlq7fRxuCFtwHhcKT1" +
    "uwd5A+wYymdtaS55AEuRRvOCxPnGCEkOmOQOgIRNI3zbSYZSGIfIAA5zlGGUY80wDmEUxBw4gqGIYxDGEBkMQ5iiMMLgiBgUIxAC" +
    "QIRwPN8oT4ugY2GIP2ADxIq7J4ORVPrHDegD2INFaeAAlgpAsaz9AjbtPeUgktwGwrhxcwxhmd9/XVaUBOQdoLXE2yDfQCbPN4wF" +
    "pqMA1JtAfjwYATZT8T4+Hz7J",
  "base64"
)

describe("an archive of a layout", () => {
  it.scoped("is written completely, and read again", () =>
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
      expect((yield* Effect.flip(registry.startUpload(repository)))._tag).toBe("OciUnsupported")
    }))

  it.scoped("may be one of docker save, with other files beside the layout, and is closed after it is read", () =>
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

  it.scoped("is complete while another process writes to the layout", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const layout = join(path, "layout")
      const source = yield* recorded()
      yield* pushImage(source.registry, ["one", new Uint8Array(3_000_000)], {}, [v1])
      const context = yield* Layer.build(NodeOciLayout.layer(layout, { create: true }))
      const registry = Context.get(context, Registry)
      const copy = (tag: Tag.Tag) =>
        Copy.copy({ registry: source.registry, repository: app, reference: v1 }, { registry, repository, tags: [tag] })
      yield* copy(v1)
      let writes = 0
      const packed = NodeLayoutTar.pack(layout).pipe(
        Stream.tap(() => writes++ === 0 ? copy(Tag.make("v2")) : Effect.void)
      )
      const into = join(path, "unpacked")
      yield* NodeLayoutTar.unpack(packed, into)
      expect(writes).toBeGreaterThan(1)
      const tags = yield* Effect.scoped(Effect.flatMap(
        Layer.build(NodeOciLayout.layer(into)),
        (context) => Stream.runCollect(Context.get(context, Registry).listTags(repository))
      ))
      expect([...tags]).toEqual([v1])
    }))

  it.scoped("does not change if the effect that fills it fails", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const archive = join(path, "app.tar")
      writeFileSync(archive, "what was there")
      expect(yield* Effect.flip(NodeLayoutTar.write(archive, Effect.fail("failed")))).toBe("failed")
      expect(readFileSync(archive, "utf8")).toBe("what was there")
      expect(readdirSync(path)).toEqual(["app.tar"])
    }))

  it.scoped("is read from gzip, also with several members, and from zstd", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const archive = join(path, "app.tar")
      const image = yield* exported(archive, ["one", new Uint8Array(1_000_000).fill(3)])
      const tar = readFileSync(archive)
      const members = Buffer.concat([gzipSync(tar.subarray(0, 1000)), gzipSync(tar.subarray(1000))])
      const cases = [
        ["gz", gzipSync(tar), image.digest],
        ["members.gz", members, image.digest],
        ["raw.zst", zstdOf(tar), image.digest],
        ["zst", compressedByZstd, "sha256:9048d3ff76ae7bf82ce7c819517fdfde908255483f8ac5383a2239a4814ee777"]
      ] as const
      for (const [ending, bytes, digest] of cases) {
        const file = join(path, `app.tar.${ending}`)
        writeFileSync(file, bytes)
        const registry = yield* opened(file)
        expect((yield* registry.getManifest(repository, v1)).descriptor.digest).toBe(digest)
      }
    }))

  it.scoped("is refused if it expands too much, before it fills the memory or the disk", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const zeros = gzipSync(new Uint8Array(64 * 1024 * 1024))
      const cases: ReadonlyArray<readonly [Uint8Array, RegExp, NodeLayoutTar.Options?]> = [
        [zeros, /expands to more than 200 times its size/],
        [zstdOf(new Uint8Array(0), 4000), /expands to more than 200 times its size/],
        [zeros, /expands to more than 1 MiB/, { maxBytes: 1024 * 1024 }],
        [Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0, 17 << 3, ...new Uint8Array(20)), /window of 128 MiB/],
        [
          Uint8Array.of(...zstdOf(new Uint8Array(1)), 0x28, 0xb5, 0x2f, 0xfd, 0, 20 << 3, 1, 0, 0),
          /window of 1024 MiB/
        ],
        [
          Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0, 0, 0, 0, 1, 0, 0, 0, ...new Uint8Array(20)),
          /window of 4096 MiB/
        ]
      ]
      for (const [bytes, says, options] of cases) {
        const file = join(path, "bomb")
        writeFileSync(file, bytes)
        const error = yield* Effect.flip(Effect.scoped(Layer.build(NodeLayoutTar.layer(file, options))))
        expect(error.message).toMatch(says)
      }
    }))

  it.scoped("is refused if it is damaged or hostile, and writes nothing outside of the folder", () =>
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
        [pack(file("index.json")), /contains index.json twice/],
        [packTar([link("index.json", "symlink"), ...good]), /index.json as a symlink/],
        [pack(link(`blobs/sha256/${digest}`, "link")), /as a link; it must be a file/],
        [packTar(good.filter(({ header }) => header.name !== "oci-layout")), /contains no oci-layout/],
        [Promise.resolve(xz), /is compressed with xz, which is not supported; decompress it first/],
        [Promise.resolve(new Uint8Array(gzipSync(readFileSync(archive)).subarray(0, 200))), /is damaged/],
        [Promise.resolve(new TextEncoder().encode("rubbish".repeat(1000))), /is damaged, or is not a tar archive/],
        [Promise.resolve(new Uint8Array(readFileSync(archive).subarray(0, 1600))), /is damaged|contains no/]
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
      yield* NodeLayoutTar.unpack(Stream.fromEffect(Effect.promise(() => tricks)), into)
      expect(readdirSync(into).sort()).toEqual(["blobs", "index.json", "oci-layout"])
      expect(existsSync(join(path, "into", "escaped"))).toBe(false)
      expect(existsSync(join(path, "escaped"))).toBe(false)
      expect(existsSync("/tmp/escaped-from-a-test")).toBe(false)
    }))
})
