/** A server and a client of it, over a socket. */
import * as Client from "@effect-oci/client/Client"
import type { Registry } from "@effect-oci/core/Registry"
import * as NodeRegistryServer from "@effect-oci/server/NodeRegistryServer"
import type * as RegistryServer from "@effect-oci/server/RegistryServer"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"

export interface Options extends RegistryServer.Options {
  readonly client?: Partial<Client.Options & Client.TransportOptions>
}

/** Serves a registry on a free port. Logs only warnings and errors. */
export const served = (
  registry: Layer.Layer<Registry>,
  options?: Options
): Layer.Layer<NodeRegistryServer.Address> =>
  NodeRegistryServer.layer({ port: 0, ...options }).pipe(
    Layer.provide(registry),
    Layer.provide(Logger.minimumLogLevel(LogLevel.Warning)),
    Layer.orDie
  )

/** Serves a registry and returns a client of it, over a socket. */
export const hop = (registry: Layer.Layer<Registry>, options?: Options): Layer.Layer<Registry> =>
  Layer.unwrapEffect(
    Effect.map(NodeRegistryServer.Address, ({ authority }) =>
      Layer.orDie(Client.layer({ host: authority, insecure: true, ...options?.client })))
  ).pipe(
    Layer.provide(served(registry, options)),
    Layer.provide(NodeHttpClient.layerUndici)
  )
