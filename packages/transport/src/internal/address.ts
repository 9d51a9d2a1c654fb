import ipaddr from "ipaddr.js"

/** The names of address ranges in error messages. */
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

/** The IPv6 ranges whose addresses contain an IPv4 address, and its offset in bytes. RFC 4291, 3056, 6052, 6145. */
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
  // A range that is not assigned yet may be assigned for any use later.
  return range === "unicast" && !address.match(globalUnicast, 3) ? "reserved" : range
}

/**
 * Returns the kind of address that a host is, such as "a private address". The host may have brackets and a zone.
 * Returns `undefined` for a public address and for a name. `localhost` and all names below it are loopback addresses.
 * RFC 6761, section 6.3.
 */
export const special = (host: string): string | undefined => {
  const bare = host.replace(/^\[|\]$/g, "").replace(/%.*$/, "")
  if (/(^|\.)localhost\.?$/i.test(bare)) return names["loopback"]
  if (!ipaddr.isValid(bare)) return undefined
  const range = rangeOf(ipaddr.parse(bare))
  return range === "unicast" ? undefined : names[range] ?? "a reserved address"
}

/** Returns whether a host is an address or a name of this machine. */
export const isLoopback = (host: string): boolean => special(host) === names["loopback"]
