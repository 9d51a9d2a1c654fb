/**
 * Realms: the token servers that registries name, and which of them may receive credentials.
 *
 * @since 0.1.0
 */
import * as Origin from "@effect-oci/transport/Origin"
import * as Effect from "effect/Effect"
import { judgeUrl } from "./internal/judgeUrl.js"
import type { Verdict } from "./internal/judgeUrl.js"
import { haveOneOwner } from "./internal/tenantDomain.js"

export type { Verdict } from "./internal/judgeUrl.js"

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
export const judge = (
  origin: Origin.Origin,
  realm: string,
  trusted: ReadonlyArray<string> = []
): Effect.Effect<Verdict> => {
  const verdict = judgeUrl(origin, realm, trusted)
  return verdict._tag === "Foreign"
    ? Effect.map(
      haveOneOwner(Origin.parse(verdict.url)!.host, origin.host),
      (isTrusted) => isTrusted ? { _tag: "Trusted", url: verdict.url } : verdict
    )
    : Effect.succeed(verdict)
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
