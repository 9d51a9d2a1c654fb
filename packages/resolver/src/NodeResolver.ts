/**
 * Registries over HTTP on Node, with certificates and timeouts for each endpoint.
 *
 * @since 0.1.0
 */
import * as NodeHttp from "@effect-oci/transport/NodeHttp"
import * as HttpClient from "@effect/platform/HttpClient"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { rootCertificates } from "node:tls"
import type * as HostConfig from "./HostConfig.js"
import * as Resolver from "./Resolver.js"

/** Creates the HTTP client for an endpoint with its own settings. It has an address guard and uses proxies. */
const connectionClient: Resolver.ConnectionClient = ({ connectTimeout, tls }) => {
  const { ca, certificates, skipVerify } = tls ?? {}
  const connect = {
    ...(ca === undefined ? {} : { ca: [...rootCertificates, ...ca] }),
    ...(certificates === undefined ? {} : {
      cert: certificates.map(({ cert }) => cert),
      key: certificates.map(({ key }) => Redacted.value(key))
    }),
    ...(skipVerify === true ? { rejectUnauthorized: false } : {}),
    ...(connectTimeout === undefined ? {} : { timeout: Duration.toMillis(connectTimeout) })
  }
  return Effect.mapBoth(Layer.build(NodeHttp.layer({ connect })), {
    onFailure: (error) => new Resolver.HostUnknown({ host: "", reason: Cause.pretty(Cause.fail(error)) }),
    onSuccess: (context) => Context.get(context, HttpClient.HttpClient)
  })
}

/**
 * Creates a resolver of registries over HTTP, as `Resolver.layerHosts` does. In addition, endpoints may have their own
 * certificates (`tls`) and a `connectTimeout`. Connections to such endpoints use the proxies of the environment, as
 * `NodeClient` does.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import * as NodeResolver from "@effect-oci/resolver/NodeResolver"
 * import { NodeHttpClient } from "@effect/platform-node"
 * import { Layer } from "effect"
 *
 * const resolver = NodeResolver.layerHosts({
 *   hosts: { "registry.corp": { origin: { host: "registry.corp", tls: { ca: ["-----BEGIN CERTIFICATE-----"] } } } }
 * }).pipe(Layer.provide(NodeHttpClient.layerUndici))
 * ```
 */
export const layerHosts = (
  config?: HostConfig.Config
): Layer.Layer<Resolver.Resolver, never, HttpClient.HttpClient> => Resolver.layerHosts(config, connectionClient)
