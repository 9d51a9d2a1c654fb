/** The client with docker-registry (CNCF distribution). */
import { Client } from "@effect-oci/client"
import { Body, Descriptor, MediaType, Operation, Registry, RepositoryName, Tag } from "@effect-oci/core"
import type { Digest } from "@effect-oci/core"
import * as images from "@effect-oci/testing/NodeImages"
import * as NodePeers from "@effect-oci/testing/NodePeers"
import { NodeContext, NodeHttpClient } from "@effect/platform-node"
import { describe, expect, layer } from "@effect/vitest"
import { Context, Effect, Layer, Stream } from "effect"
import { randomBytes } from "node:crypto"

const MiB = 1024 * 1024

class Peer extends Context.Tag("Peer")<Peer, NodePeers.Server>() {}

const peer = Layer.scoped(Peer, NodePeers.dockerRegistry).pipe(Layer.provide(NodeContext.layer))

const client = Layer.unwrapEffect(
  Effect.map(Peer, ({ authority }) => Client.layer({ host: authority, insecure: true }))
)
  .pipe(Layer.provideMerge(peer), Layer.provideMerge(NodeHttpClient.layerUndici))

const repository = RepositoryName.make

const v1 = Tag.make("v1")

/** Creates random content. */
const blob = (size: number) => {
  const bytes = new Uint8Array(randomBytes(size))
  return { bytes, descriptor: Descriptor.fromBytes(bytes) }
}

const push = (name: RepositoryName.RepositoryName, artifact: images.Artifact, tags: ReadonlyArray<Tag.Tag>) =>
  Effect.flatMap(Registry, (registry) => images.push(registry, name, artifact, tags))

const read = (name: RepositoryName.RepositoryName, digest: Digest.Digest, range?: { offset: number; length: number }) =>
  Effect.scoped(Effect.gen(function*() {
    const registry = yield* Registry
    const content = yield* registry.getBlob(name, digest, { range })
    const chunks = yield* Stream.runCollect(content.stream)
    return { content, bytes: new Uint8Array(Buffer.concat(Array.from(chunks))) }
  }))

/** Compares bytes, faster than `toEqual`. */
const isSame = (a: Uint8Array, b: Uint8Array) => Buffer.compare(a, b) === 0

const all = <A, E>(stream: Stream.Stream<A, E>) => Effect.map(Stream.runCollect(stream), (chunk) => Array.from(chunk))

