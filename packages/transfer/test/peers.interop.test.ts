/** Copies from one docker-registry to another, to our server, to layouts and archives. skopeo reads the results. */
import { Client } from "@effect-oci/client"
import * as Fixtures from "@effect-oci/conformance/Fixtures"
import { Body, Descriptor, Digest, MediaType, Registry, RepositoryName, Tag } from "@effect-oci/core"
import type { Operation } from "@effect-oci/core"
import * as NodeRegistryServer from "@effect-oci/server/NodeRegistryServer"
import { Memory } from "@effect-oci/store"
import * as NodePeers from "@effect-oci/testing/NodePeers"
import { NodeContext, NodeHttpClient } from "@effect/platform-node"
import { describe, expect, it } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { randomBytes } from "node:crypto"
import { join } from "node:path"
import { Copy } from "../src/index.js"
import * as NodeDockerTar from "../src/NodeDockerTar.js"
import * as NodeLayoutTar from "../src/NodeLayoutTar.js"
import * as NodeOciLayout from "../src/NodeOciLayout.js"
import { folder } from "./folder.js"

const team = RepositoryName.make("team/app")
const mirror = RepositoryName.make("mirror/app")
const v1 = Tag.make("v1")

/** Creates a client of a registry, and records its requests. */
const client = (host: string) =>
  Effect.map(Layer.build(Client.layer({ host, insecure: true })), (context) => {
    const received: Array<Operation.Operation> = []
    const { handle } = Context.get(context, Registry)
    const registry = Registry.fromHandler((operation) => {
      received.push(operation)
      return handle(operation)
    })
    return {
      host,
      registry,
      counts: () => {
        const counts: { [tag: string]: number } = {}
        for (const { _tag } of received.splice(0)) counts[_tag] = (counts[_tag] ?? 0) + 1
        return counts
      }
    }
  })

const dockerRegistry = Effect.flatMap(NodePeers.dockerRegistry, ({ authority }) => client(authority))

const ours = Effect.flatMap(
  Layer.build(NodeRegistryServer.layer({ port: 0 }).pipe(Layer.provide(Memory.layer()))),
  (context) => client(Context.get(context, NodeRegistryServer.Address).authority)
)

const json = (value: unknown) => new TextEncoder().encode(JSON.stringify(value))

/** Pushes an index of two images. Their layers take several reads, and one layer is shared. */
const pushIndex = (registry: Registry["Type"]) =>
  Effect.gen(function*() {
    const blob = (bytes: Uint8Array, mediaType: string) => {
      const descriptor = Descriptor.fromBytes(bytes, mediaType)
      return Effect.as(registry.pushBlob(team, descriptor, Body.bytes(bytes)), descriptor)
    }
    const manifest = (mediaType: string, fields: object, tags: ReadonlyArray<Tag.Tag> = []) => {
      const manifest = Fixtures.document(mediaType, fields)
      return Effect.as(
        registry.pushManifest(team, { ...manifest, tags }),
        Descriptor.fromBytes(manifest.bytes, mediaType)
      )
    }
    const base = randomBytes(3_000_000)
    const image = (architecture: string) =>
      Effect.gen(function*() {
        const top = randomBytes(1_000_000)
        const config = json({
          architecture,
          os: "linux",
          config: {},
          rootfs: { type: "layers", diff_ids: [Digest.fromBytes(base), Digest.fromBytes(top)] }
        })
        const layers = yield* Effect.forEach([base, top], (bytes) => blob(bytes, MediaType.layer))
        const fields = { config: yield* blob(config, MediaType.imageConfig), layers }
        return { ...(yield* manifest(MediaType.image, fields)), platform: { os: "linux", architecture } }
      })
    const images = yield* Effect.forEach(["amd64", "arm64"], image)
    const index = yield* manifest(MediaType.index, { manifests: images }, [v1])
    return { index, images }
  })

const from = ({ host, registry }: Effect.Effect.Success<ReturnType<typeof client>>) => ({
  registry,
  host,
  repository: team,
  reference: v1
})

const digestOf = (image: string) =>
  Effect.map(NodePeers.skopeo("inspect", "--format", "{{.Digest}}", image), (text) => text.trim())

