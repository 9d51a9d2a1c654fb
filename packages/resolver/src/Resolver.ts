/**
 * Finds the registry for the host of a reference.
 *
 * @since 0.1.0
 */
import { Registry } from "@effect-oci/core"
import type { SyntaxInvalid } from "@effect-oci/core"
import * as Union from "@effect-oci/middleware/Union"
import type * as HttpClient from "@effect/platform/HttpClient"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as RcMap from "effect/RcMap"
import type * as Scope from "effect/Scope"
import * as HostConfig from "./HostConfig.js"
import * as endpoints from "./internal/endpoints.js"

/**
 * The error if there is no registry for a host, or if its settings cannot be used.
 *
 * @since 0.1.0
 * @category errors
 */
export class HostUnknown extends Data.TaggedError("OciHostUnknown")<{
  readonly host: string
  readonly reason: string
}> {
  override get message(): string {
    return `cannot use the registry ${this.host}: ${this.reason}`
  }
}

/**
 * A service that returns the registry for a host.
 *
 * @since 0.1.0
 * @category models
 */
export interface Service {
  /** Returns the registry for a host, until the scope closes. It is made at the first request for it, and shared. */
  readonly registry: (host: string) => Effect.Effect<Registry["Type"], HostUnknown, Scope.Scope>
}

/**
 * The service that finds registries.
 *
 * @since 0.1.0
 * @category services
 */
export class Resolver extends Context.Tag("@effect-oci/resolver/Resolver")<Resolver, Service>() {}

/**
 * Creates a resolver of registries by host. They may be of any kind: clients, stores, unions, stacks of wrappers. A layer
 * that is used for several hosts is built once. All other hosts fail with {@link HostUnknown}.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Resolver } from "@effect-oci/resolver"
 * import { Memory } from "@effect-oci/store"
 *
 * const resolver = Resolver.layerStatic({ "registry.test": Memory.layer() })
 * ```
 */
export const layerStatic = <
  const Registries extends { readonly [host: string]: Layer.Layer<Registry, unknown, unknown> }
>(
  registries: Registries
): Layer.Layer<
  Resolver,
  Layer.Layer.Error<Registries[keyof Registries]>,
  Layer.Layer.Context<Registries[keyof Registries]>
> =>
  Layer.scoped(
    Resolver,
    Effect.map(
      Effect.flatMap(Effect.all([Layer.makeMemoMap, Effect.scope]), ([memo, scope]) =>
        Effect.forEach(
          Object.entries(registries),
          ([host, layer]) =>
            Effect.map(
              Layer.buildWithMemoMap(layer, memo, scope),
              (context) => [host, Context.get(context, Registry)] as const
            )
        )),
      (built): Service => {
        const known = new Map(built)
        return {
          registry: (host) => {
            const registry = known.get(host)
            return registry === undefined
              ? Effect.fail(
                new HostUnknown({
                  host,
                  reason: `this resolver has only ${[...known.keys()].join(", ") || "no registries"}`
                })
              )
              : Effect.succeed(registry)
          }
        }
      }
    )
  ) as never

/**
 * Combines two resolvers. The second one is used for hosts for which the first fails with {@link HostUnknown}.
 *
 * @since 0.1.0
 * @category combinators
 * @example
 * ```ts
 * import { Resolver } from "@effect-oci/resolver"
 * import { Memory } from "@effect-oci/store"
 *
 * const resolver = Resolver.fallback(
 *   Resolver.layerStatic({ "registry.test": Memory.layer() }),
 *   Resolver.layerHosts()
 * )
 * ```
 */
export const fallback = <E1, R1, E2, R2>(
  first: Layer.Layer<Resolver, E1, R1>,
  second: Layer.Layer<Resolver, E2, R2>
): Layer.Layer<Resolver, E1 | E2, R1 | R2> =>
  Layer.scoped(
    Resolver,
    Effect.map(
      Effect.all([Layer.build(first), Layer.build(second)]),
      ([one, other]): Service => ({
        registry: (host) =>
          Effect.catchTag(
            Context.get(one, Resolver).registry(host),
            "OciHostUnknown",
            () => Context.get(other, Resolver).registry(host)
          )
      })
    )
  )

const addressOf = ({ apiPath, host, path }: HostConfig.Endpoint): string => `${host}${apiPath ?? path ?? ""}`

/**
 * The settings of an endpoint that only some HTTP clients support.
 *
 * @since 0.1.0
 * @category models
 */
