/**
 * From the host of a reference to a registry.
 *
 * @since 0.1.0
 */
import { Registry } from "@effect-oci/core"
import type { SyntaxInvalid } from "@effect-oci/core"
import { Union } from "@effect-oci/middleware"
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
 * No registry of this host is known, or its settings cannot be used.
 *
 * @since 0.1.0
 * @category errors
 */
export class HostUnknown extends Data.TaggedError("HostUnknown")<{
  readonly host: string
  readonly reason: string
}> {
  override get message(): string {
    return `the registry ${this.host} cannot be reached: ${this.reason}`
  }
}

/**
 * Knows registries by the host that references have.
 *
 * @since 0.1.0
 * @category models
 */
export interface Service {
  /** The registry, as long as the scope. It is made when it is first asked for, and shared. */
  readonly registry: (host: string) => Effect.Effect<Registry["Type"], HostUnknown, Scope.Scope>
}

/**
 * @since 0.1.0
 * @category services
 */
export class Resolver extends Context.Tag("@effect-oci/resolver/Resolver")<Resolver, Service>() {}

/**
 * Registries of any kind, by name: clients, stores, unions, stacks of wrappers. One that is a member elsewhere too is
 * built once.
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
              ? Effect.fail(new HostUnknown({ host, reason: `known are ${[...known.keys()].join(", ") || "none"}` }))
              : Effect.succeed(registry)
          }
        }
      }
    )
  ) as never

/**
 * The first of two that knows a host.
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
            "HostUnknown",
            () => Context.get(other, Resolver).registry(host)
          )
      })
    )
  )

const addressOf = ({ apiPath, host, path }: HostConfig.Endpoint): string => `${host}${apiPath ?? path ?? ""}`

/**
 * The settings of connections that only some HTTP clients can make.
 *
 * @since 0.1.0
 * @category models
 */
export interface Connection extends Pick<HostConfig.Endpoint, "tls" | "connectTimeout"> {}

/**
 * Makes an HTTP client for endpoints with settings of their own. `undefined` is the client that is provided to all.
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
 * Creates registries over HTTP: as a configuration says, or each at its own name.
 *
 * A registry that has mirrors asks them first, in order, for what their capabilities allow. Any failure of a mirror makes
 * it ask the next one and then the registry itself, whose answer is final: its error is the error, and the reason names
 * every host that was tried. A blob that breaks off continues at the next host. Content is verified; wrong content fails
 * with `DigestInvalid`, which names the host. A mirror that was out of order is asked last for `cooldown`.
 *
 * A client is made when its host is first asked for, is shared by all callers, with its tokens and limits, and is closed
 * a minute after the last one.
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
        const own = Effect.map(registry({ endpoint: origin, mirrors: isElsewhere ? host : undefined }), (registry) => ({
          name: addressOf(origin),
          registry,
          authoritative: true,
          capabilities: origin.capabilities ??
            (originFallback ? HostConfig.everything : (["push", "delete"] as const))
        }))
        if (mirrors.length === 0) return Effect.map(own, ({ registry }) => registry)
        const others = Effect.forEach(mirrors, (endpoint) =>
          Effect.map(registry({ endpoint, mirrors: host }), (registry) => ({
            name: addressOf(endpoint),
            registry,
            capabilities: endpoint.capabilities ?? HostConfig.privateMirror
          })))
        return Effect.flatMap(
          Effect.all([others, own]),
          ([mirrors, own]) =>
            Effect.map(
              Layer.build(
                Union.layer(
                  [...mirrors, own].map((member) => ({
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
  error._tag === "HostUnknown" ? error.reason : error.message

/** A name that an object has by itself is no host. */
const configOf = ({ hosts = {}, others = {} }: HostConfig.Config, host: string): HostConfig.HostConfig =>
  Object.hasOwn(hosts, host) ? hosts[host]! : others
