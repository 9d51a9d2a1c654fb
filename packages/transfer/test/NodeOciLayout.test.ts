import * as Fixtures from "@effect-oci/conformance/Fixtures"
import { Body, ByteRange, Descriptor, Digest, MediaType, Registry, RepositoryName, Tag } from "@effect-oci/core"
import { describe, expect, it } from "@effect/vitest"
import { Chunk, Context, Effect, Layer, Stream } from "effect"
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { hostname } from "node:os"
import { join } from "node:path"
import { Copy } from "../src/index.js"
import * as NodeOciLayout from "../src/NodeOciLayout.js"
import { folder } from "./folder.js"
import { app, copyOf, on, pushImage, pushIndex, pushReferrer, recorded, v1 } from "./support.js"

const opened = (path: string, options?: NodeOciLayout.Options) =>
  Effect.map(Layer.build(NodeOciLayout.layer(path, options)), (context) => Context.get(context, Registry))

const { repository } = NodeOciLayout

const indexOf = (path: string): { manifests: Array<Descriptor.Descriptor> } =>
  JSON.parse(readFileSync(join(path, "index.json"), "utf8"))

const nameOf = (descriptor: Descriptor.Descriptor) => descriptor.annotations?.["org.opencontainers.image.ref.name"]

const filesOf = (path: string) => readdirSync(path, { recursive: true, encoding: "utf8" }).sort()

