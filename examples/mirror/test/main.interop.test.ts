/** Runs skopeo and containerd against the mirror, with docker-registries as upstreams. */
import { Client } from "@effect-oci/client"
import { MediaType, Registry, RepositoryName, Tag } from "@effect-oci/core"
import * as NodeContainerd from "@effect-oci/testing/NodeContainerd"
import * as NodeImages from "@effect-oci/testing/NodeImages"
import * as NodePeers from "@effect-oci/testing/NodePeers"
import { NodeContext, NodeHttpClient } from "@effect/platform-node"
import * as FileSystem from "@effect/platform/FileSystem"
import { describe, expect, it } from "@effect/vitest"
import { Context, Effect, Exit, Layer, Scope } from "effect"
import { join } from "node:path"
import { beforeAll } from "vitest"
import { build, run } from "./mirror.js"

/** Runs a docker-registry with an image of one large layer. */
const upstream = (name: string) =>
  Effect.gen(function*() {
    const { authority } = yield* NodePeers.dockerRegistry
    const registry = Context.get(yield* Layer.build(Client.layer({ host: authority, insecure: true })), Registry)
    const repository = RepositoryName.make(name)
    const image = NodeImages.image([6 * 1024 * 1024])
    const { digest } = yield* NodeImages.push(registry, repository, image, [Tag.make("v1")])
    return { authority, name, digest, image }
  })

const clients = ["skopeo", "crane", "oras", "regctl"] as const

/** Runs a docker-registry with one image under many tags. This registry ignores `n` and `last`, and does not sort. */
const upstreamWithTags = (name: string, tags: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const { authority } = yield* NodePeers.dockerRegistry
    const registry = Context.get(yield* Layer.build(Client.layer({ host: authority, insecure: true })), Registry)
    const repository = RepositoryName.make(name)
    const image = NodeImages.image([])
    yield* NodeImages.push(registry, repository, image, [])
    yield* Effect.forEach(
      tags,
      (tag) =>
        registry.pushManifest(repository, { mediaType: MediaType.image, bytes: image.bytes, tags: [Tag.make(tag)] }),
      { concurrency: 8, discard: true }
    )
    return authority
  })

/** Pulls an image with all its content, and returns its digest. */
const pull = (from: string) =>
  Effect.gen(function*() {
    const files = yield* FileSystem.FileSystem
    const folder = yield* files.makeTempDirectoryScoped({ prefix: "pulled-" })
    yield* NodePeers.skopeo("copy", "--preserve-digests", from, `oci:${folder}:v1`)
    return (yield* NodePeers.skopeo("inspect", "--format", "{{.Digest}}", `oci:${folder}:v1`)).trim()
  })

describe.runIf(NodePeers.have("docker-registry", "skopeo"))("the mirror", () => {
  beforeAll(build, 120_000)

  it.scopedLive("serves the images of two docker-registries to skopeo, and continues while they are down", () =>
    Effect.gen(function*() {
      const upstreams = yield* Scope.make()
      const team = yield* Scope.extend(upstream("team/app"), upstreams)
      const rest = yield* Scope.extend(upstream("library/tool"), upstreams)
      const mirror = yield* run({ UPSTREAMS: `team/=http://${team.authority},http://${rest.authority}` })
      const host = yield* mirror.serving
      const both = Effect.forEach([team, rest], ({ name }) => pull(`docker://${host}/${name}:v1`))
      expect(yield* both).toEqual([team.digest, rest.digest])
      const error = yield* Effect.flip(NodePeers.skopeo("inspect", `docker://${host}/team/none:v1`))
      expect(error.message).toMatch(/unknown/)
      yield* Scope.close(upstreams, Exit.void)
      expect(yield* both).toEqual([team.digest, rest.digest])
      const refused = yield* Effect.flip(NodePeers.skopeo("delete", `docker://${host}/team/app:v1`))
      expect(refused.message).toMatch(/405|unsupported|read-only/i)
    }).pipe(Effect.provide(Layer.mergeAll(NodeContext.layer, NodeHttpClient.layerUndici))))

  it.scopedLive(
    "lists 1,101 tags to every client, with an upstream that ignores n and last",
    () =>
      Effect.gen(function*() {
        const tags = Array.from({ length: 1101 }, (_, index) => `v${(index * 7) % 1101}`)
        const authority = yield* upstreamWithTags("team/app", tags)
        const mirror = yield* run({ UPSTREAMS: `http://${authority}` })
        const host = yield* mirror.serving
        const installed = clients.filter((client) => NodePeers.missing(client).length === 0)
        for (const client of installed) {
          const listed = yield* Effect.timeout(NodePeers.listTags[client](`${host}/team/app`), "20 seconds")
          expect([client, [...listed].sort()]).toEqual([client, [...tags].sort()])
        }
      }).pipe(Effect.provide(Layer.mergeAll(NodeContext.layer, NodeHttpClient.layerUndici))),
    90_000
  )
})

describe.runIf(NodePeers.have("docker-registry") && NodeContainerd.isAvailable())(
  "the mirror of three registries",
  () => {
    beforeAll(build, 120_000)

    it.scopedLive("serves containerd with one `_default` entry, and continues while they are down", () =>
      Effect.gen(function*() {
        const files = yield* FileSystem.FileSystem
        const upstreams = yield* Scope.make()
        const hosts = ["one.test", "two.test", "three.test:8443"] as const
        // The repositories of all three have the same name.
        const images = yield* Effect.forEach(
          hosts,
          (host) => Effect.map(Scope.extend(upstream("team/app"), upstreams), (found) => ({ host, ...found })),
          { concurrency: 3 }
        )
        const mirror = yield* run({
          UPSTREAMS: images.map(({ authority, host }) => `${host}=http://${authority}`).join(",")
        })
        const folder = yield* files.makeTempDirectoryScoped({ prefix: "hosts-" })
        yield* files.makeDirectory(join(folder, "_default"))
        yield* files.writeFileString(
          join(folder, "_default", "hosts.toml"),
          `[host."http://${yield* mirror.serving}"]\n  capabilities = ["pull", "resolve"]\n`
        )
        const pullAll = Effect.scoped(Effect.gen(function*() {
          const { ctr } = yield* NodeContainerd.make
          for (const { host, image, name } of images) {
            yield* ctr("content", "fetch", "--hosts-dir", folder, `${host}/${name}:v1`)
            const fetched = (yield* ctr("content", "ls", "--quiet")).split("\n")
            const contents = NodeImages.contents(image).map(({ descriptor }) => descriptor.digest)
            expect(fetched).toEqual(expect.arrayContaining(contents))
          }
          const unknown = yield* Effect.flip(ctr("content", "fetch", "--hosts-dir", folder, "four.test/team/app:v1"))
          expect(unknown.message).toMatch(/four\.test/)
        }))
        yield* pullAll
        yield* Scope.close(upstreams, Exit.void)
        yield* pullAll
        expect(mirror.log()).toMatch(/message=GetBlob .*repository=three\.test_8443\/team\/app/)
        expect(mirror.log()).not.toMatch(/repository=\S*four/)
      }).pipe(Effect.provide(Layer.mergeAll(NodeContext.layer, NodeHttpClient.layerUndici))))
  }
)
