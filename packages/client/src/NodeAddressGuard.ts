/**
 * Keeps connections from addresses that only this machine or its network can reach.
 *
 * @since 0.1.0
 */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { Agent, buildConnector } from "@effect/platform-node/Undici"
import type { Dispatcher } from "@effect/platform-node/Undici"
import type * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { isIP } from "node:net"
import type { LookupFunction } from "node:net"
import { special } from "./internal/address.js"
import * as nodeDispatcher from "./internal/nodeDispatcher.js"
import * as nodeLookup from "./internal/nodeLookup.js"

/**
 * How connections are made.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** How the addresses of a name are found: by Node's `dns.lookup` if not given. */
  readonly lookup?: LookupFunction | undefined
  /** The other settings of undici's connections: certificates that are trusted, time-outs in milliseconds. */
  readonly connect?: buildConnector.BuildOptions | undefined
}

/**
 * What undici connects by (`Agent`, option `connect`) where only addresses may be connected to that anybody on the
 * internet may have. Fails with `Refused`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const connector = (options?: Options): buildConnector.connector => {
  const lookup = nodeLookup.make(options?.lookup)
  const connect = buildConnector(nodeDispatcher.settings({ ...options, lookup }))
  return (target, callback) => {
    const host = target.hostname.replace(/^\[|\]$/g, "")
    // No name is looked up where there is none.
    const kind = isIP(host) === 0 ? undefined : special(host)
    return kind === undefined ? connect(target, callback) : callback(nodeLookup.refused(host, kind), null)
  }
}

/**
 * A dispatcher of undici that connects to no address of this machine or of a private network, but where `Client` says
 * that the registry itself is there, or `allowPrivate` names the host. Names are looked at as they are connected to.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options?: Options): Effect.Effect<Dispatcher, never, Scope.Scope> =>
  nodeDispatcher.scoped(() =>
    new nodeDispatcher.Guarded(
      new Agent({ connect: nodeDispatcher.settings(options) }),
      new Agent({ connect: connector(options) })
    )
  )

/**
 * {@link make} for the platform's client over undici.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Client } from "@effect-oci/client"
 * import * as NodeAddressGuard from "@effect-oci/client/NodeAddressGuard"
 * import { NodeHttpClient } from "@effect/platform-node"
 * import { Layer } from "effect"
 *
 * const http = NodeHttpClient.layerUndiciWithoutDispatcher.pipe(Layer.provide(NodeAddressGuard.layer()))
 * const registry = Client.layer({ host: "registry.example.com" }).pipe(Layer.provide(http))
 * ```
 */
export const layer = (options?: Options): Layer.Layer<NodeHttpClient.Dispatcher> =>
  Layer.scoped(NodeHttpClient.Dispatcher, make(options))
