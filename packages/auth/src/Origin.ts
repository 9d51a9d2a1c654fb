/**
 * Origins: what credentials and tokens belong to.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Option from "effect/Option"

/**
 * A scheme, a host and a port, each in the one spelling that it has: two are equal (`Equal.equals`) if they are the
 * same place. `toString` is {@link format}.
 *
 * @since 0.1.0
 * @category models
 */
export class Origin extends Data.Class<{
  readonly scheme: "https" | "http"
  /** In lower case and punycode, without a final dot; IPv6 in brackets. */
  readonly host: string
  readonly port: number
}> {
  override toString(): string {
    return format(this)
  }
}

/**
 * `https://registry.example.com`, with the port where it is not that of the scheme.
 *
 * @since 0.1.0
 * @category destructors
 */
export const format = (origin: Origin): string => `${origin.scheme}://${authority(origin)}`

/**
 * The port of a scheme where none is said.
 *
 * @since 0.1.0
 * @category constants
 */
export const defaultPorts = { https: 443, http: 80 } as const

/**
 * `host[:port]`, as registries are named: without the port where it is that of the scheme.
 *
 * @since 0.1.0
 * @category destructors
 */
export const authority = ({ host, port, scheme }: Origin): string =>
  port === defaultPorts[scheme] ? host : `${host}:${port}`

/**
 * The origin of a URL: none of one that is no URL, or of another scheme than https and http. What a URL names besides
 * is left out, a user's name and password too. IPv6 zones are refused, as in all URLs.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Origin } from "@effect-oci/auth"
 *
 * const origin = Origin.parse("https://Registry.Example.com.:443/v2/") // https://registry.example.com
 * ```
 */
export const parse = (url: string | URL): Option.Option<Origin> => {
  const parsed = typeof url === "string" ? URL.canParse(url) ? new URL(url) : undefined : url
  return parsed === undefined ? Option.none() : fromUrl(parsed)
}

const fromUrl = ({ hostname, port, protocol }: URL): Option.Option<Origin> => {
  const scheme = protocol === "https:" ? "https" : protocol === "http:" ? "http" : undefined
  const host = hostname.endsWith(".") ? hostname.slice(0, -1) : hostname
  return scheme === undefined || host === ""
    ? Option.none()
    : Option.some(new Origin({ scheme, host, port: port === "" ? defaultPorts[scheme] : Number(port) }))
}
