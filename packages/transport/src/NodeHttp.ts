/**
 * The HTTP client for Node, with an address guard and the proxies of the environment.
 *
 * @since 0.1.0
 */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import type * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Layer from "effect/Layer"
import * as bunHttp from "./internal/nodeBunHttp.js"
import * as nativeBody from "./internal/nodeNativeBody.js"
import * as NodeProxy from "./NodeProxy.js"

/**
 * Options for proxies and connections.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options extends NodeProxy.Options {}

const isBun = "bun" in process.versions

/**
 * Creates a layer of an HTTP client over undici, with the proxies of the environment (`NodeProxy`). It connects to no
 * private address, unless a client of a registry allows the host (`NodeAddressGuard`).
 *
 * Bun does not support all of undici, so the client uses `node:http` there. It checks addresses in the same way. A
 * request for which a proxy is set fails. The option `proxyConnect` has no effect.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Client } from "@effect-oci/client"
 * import * as NodeHttp from "@effect-oci/transport/NodeHttp"
 * import { Layer } from "effect"
 *
 * // Without credentials.
 * const registry = Client.layer({ host: "registry.example.com" }).pipe(Layer.provide(NodeHttp.layer()))
 * ```
 */
export const layer = (options?: Options): Layer.Layer<HttpClient.HttpClient, ConfigError.ConfigError> =>
  isBun
    ? Layer.scoped(HttpClient.HttpClient, bunHttp.make(options))
    : Layer.map(
      Layer.provide(NodeHttpClient.layerUndiciWithoutDispatcher, NodeProxy.layer(options)),
      (context) =>
        Context.make(HttpClient.HttpClient, nativeBody.transport(Context.get(context, HttpClient.HttpClient)))
    )
