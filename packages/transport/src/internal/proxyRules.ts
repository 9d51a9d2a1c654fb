import * as Encoding from "effect/Encoding"
import * as Redacted from "effect/Redacted"
import ipaddr from "ipaddr.js"

/** A proxy and its login. */
export interface Proxy {
  /** The URL of the proxy, without user name and password. */
  readonly url: URL
  /** The host and port of the proxy, as errors contain them: `proxy.example.com:3128`. */
  readonly name: string
  readonly login: Login | undefined
}

export interface Login {
  readonly username: string
  readonly password: Redacted.Redacted
  /** The value of `Proxy-Authorization`. */
  readonly authorization: Redacted.Redacted
}

const protocols = new Set(["http:", "https:", "socks5:", "socks5h:", "socks:"])

const decoded = (part: string): string => {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

const loginOf = (url: URL): Login | undefined => {
  if (url.username === "" && url.password === "") return undefined
  const username = decoded(url.username)
  const password = decoded(url.password)
  return {
    username,
    password: Redacted.make(password),
    authorization: Redacted.make(`Basic ${Encoding.encodeBase64(`${username}:${password}`)}`)
  }
}

/** Parses the URL of a proxy, or a host and port for which `http://` is assumed. */
export const parse = (text: string): Proxy | undefined => {
  const full = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`
  if (!URL.canParse(full)) return undefined
  const url = new URL(full)
  if (!protocols.has(url.protocol) || url.hostname === "") return undefined
  const login = loginOf(url)
  url.username = ""
  url.password = ""
  return { url, name: url.host, login }
}

type Address = ipaddr.IPv4 | ipaddr.IPv6

/** Parses an address in the usual notations. An IPv4 address inside an IPv6 address is returned as the IPv4 address. */
const addressOf = (text: string): Address | undefined =>
  ipaddr.IPv4.isValidFourPartDecimal(text) || ipaddr.IPv6.isValid(text) ? ipaddr.process(text) : undefined

const isEqual = (a: Address, b: Address): boolean => a.toNormalizedString() === b.toNormalizedString()

const networkOf = (text: string): [Address, number] | undefined => {
  const [address = ""] = text.split("/")
  if (ipaddr.IPv4.isValidFourPartDecimal(address) ? !ipaddr.IPv4.isValidCIDR(text) : !ipaddr.IPv6.isValidCIDR(text)) {
    return undefined
  }
  return ipaddr.parseCIDR(text)
}

/** The host that a request is sent to. */
interface Target {
  readonly host: string
  readonly port: string
  readonly address: Address | undefined
}

type Matches = (target: Target) => boolean

/** Returns a name in the form that URLs use: in ASCII. */
const ascii = (name: string): string =>
  /[^ -~]/.test(name) && URL.canParse(`http://${name}`) ? new URL(`http://${name}`).hostname : name

/** Parses one entry of a `NO_PROXY` list. An entry without a host matches nothing. */
const matcher = (entry: string): Matches => {
  if (entry === "*") return () => true
  const network = networkOf(entry)
  if (network !== undefined) {
    return ({ address }) => address?.kind() === network[0].kind() && address.match(network)
  }
  const [, named = entry, port = ""] = /^(\[.*\]|[^:]*):([^:]*)$/.exec(entry) ?? []
  const host = named.replace(/^\[(.*)\]$/, "$1")
  const matchesPort = (target: Target) => port === "" || port === target.port
  const address = addressOf(host)
  if (address !== undefined) {
    return (target) => target.address !== undefined && isEqual(target.address, address) && matchesPort(target)
  }
  // `example.com` matches itself and all names below it. `.example.com` and `*.example.com` match only the names below.
  const below = /^\*?\.(.*)$/.exec(host)?.[1]
  const domain = ascii(below ?? host)
  if (domain === "") return () => false
  return (target) =>
    ((below === undefined && target.host === domain) || target.host.endsWith(`.${domain}`)) && matchesPort(target)
}

const targetOf = ({ hostname, port, protocol }: URL): Target => {
  const host = hostname.replace(/^\[(.*)\]$/, "$1")
  return { host, port: port !== "" ? port : protocol === "https:" ? "443" : "80", address: addressOf(host) }
}

const isLocal = ({ address, host }: Target): boolean => host === "localhost" || address?.range() === "loopback"

/** Which proxies are used. */
export interface Rules {
  readonly http: Proxy | undefined
  readonly https: Proxy | undefined
  readonly noProxy: string
}

/**
 * Selects the proxy of a request by the rules of Go's `golang.org/x/net/http/httpproxy`: `undefined` for none.
 * `localhost` and loopback addresses are never reached through a proxy.
 */
export const make = ({ http, https, noProxy }: Rules): (url: URL) => Proxy | undefined => {
  const exceptions = noProxy.split(",").map((entry) => entry.trim().toLowerCase()).filter((entry) => entry !== "")
    .map(matcher)
  return (url) => {
    const proxy = url.protocol === "https:" ? https : http
    if (proxy === undefined) return undefined
    const target = targetOf(url)
    return isLocal(target) || exceptions.some((matches) => matches(target)) ? undefined : proxy
  }
}