export interface Connection extends Pick<HostConfig.Endpoint, "tls" | "connectTimeout"> {}

/**
 * A function that creates the HTTP client for an endpoint with its own settings. It returns `undefined` to use the client
 * of the layer.
 *
 * @since 0.1.0
 * @category models
 */
export interface ConnectionClient {
  (connection: Connection): Effect.Effect<HttpClient.HttpClient | undefined, HostUnknown, Scope.Scope>
}

const noTls: ConnectionClient = ({ tls }) =>
  tls === undefined
    ? Effect.succeed(undefined)
    : Effect.fail(
      new HostUnknown({ host: "", reason: "settings of TLS need an HTTP client of Node; use NodeResolver" })
    )

/**
 * Creates a resolver of registries over HTTP. A registry without settings is at the address in its name.
 *
 * For a registry with mirrors, the resolver tries the mirrors first, in order, if their capabilities allow the operation.
 * After any failure it tries the next mirror, and then the registry itself. The answer of the registry itself is final: the
 * resolver returns its error, and the reason names every host that was tried. A blob that breaks off continues at the next
 * host. Content is verified: wrong content fails with `DigestInvalid`, which names the host. A mirror that was out of order
 * is tried last for the time of `cooldown`.
 *
 * The client of a host is made at the first request for it. All callers share it, with its tokens and limits. It is closed
 * one minute after its last use.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { HostConfig, Resolver } from "@effect-oci/resolver"
 *
 * const resolver = Resolver.layerHosts({
 *   hosts: {
 *     "docker.io": { mirrors: [{ host: "mirror.example.com", capabilities: HostConfig.publicMirror }] }
 *   }
 * })
 * ```
 */
export const layerHosts = (
  config: HostConfig.Config = {},
  connectionClient: ConnectionClient = noTls
): Layer.Layer<Resolver, never, HttpClient.HttpClient> =>
  Layer.scoped(
    Resolver,
    Effect.gen(function*() {
      const { plainHttp = HostConfig.matchLocalhost, translate = HostConfig.dockerHub } = config
      const { registry } = yield* endpoints.make({ ...config, plainHttp }, connectionClient)

      const build = (host: string): Effect.Effect<Registry["Type"], HostUnknown | SyntaxInvalid, Scope.Scope> => {
        const { mirrors = [], originFallback = true, problem, ...given } = configOf(config, host)
        if (problem !== undefined) return Effect.fail(new HostUnknown({ host, reason: problem }))
        const origin = { host: translate(host), ...given.origin }
        const isElsewhere = origin.namespace === true && origin.host !== host && origin.host !== translate(host)
        const itself = Effect.map(
          registry({ endpoint: origin, mirrors: isElsewhere ? host : undefined }),
          (registry) => ({
            name: addressOf(origin),
            registry,
            authoritative: true,
            capabilities: origin.capabilities ??
              (originFallback ? HostConfig.everything : (["push", "delete"] as const))
          })
        )
        if (mirrors.length === 0) return Effect.map(itself, ({ registry }) => registry)
        const others = Effect.forEach(mirrors, (endpoint) =>
          Effect.map(registry({ endpoint, mirrors: host }), (registry) => ({
            name: addressOf(endpoint),
            registry,
            capabilities: endpoint.capabilities ?? HostConfig.privateMirror
          })))
        return Effect.flatMap(
          Effect.all([others, itself]),
          ([mirrors, itself]) =>
            Effect.map(
              Layer.build(
                Union.layer(
                  [...mirrors, itself].map((member) => ({
                    ...member,
                    registry: Layer.succeed(Registry, member.registry)
                  })),
                  {
                    passOver: () =>
                      true,
                    cooldown: config.cooldown
                  }
                )
              ),
              (context) =>
                Context.get(context, Registry)
            )
        )
      }

      const registries = yield* RcMap.make({ lookup: build, idleTimeToLive: "1 minute" })
      return {
        registry: (host) =>
          Effect.mapError(RcMap.get(registries, host), (error) => new HostUnknown({ host, reason: reasonOf(error) }))
      }
    })
  )

const reasonOf = (error: HostUnknown | SyntaxInvalid): string =>
  error._tag === "OciHostUnknown" ? error.reason : error.message

/** Returns the settings of a host. Only own keys count: `toString` is not a configured host. */
const configOf = ({ hosts = {}, others = {} }: HostConfig.Config, host: string): HostConfig.HostConfig =>
  Object.hasOwn(hosts, host) ? hosts[host]! : others