describe.runIf(NodePeers.have("docker-registry"))("docker-registry", () => {
  layer(client, { excludeTestServices: true })((it) => {
    it.effect("stores an image, which is pulled by tag and by digest", () =>
      Effect.gen(function*() {
        const registry = yield* Registry
        const name = repository("pushed/image")
        const image = images.image([1000, 6 * MiB])
        const pushed = yield* push(name, image, [v1])
        expect(pushed).toMatchObject({ ...image.descriptor, tags: [v1] })
        for (const reference of [v1, image.descriptor.digest]) {
          expect(yield* registry.resolveManifest(name, reference)).toEqual(image.descriptor)
          const manifest = yield* registry.getManifest(name, reference)
          expect(manifest.descriptor).toEqual(image.descriptor)
          expect(isSame(manifest.bytes, image.bytes)).toBe(true)
        }
        for (const { bytes, descriptor } of image.blobs) {
          expect((yield* registry.resolveBlob(name, descriptor.digest)).size).toBe(bytes.byteLength)
          expect(isSame((yield* read(name, descriptor.digest)).bytes, bytes)).toBe(true)
        }
      }))

    it.effect("stores an index with several tags in one push", () =>
      Effect.gen(function*() {
        const registry = yield* Registry
        const name = repository("pushed/index")
        const index = images.index(["amd64", "arm64"])
        for (const image of index.manifests) yield* push(name, image, [])
        const tags = ["v1", "v1.2", "latest"].map(Tag.make)
        yield* push(name, index, tags)
        for (const tag of tags) expect(yield* registry.resolveManifest(name, tag)).toEqual(index.descriptor)
      }))

    it.effect.each([
      { name: "of 0 bytes", size: 0 },
      { name: "of 1 byte", size: 1 },
      { name: "of several chunks", size: 300_000 }
    ])("stores a blob $name from a stream that can be read once", ({ size }) =>
      Effect.gen(function*() {
        const registry = yield* Registry
        const name = repository("pushed/stream")
        const { bytes, descriptor } = blob(size)
        const pieces = Stream.rechunk(
          Stream.fromIterable(
            Array.from({ length: Math.ceil(size / 1000) }, (_, i) => bytes.subarray(i * 1000, (i + 1) * 1000))
          ),
          7
        )
        expect((yield* registry.pushBlob(name, descriptor, Body.stream(pieces, { size }))).digest).toBe(
          descriptor.digest
        )
        expect(isSame((yield* read(name, descriptor.digest)).bytes, bytes)).toBe(true)
      }))

    it.effect("stores an upload in chunks, and reports its offset", () =>
      Effect.gen(function*() {
        const registry = yield* Registry
        const name = repository("pushed/chunks")
        const { bytes, descriptor } = blob(300_000)
        const chunk = (from: number, to?: number) => Body.bytes(bytes.subarray(from, to))
        const started = yield* registry.startUpload(name)
        expect(started.offset).toBe(0)
        const first = yield* registry.appendUpload(name, started.id, chunk(0, 100_000), { offset: 0 })
        expect(first.offset).toBe(100_000)
        const status = yield* registry.getUpload(name, first.id)
        expect(status.offset).toBe(100_000)
        const second = yield* registry.appendUpload(name, status.id, chunk(100_000, 200_000), { offset: 100_000 })
        const completed = yield* registry.completeUpload(name, second.id, descriptor.digest, {
          offset: 200_000,
          body: chunk(200_000)
        })
        expect(completed.digest).toBe(descriptor.digest)
        expect(isSame((yield* read(name, descriptor.digest)).bytes, bytes)).toBe(true)
      }))

    it.effect("completes an upload without a last chunk", () =>
      Effect.gen(function*() {
        const registry = yield* Registry
        const name = repository("pushed/chunks")
        const { bytes, descriptor } = blob(5000)
        const { id } = yield* registry.startUpload(name)
        const appended = yield* registry.appendUpload(name, id, Body.bytes(bytes))
        yield* registry.completeUpload(name, appended.id, descriptor.digest)
        expect((yield* registry.resolveBlob(name, descriptor.digest)).size).toBe(5000)
      }))

    it.effect("cancels an upload", () =>
      Effect.gen(function*() {
        const registry = yield* Registry
        const name = repository("pushed/chunks")
        const { id } = yield* registry.startUpload(name)
        yield* registry.cancelUpload(name, id)
        expect((yield* Effect.flip(registry.getUpload(name, id)))._tag).toBe("OciBlobUploadUnknown")
      }))

    it.effect("rejects content with the wrong digest; the client rejects it first", () =>
      Effect.gen(function*() {
        const registry = yield* Registry
        const name = repository("pushed/wrong")
        const { bytes, descriptor } = blob(5000)
        const other = blob(5000).descriptor
        const pushed = yield* Effect.flip(registry.pushBlob(name, other, Body.bytes(bytes)))
        expect(pushed._tag).toBe("OciDigestInvalid")
        const { id } = yield* registry.startUpload(name)
        const appended = yield* registry.appendUpload(name, id, Body.bytes(bytes))
        const completed = yield* Effect.flip(registry.completeUpload(name, appended.id, other.digest))
        expect(completed).toMatchObject({ _tag: "OciDigestInvalid", status: 400 })
        for (const { digest } of [descriptor, other]) {
          expect((yield* Effect.flip(registry.resolveBlob(name, digest)))._tag).toBe("OciBlobUnknown")
        }
      }))

    it.effect("mounts a blob from another repository, or opens an upload", () =>
      Effect.gen(function*() {
        const registry = yield* Registry
        const [from, to] = [repository("mounts/from"), repository("mounts/to")]
        const { bytes, descriptor: { digest, ...descriptor } } = blob(5000)
        yield* registry.pushBlob(from, { digest, ...descriptor }, Body.bytes(bytes))
        expect(yield* registry.mountBlob(to, digest, { from })).toEqual(new Operation.Mounted({ digest }))
        expect(isSame((yield* read(to, digest)).bytes, bytes)).toBe(true)
        const opened = yield* registry.mountBlob(to, blob(10).descriptor.digest, { from })
        if (opened._tag !== "UploadStarted") return expect.fail("an unknown blob was mounted")
        yield* registry.cancelUpload(to, opened.upload.id)
      }))

    it.effect.each([
      { name: "the middle", range: { offset: 1000, length: 500 }, from: 1000, to: 1500 },
      { name: "the end", range: { offset: 9000, length: 5000 }, from: 9000, to: 10_000 },
      { name: "all", range: { offset: 0, length: 10_000 }, from: 0, to: 10_000 }
    ])("returns a range of a blob: $name", ({ from, range, to }) =>
      Effect.gen(function*() {
        const registry = yield* Registry
        const name = repository("ranges")
        const { bytes, descriptor } = blob(10_000)
        yield* registry.pushBlob(name, descriptor, Body.bytes(bytes))
        const part = yield* read(name, descriptor.digest, range)
        expect(part.content.descriptor).toEqual(descriptor)
        expect(part.content.range).toEqual({ offset: from, length: to - from })
        expect(isSame(part.bytes, bytes.subarray(from, to))).toBe(true)
      }))

    it.effect("rejects a range past the end", () =>
      Effect.gen(function*() {
        const registry = yield* Registry
        const name = repository("ranges")
        const { bytes, descriptor } = blob(100)
        yield* registry.pushBlob(name, descriptor, Body.bytes(bytes))
        const error = yield* Effect.flip(read(name, descriptor.digest, { offset: 200, length: 10 }))
        expect(error._tag).toBe("OciRangeInvalid")
      }))

    it.effect("lists hundreds of tags, up to the limit", () =>
      Effect.gen(function*() {
        const registry = yield* Registry
        const name = repository("tagged")
        const tags = Array.from({ length: 250 }, (_, number) => Tag.make(`t${String(number).padStart(3, "0")}`))
        const image = images.image([10])
        yield* push(name, image, [])
        const { bytes, descriptor: { mediaType } } = image
        yield* Effect.forEach(tags, (tag) => registry.pushManifest(name, { mediaType, bytes, tags: [tag] }), {
          concurrency: 8,
          discard: true
        })
        // docker-registry sends all tags at once and unsorted.
        expect((yield* all(registry.listTags(name))).sort()).toEqual(tags)
        expect(yield* all(registry.listTags(name, { limit: 100 }))).toHaveLength(100)
      }))

    it.effect("lists repositories in pages, after a given one and up to the limit", () =>
      Effect.gen(function*() {
        const { authority } = yield* Peer
        const names = Array.from("abcdefghijklmnopqrstuvwxy", (letter) => repository(`listed/${letter}`))
        yield* Effect.forEach(names, (name) => push(name, images.image([10]), [v1]), { concurrency: 4, discard: true })
        yield* Effect.gen(function*() {
          const registry = yield* Registry
          const listed = yield* all(registry.listRepositories())
          expect(listed.filter((name) => name.startsWith("listed/"))).toEqual(names)
          expect(yield* all(registry.listRepositories({ last: names[4], limit: 15 }))).toEqual(names.slice(5, 20))
        }).pipe(Effect.provide(Client.layer({ host: authority, insecure: true, pageSize: 10 })))
      }))

    it.effect("deletes manifests and blobs, but not tags", () =>
      Effect.gen(function*() {
        const registry = yield* Registry
        const name = repository("deleted")
        const image = images.image([10])
        yield* push(name, image, [v1])
        // docker-registry expects a digest in place of the tag.
        expect(yield* Effect.flip(registry.deleteTag(name, v1))).toMatchObject({
          _tag: "OciDigestInvalid",
          status: 400
        })
        yield* registry.deleteManifest(name, image.descriptor.digest)
        for (const reference of [v1, image.descriptor.digest]) {
          expect((yield* Effect.flip(registry.getManifest(name, reference)))._tag).toBe("OciManifestUnknown")
        }
        const { digest } = image.blobs[0]!.descriptor
        yield* registry.deleteBlob(name, digest)
        expect((yield* Effect.flip(registry.resolveBlob(name, digest)))._tag).toBe("OciBlobUnknown")
      }))

    it.effect("reports what was not found", () =>
      Effect.gen(function*() {
        const registry = yield* Registry
        const name = repository("empty/here")
        const unknown = repository("no/such")
        const { bytes, descriptor } = blob(10)
        const { digest } = descriptor
        yield* registry.pushBlob(name, descriptor, Body.bytes(bytes))
        const absent = blob(10).descriptor.digest
        const tags = yield* Effect.all({
          "a blob": Effect.flip(read(name, absent)),
          "a blob, by HEAD": Effect.flip(registry.resolveBlob(name, absent)),
          "a blob of another repository": Effect.flip(read(unknown, digest)),
          "a tag": Effect.flip(registry.getManifest(name, v1)),
          "a tag, by HEAD": Effect.flip(registry.resolveManifest(name, v1)),
          "a manifest": Effect.flip(registry.getManifest(name, absent)),
          "tags of a repository": Effect.flip(all(registry.listTags(unknown))),
          "a blob to delete": Effect.flip(registry.deleteBlob(name, absent)),
          "a manifest to delete": Effect.flip(registry.deleteManifest(name, absent))
        }).pipe(
          Effect.map((errors) => Object.fromEntries(Object.entries(errors).map(([key, { _tag }]) => [key, _tag])))
        )
        expect(tags).toEqual({
          "a blob": "OciBlobUnknown",
          "a blob, by HEAD": "OciBlobUnknown",
          "a blob of another repository": "OciBlobUnknown",
          "a tag": "OciManifestUnknown",
          "a tag, by HEAD": "OciManifestUnknown",
          "a manifest": "OciManifestUnknown",
          "tags of a repository": "OciNameUnknown",
          "a blob to delete": "OciBlobUnknown",
          "a manifest to delete": "OciManifestUnknown"
        })
      }))

    it.effect("rejects a manifest with missing blobs, and one that is not JSON", () =>
      Effect.gen(function*() {
        const registry = yield* Registry
        const { bytes, descriptor: { mediaType } } = images.image([10])
        const name = repository("manifests")
        const error = yield* Effect.flip(registry.pushManifest(name, { mediaType, bytes, tags: [v1] }))
        expect(error._tag).toBe("OciManifestBlobUnknown")
        const broken = new TextEncoder().encode("{")
        const invalid = yield* Effect.flip(
          registry.pushManifest(name, { mediaType: MediaType.image, bytes: broken, tags: [v1] })
        )
        expect(invalid._tag).toBe("OciManifestInvalid")
      }))

    it.effect("fails with TransportError after the registry stopped", () =>
      Effect.gen(function*() {
        const gone = yield* Effect.scoped(Effect.map(NodePeers.dockerRegistry, ({ authority }) => authority)).pipe(
          Effect.provide(NodeContext.layer)
        )
        const resolve = Effect.flatMap(Registry, (registry) => registry.resolveManifest(repository("team/app"), v1))
        const error = yield* resolve.pipe(Effect.provide(Client.layer({ host: gone, insecure: true })), Effect.flip)
        expect(error._tag).toBe("OciTransportError")
        expect(error.message).toContain(gone)
      }))
  })
})
