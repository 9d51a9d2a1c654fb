/**
 * A client for Node, with everything that a program needs to call a registry.
 *
 * @since 0.1.0
 */
import { Credentials } from "@effect-oci/auth/Credentials"
import * as NodeCredentials from "@effect-oci/auth/NodeCredentials"
import type * as Handler from "@effect-oci/core/Handler"
import type { Registry } from "@effect-oci/core/Registry"
import type { RegistryError } from "@effect-oci/core/RegistryError"
import type { SyntaxInvalid } from "@effect-oci/core/SyntaxInvalid"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import type * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Client from "./Client.js"
import * as nodeHttp from "./internal/nodeHttp.js"
import * as NodeProxy from "./NodeProxy.js"

/**
 * Options for a client, for its transports, and for its connections.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options extends Client.Options, Client.TransportOptions, NodeProxy.Options {}

const isBun = "bun" in process.versions

/**
 * Creates a layer of the HTTP client that {@link layer} uses: over undici, with the proxies of the environment
 * (`NodeProxy`). It connects to no private address, unless a `Client` allows the host (`NodeAddressGuard`).
 *
 * Bun does not support all of undici, so the client uses `node:http` there. It checks addresses in the same way. A
 * request for which a proxy is set fails. The option `proxyConnect` has no effect.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Client } from "@effect-oci/client"
 * import * as NodeClient from "@effect-oci/client/NodeClient"
 * import { Layer } from "effect"
 *
 * // Without credentials.
 * const registry = Client.layer({ host: "registry.example.com" }).pipe(Layer.provide(NodeClient.layerHttp()))
 * ```
 */
export const layerHttp = (
  options?: NodeProxy.Options
): Layer.Layer<HttpClient.HttpClient, ConfigError.ConfigError> =>
  isBun
    ? Layer.scoped(HttpClient.HttpClient, nodeHttp.make(options))
    : Layer.provide(NodeHttpClient.layerUndiciWithoutDispatcher, NodeProxy.layer(options))

/** Provides the credentials of the context. Default: those of Docker's configuration. */
const credentials = () =>
  Layer.unwrapEffect(
    Effect.contextWith((context: Context.Context<never>) =>
      context.unsafeMap.has(Credentials.key)
        ? Layer.succeed(Credentials, Context.get(context, Credentials))
        : Layer.provide(NodeCredentials.layerDockerConfig(), NodeFileSystem.layer)
    )
  )

const platform = (options: NodeProxy.Options) => Layer.merge(layerHttp(options), credentials())

/**
 * Creates a layer of a registry over HTTP, with everything that a program in Node needs:
 *
 * - It does not connect to private addresses that the registry leads to, by a redirect or by a name
 *   (`NodeAddressGuard`).
 * - It uses the proxies of `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` (`NodeProxy`).
 * - It uses the `Credentials` that are provided to it. Default: the credentials of `docker login` and `podman login`,
 *   and of their helpers (`NodeCredentials.layerDockerConfig`).
 *
 * Fails with a `ConfigError` if a proxy of the environment is not a URL. A `host` that is not valid is a mistake in the
 * program, and a defect. {@link make} fails with an error instead.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import * as NodeClient from "@effect-oci/client/NodeClient"
 * import { Registry, RepositoryName, Tag } from "@effect-oci/core"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const registry = yield* Registry
 *   return yield* registry.getManifest(RepositoryName.make("team/app"), Tag.make("v1"))
 * }).pipe(Effect.provide(NodeClient.layer({ host: "registry.example.com" })))
 * ```
 */
export const layer = (options: Options): Layer.Layer<Registry, ConfigError.ConfigError> =>
  Layer.provide(Client.layer(options), platform(options))

/**
 * Creates the handler of {@link layer}. Fails with a `SyntaxInvalid` if the host is not valid.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  options: Options
): Effect.Effect<Handler.Handler, ConfigError.ConfigError | SyntaxInvalid, Scope.Scope> =>
  Effect.flatMap(Layer.build(platform(options)), (context) => Effect.provide(Client.make(options), context))

/**
 * Checks that a registry answers and accepts the caller, as `Client.ping` does, with the HTTP client and the
 * credentials of {@link layer}.
 *
 * @since 0.1.0
 * @category constructors
 */
export const ping = (
  options: Options
): Effect.Effect<Client.Pong, RegistryError | SyntaxInvalid | ConfigError.ConfigError> =>
  Effect.provide(Client.ping(options), platform(options))
