import { Client } from "@effect-oci/client"
import type { Middleware } from "@effect-oci/core"
import { Registry } from "@effect-oci/core"
import type { Quirks } from "@effect-oci/server"
import { NodeRegistryServer, RegistryServer } from "@effect-oci/server"
import { HttpServer } from "@effect/platform"
import { NodeHttpClient, NodeHttpServer } from "@effect/platform-node"
import { Effect, Layer, Logger, LogLevel } from "effect"
import { createServer } from "node:http"
import * as Conformance from "../src/Conformance.js"
import { inProcess as inProcessWire } from "../src/internal/wire.js"
import { Wire } from "../src/Target.js"

const quiet = Logger.minimumLogLevel(LogLevel.Warning)

interface Options extends RegistryServer.Options {
  readonly client?: Partial<Client.Options & Client.TransportOptions>
}

const served = (registry: Layer.Layer<Registry>, options?: Options) =>
  NodeRegistryServer.layer({ port: 0, ...options }).pipe(Layer.provide(registry), Layer.provide(quiet), Layer.orDie)

/** A registry behind a server and a client, over a real socket. */
export const hop = (registry: Layer.Layer<Registry>, options?: Options): Layer.Layer<Registry> =>
  Layer.unwrapEffect(
    Effect.map(NodeRegistryServer.Address, ({ authority }) =>
      Layer.orDie(Client.layer({ host: authority, insecure: true, ...options?.client })))
  ).pipe(
    Layer.provide(served(registry, options)),
    Layer.provide(NodeHttpClient.layerUndici)
  )

/** A registry behind a server and a client, where the server plays another. */
export const quirky = (registry: Layer.Layer<Registry>, quirks: Quirks.Quirks, options?: Options) =>
  hop(registry, { ...options, quirks })

/** The wire to a registry in this process. */
export const inProcess = (registry: Layer.Layer<Registry>): Layer.Layer<Wire> =>
  Conformance.layerRegistry.pipe(Layer.provide(registry), Layer.provide(quiet))

/**
 * The wire to a registry that is read through a wrapper and written without it: what a wrapper that refuses writes is
 * like to those who read.
 */
export const readThrough = (registry: Layer.Layer<Registry>, wrapper: Middleware.Middleware): Layer.Layer<Wire> =>
  Layer.effect(
    Wire,
    Effect.map(Registry, ({ handle }) => {
      const write = inProcessWire(handle)
      const read = inProcessWire(wrapper(handle))
      return {
        send: (request) => {
          const reads = (request.method === "GET" || request.method === "HEAD") &&
            !request.path.includes("/blobs/uploads/")
          return (reads ? read : write)(request)
        }
      }
    })
  ).pipe(Layer.provide(registry), Layer.provide(quiet))

/** The wire to a registry that is served on a port, by `node:http` directly. */
export const overNode = (registry: Layer.Layer<Registry>): Layer.Layer<Wire> =>
  Layer.unwrapEffect(
    Effect.map(NodeRegistryServer.Address, ({ authority }) => Conformance.layerUrl(`http://${authority}`))
  ).pipe(
    Layer.provide(served(registry)),
    Layer.provide(NodeHttpClient.layerUndici)
  )

/** The wire to a registry that is served on a port, as an app of `@effect/platform`. */
export const overPlatform = (registry: Layer.Layer<Registry>): Layer.Layer<Wire> =>
  Layer.unwrapEffect(HttpServer.addressWith((address) => {
    if (address._tag !== "TcpAddress") return Effect.die("no port")
    return Effect.succeed(Conformance.layerUrl(`http://127.0.0.1:${address.port}`))
  })).pipe(
    Layer.provide(HttpServer.serve(RegistryServer.app()).pipe(Layer.provide(registry), Layer.provide(quiet))),
    Layer.provide(NodeHttpServer.layer(createServer, { port: 0, host: "127.0.0.1" })),
    Layer.provide(NodeHttpClient.layerUndici),
    Layer.orDie
  )
