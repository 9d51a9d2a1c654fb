/**
 * A client for Node, with everything that a program needs to call a registry.
 *
 * @since 0.1.0
 */
import { Credentials } from "@effect-oci/auth/Credentials"
import * as NodeCredentials from "@effect-oci/auth/NodeCredentials"
import type { Registry } from "@effect-oci/core/Registry"
import type { RegistryError } from "@effect-oci/core/RegistryError"
import type { SyntaxInvalid } from "@effect-oci/core/SyntaxInvalid"
import * as NodeHttp from "@effect-oci/transport/NodeHttp"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as Config from "effect/Config"
import type * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Client from "./Client.js"

/**
 * Options for a client, for its transports, and for its connections.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options extends Client.Options, Client.TransportOptions, NodeHttp.Options {}

/** Provides the credentials of the context. Default: those of Docker's configuration. */
const credentials = () =>
  Layer.unwrapEffect(
    Effect.contextWith((context: Context.Context<never>) =>
      context.unsafeMap.has(Credentials.key)
        ? Layer.succeed(Credentials, Context.get(context, Credentials))
        : Layer.provide(NodeCredentials.layerDockerConfig(), NodeFileSystem.layer)
    )
  )

const platform = (options: NodeHttp.Options) => Layer.merge(NodeHttp.layer(options), credentials())

/**
 * Creates a layer of a registry over HTTP, with everything that a program in Node needs:
 *
 * - It does not connect to private addresses that the registry leads to, by a redirect or by a name
 *   (`NodeAddressGuard` of `@effect-oci/transport`).
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
 * Creates a layer as {@link layer} does. Its options come from the configuration.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import * as NodeClient from "@effect-oci/client/NodeClient"
 * import { Config } from "effect"
 *
 * const registry = NodeClient.layerConfig({ host: Config.string("REGISTRY_HOST") })
 * ```
 */
export const layerConfig = (
  options: Config.Config.Wrap<Options>
): Layer.Layer<Registry, ConfigError.ConfigError> =>
  Layer.unwrapEffect(
    Effect.map(Config.unwrap(options), (options) =>
      Layer.provide(Client.layerConfig(Config.succeed(options)), platform(options)))
  )

/**
 * Creates the registry of {@link layer}. Fails with a `SyntaxInvalid` if the host is not valid.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  options: Options
): Effect.Effect<Registry.Service, ConfigError.ConfigError | SyntaxInvalid, Scope.Scope> =>
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
