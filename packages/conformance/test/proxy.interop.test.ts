/** skopeo uses docker-registry through the server and the client. */
import { Client } from "@effect-oci/client"
import { Logging } from "@effect-oci/middleware"
import * as NodeRegistryServer from "@effect-oci/server/NodeRegistryServer"
import * as images from "@effect-oci/testing/NodeImages"
import * as NodePeers from "@effect-oci/testing/NodePeers"
import { skopeo } from "@effect-oci/testing/NodePeers"
import { NodeContext, NodeHttpClient } from "@effect/platform-node"
import * as FileSystem from "@effect/platform/FileSystem"
import { describe, expect, layer } from "@effect/vitest"
import { Context, Effect, Layer, Logger } from "effect"

const MiB = 1024 * 1024

class Peer extends Context.Tag("Peer")<Peer, NodePeers.Server>() {}

const upstream = Layer.unwrapEffect(
  Effect.map(Peer, ({ authority }) => Client.layer({ host: authority, insecure: true }).pipe(Logging.wrap()))
)

const proxy = NodeRegistryServer.layer({ port: 0 }).pipe(
  Layer.provide(upstream),
  Layer.provideMerge(Layer.scoped(Peer, NodePeers.dockerRegistry)),
  Layer.provideMerge(Layer.mergeAll(NodeContext.layer, NodeHttpClient.layerUndici)),
  Layer.provide(Logger.remove(Logger.defaultLogger))
)

/** Returns a name at docker-registry and the same name at the proxy. */
const names = (name: string) =>
  Effect.gen(function*() {
    const { authority } = yield* Peer
    const address = yield* NodeRegistryServer.Address
    return { direct: `docker://${authority}/${name}`, proxied: `docker://${address.authority}/${name}` }
  })

const pull = (from: string) =>
  Effect.gen(function*() {
    const files = yield* FileSystem.FileSystem
    const folder = yield* files.makeTempDirectoryScoped({ prefix: "pulled-" })
    yield* skopeo("copy", "--all", "--preserve-digests", from, `oci:${folder}:v1`)
    return folder
  })

const artifacts = [
  { name: "image", make: () => images.image([1000, 6 * MiB]) },
  { name: "index", make: () => images.index(["amd64", "arm64"]) }
]

describe.runIf(NodePeers.have("docker-registry", "skopeo"))("server, client, docker-registry", () => {
  layer(proxy, { excludeTestServices: true })((it) => {
    it.scoped.each(artifacts)(
      "an $name is pulled unchanged through the proxy",
      ({ make, name }) =>
        Effect.gen(function*() {
          const artifact = make()
          const { proxied, direct } = yield* names(`pulled/${name}:v1`)
          const folder = yield* images.writeLayout(artifact)
          yield* skopeo("copy", "--all", "--preserve-digests", `oci:${folder}:v1`, direct)
          const pulled = yield* images.compareLayout(yield* pull(proxied), artifact)
          expect(pulled).toEqual({ missing: [], digests: [artifact.descriptor.digest] })
        })
    )

    it.scoped.each(artifacts)(
      "an $name is pushed unchanged through the proxy",
      ({ make, name }) =>
        Effect.gen(function*() {
          const artifact = make()
          const { proxied, direct } = yield* names(`pushed/${name}:v1`)
          const folder = yield* images.writeLayout(artifact)
          yield* skopeo("copy", "--all", "--preserve-digests", `oci:${folder}:v1`, proxied)
          const pulled = yield* images.compareLayout(yield* pull(direct), artifact)
          expect(pulled).toEqual({ missing: [], digests: [artifact.descriptor.digest] })
        })
    )

    it.scoped("lists, deletes and errors are the same as those of docker-registry", () =>
      Effect.gen(function*() {
        const folder = yield* images.writeLayout(images.image([100]))
        const { proxied, direct } = yield* names("deleted")
        yield* skopeo("copy", `oci:${folder}:v1`, `${direct}:v1`)
        const tags = (name: string) =>
          Effect.map(skopeo("list-tags", name), (text) => (JSON.parse(text) as { readonly Tags: unknown }).Tags)
        expect(yield* tags(proxied)).toEqual(yield* tags(direct))
        yield* skopeo("delete", `${proxied}:v1`)
        const errorOf = (name: string) =>
          Effect.map(Effect.flip(skopeo("inspect", `${name}:v1`)), ({ message }) =>
            message.replaceAll(name, "NAME").replaceAll(name.slice("docker://".length), "NAME").replace(/time=\S+/, ""))
        expect(yield* errorOf(proxied)).toBe(yield* errorOf(direct))
      }))
  })
})
