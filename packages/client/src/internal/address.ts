import ipaddr from "ipaddr.js"

/** What a range of addresses is called in a message. */
const names: { readonly [range: string]: string } = {
  __proto__: null as never,
  unspecified: "the unspecified address",
  loopback: "a loopback address",
  private: "a private address",
  uniqueLocal: "a private address",
  deprecatedSiteLocal: "a private address",
  carrierGradeNat: "a private address",
  linkLocal: "a link-local address",
  multicast: "a multicast address",
  broadcast: "the broadcast address"
}

/** Where the IPv4 address lies, in bytes, of the ranges of IPv6 that lead on to one. RFC 4291, 3056, 6052, 6145. */
const embedded: { readonly [range: string]: number } = {
  __proto__: null as never,
  ipv4Mapped: 12,
  rfc6145: 12,
  rfc6052: 12,
  "6to4": 2
}

const globalUnicast = ipaddr.IPv6.parse("2000::")

const isIPv4Compatible = (bytes: ReadonlyArray<number>) =>
  bytes.slice(0, 12).every((byte) => byte === 0) && bytes.slice(12, 15).some((byte) => byte !== 0)

const rangeOf = (address: ipaddr.IPv4 | ipaddr.IPv6): string => {
  const range = address.range()
  if (address.kind() === "ipv4") return range
  const bytes = address.toByteArray()
  const at = isIPv4Compatible(bytes) ? 12 : embedded[range]
  if (at !== undefined) return ipaddr.IPv4.parse(bytes.slice(at, at + 4).join(".")).range()
  // What is not handed out yet may mean anything tomorrow.
  return range === "unicast" && !address.match(globalUnicast, 3) ? "reserved" : range
}

/**
 * What kind of address it is that a host is, if it is one (in brackets or not, with a zone or without): `undefined` for
 * one that anybody on the internet may have, and for a name. `localhost` and all below it are the loopback address.
 * RFC 6761, section 6.3.
 */
export const special = (host: string): string | undefined => {
  const bare = host.replace(/^\[|\]$/g, "").replace(/%.*$/, "")
  if (/(^|\.)localhost\.?$/i.test(bare)) return names["loopback"]
  if (!ipaddr.isValid(bare)) return undefined
  const range = rangeOf(ipaddr.parse(bare))
  return range === "unicast" ? undefined : names[range] ?? "a reserved address"
}

/** Whether a host is an address of this very machine, or a name of it. */
export const isLoopback = (host: string): boolean => special(host) === names["loopback"]

/** Whether a host is an address, and no name. */
export const isAddress = (host: string): boolean => ipaddr.isValid(host.replace(/^\[|\]$/g, ""))
