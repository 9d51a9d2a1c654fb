import { Digest, Manifest, MediaType, Registry, Tag } from "@effect-oci/core"
import { describe, expect, it } from "@effect/vitest"
import { Chunk, Context, Effect, Either, Layer, Stream } from "effect"
import { packTar, unpackTar } from "modern-tar"
import type { TarEntry } from "modern-tar"
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import { Copy } from "../src/index.js"
import * as NodeDockerTar from "../src/NodeDockerTar.js"
import * as NodeLayoutImages from "../src/NodeLayoutImages.js"
import * as NodeOciLayout from "../src/NodeOciLayout.js"
import { folder } from "./folder.js"
import { app, on, pushBlob, pushDocument, pushImage, pushIndex, pushReferrer, recorded, v1 } from "./support.js"

const { repository } = NodeOciLayout

const opened = (archive: string) =>
  Effect.map(Layer.build(NodeDockerTar.layer(archive)), (context) => Context.get(context, Registry))

const file = (name: string, body: string | Uint8Array = "x"): TarEntry => ({
  header: { name, size: Buffer.byteLength(body), type: "file" },
  body: typeof body === "string" ? body : new Uint8Array(body)
})

const link = (name: string, linkname: string): TarEntry => ({
  header: { name, size: 0, type: "symlink", linkname }
})

const saved = (path: string, ...entries: ReadonlyArray<TarEntry>) =>
  Effect.map(Effect.promise(() => packTar(entries)), (bytes) => writeFileSync(path, bytes))

const tagsOf = (registry: Registry["Type"]) =>
  Effect.map(Stream.runCollect(registry.listTags(repository)), Chunk.toReadonlyArray)

const documentOf = (registry: Registry["Type"], reference: Tag.Tag | Digest.Digest) =>
  Effect.map(
    registry.getManifest(repository, reference),
    ({ bytes, descriptor }) =>
      Either.getOrThrow(Manifest.parse({ mediaType: descriptor.mediaType, bytes })) as Manifest.Image
  )