describe("an image layout", () => {
  it.scoped("stores a whole artifact, and returns it unchanged", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const source = yield* recorded()
      const target = yield* recorded()
      const amd = yield* pushImage(source.registry, ["base", new Uint8Array(300_000).fill(1)])
      const arm = yield* pushImage(source.registry, ["base", "arm"])
      const index = yield* pushIndex(source.registry, [on(amd, "linux/amd64"), on(arm, "linux/arm64")], {}, [v1])
      const sbom = yield* pushReferrer(source.registry, amd, "an/sbom")

      yield* Effect.scoped(Effect.flatMap(opened(path, { create: true }), (registry) =>
        Copy.copy({ registry: source.registry, repository: app, reference: v1 }, { registry, repository })))

      expect(JSON.parse(readFileSync(join(path, "oci-layout"), "utf8"))).toEqual({ imageLayoutVersion: "1.0.0" })
      expect(
        indexOf(path).manifests.map(({ digest }) =>
          digest
        ).sort()
      ).toEqual([index.digest, sbom.digest].sort())
      expect(new Set(indexOf(path).manifests.map(nameOf))).toEqual(new Set([v1, undefined]))
      expect(readdirSync(join(path, "ingest"))).toEqual([])

      const again = yield* opened(path)
      yield* Copy.copy({ registry: again, repository, reference: v1 }, {
        registry: target.registry,
        repository: copyOf
      })
      expect((yield* target.registry.resolveManifest(copyOf, v1)).digest).toBe(index.digest)
      const referrers = yield* Stream.runCollect(target.registry.listReferrers(copyOf, amd.digest))
      expect(Chunk.toReadonlyArray(referrers).map(({ digest }) => digest)).toEqual([sbom.digest])
    }))

  it.scoped("receives no byte that it already has", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const source = yield* recorded()
      yield* pushImage(source.registry, ["one", "two"], {}, [v1])
      const layout = yield* opened(path, { create: true })
      const run = Copy.copy({ registry: source.registry, repository: app, reference: v1 }, {
        registry: layout,
        repository
      })
      yield* run
      const before = filesOf(path)
      expect((yield* run).blobs.moved).toBe(0)
      expect(filesOf(path)).toEqual(before)
    }))

  it.scoped("records the repository that its content came from, so that a copy back mounts it", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const one = yield* recorded()
      yield* pushImage(one.registry, ["one"], {}, [v1])
      const layout = yield* opened(path, { create: true })
      const host = "registry.example"
      yield* Copy.copy({ registry: one.registry, host, repository: app, reference: v1 }, {
        registry: layout,
        repository
      })
      expect(indexOf(path).manifests[0]?.annotations).toMatchObject({
        [`containerd.io/distribution.source.${host}`]: app
      })
      const back = yield* Copy.copy({ registry: layout, repository, reference: v1 }, {
        registry: one.registry,
        host,
        repository: copyOf
      })
      expect(back.blobs).toEqual({ moved: 0, mounted: 2, existed: 0 })
    }))

  it.scoped("works like other registries: ranges, tags, deletes, resumed uploads", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const layout = yield* opened(path, { create: true })
      const bytes = new TextEncoder().encode("0123456789")
      const digest = Digest.fromBytes(bytes)
      const upload = yield* layout.startUpload(repository)
      const half = yield* layout.appendUpload(repository, upload.id, Body.bytes(bytes.subarray(0, 4)), { offset: 0 })
      expect((yield* layout.getUpload(repository, half.id)).offset).toBe(4)
      yield* layout.completeUpload(repository, half.id, digest, { offset: 4, body: Body.bytes(bytes.subarray(4)) })
      const part = yield* layout.getBlob(repository, digest, { range: ByteRange.slice(3, 4) })
      expect(Chunk.toReadonlyArray(yield* Stream.runCollect(part.stream)).map((each) => Buffer.from(each).toString()))
        .toEqual(["3456"])
      const wrong = yield* Effect.flip(
        layout.pushBlob(repository, Descriptor.fromBytes(bytes), Body.bytes(new Uint8Array(10)))
      )
      expect(wrong._tag).toBe("OciDigestInvalid")
      const config = Descriptor.fromBytes(bytes, MediaType.imageConfig)
      const image = Fixtures.document(MediaType.image, { config, layers: [] })
      const v2 = Tag.make("v2")
      yield* layout.pushManifest(repository, { ...image, tags: [v1, v2] })
      expect(indexOf(path).manifests.map(nameOf)).toEqual([v1, v2])
      yield* layout.deleteTag(repository, v1)
      expect(Chunk.toReadonlyArray(yield* Stream.runCollect(layout.listTags(repository)))).toEqual([v2])
      yield* layout.deleteManifest(repository, Digest.fromBytes(image.bytes))
      expect(indexOf(path).manifests).toEqual([])
      yield* layout.deleteBlob(repository, digest)
      expect(filesOf(join(path, "blobs"))).toEqual(["sha256"])
      const elsewhere = yield* Effect.flip(layout.startUpload(RepositoryName.make("another")))
      expect(elsewhere.message).toContain("has only the repository layout; write to that repository")
    }))

  it.live("is shared: two concurrent writers lose nothing, and see each other's changes", () =>
    Effect.scoped(Effect.gen(function*() {
      const path = yield* folder
      const source = yield* recorded()
      const one = yield* opened(path, { create: true })
      const other = yield* opened(path)
      const names = Array.from({ length: 10 }, (_, index) => Tag.make(`t${index}`))
      yield* Effect.forEach(names, (name) => pushImage(source.registry, [name], {}, [name]))
      yield* Effect.forEach(
        names,
        (name, index) =>
          Copy.copy({ registry: source.registry, repository: app, reference: name }, {
            registry: index % 2 === 0 ? one : other,
            repository
          }),
        { concurrency: "unbounded" }
      )
      for (const registry of [one, other]) {
        expect(Chunk.toReadonlyArray(yield* Stream.runCollect(registry.listTags(repository)))).toEqual(names)
      }
      expect(existsSync(join(path, "index.json.lock"))).toBe(false)
    })))

  it.live("takes the lock of a process that has ended, and does not touch other files", () =>
    Effect.scoped(Effect.gen(function*() {
      const path = yield* folder
      const source = yield* recorded()
      yield* pushImage(source.registry, ["one"], {}, [v1])
      const layout = yield* opened(path, { create: true })
      writeFileSync(join(path, "index.json.lock"), `${hostname()} 999999\n`)
      writeFileSync(join(path, "README"), "mine")
      yield* Copy.copy({ registry: source.registry, repository: app, reference: v1 }, { registry: layout, repository })
      expect(readFileSync(join(path, "README"), "utf8")).toBe("mine")
    })))

  it.scoped("keeps names that are not tags, and unknown members", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const source = yield* recorded()
      yield* pushImage(source.registry, ["one"], {}, [v1])
      const layout = yield* opened(path, { create: true })
      const copied = { registry: source.registry, repository: app, reference: v1 }
      yield* Copy.copy(copied, { registry: layout, repository })
      const index = indexOf(path)
      const [entry] = index.manifests
      const foreign = { "org.opencontainers.image.ref.name": "docker.io/library/app:3", "com.example": "kept" }
      writeFileSync(
        join(path, "index.json"),
        JSON.stringify({ ...index, manifests: [{ ...entry, annotations: foreign, extra: [1] }] })
      )
      expect((yield* layout.resolveManifest(repository, Tag.make("3"))).digest).toBe(entry?.digest)
      yield* Copy.copy(copied, { registry: layout, repository, tags: [Tag.make("new")] })
      const names = indexOf(path).manifests
      expect(names.map(nameOf)).toEqual(["docker.io/library/app:3", "new"])
      expect(names[0]).toMatchObject({ extra: [1], annotations: { "com.example": "kept" } })
    }))
})

