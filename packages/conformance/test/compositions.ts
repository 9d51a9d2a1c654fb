import type { Middleware } from "@effect-oci/core"
import { Registry } from "@effect-oci/core"
import type { Quirks } from "@effect-oci/server"
import { RegistryServer } from "@effect-oci/server"
import * as NodeRegistryServer from "@effect-oci/server/NodeRegistryServer"
import * as NodeHop from "@effect-oci/testing/NodeHop"
import { HttpServer } from "@effect/platform"
import { NodeHttpClient, NodeHttpServer } from "@effect/platform-node"
import { Effect, Layer, Logger, LogLevel } from "effect"
import { createServer } from "node:http"
import * as Conformance from "../src/Conformance.js"
import { inProcess as inProcessWire } from "../src/internal/wire.js"
import { Wire } from "../src/Target.js"

const quiet = Logger.minimumLogLevel(LogLevel.Warning)

/** Like `NodeHop.hop`, with a server that imitates another registry. */
export const quirky = (registry: Layer.Layer<Registry>, quirks: Quirks.Quirks, options?: NodeHop.Options) =>
  NodeHop.hop(registry, { ...options, quirks })

/** Connects the checks to a registry in this process. */
export const inProcess = (registry: Layer.Layer<Registry>): Layer.Layer<Wire> =>
  Conformance.layerRegistry.pipe(Layer.provide(registry), Layer.provide(quiet))

/** Connects the checks to a registry. Reads go through a wrapper, writes do not. For wrappers that reject writes. */
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

/** Connects the checks to a server of `node:http`. */
export const overNode = (registry: Layer.Layer<Registry>): Layer.Layer<Wire> =>
  Layer.unwrapEffect(
    Effect.map(NodeRegistryServer.Address, ({ authority }) => Conformance.layerUrl(`http://${authority}`))
  ).pipe(
    Layer.provide(NodeHop.served(registry)),
    Layer.provide(NodeHttpClient.layerUndici)
  )

/** Connects the checks to a server of `@effect/platform`. */
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
