/**
 * Requests by way of a proxy.
 *
 * @since 0.1.0
 */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { EnvHttpProxyAgent } from "@effect/platform-node/Undici"
import type { buildConnector, Dispatcher } from "@effect/platform-node/Undici"
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as nodeDispatcher from "./internal/nodeDispatcher.js"
import * as NodeAddressGuard from "./NodeAddressGuard.js"

/**
 * Which proxies there are. They may hold a name and a password: `http://user:password@proxy.corp:3128`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options extends NodeAddressGuard.Options {
  /** The proxy for http: `http_proxy` or `HTTP_PROXY` of the configuration if not given. */
  readonly httpProxy?: Redacted.Redacted | undefined
  /** The proxy for https: `https_proxy` or `HTTPS_PROXY` if not given, and the one for http where there is none. */
  readonly httpsProxy?: Redacted.Redacted | undefined
  /**
   * The hosts that are reached without: `localhost,.corp,registry.example.com:5000`, or `*` for all. `no_proxy` or
   * `NO_PROXY` if not given. Addresses are compared as they are written; networks (`10.0.0.0/8`) are not known.
   */
  readonly noProxy?: string | undefined
}

const named = (name: string): Config.Config<Redacted.Redacted | undefined> =>
  Config.redacted(name).pipe(
    Config.orElse(() => Config.redacted(name.toUpperCase())),
    Config.withDefault(undefined)
  )

const proxies = new Set(["http:", "https:", "socks5:", "socks:"])

/** The proxy of this name; an empty text is none. What it says is not repeated. */
const proxy = (name: string, given: Redacted.Redacted | undefined): Effect.Effect<string, ConfigError.ConfigError> =>
  Effect.flatMap(given === undefined ? named(name) : Effect.succeed(given), (found) => {
    const url = found === undefined ? "" : Redacted.value(found).trim()
    return url === "" || (URL.canParse(url) && proxies.has(new URL(url).protocol)) ? Either.right(url) : Either.left(
      ConfigError.InvalidData([name], "expected the URL of a proxy, such as http://proxy.example.com:3128")
    )
  })

/**
 * A dispatcher of undici that goes by way of the proxies that the configuration (the environment, unless another
 * `ConfigProvider` is set) or the options name, by `CONNECT`. Fails with a `ConfigError` where one is no URL.
 *
 * What is reached without a proxy is guarded as by `NodeAddressGuard`. Behind one only addresses that stand in a URL can
 * be looked at (`AddressGuard`): it is the proxy that resolves names, and that has to mind where they lead.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options?: Options): Effect.Effect<Dispatcher, ConfigError.ConfigError, Scope.Scope> =>
  nodeDispatcher.scoped(Effect.gen(function*() {
    const given = yield* Effect.all({
      httpProxy: proxy("http_proxy", options?.httpProxy),
      httpsProxy: proxy("https_proxy", options?.httpsProxy),
      noProxy: options?.noProxy === undefined
        ? Effect.map(named("no_proxy"), (hosts) => hosts === undefined ? "" : Redacted.value(hosts))
        : Effect.succeed(options.noProxy)
    })
    const settings = nodeDispatcher.settings(options)
    const agent = (connect: buildConnector.BuildOptions | buildConnector.connector) =>
      new EnvHttpProxyAgent({ ...given, requestTls: settings, proxyTls: settings, connect })
    return new nodeDispatcher.Guarded(agent(settings), agent(NodeAddressGuard.connector(options)))
  }))

/**
 * {@link make} for the platform's client over undici.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Client } from "@effect-oci/client"
 * import * as NodeProxy from "@effect-oci/client/NodeProxy"
 * import { NodeHttpClient } from "@effect/platform-node"
 * import { Layer } from "effect"
 *
 * const http = NodeHttpClient.layerUndiciWithoutDispatcher.pipe(Layer.provide(NodeProxy.layer()))
 * const registry = Client.layer({ host: "registry.example.com" }).pipe(Layer.provide(http))
 * ```
 */
export const layer = (options?: Options): Layer.Layer<NodeHttpClient.Dispatcher, ConfigError.ConfigError> =>
  Layer.scoped(NodeHttpClient.Dispatcher, make(options))
