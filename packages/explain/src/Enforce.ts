/**
 * Holds a program to its explanation: a request that was not foreseen is refused before it is sent.
 *
 * @since 0.1.0
 */
import { AuthScope, Operation, printable, Registry, RegistryError, RequestScope } from "@effect-oci/core"
import type { Middleware } from "@effect-oci/core"
import { RedirectedFrom } from "@effect-oci/transport/Redirect"
import * as Transport from "@effect-oci/transport/Transport"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import type { HttpClientRequest } from "@effect/platform/HttpClientRequest"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Explanation from "./Explanation.js"
import { placeOf } from "./internal/place.js"
import { describe, isRedirected } from "./internal/request.js"
import type { OtherRequest } from "./internal/request.js"

/**
 * Options for {@link transport} and {@link middleware}.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  readonly explanation: Explanation.Explanation
  /**
   * What is compared: the registry and the `scopes` that a request needs, or in addition the method and the path of each
   * of the `requests`. With `"requests"`, a copy to a target that has changed may be refused, because it must send more.
   *
   * @default "scopes"
   */
  readonly by?: "scopes" | "requests" | undefined
  /**
   * Other origins that requests may be sent to, such as `https://storage.example.com`, to which the registry directs
   * uploads. Default: none.
   */
  readonly origins?: ReadonlyArray<string> | undefined
}

/**
 * What a refused request would need, and its explanation does not contain. It is the `cause` of the `Refused` that the
 * operation fails with.
 *
 * @since 0.1.0
 * @category errors
 */
export class Unforeseen extends Data.TaggedError("OciUnforeseen")<{
  /** The registry, or the origin of another server. */
  readonly registry: string
  /** The method and the path of the request, or the operation and its reference. */
  readonly request: string
  /** What was not foreseen: the registry, the missing part of the scope, or the request. */
  readonly missing: "registry" | AuthScope.AuthScope | "request"
}> {
  override get message(): string {
    const subject = `${this.request} to ${this.registry} was not foreseen`
    const reason = this.missing === "registry"
      ? "the explanation does not contain this host"
      : this.missing === "request"
      ? "the explanation does not contain this request"
      : `the explanation does not contain the scope ${AuthScope.format(this.missing)}`
    return `${printable(subject, 600)}: ${reason}; explain the program again, and review what changed`
  }
}

const refused = (unforeseen: Unforeseen, fields?: RegistryError.ErrorFields): RegistryError.Refused =>
  new RegistryError.Refused({ ...fields, by: "Enforce", reason: unforeseen.message, cause: unforeseen })

/** Returns the paths of a push by each of its tags: a registry may set only one tag with each request. */
const byEachTag = ({ method, path }: Explanation.Request): ReadonlyArray<string> => {
  const [before = "", query] = path.split("?")
  const folder = before.slice(0, before.lastIndexOf("/") + 1)
  return method === "PUT" && query !== undefined
    ? [`PUT ${before}`, ...new URLSearchParams(query).getAll("tag").map((tag) => `PUT ${folder}${tag}`)]
    : []
}

/** What an explanation foresees. */
class Foreseen {
  readonly #scopes: ReadonlyMap<string, AuthScope.AuthScope>
  readonly #all: AuthScope.AuthScope
  readonly #tokens: AuthScope.AuthScope
  /** The requests to each registry. `undefined` if they are not compared. */
  readonly #requests: ReadonlySet<string> | undefined
  readonly #others: ReadonlySet<string>