describe("a layout that is broken or hostile", () => {
  const made = Effect.gen(function*() {
    const path = yield* folder
    const source = yield* recorded()
    const image = yield* pushImage(source.registry, ["one"], {}, [v1])
    const layout = yield* opened(path, { create: true })
    yield* Copy.copy({ registry: source.registry, repository: app, reference: v1 }, { registry: layout, repository })
    const fileOf = (digest: Digest.Digest) => join(path, "blobs", ...digest.split(":"))
    return { path, image, fileOf }
  })

  const refused = (path: string) => Effect.map(Effect.flip(opened(path)), ({ message }) => message)

  it.scoped("is refused, and the error names the file", () =>
    Effect.gen(function*() {
      const cases: ReadonlyArray<readonly [(layout: Effect.Effect.Success<typeof made>) => void, RegExp]> = [
        [({ path }) => rmSync(join(path, "oci-layout")), /oci-layout: there is no such file/],
        [({ path }) => writeFileSync(join(path, "oci-layout"), "{}"), /oci-layout: it has no imageLayoutVersion/],
        [({ path }) => writeFileSync(join(path, "oci-layout"), "{\"imageLayoutVersion\":\"9\"}"), /its version is 9/],
        [({ path }) => writeFileSync(join(path, "index.json"), "rubbish"), /index.json: it is not a JSON/],
        [
          ({ path }) => writeFileSync(join(path, "index.json"), "{\"manifests\":[{}]}"),
          /manifests\[0\] must be a descriptor/
        ],
        [({ path }) => writeFileSync(join(path, "index.json"), Buffer.alloc(17 * 1024 * 1024)), /larger than 16777216/],
        [
          ({ path, image }) =>
            writeFileSync(
              join(path, "index.json"),
              JSON.stringify({ manifests: [{ ...image, digest: "sha256:../../../../etc/passwd" }] })
            ),
          /manifests\[0\] must be a descriptor/
        ],
        [({ path }) => {
          rmSync(join(path, "blobs"), { recursive: true })
          symlinkSync("/tmp", join(path, "blobs"))
        }, /blobs: it is not a folder/],
        [({ path }) => {
          rmSync(join(path, "index.json"))
          symlinkSync("/etc/passwd", join(path, "index.json"))
        }, /index.json: it is a symbolic link/]
      ]
      for (const [spoil, says] of cases) {
        const layout = yield* made
        spoil(layout)
        expect(yield* refused(layout.path)).toMatch(says)
      }
    }))

  it.scoped("does not serve a manifest whose file is a link or a folder", () =>
    Effect.gen(function*() {
      const cases: ReadonlyArray<readonly [(file: string) => void, RegExp]> = [
        [(file) => symlinkSync("/etc/passwd", file), /it is a symbolic link/],
        [(file) => mkdirSync(file), /not a regular file/]
      ]
      for (const [put, says] of cases) {
        const { fileOf, image, path } = yield* made
        rmSync(fileOf(image.digest))
        put(fileOf(image.digest))
        const layout = yield* opened(path)
        const error = yield* Effect.flip(layout.getManifest(repository, v1))
        expect(error).toMatchObject({ _tag: "OciManifestUnknown" })
        expect(error.message).toMatch(says)
      }
    }))

  it.scoped("does not serve a blob with wrong content, or through a link", () =>
    Effect.gen(function*() {
      const { fileOf, path } = yield* made
      const layer = Digest.fromBytes(new TextEncoder().encode("one"))
      const layout = yield* opened(path)
      const read = Effect.scoped(
        Effect.flatMap(layout.getBlob(repository, layer), ({ body }) => Body.forEachChunk(body, () => {}))
      )
      yield* read
      writeFileSync(fileOf(layer), "onf")
      expect((yield* Effect.flip(read))._tag).toBe("OciDigestInvalid")
      rmSync(fileOf(layer))
      symlinkSync("/etc/hostname", fileOf(layer))
      expect((yield* Effect.flip(read))._tag).not.toBe("OciDigestInvalid")
    }))
})
