import { Credential, Credentials } from "@effect-oci/auth"
import { Client } from "@effect-oci/client"
import { Body, Descriptor, MediaType, Registry, RepositoryName, Tag } from "@effect-oci/core"
import * as NodeRegistryServer from "@effect-oci/server/NodeRegistryServer"
import { FetchHttpClient } from "@effect/platform"
import { NodeContext, NodeSocketServer } from "@effect/platform-node"
import { expect, it, layer } from "@effect/vitest"
import { ConfigProvider, Context, Effect, Layer, Logger, Redacted, Stream } from "effect"
import { join } from "node:path"
import * as PrivateRegistry from "../src/registry.js"
import * as example from "./example.js"

/** Returns a port that was free a moment ago. */
const freePort = Effect.scoped(
  Effect.map(
    NodeSocketServer.make({ host: "127.0.0.1", port: 0 }),
    ({ address }) => address._tag === "TcpAddress" ? address.port : 0
  )
)

/** Serves the registry on a free port, with its users and its content in a folder. */
const servedFrom = (folder: string) =>
  Layer.unwrapEffect(Effect.map(freePort, (port) => {
    const settings = { PORT: String(port), USERS: join(folder, "users"), DATA: join(folder, "data") }
    return PrivateRegistry.layer.pipe(
      Layer.provide(Layer.setConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(settings)))))
    )
  })).pipe(Layer.provide(NodeContext.layer), Layer.provide(Logger.remove(Logger.defaultLogger)))

const served = Layer.unwrapScoped(Effect.map(example.folder, servedFrom)).pipe(Layer.provide(NodeContext.layer))

/** The operations of one user, or of a client that has not logged in. */
const as =
  (name: string | undefined, password = `${name}-secret`) =>
  <A, E>(use: (registry: Registry.Service) => Effect.Effect<A, E>) =>
    Effect.gen(function*() {
      const { authority } = yield* NodeRegistryServer.Address
      const credentials = name === undefined
        ? Credentials.layerAnonymous
        : Credentials.layerStatic({ [authority]: Credential.basic(name, Redacted.make(password)) })
      const client = Client.layer({ host: authority, insecure: true }).pipe(
        Layer.provide(credentials),
        Layer.provide(FetchHttpClient.layer)
      )
      return yield* use(Context.get(yield* Layer.build(client), Registry))
    }).pipe(Effect.scoped)

const blob = new TextEncoder().encode("{}")
const manifest = new TextEncoder().encode(
  JSON.stringify({ schemaVersion: 2, mediaType: MediaType.image, config: Descriptor.fromBytes(blob), layers: [] })
)
const tag = Tag.make("v1")

const push = (name: string) => (registry: Registry.Service) =>
  Effect.gen(function*() {
    const repository = RepositoryName.make(name)
    yield* registry.pushBlob(repository, Descriptor.fromBytes(blob), Body.bytes(blob))
    yield* registry.pushManifest(repository, { mediaType: MediaType.image, bytes: manifest, tags: [tag] })
    return "pushed"
  })

const pull = (name: string) => (registry: Registry.Service) =>
  Effect.as(registry.getManifest(RepositoryName.make(name), tag), "pulled")

const remove = (name: string) => (registry: Registry.Service) =>
  Effect.as(registry.deleteTag(RepositoryName.make(name), tag), "deleted")

const catalog = (registry: Registry.Service) =>
  Effect.map(Stream.runCollect(registry.listRepositories()), (names) => Array.from(names).join(" "))

layer(served, { excludeTestServices: true })("the private registry", (it) => {
  it.effect("allows each user what the policy allows", () =>
    Effect.gen(function*() {
      const outcomes = []
      for (
        const [name, use] of [
          ["alice", push("alice/app")],
          ["admin", push("public/app")],
          ["bob", push("alice/app")],
          ["bob", push("public/app")],
          ["bob", push("alice")],
          [undefined, push("public/app")],
          ["alice", pull("alice/app")],
          ["bob", pull("alice/app")],
          ["bob", pull("alice/no-such")],
          ["bob", pull("public/app")],
          [undefined, pull("public/app")],
          [undefined, pull("alice/app")],
          ["bob", remove("public/app")],
          ["alice", catalog],
          ["admin", catalog],
          ["alice", remove("alice/app")]
        ] as const
      ) {
        outcomes.push(yield* Effect.merge(Effect.mapError(as(name)(use), ({ _tag }) => _tag)))
      }
      const refused = expect.stringMatching(/^Oci(Denied|Unauthorized)$/) as unknown
      expect(outcomes).toEqual([
        "pushed",
        "pushed",
        refused,
        refused,
        refused,
        refused,
        "pulled",
        refused,
        refused,
        "pulled",
        "pulled",
        refused,
        refused,
        refused,
        "alice/app public/app",
        "deleted"
      ])
    }))

  it.effect("refuses a wrong password", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(as("alice", "CANARY")(pull("alice/app")))
      expect(["OciDenied", "OciUnauthorized"]).toContain(error._tag)
      expect(error.message).not.toContain("CANARY")
    }))
})

it.scopedLive("keeps its content over a restart", () =>
  Effect.gen(function*() {
    const folder = yield* example.folder
    const once = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.provide(effect, servedFrom(folder))
    yield* once(as("alice")(push("alice/app")))
    expect(yield* once(as("alice")(pull("alice/app")))).toBe("pulled")
  }).pipe(Effect.provide(NodeContext.layer)))
