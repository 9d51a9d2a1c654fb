/** Starts a registry on a real socket, with each server of this package. */
import { Registry } from "@effect-oci/core"
import { Logging } from "@effect-oci/middleware"
import { Memory } from "@effect-oci/store"
import { HttpServer } from "@effect/platform"
import { NodeHttpServer } from "@effect/platform-node"
import { Context, Effect, HashMap, Layer, Logger, Supervisor } from "effect"
import type { Scope } from "effect"
import { createServer } from "node:http"
import { RegistryServer } from "../src/index.js"
import * as NodeRegistryServer from "../src/NodeRegistryServer.js"
import * as http from "./http.js"

/** The port of a server on 127.0.0.1. */
class Port extends Context.Tag("Port")<Port, number>() {}

export interface Composition {
  readonly name: string
  /** Whether this package answers requests that the parser of Node rejects. Otherwise Node answers them. */
  readonly ownsSockets: boolean
  readonly layer: (options?: RegistryServer.Options) => Layer.Layer<Port, unknown, Registry>
}

export const node: Composition = {
  name: "NodeRegistryServer.layer",
  ownsSockets: true,
  layer: (options) =>
    Layer.project(
      NodeRegistryServer.layer({ port: 0, shutdownTimeout: "100 millis", ...options }),
      NodeRegistryServer.Address,
      Port,
      ({ port }) => port
    )
}

export const platform: Composition = {
  name: "RegistryServer.app on NodeHttpServer",
  ownsSockets: false,
  layer: (options) =>
    HttpServer.serve(RegistryServer.app(options)).pipe(
      Layer.provideMerge(
        Layer.effect(
          Port,
          Effect.map(HttpServer.HttpServer, ({ address }) => address._tag === "TcpAddress" ? address.port : 0)
        )
      ),
      Layer.provide(NodeHttpServer.layerServer(createServer, { port: 0, host: "127.0.0.1" }))
    )
}

export interface Line {
  readonly level: string
  readonly message: unknown
  readonly cause: string
  readonly [annotation: string]: unknown
}

/** A logger that keeps its messages, except the address that the platform logs. */
export const keeping = (lines: Array<Line>) =>
  Logger.replace(
    Logger.defaultLogger,
    Logger.make<unknown, void>(({ annotations, cause, logLevel, message }) => {
      lines.push({
        level: logLevel.label,
        message: Array.isArray(message) && message.length === 1 ? message[0] : message,
        cause: String(cause),
        ...Object.fromEntries(HashMap.toEntries(annotations))
      })
    })
  )

export interface Running {
  readonly port: number
  readonly registry: Registry.Service
  readonly ask: (sent: http.Asked) => Effect.Effect<http.Answered, Error>
  readonly connect: Effect.Effect<http.Connection, Error, Scope.Scope>
  /** The messages that were logged so far. */
  readonly lines: ReadonlyArray<Line>
  /** The number of running fibers of the server and of its operations. */
  readonly fibers: () => number
}

/** Serves a registry until the scope closes. Default: a registry in memory with `Logging`. */
export const start = (
  composition: Composition,
  options?: RegistryServer.Options & { readonly registry?: Layer.Layer<Registry> }
): Effect.Effect<Running, never, Scope.Scope> =>
  Effect.gen(function*() {
    const lines: Array<Line> = []
    const supervisor = yield* Supervisor.track
    const registry = yield* Layer.build(options?.registry ?? Memory.layer().pipe(Logging.wrap()))
    const server = composition.layer(options).pipe(
      Layer.provide(Layer.succeedContext(registry)),
      Layer.provide(keeping(lines)),
      Layer.provide(Supervisor.addSupervisor(supervisor))
    )
    const port = Context.get(yield* Layer.build(server), Port)
    return {
      port,
      lines,
      registry: Context.get(registry, Registry),
      ask: (sent: http.Asked) => http.ask(port, sent),
      connect: http.connect(port),
      // @effect-diagnostics-next-line runEffectInsideEffect:off
      fibers: () => Effect.runSync(supervisor.value).length
    }
  }).pipe(Effect.orDie)
