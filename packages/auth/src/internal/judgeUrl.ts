import * as Origin from "@effect-oci/transport/Origin"
import * as Equal from "effect/Equal"

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

/** Judges a realm as `Realm.judge` does, but takes any other domain as foreign, also one of the same owner. */
export const judgeUrl = (origin: Origin.Origin, realm: string, trusted: ReadonlyArray<string> = []): Verdict => {
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
  return realmOrigin.scheme === "http" ? refused("it is on http") : { _tag: "Foreign", url }
}

const refused = (reason: string): Verdict => ({ _tag: "Refused", reason })

const isTrustedRealm = (url: URL, realmOrigin: Origin.Origin, trusted: string): boolean => {
  const other = URL.canParse(trusted) ? new URL(trusted) : undefined
  return other !== undefined && Equal.equals(Origin.parse(other), realmOrigin) &&
    (other.pathname === "/" || other.pathname === url.pathname)
}
