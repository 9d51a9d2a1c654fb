/**
 * Origins: each credential and each token belongs to one origin.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"

/**
 * A scheme, a host and a port, each in its normalised spelling. Equal origins are equal by `Equal.equals`. `toString`
 * is {@link format}.
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
 * Returns an origin as text: `https://registry.example.com`. The text contains the port only if it is not the default
 * port of the scheme.
 *
 * @since 0.1.0
 * @category destructors
 */
export const format = (origin: Origin): string => `${origin.scheme}://${authority(origin)}`

/**
 * The default port of each scheme.
 *
 * @since 0.1.0
 * @category constants
 */
export const defaultPorts = { https: 443, http: 80 } as const

/**
 * Returns `host[:port]`, as registries are named. The text contains the port only if it is not the default port of the
 * scheme.
 *
 * @since 0.1.0
 * @category destructors
 */
export const authority = ({ host, port, scheme }: Origin): string =>
  port === defaultPorts[scheme] ? host : `${host}:${port}`

/**
 * Returns the origin of a URL. Returns `undefined` if the text is not a URL, or if its scheme is neither https nor http. All
 * other parts of the URL are ignored, including a user name and a password. IPv6 zones are refused, as in all URLs.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Origin } from "@effect-oci/transport"
 *
 * const origin = Origin.parse("https://Registry.Example.com.:443/v2/") // https://registry.example.com
 * ```
 */
export const parse = (url: string | URL): Origin | undefined => {
  const parsed = typeof url === "string" ? URL.canParse(url) ? new URL(url) : undefined : url
  return parsed === undefined ? undefined : fromUrl(parsed)
}

/**
 * Returns whether a URL is at the origin with a text ({@link format}), without parsing the URL. If it returns `false`, the
 * URL may still be at that origin, in another spelling.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isAt = (origin: string, url: string): boolean =>
  url.startsWith(origin) && url.charAt(origin.length) === "/"

const fromUrl = ({ hostname, port, protocol }: URL): Origin | undefined => {
  const scheme = protocol === "https:" ? "https" : protocol === "http:" ? "http" : undefined
  const host = hostname.endsWith(".") ? hostname.slice(0, -1) : hostname
  return scheme === undefined || host === ""
    ? undefined
    : new Origin({ scheme, host, port: port === "" ? defaultPorts[scheme] : Number(port) })
}