describe("an archive of docker save", () => {
  it.scoped("is read by the tags of its images, with layers that are links or compressed", () =>
    Effect.gen(function*() {
      const path = join(yield* folder, "saved.tar")
      const config = JSON.stringify({ os: "linux", architecture: "amd64" })
      const zipped = gzipSync("a layer that is compressed")
      const manifest = [
        { Config: "one.json", RepoTags: ["app:v1", "example.com/team/app:v2"], Layers: ["a/layer.tar", "b/layer.tar"] },
        { Config: "one.json", RepoTags: ["other:v3"], Layers: ["c/layer.tar", "d.tar.gz"] }
      ]
      yield* saved(
        path,
        file("a/VERSION", "1.0"),
        file("a/layer.tar", "the first layer"),
        file("b/layer.tar", "the second layer"),
        link("c/layer.tar", "../b/layer.tar"),
        file("d.tar.gz", zipped),
        file("one.json", config),
        file("manifest.json", JSON.stringify(manifest)),
        file("repositories", "{}")
      )
      const registry = yield* opened(path)
      expect(yield* tagsOf(registry)).toEqual(["v1", "v2", "v3"])
      const image = yield* documentOf(registry, v1)
      const digestOf = (text: string | Uint8Array) =>
        Digest.fromBytes(typeof text === "string" ? new TextEncoder().encode(text) : text)
      expect(image).toMatchObject({
        mediaType: MediaType.dockerImage,
        config: { mediaType: "application/vnd.docker.container.image.v1+json", digest: digestOf(config) },
        layers: [
          { mediaType: "application/vnd.docker.image.rootfs.diff.tar", digest: digestOf("the first layer") },
          { mediaType: "application/vnd.docker.image.rootfs.diff.tar", digest: digestOf("the second layer") }
        ]
      })
      expect((yield* documentOf(registry, Tag.make("v3"))).layers).toMatchObject([
        { digest: digestOf("the second layer") },
        {
          digest: digestOf(zipped),
          mediaType: "application/vnd.docker.image.rootfs.diff.tar.gzip",
          size: zipped.byteLength
        }
      ])
      const target = yield* recorded()
      yield* Copy.copy({ registry, repository, reference: v1 }, { registry: target.registry, repository: app })

      const layout = yield* NodeDockerTar.unpacked(path)
      const found = yield* NodeLayoutImages.find(layout, "app:v1")
      expect(found).toMatchObject({ name: "docker.io/library/app:v1", tag: "v1" })
      expect((yield* NodeLayoutImages.find(layout, "example.com/team/app:v2")).digest).toBe(found.digest)
      expect((yield* Effect.flip(NodeLayoutImages.find(layout))).message).toContain("it contains several images")
    }))

  it.scoped("is written with unchanged layers, and read again", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const archive = join(path, "app.tar")
      const source = yield* recorded()
      const image = yield* pushImage(source.registry, ["one", gzipSync("two")], {}, [v1])
      yield* pushReferrer(source.registry, image, "a/signature")
      const from = { registry: source.registry, repository: app, reference: v1 }
      yield* NodeDockerTar.write(
        archive,
        Effect.flatMap(Registry, (registry) => Copy.copy(from, { registry, repository, tags: [v1, Tag.make("v2")] })),
        { name: "example.com/team/app" }
      )
      expect(readdirSync(path)).toEqual(["app.tar"])
      const entries = yield* Effect.promise(() => unpackTar(new Uint8Array(readFileSync(archive))))
      const [written] = JSON.parse(
        new TextDecoder().decode(entries.find(({ header }) => header.name === "manifest.json")?.data)
      )
      expect(written).toMatchObject({
        Config: expect.stringMatching(/^[0-9a-f]{64}\.json$/),
        RepoTags: ["example.com/team/app:v1", "example.com/team/app:v2"],
        Layers: [expect.stringMatching(/^[0-9a-f]{64}\.tar$/), expect.stringMatching(/^[0-9a-f]{64}\.tar$/)]
      })
      expect(new Set(entries.map(({ header }) => header.name))).toEqual(
        new Set([written.Config, "manifest.json", ...written.Layers])
      )
      const before = Either.getOrThrow(
        Manifest.parse({ mediaType: image.mediaType, bytes: (yield* source.registry.getManifest(app, v1)).bytes })
      ) as Manifest.Image
      const after = yield* documentOf(yield* opened(archive), Tag.make("v2"))
      const digests = ({ config, layers }: Manifest.Image) => [config, ...layers].map(({ digest }) => digest)
      expect(digests(after)).toEqual(digests(before))
    }))

  it.scoped("may contain an image without a name, but no index and no artifact", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const archive = join(path, "app.tar")
      const source = yield* recorded()
      const image = yield* pushImage(source.registry, ["one"], {}, [v1])
      const index = yield* pushIndex(source.registry, [on(image, "linux/amd64")])
      const empty = yield* pushBlob(source.registry, "{}", MediaType.empty)
      const artifact = yield* pushDocument(source.registry, MediaType.image, {
        artifactType: "a/policy",
        config: empty,
        layers: [empty]
      })
      const write = (digest: Digest.Digest) =>
        NodeDockerTar.write(
          archive,
          Effect.flatMap(Registry, (registry) =>
            Copy.copy({ registry: source.registry, repository: app, reference: digest }, { registry, repository }, {
              withoutReferrers: true
            }))
        )
      yield* write(image.digest)
      expect(yield* NodeLayoutImages.list(yield* NodeDockerTar.unpacked(archive))).toMatchObject([{ name: undefined }])
      for (
        const [digest, says] of [
          [index.digest, /app\.tar.*: sha256:\w+ is an index of images for several platforms: choose one platform/],
          [artifact.digest, /is an artifact \(application\/vnd\.oci\.empty\.v1\+json\), not an image/]
        ] as const
      ) expect((yield* Effect.flip(write(digest))).message).toMatch(says)
    }))

  it.scoped("is refused if it is damaged or hostile, and none of its names becomes a path", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const archive = join(path, "bad.tar")
      const manifest = (value: unknown) => file("manifest.json", JSON.stringify(value))
      const image = { Config: "c.json", RepoTags: null, Layers: ["l.tar"] }
      const cases: ReadonlyArray<readonly [ReadonlyArray<TarEntry>, RegExp]> = [
        [[file("c.json"), file("l.tar")], /contains no manifest.json, so `docker save` did not write it/],
        [[file("manifest.json", "{}")], /is not a list of images/],
        [[manifest([image]), file("l.tar")], /contains no c.json, to which its manifest.json refers/],
        [[manifest([{ ...image, Layers: ["/etc/passwd"] }]), file("c.json")], /contains no \/etc\/passwd/],
        [[manifest([image]), file("c.json"), link("l.tar", "/etc/passwd")], /contains no l.tar/],
        [[manifest([image]), file("c.json"), link("l.tar", "m.tar"), link("m.tar", "l.tar")], /contains no l.tar/]
      ]
      for (const [entries, says] of cases) {
        yield* saved(archive, ...entries)
        const error = yield* Effect.flip(Effect.scoped(opened(archive)))
        expect(error.message).toMatch(says)
        expect(error.message).toContain("bad.tar")
      }
      yield* saved(
        archive,
        manifest([image]),
        file("c.json"),
        file("l.tar"),
        file("../escaped"),
        file("/tmp/escaped-docker")
      )
      yield* opened(archive)
      expect(existsSync(join(path, "escaped"))).toBe(false)
      expect(existsSync("/tmp/escaped-docker")).toBe(false)
    }))
})