describe.runIf(NodePeers.have("docker-registry", "skopeo"))("copies", () => {
  it.scopedLive("between two docker-registries send each blob once, and nothing the second time", () =>
    Effect.gen(function*() {
      const source = yield* dockerRegistry
      const target = yield* dockerRegistry
      const { index } = yield* pushIndex(source.registry)
      source.counts()

      const copied = yield* Copy.copy(from(source), { ...target, repository: mirror })
      expect(copied.descriptor.digest).toBe(index.digest)
      expect(source.counts()).toEqual({ GetManifest: 3, ListReferrers: 3, ListTags: 1, GetBlob: 5 })
      expect(target.counts()).toEqual({
        ResolveManifest: 3,
        ResolveBlob: 5,
        StartUpload: 5,
        CompleteUpload: 5,
        PushManifest: 3
      })
      expect((yield* target.registry.resolveManifest(mirror, v1)).digest).toBe(index.digest)

      yield* Copy.copy(from(source), { ...target, repository: mirror })
      expect(target.counts()).toEqual({ ResolveManifest: 2 })

      const other = RepositoryName.make("other/app")
      const mounted = yield* Copy.copy({ ...target, repository: mirror, reference: v1 }, {
        ...target,
        repository: other
      })
      expect(mounted.blobs).toEqual({ moved: 0, mounted: 5, existed: 0 })
      const image = `docker://${target.host}/${other}:v1`
      expect(yield* digestOf(image)).toBe(yield* digestOf(`docker://${source.host}/${team}:v1`))
    }).pipe(Effect.provide(Layer.mergeAll(NodeContext.layer, NodeHttpClient.layerUndici))))

  it.scopedLive("to our server, to a layout, to an archive and back, keeps every digest, and skopeo reads each of them", () =>
    Effect.gen(function*() {
      const source = yield* dockerRegistry
      const server = yield* ours
      const path = yield* folder
      const { images, index } = yield* pushIndex(source.registry)
      yield* Copy.copy(from(source), { ...server, repository: team })

      const layout = join(path, "layout")
      const registry = Context.get(yield* Layer.build(NodeOciLayout.layer(layout, { create: true })), Registry)
      yield* Copy.copy(from(server), { registry, repository: NodeOciLayout.repository })
      const archive = join(path, "app.tar")
      yield* NodeLayoutTar.write(
        archive,
        Effect.flatMap(
          Registry,
          (registry) => Copy.copy(from(server), { registry, repository: NodeOciLayout.repository })
        )
      )
      for (const image of [`oci:${layout}:v1`, `oci-archive:${archive}:v1`]) {
        yield* NodePeers.skopeo("copy", "--all", "--preserve-digests", image, `docker://${source.host}/back:v1`)
        const back = yield* source.registry.resolveManifest(RepositoryName.make("back"), v1)
        expect(back.digest).toBe(index.digest)
      }
      const read = Context.get(yield* Layer.build(NodeLayoutTar.layer(archive)), Registry)
      const last = RepositoryName.make("last")
      yield* Copy.copy({ registry: read, repository: NodeOciLayout.repository, reference: v1 }, {
        ...source,
        repository: last
      }, {
        platform: { os: "linux", architecture: "arm64" }
      })
      expect((yield* source.registry.resolveManifest(last, v1)).digest).toBe(images[1]?.digest)
    }).pipe(Effect.provide(Layer.mergeAll(NodeContext.layer, NodeHttpClient.layerUndici))))

  it.scopedLive("to and from archives of docker save keep the image's config and layers; skopeo writes and reads them", () =>
    Effect.gen(function*() {
      const source = yield* dockerRegistry
      const server = yield* ours
      const path = yield* folder
      yield* pushIndex(source.registry)
      const configOf = (image: string) =>
        Effect.map(NodePeers.skopeo("inspect", "--config", "--raw", image), (text) => text.trim())
      const expected = yield* configOf(`docker://${source.host}/${team}:v1`)

      const theirs = join(path, "theirs.tar")
      yield* NodePeers.skopeo("copy", `docker://${source.host}/${team}:v1`, `docker-archive:${theirs}:app:v1`)
      const read = Context.get(yield* Layer.build(NodeDockerTar.layer(theirs)), Registry)
      yield* Copy.copy({ registry: read, repository: NodeOciLayout.repository, reference: v1 }, {
        ...server,
        repository: team
      })
      expect(yield* configOf(`docker://${server.host}/${team}:v1`)).toBe(expected)

      const written = join(path, "written.tar")
      yield* NodeDockerTar.write(
        written,
        Effect.flatMap(
          Registry,
          (registry) =>
            Copy.copy(from(source), { registry, repository: NodeOciLayout.repository }, {
              platform: { os: "linux", architecture: "amd64" }
            })
        ),
        { name: "docker.io/library/app" }
      )
      expect(yield* configOf(`docker-archive:${written}:app:v1`)).toBe(expected)
      yield* NodePeers.skopeo("copy", `docker-archive:${written}`, `docker://${source.host}/back:v1`)
      expect(yield* configOf(`docker://${source.host}/back:v1`)).toBe(expected)
    }).pipe(Effect.provide(Layer.mergeAll(NodeContext.layer, NodeHttpClient.layerUndici))))

  it.scopedLive("read the layouts and archives that skopeo writes", () =>
    Effect.gen(function*() {
      const source = yield* dockerRegistry
      const server = yield* ours
      const path = yield* folder
      const { images, index } = yield* pushIndex(source.registry)
      const image = `docker://${source.host}/${team}:v1`
      const layout = join(path, "layout")
      const archive = join(path, "app.tar")
      yield* NodePeers.skopeo("copy", "--all", "--preserve-digests", image, `oci:${layout}:v1`)
      yield* NodePeers.skopeo("copy", "--preserve-digests", image, `oci-archive:${archive}:v1`)
      const copied = (
        layer: Layer.Layer<Registry, NodeOciLayout.LayoutInvalid>,
        repository: RepositoryName.RepositoryName
      ) =>
        Effect.flatMap(Layer.build(layer), (context) =>
          Copy.copy({ registry: Context.get(context, Registry), repository: NodeOciLayout.repository, reference: v1 }, {
            ...server,
            repository
          }))
      expect((yield* copied(NodeOciLayout.layer(layout), team)).descriptor.digest).toBe(index.digest)
      expect((yield* copied(NodeLayoutTar.layer(archive), mirror)).descriptor.digest).toBe(images[0]?.digest)
    }).pipe(Effect.provide(Layer.mergeAll(NodeContext.layer, NodeHttpClient.layerUndici))))
})
