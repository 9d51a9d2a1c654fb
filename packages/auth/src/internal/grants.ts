import * as AuthScope from "@effect-oci/core/AuthScope"
import { printable } from "@effect-oci/core/Printable"
import * as RegistryError from "@effect-oci/core/RegistryError"
import type { HttpClientError } from "@effect/platform/HttpClientError"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import type * as Challenge from "../Challenge.js"
import * as Credential from "../Credential.js"
import type { Origin } from "../Origin.js"
import * as Realm from "../Realm.js"
import * as TokenCache from "../TokenCache.js"
import type { Token, TokenExchange } from "../TokenExchange.js"
import * as Bounded from "./bounded.js"
import * as needs from "./needs.js"

export type Failure = RegistryError.RegistryError | HttpClientError

/** The origin, the credentials and the scopes of a request. */
export interface Party {
  readonly origin: Origin
  /** The origin as text. */
  readonly place: string
  readonly entry: Credential.Entry
  readonly needs: needs.Needs
}

/** A token, and how the client got it. */
export interface Grant {
  readonly key: TokenCache.Key
  readonly token: Token
  /** Whether the token server issued the token for this request. `false` for a token from the cache. */
  readonly isFresh: boolean
}

/** Gets tokens that answer challenges, from the cache or from the token server. */
export interface Grants {
  /** Returns a cached token that allows the scope. */
  readonly held: (party: Party, challenge: Challenge.Challenge, scope: AuthScope.AuthScope) => Grant | undefined
  /**
   * Gets a new token for the required scope and the scope of the challenge. If the token server refuses, gets a token
   * for less.
   */
  readonly acquire: (
    party: Party,
    challenge: Challenge.Challenge,
    heard: AuthScope.AuthScope
  ) => Effect.Effect<Grant, Failure>
  /** Gets a new token for less than the previous scope. Returns `undefined` if the scope cannot be reduced. */
  readonly narrow: (
    party: Party,
    challenge: Challenge.Challenge,
    heard: AuthScope.AuthScope,
    before: AuthScope.AuthScope
  ) => Effect.Effect<Grant, Failure> | undefined
  readonly drop: (grant: Grant) => void
  /** Caches a token that the client did not request itself. */
  readonly keep: (party: Party, challenge: Challenge.Challenge, token: Token) => void
}

export interface Settings {
  readonly cache: TokenCache.TokenCache
  readonly exchange: TokenExchange
  readonly trustedRealms: ReadonlyArray<string>
}

/** Returns the credential that is sent to a token server. */
const shownOf = (entry: Credential.Entry): Credential.Credential =>
  entry.find(({ _tag }) => _tag === "IdentityToken") ?? entry.find(({ _tag }) => _tag === "Basic") ??
    Credential.anonymous

/** Returns whether the same request may succeed with other credentials. */
export const isRefused = (error: Failure): error is RegistryError.Unauthorized | RegistryError.Denied =>
  error._tag === "Unauthorized" || error._tag === "Denied"

export const make = ({ cache, exchange, trustedRealms }: Settings): Grants => {
  // Identity tokens that a token server replaced, with their replacements.
  const replaced = Bounded.make<{ readonly from: Credential.Credential; readonly to: Credential.IdentityToken }>(1000)
  const replacedKey = (key: TokenCache.Key) => `${key.origin} ${key.realm}`

  const keyOf = ({ entry, place }: Party, { parameters }: Challenge.Challenge) =>
    new TokenCache.Key({
      origin: place,
      realm: parameters.get("realm")!,
      service: parameters.get("service"),
      credential: shownOf(entry)
    })

  /** Returns the credentials with the newest identity token. */
  const renewed = (key: TokenCache.Key, entry: Credential.Entry): Credential.Entry => {
    const newer = replaced.get(replacedKey(key))
    return newer !== undefined && Equal.equals(newer.from, key.credential)
      ? entry.map((credential) => credential._tag === "IdentityToken" ? newer.to : credential)
      : entry
  }

  const realmOf = (
    party: Party,
    key: TokenCache.Key
  ): Exclude<Realm.Verdict, { readonly _tag: "Refused" }> | RegistryError.RealmRefused => {
    const verdict = Realm.judge(party.origin, key.realm, trustedRealms)
    const isNobody = key.credential._tag === "Anonymous"
    if (verdict._tag === "Trusted" || (verdict._tag === "Foreign" && isNobody)) return verdict
    const realm = printable(Realm.format(key.realm), 200)
    return new RegistryError.RealmRefused({
      realm,
      reason: verdict._tag === "Refused"
        ? `${party.place} names ${realm} as its token server, which is not asked: ${verdict.reason}`
        : `${party.place} names ${realm} as its token server, which is not trusted with ${
          Credential.describe(key.credential)
        }: if it is the right one, add "${verdict.url.origin}" to trustedRealms`
    })
  }

  const obtain = (
    party: Party,
    key: TokenCache.Key,
    scope: AuthScope.AuthScope
  ): Effect.Effect<Grant, Failure> => {
    const verdict = realmOf(party, key)
    if (RegistryError.isRegistryError(verdict)) return verdict
    const { _tag, url: realm } = verdict
    const { origin } = party
    const { credential: from, service } = key
    const exchanged = Effect.suspend(() =>
      exchange({ origin, realm, isTrusted: _tag === "Trusted", service, scope, entry: renewed(key, party.entry) })
    ).pipe(
      Effect.tap(({ refreshToken }) =>
        Effect.sync(() => {
          if (refreshToken === undefined) return
          replaced.set(replacedKey(key), { from, to: Credential.identityToken(refreshToken) })
        })
      ),
      Effect.tapError((error) => Effect.sync(() => isRefused(error) && replaced.delete(replacedKey(key))))
    )
    return Effect.map(cache.acquire(key, scope, exchanged), (token) => ({ key, token, isFresh: true }))
  }

  const narrow: Grants["narrow"] = (party, challenge, heard, before) => {
    const scope = needs.narrowed(heard, party.needs)
    return AuthScope.contains(scope, before) ? undefined : obtain(party, keyOf(party, challenge), scope)
  }

  return {
    held: (party, challenge, scope) => {
      const key = keyOf(party, challenge)
      const token = cache.find(key, scope)
      return token === undefined ? undefined : { key, token, isFresh: false }
    },
    acquire: (party, challenge, heard) => {
      const scope = needs.asked(heard, party.needs)
      return Effect.catchIf(
        obtain(party, keyOf(party, challenge), scope),
        isRefused,
        (error) => narrow(party, challenge, heard, scope) ?? Effect.fail(error)
      )
    },
    narrow,
    drop: ({ key, token }) => cache.drop(key, token),
    keep: (party, challenge, token) => cache.put(keyOf(party, challenge), token)
  }
}
