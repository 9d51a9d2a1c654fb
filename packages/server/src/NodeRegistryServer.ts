/**
 * Any registry as a server on Node, on `node:http` directly.
 *
 * @since 0.1.0
 */
import { Registry } from "@effect-oci/core/Registry"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { createServer } from "node:http"
import type { Server } from "node:http"
import type { Socket } from "node:net"
import { listener } from "./internal/nodeAdapter.js"
import * as RegistryServer from "./RegistryServer.js"

/**
 * Where and how to listen.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options extends RegistryServer.Options {
  /** 0 takes any free port. */
  readonly port: number
  /** `127.0.0.1` if not given, which only this machine reaches. */
  readonly host?: string | undefined
  /** How long a client may take to send the headers of a request: 30 seconds if not given. */
  readonly headersTimeout?: Duration.DurationInput | undefined
  /** How long a connection may be silent: 2 minutes if not given. */
  readonly idleTimeout?: Duration.DurationInput | undefined
  /** How long requests may go on when the server is stopped: 5 seconds if not given. Then they are cut off. */
  readonly shutdownTimeout?: Duration.DurationInput | undefined
}

/**
 * The server cannot listen: the port is taken, or may not be used.
 *
 * @since 0.1.0
 * @category errors
 */
export class ListenError extends Data.TaggedError("ListenError")<{
  readonly host: string
  readonly port: number
  readonly cause: NodeJS.ErrnoException
}> {
  override get message(): string {
    return `cannot listen on ${authority(this.host, this.port)}: ${reasons[this.cause.code ?? ""] ?? this.cause.message}`
  }
}

const reasons: { readonly [code: string]: string } = {
  EADDRINUSE: "the port is taken by another program",
  EACCES: "this user may not use the port",
  EADDRNOTAVAIL: "the host is not an address of this machine"
}

const authority = (host: string, port: number) => `${host.includes(":") ? `[${host}]` : host}:${port}`

/**
 * The address of a running server: `authority` is `host:port`, as references and clients take it.
 *
 * @since 0.1.0
 * @category services
 */
export class Address extends Context.Tag("@effect-oci/server/NodeRegistryServer/Address")<Address, {
  readonly host: string
  readonly port: number
  readonly authority: string
}>() {}

/**
 * Serves a registry for as long as the scope lasts.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  options: Options
): Effect.Effect<Context.Tag.Service<typeof Address>, ListenError, Registry | Scope.Scope> =>
  Effect.gen(function*() {
    const registry = yield* Registry
    const runtime = yield* Effect.runtime<never>()
    const server = createServer(listener(runtime, RegistryServer.make(options)(registry.handle)))
    configure(server, options)
    return yield* Effect.acquireRelease(
      listen(server, options.host ?? "127.0.0.1", options.port),
      () => stop(server, options.shutdownTimeout ?? "5 seconds")
    )
  })

/**
 * A server of the registry below it, for as long as the layer lasts.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { NodeRegistryServer } from "@effect-oci/server"
 * import { Layer } from "effect"
 *
 * const server = NodeRegistryServer.layer({ port: 5000 })
 * ```
 */
export const layer = (options: Options): Layer.Layer<Address, ListenError, Registry> =>
  Layer.scoped(Address, make(options))

const configure = (server: Server, options: Options): void => {
  server.headersTimeout = Duration.toMillis(options.headersTimeout ?? "30 seconds")
  // A blob may take as long as it needs, as long as it moves.
  server.requestTimeout = 0
  server.timeout = Duration.toMillis(options.idleTimeout ?? "2 minutes")
  server.keepAliveTimeout = 75_000
  server.on("clientError", (error: NodeJS.ErrnoException, socket: Socket) => {
    if (error.code === "ECONNRESET" || !socket.writable) return void socket.destroy()
    const [status, phrase] = error.code === "HPE_HEADER_OVERFLOW"
      ? [431, "Request Header Fields Too Large"]
      : [400, "Bad Request"]
    const body = `{"errors":[{"code":"UNSUPPORTED","message":"the request is not HTTP that can be read"}]}`
    socket.end(
      `HTTP/1.1 ${status} ${phrase}\r\nConnection: close\r\nContent-Type: application/json\r\n` +
        `Content-Length: ${body.length}\r\n\r\n${body}`
    )
  })
}

const listen = (
  server: Server,
  host: string,
  port: number
): Effect.Effect<Context.Tag.Service<typeof Address>, ListenError> =>
  Effect.async((resume) => {
    const onError = (cause: NodeJS.ErrnoException) => resume(Effect.fail(new ListenError({ host, port, cause })))
    server.once("error", onError)
    server.listen({ host, port }, () => {
      server.off("error", onError)
      const address = server.address()
      const bound = address !== null && typeof address === "object" ? address.port : port
      resume(Effect.succeed({ host, port: bound, authority: authority(host, bound) }))
    })
  })

/** Takes no more connections, lets requests end, and cuts off what is left after a while. */
const stop = (server: Server, grace: Duration.DurationInput): Effect.Effect<void> =>
  Effect.async<void>((resume) => {
    server.close(() => resume(Effect.void))
    server.closeIdleConnections()
    const timer = setTimeout(() => server.closeAllConnections(), Duration.toMillis(grace))
    return Effect.sync(() => clearTimeout(timer))
  })
