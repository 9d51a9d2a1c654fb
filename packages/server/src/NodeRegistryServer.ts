/**
 * Serves any registry on Node, directly on `node:http`.
 *
 * @since 0.1.0
 */
import { Registry } from "@effect-oci/core/Registry"
import * as Config from "effect/Config"
import type { ConfigError } from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { createServer } from "node:http"
import type { Server, ServerOptions } from "node:http"
import { createServer as createSecureServer } from "node:https"
import { listener } from "./internal/nodeAdapter.js"
import { manage } from "./internal/nodeConnections.js"
import * as RegistryServer from "./RegistryServer.js"

/**
 * Options for a server on Node.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options extends RegistryServer.Options {
  /** The port to listen on. 0 listens on any free port. */
  readonly port: number
  /** The host to listen on. Default: `127.0.0.1`, which only programs on the same machine can reach. */
  readonly host?: string | undefined
  /** How long a client may take to send the headers of a request. Default: 30 seconds. */
  readonly headersTimeout?: Duration.DurationInput | undefined
  /** How long a connection may be idle while the server waits for the client. Default: 2 minutes. */
  readonly idleTimeout?: Duration.DurationInput | undefined
  /**
   * The least rate at which a client must send the body of a request and read an answer, in bytes per second: the
   * average over `idleTimeout`. A slower connection is closed. The time that the registry takes does not count. 0 turns
   * the limit off. Default: 256.
   */
  readonly minRate?: number | undefined
  /** How many connections may be open at once. The server closes further connections immediately. Default: 10,000. */
  readonly maxConnections?: number | undefined
  /**
   * How many connections may be open at once from one network: an IPv4 address, or the first 64 bits of an IPv6
   * address. The server closes further connections immediately. Behind a proxy, all clients have the address of the
   * proxy: raise the limit there. Default: 512.
   */
  readonly maxConnectionsPerClient?: number | undefined
  /**
   * How many requests a client may send on one connection without waiting for answers. At most 8 of them are answered
   * at once, and none begins while 8 answers are unread. A connection with more requests is closed. Default: 64.
   */
  readonly maxPipelined?: number | undefined
  /** The certificate of the server and its private key. If present, the server speaks HTTPS. Default: HTTP. */
  readonly tls?: Tls | undefined
  /**
   * How long open requests may continue after the server is stopped. Then the server cuts them off. Default: 5 seconds.
   */
  readonly shutdownTimeout?: Duration.DurationInput | undefined
}

/**
 * A certificate and its private key, for TLS 1.2 or later.
 *
 * @since 0.1.0
 * @category models
 */
export interface Tls {
  /**
   * The certificate of the server, followed by the intermediate certificates up to a root that clients trust, in PEM.
   */
  readonly certificate: string
  /** The private key of the certificate, in PEM and without a password. */
  readonly key: Redacted.Redacted<string>
  /**
   * The certificates of the authorities that sign certificates of clients, in PEM. The server asks each client for a
   * certificate, and passes it to the guard: see the option `certificates` of `Guard`. A client without a certificate, or
   * with one of another authority, is served as a client without credentials. Revocation is not checked: use short
   * lifetimes. Default: the server asks for none.
   */
  readonly clientAuthorities?: string | undefined
}

/**
 * The server cannot listen. The port is in use, the user may not use the port, the host is not an address of this
 * machine, or the TLS certificate or its key cannot be used.
 *
 * @since 0.1.0
 * @category errors
 */
export class ListenError extends Data.TaggedError("OciListenError")<{
  readonly host: string
  readonly port: number
  readonly cause: NodeJS.ErrnoException
}> {
  override get message(): string {
    return `cannot listen on ${authority(this.host, this.port)}: ${reasonOf(this.cause)}`
  }
}

const reasons: { readonly [code: string]: string } = {
  EADDRINUSE: "the port is taken by another program",
  EACCES: "this user may not use the port",
  EADDRNOTAVAIL: "the host is not an address of this machine"
}

/** Describes why the server cannot listen. The messages of OpenSSL do not contain the key or the certificate. */
const reasonOf = ({ code = "", message }: NodeJS.ErrnoException): string =>
  reasons[code] ?? (code.startsWith("ERR_OSSL") ? `the TLS certificate or its key cannot be used: ${message}` : message)

const authority = (host: string, port: number) => `${host.includes(":") ? `[${host}]` : host}:${port}`

