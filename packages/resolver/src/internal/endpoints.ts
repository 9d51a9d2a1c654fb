import * as Credentials from "@effect-oci/auth/Credentials"
import * as Client from "@effect-oci/client/Client"
import { Registry } from "@effect-oci/core"
import type { SyntaxInvalid } from "@effect-oci/core"
import * as Sub from "@effect-oci/middleware/Sub"
import * as Origin from "@effect-oci/transport/Origin"
import * as Transport from "@effect-oci/transport/Transport"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as RcMap from "effect/RcMap"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import type { Config, Endpoint } from "../HostConfig.js"

/** Creates the HTTP client for an endpoint with its own settings. Returns `undefined` to use the shared client. */
export interface ConnectionClient<E = never> {
  (
    connection: Pick<Endpoint, "tls" | "connectTimeout">
  ): Effect.Effect<HttpClient.HttpClient | undefined, E, Scope.Scope>
}

/** An endpoint, and the registry that it mirrors. */
export interface Member {
  readonly endpoint: Endpoint
  /** The host of the registry that the endpoint mirrors, or `undefined` for the registry itself. */
  readonly mirrors: string | undefined
}

/** Adds headers to requests to one origin. Redirects to other origins do not receive them. */
const withHeaders = (
  headers: NonNullable<Endpoint["headers"]>,
  origin: Origin.Origin
): Transport.Transport =>
  Transport.make((request, send) => {
    return Equal.equals(Origin.parse(request.url), origin)
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

/**
 * Adds the query parameter `ns` to reads, with the name of the registry that is mirrored. See the
 * [spec](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#registry-proxying).
 */
const withNamespace = (namespace: string): Transport.Transport =>
  Transport.make((request, send) =>
    send(
      request.method === "GET" || request.method === "HEAD"
        ? HttpClientRequest.setUrlParam(request, "ns", namespace)
        : request
    )
  )

const insecure = (endpoint: Endpoint, config: Config): boolean =>
  endpoint.insecure ?? (config.plainHttp ?? (() => false))(endpoint.host)

/**
 * Creates the registries of endpoints. The client of an endpoint, with its tokens, rate limits and connections, is made
 * when it is first needed. All callers share it. It is closed one minute after its last use.
 */
export const make = <E>(config: Config, connectionClient: ConnectionClient<E>) =>
  Effect.gen(function*() {
    const shared = yield* HttpClient.HttpClient
    const all = yield* Credentials.Credentials

    /** Creates the HTTP client of an endpoint, with the transports that keep its tokens and limits. */
    const connect = (endpoint: Endpoint) =>
      Effect.gen(function*() {
        const options = optionsOf(endpoint)
        const { connectTimeout, tls } = endpoint
        const needsClient = endpoint.client === undefined && (tls !== undefined || connectTimeout !== undefined)
        const special = needsClient ? yield* connectionClient({ tls, connectTimeout }) : endpoint.client
        const client = special ?? shared
        const transport = yield* Client.transport(options).pipe(
          Effect.provideService(Credentials.Credentials, endpoint.credentials ?? all)
        )
        const origin = Origin.parse(`${options.insecure ? "http" : "https"}://${endpoint.host}`)
        return transport(
          endpoint.headers === undefined || origin === undefined
            ? client
            : withHeaders(endpoint.headers, origin)(client)
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
    /** Returns the key of a connection. Endpoints at the same address share one, unless they have their own settings. */
    const keyOf = (endpoint: Endpoint): Endpoint => {
      const { apiPath, client, connectTimeout, credentials, headers, host, options, path, tls } = endpoint
      const hasSettings = [client, connectTimeout, credentials, headers, options, tls].some((each) =>
        each !== undefined
      )
      return hasSettings ? endpoint : Data.struct({ host, path, apiPath, insecure: insecure(endpoint, config) })
    }

    return {
      registry: ({ endpoint, mirrors }: Member): Effect.Effect<Registry["Type"], E | SyntaxInvalid, Scope.Scope> =>
        Effect.gen(function*() {
          const connected = yield* RcMap.get(connections, keyOf(endpoint))
          const client = mirrors !== undefined && endpoint.namespace !== false
            ? withNamespace(mirrors)(connected)
            : connected
          const registry = yield* Client.makeBare(optionsOf(endpoint)).pipe(
            Effect.provideService(HttpClient.HttpClient, client)
          )
          return endpoint.prefix === undefined
            ? registry
            : Registry.fromHandler(Sub.middleware({ prefix: endpoint.prefix })(registry.handle))
        })
    }
  })
