import { LruMap } from "@effect-oci/core/LruMap"
import type { CredentialError } from "@effect-oci/core/RegistryError"
import { SingleFlight } from "@effect-oci/core/SingleFlight"
import { format } from "@effect-oci/transport/Origin"
import type { Origin } from "@effect-oci/transport/Origin"
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Credential from "../Credential.js"
import type * as Credentials from "../CredentialsModel.js"

/**
 * Looks up the credentials of registries, and caches them, because a credential helper is a program to start. Credentials
 * that depend on the caller are looked up for each request.
 */
export interface Lookup {
  readonly get: (origin: Origin, repository: string | undefined) => Effect.Effect<Credential.Entry, CredentialError>
  /** Removes the credentials from the cache, because the registry refused them. */
  readonly forget: (origin: Origin, repository: string | undefined) => void
}

/** How long credentials are cached, in milliseconds. */
const lifetime = 5 * 60_000

interface CachedEntry {
  readonly entry: Effect.Effect<Credential.Entry>
  readonly until: number
}

export const make = (credentials: Credentials.Service, clock: Clock.Clock): Lookup =>
  credentials.dependsOnCaller === true
    ? { get: credentials.get, forget: () => {} }
    : cached(credentials, clock)

const cached = (credentials: Credentials.Service, clock: Clock.Clock): Lookup => {
  const cache = new LruMap<string, CachedEntry>(1000)
  const inFlight = new SingleFlight<string, Credential.Entry, CredentialError>()
  const keyOf = (origin: Origin, repository = "") => `${format(origin)} ${repository}`
  return {
    get: (origin, repository) => {
      const key = keyOf(origin, repository)
      const cached = cache.get(key)
      if (cached !== undefined && cached.until > clock.unsafeCurrentTimeMillis()) return cached.entry
      return Effect.tap(inFlight.share(key, credentials.get(origin, repository)), (entry) => {
        cache.set(key, { entry: Effect.succeed(entry), until: clock.unsafeCurrentTimeMillis() + lifetime })
      })
    },
    forget: (origin, repository) => cache.delete(keyOf(origin, repository))
  }
}
