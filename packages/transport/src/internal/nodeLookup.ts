import * as RegistryError from "@effect-oci/core/RegistryError"
import { lookup as resolve } from "node:dns"
import type { LookupAddress } from "node:dns"
import type { LookupFunction } from "node:net"
import { special } from "./address.js"

/** Creates the error for a host at an address to which the client may not connect. */
export const refused = (host: string, kind: string): RegistryError.Refused =>
  new RegistryError.Refused({
    by: "NodeAddressGuard",
    reason: `${host} is at ${kind}: add the host to allowPrivate to allow it`
  })

/**
 * Creates a lookup that returns only the public addresses of a name. The connection is made to an address that was
 * checked, so a name that resolves to another address the next time cannot bypass the check.
 */
export const make = (lookup: LookupFunction = resolve): LookupFunction => (hostname, options, callback) =>
  lookup(hostname, { ...options, all: true }, (error, found, family) => {
    if (error !== null) return callback(error, "", 0)
    const all: ReadonlyArray<LookupAddress> = Array.isArray(found)
      ? found
      : [{ address: found, family: family ?? 4 }]
    const open = all.filter(({ address }) => special(address) === undefined)
    const [first] = open
    if (first === undefined) {
      return callback(refused(hostname, special(all[0]?.address ?? "") ?? "no address"), "", 0)
    }
    return options.all === true ? callback(null, open) : callback(null, first.address, first.family)
  })
