import * as RegistryError from "@effect-oci/core/RegistryError"
import * as ErrorBody from "@effect-oci/protocol/ErrorBody"
import type * as Wire from "@effect-oci/protocol/Wire"
import * as report from "./report.js"
import type { Respond } from "./totalResponse.js"

interface Settings {
  readonly hosts: ReadonlyArray<string>
  /** The origins whose pages may use the registry. */
  readonly origins: ReadonlyArray<string> | "*"
}

/**
 * Refuses requests that a web page makes a browser send, unless the page belongs to one of `origins`: writes from pages
 * of other sites, and any request to an unknown host name. A page that rebinds its own name to the address of the
 * server (DNS rebinding) sends such a host name. Programs other than browsers are not affected.
 */
export const protect = ({ hosts, origins }: Settings) => {
  const ownHosts = new Set(hosts.map((host) => host.toLowerCase()))
  const isOwn = (host: string): boolean => isLocal(host) || ownHosts.has(host) || ownHosts.has(withoutPort(host))

  const problemOf = ({ headers, method }: Wire.Request): string | undefined => {
    const origin = headers["origin"]
    if (!isBrowser(headers) || origins === "*" || (origin !== undefined && origins.includes(origin))) return undefined
    const host = headers["host"]?.toLowerCase()
    if (host !== undefined && !isOwn(host)) {
      return "a browser reached this server by a host name that is not one of its own; list the name in the option `hosts`"
    }
    return writes.has(method) && isCrossSite(headers, host, isOwn)
      ? "a page of another site made a browser send this request; list the origin of the page in the option `cors`"
      : undefined
  }

  return (answer: Respond): Respond => (request) => {
    const reason = problemOf(request)
    if (reason === undefined) return answer(request)
    const error = new RegistryError.Denied({ reason })
    return report.refused(request, error, ErrorBody.encode(error))
  }
}

const writes = new Set(["POST", "PUT", "PATCH", "DELETE"])

/**
 * Browsers send `Sec-Fetch-Site` to hosts that they trust: over https, and to loopback. Over plain http they send
 * `Origin` with writes. Reads over plain http are recognized by `Accept-Language` and `User-Agent`.
 */
const isBrowser = (headers: Wire.Headers): boolean =>
  headers["sec-fetch-site"] !== undefined || headers["origin"] !== undefined ||
  (headers["accept-language"] !== undefined && headers["user-agent"]?.startsWith("Mozilla/") === true)

const isCrossSite = (
  headers: Wire.Headers,
  host: string | undefined,
  isOwn: (host: string) => boolean
): boolean => {
  const site = headers["sec-fetch-site"]
  if (site !== undefined) return site === "cross-site" || site === "same-site"
  const origin = headers["origin"]
  if (origin === undefined) return false
  // A proxy may have replaced the host.
  const from = /^https?:\/\/([^/]+)$/.exec(origin.toLowerCase())?.[1]
  return from === undefined || (from !== host && (isLocal(from) || !isOwn(from)))
}

const withoutPort = (host: string): string => host.replace(/:\d*$/, "")

const address = /^(?:\d{1,3}(?:\.\d{1,3}){3}|\[[\da-f:.]+\])$/

/** Returns whether a host is `localhost` or an IP address: no page can rebind an IP address. */
const isLocal = (host: string): boolean => {
  const name = withoutPort(host)
  return name === "localhost" || name.endsWith(".localhost") || address.test(name)
}
