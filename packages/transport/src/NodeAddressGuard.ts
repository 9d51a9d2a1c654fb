/**
 * Prevents connections to addresses that only this machine or its network can reach.
 *
 * @since 0.1.0
 */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { buildConnector } from "@effect/platform-node/Undici"
import type { Dispatcher } from "@effect/platform-node/Undici"
import type * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { isIP } from "node:net"
import type { LookupFunction } from "node:net"
import { special } from "./internal/address.js"
import * as nodeConnections from "./internal/nodeConnections.js"
import * as nodeDispatcher from "./internal/nodeDispatcher.js"
import * as nodeLookup from "./internal/nodeLookup.js"

/**
 * Options for connections.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** How names are resolved to addresses. Default: Node's `dns.lookup`. */
  readonly lookup?: LookupFunction | undefined
  /** Other settings of undici's connections: certificates to trust, timeouts in milliseconds. */
  readonly connect?: buildConnector.BuildOptions | undefined
  /**
   * How many connections to open in addition to the first one to a host, before requests need them. Connections that no
   * request uses are closed after 4 seconds. A program that sends several requests at the same time waits for fewer
   * handshakes then. This applies to all hosts, also to those that a registry leads to, but not to hosts behind a proxy.
   * Default: 0.
   */
  readonly connectionsAhead?: number | undefined
}

/**
 * Creates a connector for undici (`Agent`, option `connect`) that connects to public addresses only. Fails with
 * `Refused` for any other address.
 *
 * @since 0.1.0
 * @category constructors
 */
export const connector = (options?: Options): buildConnector.connector => {
  const lookup = nodeLookup.make(options?.lookup)
  const connect = buildConnector(nodeDispatcher.settings({ ...options, lookup }))
  return (target, callback) => {
    const host = target.hostname.replace(/^\[|\]$/g, "")
    // The host may be an address: then no name is resolved.
    const kind = isIP(host) === 0 ? undefined : special(host)
    return kind === undefined ? connect(target, callback) : callback(nodeLookup.refused(host, kind), null)
  }
}

/**
 * Creates a dispatcher of undici that does not connect to addresses of this machine or of a private network. There are
 * two exceptions: the registry's own host, and hosts that the option `allowPrivate` of `Client` names. Names are
 * checked when a connection is made.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options?: Options): Effect.Effect<Dispatcher, never, Scope.Scope> =>
  nodeDispatcher.scoped(() =>
    new nodeDispatcher.Guarded(
      nodeConnections.agent(buildConnector(nodeDispatcher.settings(options)), options?.connectionsAhead),
      nodeConnections.agent(connector(options), options?.connectionsAhead)
    )
  )

/**
 * Creates a layer of {@link make} for the platform's client over undici.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Client } from "@effect-oci/client"
 * import * as NodeAddressGuard from "@effect-oci/transport/NodeAddressGuard"
 * import { NodeHttpClient } from "@effect/platform-node"
 * import { Layer } from "effect"
 *
 * const http = NodeHttpClient.layerUndiciWithoutDispatcher.pipe(Layer.provide(NodeAddressGuard.layer()))
 * const registry = Client.layer({ host: "registry.example.com" }).pipe(Layer.provide(http))
 * ```
 */
export const layer = (options?: Options): Layer.Layer<NodeHttpClient.Dispatcher> =>
  Layer.scoped(NodeHttpClient.Dispatcher, make(options))
