/**
 * Registries over HTTP, on Node: with certificates of one's own.
 *
 * @since 0.1.0
 */
import * as NodeAddressGuard from "@effect-oci/client/NodeAddressGuard"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { rootCertificates } from "node:tls"
import type * as HostConfig from "./HostConfig.js"
import * as Resolver from "./Resolver.js"

/** A client for endpoints with certificates of their own, in connections of their own. */
const tlsClient: Resolver.TlsClient = ({ ca, certificate, skipVerify }) =>
  Effect.map(
    Layer.build(
      NodeHttpClient.layerUndiciWithoutDispatcher.pipe(
        Layer.provide(NodeAddressGuard.layer({
          connect: {
            ...(ca === undefined ? {} : { ca: [...rootCertificates, ...ca] }),
            ...(certificate === undefined
              ? {}
              : { cert: certificate.cert, key: Redacted.value(certificate.key) }),
            ...(skipVerify === true ? { rejectUnauthorized: false } : {})
          }
        }))
      )
    ),
    (context) => Context.get(context, HttpClient.HttpClient)
  )

/**
 * `Resolver.layerHosts` whose endpoints may have certificates of their own (`tls`).
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
): Layer.Layer<Resolver.Resolver, never, HttpClient.HttpClient> => Resolver.layerHosts(config, tlsClient)
