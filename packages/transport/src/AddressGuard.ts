/**
 * Prevents requests to addresses that only this machine or its network can reach.
 *
 * @since 0.1.0
 */
import * as LazyModule from "@effect-oci/core/LazyModule"
import * as RegistryError from "@effect-oci/core/RegistryError"
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as Effect from "effect/Effect"
import type * as Address from "./internal/address.js"
import * as undiciOptions from "./internal/undiciOptions.js"
import * as Origin from "./Origin.js"
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
  return Transport.makeIn((request, within, send) => {
    if (Origin.isAt(home.origin, request.url)) return send(request, trusted(within))
    const url = URL.canParse(request.url) ? new URL(request.url) : undefined
    // The platform's client reports a URL that is not valid.
    if (url === undefined) return send(request, within)
    const guarded = (kinds: Kinds) => {
      const isAllowed = mayBePrivate(url, kinds)
      const kind = kinds.special(url.hostname)
      const reason = url.protocol === "http:" && home.protocol === "https:"
        ? `from https to http at ${url.host}`
        : kind === undefined || isAllowed
        ? undefined
        : `to ${url.host}, which is ${kind}: add the host to allowPrivate to allow it`
      if (reason === undefined) return send(request, (isAllowed ? trusted : distrusted)(within))
      return Effect.fail(
        new HttpClientError.RequestError({
          request,
          reason: "InvalidUrl",
          cause: new RegistryError.Refused({ by: "AddressGuard", reason: `the registry directs the client ${reason}` })
        })
      )
    }
    return isPublicName(url.hostname)
      ? guarded(ofPublicNames)
      : Effect.flatMap(addresses, guarded)
  })
}

const addresses = Effect.orDie(LazyModule.make(() => import("./internal/address.js")))

type Kinds = Pick<typeof Address, "isLoopback" | "special">

/** Most registries lead to names only. The parser of addresses is loaded for other hosts. */
const isPublicName = (host: string): boolean => !/^[\da-fx.:[\]%]+$|localhost/i.test(host)

const ofPublicNames: Kinds = { isLoopback: () => false, special: () => undefined }

const trusted = undiciOptions.add({ mayBePrivate: true })

/** This must be set explicitly: the request may be sent while the body of a trusted request is being read. */
const distrusted = undiciOptions.add({ mayBePrivate: false })

const allowing = (
  home: URL,
  allowed: boolean | ReadonlyArray<string>
): (url: URL, kinds: Kinds) => boolean => {
  if (allowed === true) return () => true
  const hosts = new Set([home.hostname, ...(allowed === false ? [] : allowed.map(normal))])
  return (url, { isLoopback }) =>
    hosts.has(url.hostname) || hosts.has(`${url.hostname}:${portOf(url)}`) ||
    (isLoopback(url.hostname) && isLoopback(home.hostname))
}

const portOf = ({ port, protocol }: URL): string => port !== "" ? port : protocol === "https:" ? "443" : "80"

/** Returns a host in the form that URLs use, with its port if it has one. */
const normal = (host: string): string => {
  const [, name = host, port = ""] = /^(.*?)(:\d+)?$/s.exec(host) ?? []
  return URL.canParse(`http://${name}`) ? `${new URL(`http://${name}`).hostname}${port}` : host
}
