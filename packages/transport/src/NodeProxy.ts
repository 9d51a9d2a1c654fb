/**
 * Requests through a proxy.
 *
 * @since 0.1.0
 */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { Dispatcher } from "@effect/platform-node/Undici"
import type { buildConnector } from "@effect/platform-node/Undici"
import type * as ConfigError from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as nodeDispatcher from "./internal/nodeDispatcher.js"
import * as nodeProxies from "./internal/nodeProxies.js"
import type { Proxy } from "./internal/proxyRules.js"
import * as proxySelection from "./internal/proxySelection.js"
import * as NodeAddressGuard from "./NodeAddressGuard.js"

/**
 * Options for proxies. A proxy is a URL, or a host and port for which `http://` is assumed. It may contain a login,
 * which is sent to that proxy only: `http://user:password@proxy.example.com:3128`. Its scheme is `http`, `https`, or
 * `socks5`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options extends NodeAddressGuard.Options {
  /** The proxy for registries on http. Default: `HTTP_PROXY` or `http_proxy` of the configuration. */
  readonly httpProxy?: Redacted.Redacted | undefined
  /** The proxy for registries on https. Default: `HTTPS_PROXY` or `https_proxy` of the configuration. */
  readonly httpsProxy?: Redacted.Redacted | undefined
  /**
   * The hosts that are reached without a proxy, separated by commas. Default: `NO_PROXY` or `no_proxy` of the
   * configuration.
   *
   * - `example.com` matches that name and every name below it; `.example.com` and `*.example.com` match the names below.
   * - `10.0.0.1`, `2001:db8::1` and `10.0.0.0/8` match addresses that the URL contains. Names are not resolved for it.
   * - `example.com:5000` and `[2001:db8::1]:5000` match that port only.
   * - `*` matches every host.
   */
  readonly noProxy?: string | undefined
  /** The settings of connections to the proxies: certificates to trust, time-outs in milliseconds. */
  readonly proxyConnect?: buildConnector.BuildOptions | undefined
}

/** Sends each request through the proxy that the rules select, or directly. */
class Selecting extends Dispatcher {
  private readonly proxies = new Map<Proxy, Dispatcher>()

  constructor(
    private readonly select: proxySelection.Select,
    private readonly direct: Dispatcher,
    private readonly settings: nodeProxies.Settings
  ) {
    super()
  }

  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    const proxy = this.select(new URL(String(options.origin)))
    // The error that is thrown here rejects the caller's promise.
    if (Either.isLeft(proxy)) throw proxy.left
    return (proxy.right === undefined ? this.direct : this.through(proxy.right)).dispatch(
      nodeDispatcher.untimed(options),
      handler
    )
  }

  private through(proxy: Proxy): Dispatcher {
    const dispatcher = this.proxies.get(proxy) ?? nodeProxies.make(proxy, this.settings)
    this.proxies.set(proxy, dispatcher)
    return dispatcher
  }

  override async destroy(): Promise<void> {
    await Promise.all([this.direct, ...this.proxies.values()].map((dispatcher) => dispatcher.destroy()))
  }
}

/**
 * Creates a dispatcher of undici that sends requests through the proxies of the options or of the configuration. The
 * configuration is the environment, unless another `ConfigProvider` is set. Fails with a `ConfigError` if a proxy is
 * not a URL.
 *
 * - The rules are those of [Go's `httpproxy`](https://pkg.go.dev/golang.org/x/net/http/httpproxy), which most tools for
 *   registries use. `localhost` and loopback addresses are never reached through a proxy. `HTTP_PROXY` is refused in a
 *   CGI program ([httpoxy](https://httpoxy.org)).
 * - A request over http is sent to the proxy with its absolute URL. For https the proxy opens a tunnel (`CONNECT`).
 * - An error names the proxy that the request was sent through. If a proxy refuses a host, or requires a login (407),
 *   the error is `Refused`.
 * - `NodeAddressGuard` checks connections without a proxy. A proxy resolves names itself, so behind a proxy only the
 *   addresses in URLs are checked (`AddressGuard`). The proxy has to refuse names that resolve to private addresses.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options?: Options): Effect.Effect<Dispatcher, ConfigError.ConfigError, Scope.Scope> =>
  Effect.gen(function*() {
    const select = yield* proxySelection.make(options)
    const direct = yield* NodeAddressGuard.make(options)
    return yield* nodeDispatcher.scoped(() =>
      new Selecting(
        select,
        direct,
        {
          proxy: nodeDispatcher.settings({ lookup: options?.lookup, connect: options?.proxyConnect }),
          target: nodeDispatcher.settings({ connect: options?.connect })
        }
      )
    )
  })

/**
 * Creates a layer of {@link make} for the platform's client over undici.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Client } from "@effect-oci/client"
 * import * as NodeProxy from "@effect-oci/transport/NodeProxy"
 * import { NodeHttpClient } from "@effect/platform-node"
 * import { Layer } from "effect"
 *
 * const http = NodeHttpClient.layerUndiciWithoutDispatcher.pipe(Layer.provide(NodeProxy.layer()))
 * const registry = Client.layer({ host: "registry.example.com" }).pipe(Layer.provide(http))
 * ```
 */
export const layer = (options?: Options): Layer.Layer<NodeHttpClient.Dispatcher, ConfigError.ConfigError> =>
  Layer.scoped(NodeHttpClient.Dispatcher, make(options))
