import { Credential, Credentials } from "@effect-oci/auth"
import { Client } from "@effect-oci/client"
import { Registry } from "@effect-oci/core"
import * as NodeRegistryServer from "@effect-oci/server/NodeRegistryServer"
import { FetchHttpClient, FileSystem } from "@effect/platform"
import { NodeSocketServer } from "@effect/platform-node"
import { Context, Effect, Layer, Logger, Redacted } from "effect"
import { join } from "node:path"
import * as PrivateRegistry from "../src/registry.js"
import * as Settings from "../src/settings.js"

/** The hash of `alice-secret`. */
const users = "alice:$2b$04$G7UzvYhaaKrtVIY7qecpqunT4xKATdB2iH2KIB0qSX1Gw8mGDnXd2\n"

/** Creates a directory with a file of users. The scope removes the directory. */
export const folder = Effect.gen(function*() {
  const files = yield* FileSystem.FileSystem
  const path = yield* files.makeTempDirectoryScoped({ prefix: "registry-" })
  yield* files.writeFileString(join(path, "users"), users)
  return path
})

/** Returns a port that was free a moment ago. */
const freePort = Effect.scoped(
  Effect.map(
    NodeSocketServer.make({ host: "127.0.0.1", port: 0 }),
    ({ address }) => address._tag === "TcpAddress" ? address.port : 0
  )
)

/** Runs an effect while the registry in a directory is served, then stops the registry. */
export const serving =
  (path: string, environment: { readonly [name: string]: string } = {}) => <A, E, R>(use: Effect.Effect<A, E, R>) =>
    Effect.gen(function*() {
      const settings = yield* Settings.read({
        CONFIG: "/dev/null",
        REGISTRY_SERVER_PORT: String(yield* freePort),
        REGISTRY_STORAGE_DIRECTORY: join(path, "data"),
        REGISTRY_ACCESS_USERS: join(path, "users"),
        REGISTRY_EXPLORER_ENABLED: "false",
        ...environment
      })
      return yield* Effect.provide(use, PrivateRegistry.layer(settings))
    }).pipe(Effect.provide(Logger.remove(Logger.defaultLogger)))

/** The registry over HTTP, as a user. */
export const asUser =
  (username: string, password: string) => <A, E>(use: (registry: Registry.Service) => Effect.Effect<A, E>) =>
    Effect.gen(function*() {
      const { authority } = yield* NodeRegistryServer.Address
      const client = Client.layer({ host: authority, insecure: true }).pipe(
        Layer.provide(Credentials.layerStatic({
          [authority]: Credential.basic(username, Redacted.make(password))
        })),
        Layer.provide(FetchHttpClient.layer)
      )
      return yield* use(Context.get(yield* Layer.build(client), Registry))
    }).pipe(Effect.scoped)

export const asAlice = asUser("alice", "alice-secret")
