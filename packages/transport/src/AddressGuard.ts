/**
 * Prevents requests to addresses that only this machine or its network can reach.
 *
 * @since 0.1.0
 */
import * as RegistryError from "@effect-oci/core/RegistryError"
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as Effect from "effect/Effect"
import { isLoopback, special } from "./internal/address.js"
import * as undiciOptions from "./internal/undiciOptions.js"
import * as Transport from "./Transport.js"

/**
 * Options for which addresses requests may be sent to.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** The origin of the registry: `https://registry.example.com`. The registry itself may be at a private address. */
  readonly origin: string
  /**
   * Other hosts that may be at a private address: `minio.corp`, or with a port `10.0.0.6:9000`. A registry may store
   * its content, or have its token server, at such a host. `true` allows all.
   */
  readonly allowPrivate?: boolean | ReadonlyArray<string> | undefined
}

/**
 * Creates a transport that refuses requests to private addresses that a registry leads to: by a redirect, a `Location`,
 * a `Link`, or the realm of its token server.
 *
 * - It refuses loopback, private, link-local, unspecified and reserved addresses, and IPv6 addresses that contain one
 *   of these, in any notation.
 * - A registry on this machine may lead to other hosts on this machine.
 * - A registry on https may not lead to http.
 * - A refused request fails with `Refused`, and is not sent. See CVE-2026-33990, CVE-2026-33540.
 *
 * Place it directly before the platform's client, so that it sees every request. It sees only URLs. `NodeAddressGuard`
 * checks, when a connection is made, the addresses that names resolve to.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: Options): Transport.Transport => {
  const home = new URL(options.origin)
  const mayBePrivate = allowing(home, options.allowPrivate ?? false)
  const refusal = (url: URL): string | undefined => {
    if (url.protocol === "http:" && home.protocol === "https:") return `from https to http at ${url.host}`
    const kind = special(url.hostname)
    return kind === undefined || mayBePrivate(url)
      ? undefined
      : `to ${url.host}, which is ${kind}: add the host to allowPrivate to allow it`
  }
  return Transport.make((request, send) => {
    if (isAt(home.origin, request.url)) return trusted(send(request))
    const url = URL.canParse(request.url) ? new URL(request.url) : undefined
    // The platform's client reports a URL that is not valid.
    if (url === undefined) return send(request)
    const reason = refusal(url)
    if (reason === undefined) return (mayBePrivate(url) ? trusted : distrusted)(send(request))
    return Effect.fail(
      new HttpClientError.RequestError({
        request,
        reason: "InvalidUrl",
        cause: new RegistryError.Refused({ by: "AddressGuard", reason: `the registry directs the client ${reason}` })
      })
    )
  })
}

/** Returns whether a URL is at an origin, without parsing it. */
const isAt = (origin: string, url: string): boolean => url.startsWith(origin) && url.charAt(origin.length) === "/"

const trusted = undiciOptions.provide((settings) => ({ ...settings, mayBePrivate: true }))

/** This must be set explicitly: the request may be sent while the body of a trusted request is being read. */
const distrusted = undiciOptions.provide((settings) => ({ ...settings, mayBePrivate: false }))

const allowing = (home: URL, allowed: boolean | ReadonlyArray<string>): (url: URL) => boolean => {
  if (allowed === true) return () => true
  const hosts = new Set([home.hostname, ...(allowed === false ? [] : allowed.map(normal))])
  const atHome = isLoopback(home.hostname)
  return (url) =>
    hosts.has(url.hostname) || hosts.has(`${url.hostname}:${portOf(url)}`) || (atHome && isLoopback(url.hostname))
}

const portOf = ({ port, protocol }: URL): string => port !== "" ? port : protocol === "https:" ? "443" : "80"

/** Returns a host in the form that URLs use, with its port if it has one. */
const normal = (host: string): string => {
  const [, name = host, port = ""] = /^(.*?)(:\d+)?$/s.exec(host) ?? []
  return URL.canParse(`http://${name}`) ? `${new URL(`http://${name}`).hostname}${port}` : host
}
