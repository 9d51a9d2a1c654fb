/**
 * Keeps requests from addresses that only this machine or its network can reach.
 *
 * @since 0.1.0
 */
import * as Transport from "@effect-oci/auth/Transport"
import * as RegistryError from "@effect-oci/core/RegistryError"
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as Effect from "effect/Effect"
import { isLoopback, special } from "../internal/address.js"
import * as undiciOptions from "../internal/undiciOptions.js"

/**
 * Where requests may go.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** Where the registry is: `https://registry.example.com`. It may itself be at a private address. */
  readonly origin: string
  /**
   * The hosts beside it that may be: `minio.corp`, or with a port `10.0.0.6:9000`, for a registry that keeps its content
   * or has its token server there. `true` allows all.
   */
  readonly allowPrivate?: boolean | ReadonlyArray<string> | undefined
}

/**
 * Refuses requests that a registry leads to (by a redirect, a `Location`, a `Link`, or the realm of its token server)
 * at an address of this machine or of a private network: loopback, private, link-local, unspecified and reserved ones,
 * and those of IPv6 that stand for one of these, however they are written. A registry on this machine may lead to
 * others on it. A registry on https may not lead to http. A refused request fails with `Refused`, and is not sent.
 * CVE-2026-33990, CVE-2026-33540.
 *
 * It belongs right before the platform's client, so that it sees every request. It sees no more than their URLs: where
 * a name leads shows on connecting, which `NodeAddressGuard` looks at.
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
      : `to ${url.host}, which is ${kind}: allowPrivate can name it`
  }
  return Transport.make((request, send) => {
    if (isAt(home.origin, request.url)) return trusted(send(request))
    const url = URL.canParse(request.url) ? new URL(request.url) : undefined
    // What is no URL is for the platform's client to refuse.
    if (url === undefined) return send(request)
    const reason = refusal(url)
    if (reason === undefined) return (mayBePrivate(url) ? trusted : distrusted)(send(request))
    return Effect.fail(
      new HttpClientError.RequestError({
        request,
        reason: "InvalidUrl",
        cause: new RegistryError.Refused({ by: "AddressGuard", reason: `the registry leads ${reason}` })
      })
    )
  })
}

/** Whether a URL is at an origin, told without taking it apart. */
const isAt = (origin: string, url: string): boolean => url.startsWith(origin) && url.charAt(origin.length) === "/"

const trusted = undiciOptions.provide((settings) => ({ ...settings, mayBePrivate: true }))

/** Said too, for it may be asked within the body of a request that is trusted. */
const distrusted = undiciOptions.provide((settings) => ({ ...settings, mayBePrivate: false }))

const allowing = (home: URL, allowed: boolean | ReadonlyArray<string>): (url: URL) => boolean => {
  if (allowed === true) return () => true
  const hosts = new Set([home.hostname, ...(allowed === false ? [] : allowed.map(normal))])
  const atHome = isLoopback(home.hostname)
  return (url) =>
    hosts.has(url.hostname) || hosts.has(`${url.hostname}:${portOf(url)}`) || (atHome && isLoopback(url.hostname))
}

const portOf = ({ port, protocol }: URL): string => port !== "" ? port : protocol === "https:" ? "443" : "80"

/** A host as URLs have it, and its port where one is said. */
const normal = (host: string): string => {
  const [, name = host, port = ""] = /^(.*?)(:\d+)?$/s.exec(host) ?? []
  return URL.canParse(`http://${name}`) ? `${new URL(`http://${name}`).hostname}${port}` : host
}