  constructor({ by, explanation, origins = [] }: Options) {
    const { requests } = explanation
    this.#scopes = new Map(
      Explanation.registries(explanation).map((name) => [name, Explanation.scope(explanation, name)])
    )
    this.#all = Explanation.scope(explanation)
    this.#tokens = AuthScope.unionAll([
      this.#all,
      ...requests.filter(({ kind }) => kind === "token").map(({ scope }) => AuthScope.parse(scope))
    ])
    this.#requests = by !== "requests" ?
      undefined :
      new Set(
        requests.flatMap((request) =>
          [`${request.method} ${request.path}`, ...byEachTag(request)].map((each) => `${request.registry} ${each}`)
        )
      )
    this.#others = new Set([
      ...origins,
      ...requests.flatMap(({ kind, registry }) => kind === "other" ? [registry] : [])
    ])
  }

  /** Returns what was not foreseen of a request to a registry, or `undefined`. */
  missing(registry: string, request: string, scope: AuthScope.AuthScope): Unforeseen | undefined {
    const granted = this.#scopes.get(registry)
    if (granted === undefined) return new Unforeseen({ registry, request, missing: "registry" })
    if (!AuthScope.contains(granted, scope)) {
      return new Unforeseen({ registry, request, missing: AuthScope.difference(scope, granted) })
    }
    return this.#requests?.has(`${registry} ${request}`) === false
      ? new Unforeseen({ registry, request, missing: "request" })
      : undefined
  }

  /**
   * Returns what was not foreseen of another request, or `undefined`. A registry chooses its token server: a token must
   * not allow more than what was foreseen. It also chooses where it redirects a foreseen read, which then sends no
   * credentials.
   */
  missingOther(
    { kind, method, registry, scope }: OtherRequest,
    needed: AuthScope.AuthScope,
    isRedirectedRead: boolean
  ): Unforeseen | undefined {
    const request = kind === "token" ? "a token request" : method
    if (kind === "token") {
      return AuthScope.contains(this.#tokens, scope)
        ? undefined
        : new Unforeseen({ registry, request, missing: AuthScope.difference(scope, this.#tokens) })
    }
    if (isRedirectedRead || this.#others.has(registry)) return undefined
    // The location of an upload session may be outside of the API.
    const names = Array.from(this.#scopes.keys())
    const isOfRegistry = names.some((name) => name === registry || name.startsWith(`${registry}/`))
    return isOfRegistry && !AuthScope.isEmpty(needed) && AuthScope.contains(this.#all, needed)
      ? undefined
      : new Unforeseen({ registry, request, missing: "registry" })
  }
}

const check = (
  foreseen: Foreseen,
  request: HttpClientRequest,
  needed: AuthScope.AuthScope,
  from: string | undefined
): Unforeseen | undefined => {
  const asked = describe(request, from)
  if (asked === undefined) return undefined
  if (asked.kind === "registry") {
    return foreseen.missing(asked.registry, `${asked.method} ${asked.path}`, asked.scope)
  }
  const isRead = asked.method === "GET" || asked.method === "HEAD"
  const isAnonymous = request.headers["authorization"] === undefined
  return foreseen.missingOther(asked, needed, isRedirected(request, from) && isRead && isAnonymous)
}

/**
 * Creates a transport that refuses requests that were not foreseen: to another registry, or for another scope. The
 * operation fails with `Refused`, whose `cause` is an {@link Unforeseen}.
 *
 * Put it around the HTTP client under the clients of registries, so that it sees the requests to token servers and the
 * targets of redirects too. A token may be requested for a foreseen scope only. A registry may redirect a foreseen read
 * to any host, to which no credentials are sent. Counts are not compared, because a request may be sent again.
 *
 * @since 0.1.0
 * @category transports
 */
export const transport = (options: Options): Transport.Transport => {
  const foreseen = new Foreseen(options)
  return Transport.make((request, send) =>
    Effect.contextWithEffect((context: Context.Context<never>) => {
      const needed = Context.get(context, RequestScope.required)
      const unforeseen = check(foreseen, request, needed, Context.get(context, RedirectedFrom))
      return unforeseen === undefined
        ? send(request)
        : new HttpClientError.RequestError({ request, reason: "Transport", cause: refused(unforeseen) })
    })
  )
}

/**
 * Creates a layer that requires an HTTP client, and provides that client with {@link transport} around it.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Client } from "@effect-oci/client"
 * import { Enforce } from "@effect-oci/explain"
 * import type { Explanation } from "@effect-oci/explain"
 * import { FetchHttpClient } from "@effect/platform"
 * import { Layer } from "effect"
 *
 * const registry = (explanation: Explanation.Explanation) =>
 *   Client.layer({ host: "registry.example.com" }).pipe(
 *     Layer.provide(Enforce.layerHttpClient({ explanation })),
 *     Layer.provide(FetchHttpClient.layer)
 *   )
 * ```
 */
export const layerHttpClient = (
  options: Options
): Layer.Layer<HttpClient.HttpClient, never, HttpClient.HttpClient> =>
  Layer.effect(HttpClient.HttpClient, Effect.map(HttpClient.HttpClient, transport(options)))

/**
 * Options for {@link middleware}.
 *
 * @since 0.1.0
 * @category models
 */
export interface MiddlewareOptions extends Options {
  /** The name of the registry in the explanation. */
  readonly name: string
}

/**
 * Creates a middleware that refuses operations that were not foreseen, for a registry that was explained by
 * `Explain.wrap`. They fail with `Refused`, whose `cause` is an {@link Unforeseen}. It changes no other results.
 *
 * @since 0.1.0
 * @category middleware
 */
export const middleware = (options: MiddlewareOptions): Middleware.Middleware => {
  const foreseen = new Foreseen(options)
  return (next) => (operation) => {
    const request = `${operation._tag} ${placeOf(operation)}`
    const unforeseen = foreseen.missing(options.name, request, Operation.requiredScope(operation))
    return unforeseen === undefined
      ? next(operation)
      : Effect.fail(refused(unforeseen, Operation.errorFields(operation)))
  }
}

/**
 * Creates a layer that requires a registry, and provides that registry without unforeseen operations. {@link wrap} does
 * the same in a pipe.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: MiddlewareOptions): Layer.Layer<Registry, never, Registry> =>
  Registry.layerMiddleware(middleware(options))

/**
 * Wraps the registry of a layer so that unforeseen operations are refused.
 *
 * @since 0.1.0
 * @category layers
 */
export const wrap = (
  options: MiddlewareOptions
): <E, R>(registry: Layer.Layer<Registry, E, R>) => Layer.Layer<Registry, E, R> => Registry.wrap(middleware(options))
