import { Credentials, Origin } from "@effect-oci/auth"
import type { Transport } from "@effect-oci/client"
import { Client, Transport as Transports } from "@effect-oci/client"
import { Registry } from "@effect-oci/core"
import type { Handler, SyntaxInvalid } from "@effect-oci/core"
import { Sub } from "@effect-oci/middleware"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as RcMap from "effect/RcMap"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import type { Config, Endpoint } from "../HostConfig.js"

/** Makes the client for connections with settings of their own; `undefined` is the client that all share. */
export interface ConnectionClient<E = never> {
  (
    connection: Pick<Endpoint, "tls" | "connectTimeout">
  ): Effect.Effect<HttpClient.HttpClient | undefined, E, Scope.Scope>
}

/** An endpoint, and the registry that it serves. */
export interface Asked {
  readonly endpoint: Endpoint
  /** The registry that it mirrors, if it does. */
  readonly mirrors: string | undefined
}

/** Sends headers to one origin, and to no other that it leads to. */
const withHeaders = (
  headers: NonNullable<Endpoint["headers"]>,
  origin: Origin.Origin
): Transport.Transport =>
  Transports.make((request, send) => {
    const to = Origin.parse(request.url)
    return Option.isSome(to) && String(to.value) === String(origin)
      ? send(
        HttpClientRequest.setHeaders(
          request,
          Object.fromEntries(
            Object.entries(headers).map((
              [name, value]
            ) => [name, Redacted.isRedacted(value) ? Redacted.value(value) : value])
          )
        )
      )
      : send(request)
  })

/** Says which registry a mirror is asked about. Spec, "Registry Proxying": `ns`. */
const withNamespace = (namespace: string): Transport.Transport =>
  Transports.make((request, send) =>
    send(
      request.method === "GET" || request.method === "HEAD"
        ? HttpClientRequest.setUrlParam(request, "ns", namespace)
        : request
    )
  )

const insecure = (endpoint: Endpoint, config: Config): boolean =>
  endpoint.insecure ?? (config.plainHttp ?? (() => false))(endpoint.host)

/**
 * Makes the registries of endpoints. The client of an endpoint, with its tokens, its pace and its connections, is made when
 * it is first needed, is shared by all callers, and is closed a minute after its last use.
 */
export const make = <E>(config: Config, connectionClient: ConnectionClient<E>) =>
  Effect.gen(function*() {
    const shared = yield* HttpClient.HttpClient
    const all = yield* Credentials.Credentials

    /** The HTTP client of an endpoint, within the transports that keep what is known of it. */
    const connect = (endpoint: Endpoint) =>
      Effect.gen(function*() {
        const options = optionsOf(endpoint)
        const { connectTimeout, tls } = endpoint
        const hasOwn = endpoint.client === undefined && (tls !== undefined || connectTimeout !== undefined)
        const own = hasOwn ? yield* connectionClient({ tls, connectTimeout }) : endpoint.client
        const client = own ?? shared
        const transport = yield* Client.transport(options).pipe(
          Effect.provideService(Credentials.Credentials, endpoint.credentials ?? all)
        )
        const origin = Origin.parse(`${options.insecure ? "http" : "https"}://${endpoint.host}`)
        return transport(
          endpoint.headers === undefined || Option.isNone(origin)
            ? client
            : withHeaders(endpoint.headers, origin.value)(client)
        )
      })

    const optionsOf = (endpoint: Endpoint) => ({
      ...config.options,
      ...endpoint.options,
      host: endpoint.host,
      path: endpoint.path,
      apiPath: endpoint.apiPath,
      insecure: insecure(endpoint, config)
    })

    const connections = yield* RcMap.make({
      lookup: (endpoint: Endpoint) => connect(endpoint),
      idleTimeToLive: "1 minute"
    })
    /** Endpoints that say the same are one: all that a connection depends on, where nothing is an endpoint's own. */
    const keyOf = (endpoint: Endpoint): Endpoint => {
      const { apiPath, client, connectTimeout, credentials, headers, host, options, path, tls } = endpoint
      const own = [client, connectTimeout, credentials, headers, options, tls].some((each) => each !== undefined)
      return own ? endpoint : Data.struct({ host, path, apiPath, insecure: insecure(endpoint, config) })
    }

    return {
      registry: ({ endpoint, mirrors }: Asked): Effect.Effect<Registry["Type"], E | SyntaxInvalid, Scope.Scope> =>
        Effect.gen(function*() {
          const connected = yield* RcMap.get(connections, keyOf(endpoint))
          const client = mirrors !== undefined && endpoint.namespace !== false
            ? withNamespace(mirrors)(connected)
            : connected
          const handler: Handler.Handler = yield* Client.makeBare(optionsOf(endpoint)).pipe(
            Effect.provideService(HttpClient.HttpClient, client)
          )
          return Registry.fromHandler(
            endpoint.prefix === undefined ? handler : Sub.middleware({ prefix: endpoint.prefix })(handler)
          )
        })
    }
  })
