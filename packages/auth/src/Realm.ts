/**
 * Realms: the token servers that registries name, and which of them may receive credentials.
 *
 * @since 0.1.0
 */
import * as Origin from "@effect-oci/transport/Origin"
import * as Equal from "effect/Equal"
import { tenantDomain } from "./internal/tenantDomain.js"

/**
 * How a client may contact a realm: with credentials (`Trusted`), anonymously (`Foreign`), or not at all (`Refused`).
 *
 * @since 0.1.0
 * @category models
 */
export type Verdict =
  | { readonly _tag: "Trusted"; readonly url: URL }
  | { readonly _tag: "Foreign"; readonly url: URL }
  | { readonly _tag: "Refused"; readonly reason: string }

/**
 * Decides whether credentials for a registry may go to the realm that the registry names. They may if
 *
 * - the realm has the registry's own origin, or
 * - the realm is on https and on the same registrable domain, as Docker Hub's `auth.docker.io` is for
 *   `registry-1.docker.io`. The public-suffix list, including its private suffixes, determines where a domain begins.
 *   Below a domain that gives hosts to many tenants (`azurecr.io`, `nip.io`, `svc.cluster.local`), each host is a
 *   domain of its own. An IP address and `localhost` have no domain. Or
 * - `trusted` contains the origin or the URL of the realm.
 *
 * Any other realm on https is `Foreign`: the client contacts it without credentials. A realm on http is `Refused`,
 * unless the registry is also on http and the realm has the same origin or is in `trusted`. A realm with a user in its
 * URL is `Refused`. [CVE-2026-33540](https://www.cve.org/CVERecord?id=CVE-2026-33540),
 * [CVE-2026-48978](https://www.cve.org/CVERecord?id=CVE-2026-48978).
 *
 * @since 0.1.0
 * @category combinators
 */
export const judge = (origin: Origin.Origin, realm: string, trusted: ReadonlyArray<string> = []): Verdict => {
  const url = URL.canParse(realm) ? new URL(realm) : undefined
  const realmOrigin = url === undefined ? undefined : Origin.parse(url)
  if (url === undefined || realmOrigin === undefined) return refused("it is not an https URL")
  if (url.username !== "" || url.password !== "") return refused("its URL contains a user")
  url.hash = ""
  if (Equal.equals(origin, realmOrigin)) return { _tag: "Trusted", url }
  if (origin.scheme === "https" && realmOrigin.scheme === "http") {
    return refused("it is on http, but the registry is on https")
  }
  if (trusted.some((other) => isTrustedRealm(url, realmOrigin, other))) return { _tag: "Trusted", url }
  if (realmOrigin.scheme === "http") return refused("it is on http")
  const domain = tenantDomain(realmOrigin.host)
  return domain !== undefined && domain === tenantDomain(origin.host)
    ? { _tag: "Trusted", url }
    : { _tag: "Foreign", url }
}

const refused = (reason: string): Verdict => ({ _tag: "Refused", reason })

const isTrustedRealm = (url: URL, realmOrigin: Origin.Origin, trusted: string): boolean => {
  const other = URL.canParse(trusted) ? new URL(trusted) : undefined
  return other !== undefined && Equal.equals(Origin.parse(other), realmOrigin) &&
    (other.pathname === "/" || other.pathname === url.pathname)
}

/**
 * Returns a realm for a message: the URL without its query.
 *
 * @since 0.1.0
 * @category destructors
 */
export const format = (realm: string | URL): string => {
  if (typeof realm === "string" && !URL.canParse(realm)) return realm
  const { origin, pathname, protocol } = new URL(realm)
  return origin === "null" ? protocol : `${origin}${pathname}`
}