/**
 * The address of a running server. `authority` is `host:port`, the form that references and clients use.
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
 * Serves the registry until the scope closes. Then the server shuts down: see `shutdownTimeout`. Fails with
 * {@link ListenError} if the server cannot listen.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  options: Options
): Effect.Effect<Context.Tag.Service<typeof Address>, ListenError, Registry | Scope.Scope> =>
  Effect.gen(function*() {
    const registry = yield* Registry
    // Made in an uninterruptible region, so that its fibers can be interrupted only where they allow it.
    const run = yield* Effect.uninterruptible(FiberSet.makeRuntime<never>())
    const server = yield* create(options)
    server.setTimeout(millis(options.idleTimeout, "2 minutes"))
    server.maxConnections = options.maxConnections ?? 10_000
    const stop = manage(server, run, options.tls !== undefined, {
      perClient: options.maxConnectionsPerClient ?? 512,
      minRate: options.minRate ?? 256,
      window: millis(options.idleTimeout, "2 minutes")
    })
    const handle = listener(run, RegistryServer.make(options)(registry.handle), options.maxPipelined ?? 64)
    server.on("request", (incoming, outgoing) => handle(incoming, outgoing, false))
    server.on("checkContinue", (incoming, outgoing) => handle(incoming, outgoing, true))
    const address = yield* Effect.acquireRelease(
      listen(server, options.host ?? "127.0.0.1", options.port),
      () => stop(millis(options.shutdownTimeout, "5 seconds"))
    )
    // For example, too many open files. The open connections continue.
    server.on("error", (error) => run(Effect.logError("the server cannot accept a connection", error)))
    return address
  })

/**
 * Creates a layer that serves the registry until the layer is released.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import * as NodeRegistryServer from "@effect-oci/server/NodeRegistryServer"
 * import { Layer } from "effect"
 *
 * const server = NodeRegistryServer.layer({ port: 5000 })
 * ```
 */
export const layer = (options: Options): Layer.Layer<Address, ListenError, Registry> =>
  Layer.scoped(Address, make(options))

/**
 * Creates a layer that serves the registry. Its options come from the configuration.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import * as NodeRegistryServer from "@effect-oci/server/NodeRegistryServer"
 * import { Config } from "effect"
 *
 * const server = NodeRegistryServer.layerConfig({ port: Config.port("PORT"), host: Config.string("HOST") })
 * ```
 */
export const layerConfig = (
  options: Config.Config.Wrap<Options>
): Layer.Layer<Address, ListenError | ConfigError, Registry> =>
  Layer.scoped(Address, Effect.flatMap(Config.unwrap(options), make))

/** Returns milliseconds for a timer of Node. Such a timer accepts at most 31 bits, which is 24 days. */
const millis = (duration: Duration.DurationInput | undefined, fallback: Duration.DurationInput): number =>
  Math.min(Math.ceil(Duration.toMillis(duration ?? fallback)), 2 ** 31 - 1)

const create = (options: Options): Effect.Effect<Server, ListenError> => {
  const { host = "127.0.0.1", port, tls } = options
  const timed = timeouts(options)
  if (tls === undefined) return Effect.sync(() => createServer(timed))
  return Effect.try({
    try: () =>
      createSecureServer({
        ...timed,
        cert: tls.certificate,
        key: Redacted.value(tls.key),
        ...(tls.clientAuthorities === undefined
          ? {}
          : { ca: tls.clientAuthorities, requestCert: true, rejectUnauthorized: false }),
        minVersion: "TLSv1.2",
        handshakeTimeout: timed.headersTimeout
      }),
    catch: (cause) => new ListenError({ host, port, cause: cause as NodeJS.ErrnoException })
  })
}

const timeouts = (options: Options): ServerOptions & { readonly headersTimeout: number } => {
  const headersTimeout = millis(options.headersTimeout, "30 seconds")
  return {
    headersTimeout,
    // How often Node checks for connections that exceed the time-out.
    connectionsCheckingInterval: Math.min(headersTimeout || 30_000, 30_000),
    // A blob may take as long as it needs, as long as it moves.
    requestTimeout: 0,
    keepAliveTimeout: 75_000
  }
}

const listen = (
  server: Server,
  host: string,
  port: number
): Effect.Effect<Context.Tag.Service<typeof Address>, ListenError> =>
  Effect.async((resume) => {
    const onError = (cause: NodeJS.ErrnoException) => resume(Effect.fail(new ListenError({ host, port, cause })))
    const onListening = () => {
      server.off("error", onError)
      const address = server.address()
      const bound = address !== null && typeof address === "object" ? address.port : port
      resume(Effect.succeed({ host, port: bound, authority: authority(host, bound) }))
    }
    server.once("error", onError)
    // `listen` throws if the port is not a valid port number.
    try {
      server.listen({ host, port }, onListening)
    } catch (cause) {
      onError(cause as NodeJS.ErrnoException)
    }
  })
