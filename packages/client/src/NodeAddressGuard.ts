/**
 * Keeps connections from addresses that only this machine or its network can reach.
 *
 * @since 0.1.0
 */
import * as RegistryError from "@effect-oci/core/RegistryError"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { Agent, buildConnector } from "@effect/platform-node/Undici"
import type { Dispatcher } from "@effect/platform-node/Undici"
import type * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { lookup as resolve } from "node:dns"
import type { LookupAddress } from "node:dns"
import { isIP } from "node:net"
import type { LookupFunction } from "node:net"
import { special } from "./internal/address.js"
import * as nodeDispatcher from "./internal/nodeDispatcher.js"

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

const refused = (host: string, kind: string): RegistryError.Refused =>
  new RegistryError.Refused({
    by: "NodeAddressGuard",
    reason: `${host} is at ${kind}: allowPrivate of the client can name it`
  })

/**
 * Finds the addresses of a name that anybody on the internet may have. What is connected to is what was looked at, so
 * that a name that leads elsewhere the next time gains nothing.
 */
const guarded = (lookup: LookupFunction): LookupFunction => (hostname, options, callback) =>
  lookup(hostname, { ...options, all: true }, (error, found, family) => {
    if (error !== null) return callback(error, "", 0)
    const all: ReadonlyArray<LookupAddress> = Array.isArray(found)
      ? found
      : [{ address: found, family: family ?? 4 }]
    const open = all.filter(({ address }) => special(address) === undefined)
    const [first] = open
    if (first === undefined) {
      return callback(refused(hostname, special(all[0]?.address ?? "") ?? "no address"), "", 0)
    }
    return options.all === true ? callback(null, open) : callback(null, first.address, first.family)
  })

/**
 * What undici connects by (`Agent`, option `connect`) where only addresses may be connected to that anybody on the
 * internet may have. Fails with `Refused`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const connector = (options?: Options): buildConnector.connector => {
  const lookup = guarded(options?.lookup ?? resolve)
  const connect = buildConnector(nodeDispatcher.settings({ ...options, lookup }))
  return (target, callback) => {
    const host = target.hostname.replace(/^\[|\]$/g, "")
    // No name is looked up where there is none.
    const kind = isIP(host) === 0 ? undefined : special(host)
    return kind === undefined ? connect(target, callback) : callback(refused(host, kind), null)
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
