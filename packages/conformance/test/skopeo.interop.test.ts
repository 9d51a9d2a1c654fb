/** skopeo as a client of the server. */
import { Operation, Registry, RepositoryName, Tag } from "@effect-oci/core"
import { Logging } from "@effect-oci/middleware"
import * as NodeRegistryServer from "@effect-oci/server/NodeRegistryServer"
import { Memory } from "@effect-oci/store"
import * as images from "@effect-oci/testing/NodeImages"
import * as NodePeers from "@effect-oci/testing/NodePeers"
import { skopeo } from "@effect-oci/testing/NodePeers"
import { NodeContext } from "@effect/platform-node"
import * as FileSystem from "@effect/platform/FileSystem"
import { describe, expect, layer } from "@effect/vitest"
import { Effect, Layer, Logger, Stream } from "effect"

const MiB = 1024 * 1024

/** The tags of all operations that the registry performed. */
const performed: Array<Operation.OperationTag> = []

const recording = Registry.wrap((next) => (operation) => {
  performed.push(operation._tag)
  return next(operation)
})

/** Serves pages of ten items, so that lists have several pages. */
const served = NodeRegistryServer.layer({ port: 0, maxPageSize: 10 }).pipe(
  Layer.provideMerge(Memory.layer().pipe(recording, Logging.wrap())),
  Layer.provideMerge(NodeContext.layer),
  Layer.provide(Logger.remove(Logger.defaultLogger))
)

const at = (name: string) => Effect.map(NodeRegistryServer.Address, ({ authority }) => `docker://${authority}/${name}`)

const push = (artifact: images.Artifact, name: string, ...flags: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const folder = yield* images.writeLayout(artifact)
    yield* skopeo("copy", ...flags, `oci:${folder}:v1`, yield* at(name))
  })

const pull = (name: string, ...flags: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const files = yield* FileSystem.FileSystem
    const folder = yield* files.makeTempDirectoryScoped({ prefix: "pulled-" })
    yield* skopeo("copy", ...flags, yield* at(name), `oci:${folder}:v1`)
    return folder
  })

describe.runIf(NodePeers.have("skopeo"))("skopeo", () => {
  layer(served, { excludeTestServices: true })((it) => {
    it.scoped("pushes and pulls an image without changing its digest", () =>
      Effect.gen(function*() {
        const image = images.image([1000, 6 * MiB, 300_000])
        yield* push(image, "copied/image:v1", "--preserve-digests")
        const registry = yield* Registry
        const manifest = yield* registry.getManifest(RepositoryName.make("copied/image"), Tag.make("v1"))
        expect(manifest.descriptor).toEqual(image.descriptor)
        const folder = yield* pull("copied/image:v1", "--preserve-digests")
        expect(yield* images.compareLayout(folder, image)).toEqual({ missing: [], digests: [image.descriptor.digest] })
      }))

    it.scoped("pushes and pulls an index with all its platforms", () =>
      Effect.gen(function*() {
        const index = images.index(["amd64", "arm64", "s390x"])
        yield* push(index, "copied/index:v1", "--all", "--preserve-digests")
        const folder = yield* pull("copied/index:v1", "--all", "--preserve-digests")
        expect(yield* images.compareLayout(folder, index)).toEqual({ missing: [], digests: [index.descriptor.digest] })
        const one = yield* pull("copied/index:v1")
        expect((yield* images.compareLayout(one, index.manifests[0]!)).missing).toEqual([])
      }))

    it.scoped("pulls an image by its digest", () =>
      Effect.gen(function*() {
        const image = images.image([1000])
        yield* push(image, "copied/digest:v1", "--preserve-digests")
        const folder = yield* pull(`copied/digest@${image.descriptor.digest}`)
        expect((yield* images.compareLayout(folder, image)).missing).toEqual([])
      }))

    it.scoped("copies an image to another repository, and converts it to Docker's media types", () =>
      Effect.gen(function*() {
        const image = images.image([1000, 2000])
        yield* push(image, "copied/from:v1", "--preserve-digests")
        yield* skopeo("copy", yield* at("copied/from:v1"), yield* at("copied/to:v1"))
        performed.length = 0
        yield* skopeo("copy", yield* at("copied/from:v1"), yield* at("copied/to:again"))
        expect(performed.filter((name) => !Operation.isRead({ _tag: name } as never))).toEqual(["PushManifest"])
        yield* skopeo("copy", "--format", "v2s2", yield* at("copied/from:v1"), yield* at("copied/to:docker"))
        const registry = yield* Registry
        const to = RepositoryName.make("copied/to")
        const same = yield* registry.resolveManifest(to, Tag.make("v1"))
        const docker = yield* registry.resolveManifest(to, Tag.make("docker"))
        expect(same.digest).toBe(image.descriptor.digest)
        expect(docker.mediaType).toBe("application/vnd.docker.distribution.manifest.v2+json")
      }))

    it.scoped("inspects an image", () =>
      Effect.gen(function*() {
        const image = images.image([1000, 2000])
        yield* push(image, "inspected:v1", "--preserve-digests")
        const name = yield* at("inspected:v1")
        expect(JSON.parse(yield* skopeo("inspect", name))).toMatchObject({
          Digest: image.descriptor.digest,
          RepoTags: ["v1"],
          Architecture: "amd64",
          Layers: image.blobs.slice(1).map(({ descriptor }) => descriptor.digest)
        })
        expect(yield* skopeo("inspect", "--raw", name)).toBe(new TextDecoder().decode(image.bytes))
      }))

    it.scoped("lists the tags of several pages", () =>
      Effect.gen(function*() {
        const image = images.image([100])
        const repository = RepositoryName.make("many")
        yield* push(image, `${repository}:v1`, "--preserve-digests")
        const registry = yield* Registry
        const tags = Array.from({ length: 35 }, (_, number) => Tag.make(`t${String(number).padStart(2, "0")}`))
        const { bytes, descriptor: { mediaType } } = image
        yield* registry.pushManifest(repository, { mediaType, bytes, tags })
        const listed = JSON.parse(yield* skopeo("list-tags", yield* at(repository))) as { readonly Tags: unknown }
        expect(listed.Tags).toEqual([...tags, "v1"])
      }))

    it.scoped("deletes an image", () =>
      Effect.gen(function*() {
        yield* push(images.image([100]), "deleted:v1")
        yield* skopeo("delete", yield* at("deleted:v1"))
        const registry = yield* Registry
        expect(Array.from(yield* Stream.runCollect(registry.listTags(RepositoryName.make("deleted"))))).toEqual([])
        const gone = yield* Effect.flip(skopeo("inspect", yield* at("deleted:v1")))
        expect(gone.message).toContain("manifest unknown")
      }))

    it.scoped("reports that a repository was not found", () =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(skopeo("list-tags", yield* at("no/such")))
        expect(error.message).toContain("404 (Not Found)")
      }))
  })
})
