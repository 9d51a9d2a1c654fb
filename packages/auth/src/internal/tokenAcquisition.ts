import * as AuthScope from "@effect-oci/core/AuthScope"
import { LruMap } from "@effect-oci/core/LruMap"
import { printable } from "@effect-oci/core/Printable"
import * as RegistryError from "@effect-oci/core/RegistryError"
import type { Origin } from "@effect-oci/transport/Origin"
import type { HttpClientError } from "@effect/platform/HttpClientError"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import type * as Challenge from "../Challenge.js"
import * as Credential from "../Credential.js"
import * as Realm from "../Realm.js"
import * as TokenCache from "../TokenCache.js"
import type { Token, TokenExchange } from "../TokenExchange.js"
import * as RequestScopes from "./requestScopes.js"

export type Failure = RegistryError.RegistryError | HttpClientError

/** The origin, the credentials and the scopes of a request. */
export interface AuthContext {
  readonly origin: Origin
  /** The origin as text. */
  readonly originText: string
  readonly entry: Credential.Entry
  readonly requestScopes: RequestScopes.RequestScopes
}

/** A token, and how the client got it. */
export interface AcquiredToken {
  readonly key: TokenCache.Key
  readonly token: Token
  /** Whether the token server issued the token for this request. `false` for a token from the cache. */
  readonly isFresh: boolean
}

/** Gets tokens that answer challenges, from the cache or from the token server. */
export interface TokenAcquisition {
  /** Returns a cached token that allows the scope. */
  readonly findCached: (
    context: AuthContext,
    challenge: Challenge.Challenge,
    scope: AuthScope.AuthScope
  ) => AcquiredToken | undefined
  /**
   * Gets a new token for the required scope and the scope of the challenge. If the token server refuses, gets a token
   * for less.
   */
  readonly acquire: (
    context: AuthContext,
    challenge: Challenge.Challenge,
    challengedScope: AuthScope.AuthScope
  ) => Effect.Effect<AcquiredToken, Failure>
  /** Gets a new token for less than the previous scope. Returns `undefined` if the scope cannot be reduced. */
  readonly acquireReduced: (
    context: AuthContext,
    challenge: Challenge.Challenge,
    challengedScope: AuthScope.AuthScope,
    previousScope: AuthScope.AuthScope
  ) => Effect.Effect<AcquiredToken, Failure> | undefined
  readonly drop: (acquired: AcquiredToken) => void
  /** Caches a token that the client did not request itself. */
  readonly store: (context: AuthContext, challenge: Challenge.Challenge, token: Token) => void
}

export interface Settings {
  readonly cache: TokenCache.TokenCache
  readonly exchange: TokenExchange
  readonly trustedRealms: ReadonlyArray<string>
}

/** Returns the credential that is sent to a token server. */
const credentialFor = (entry: Credential.Entry): Credential.Credential =>
  entry.find(({ _tag }) => _tag === "IdentityToken") ?? entry.find(({ _tag }) => _tag === "Basic") ??
    Credential.anonymous

/** Returns whether the same request may succeed with other credentials. */
export const isRefused = (error: Failure): error is RegistryError.Unauthorized | RegistryError.Denied =>
  error._tag === "Unauthorized" || error._tag === "Denied"

export const make = ({ cache, exchange, trustedRealms }: Settings): TokenAcquisition => {
  // Identity tokens that a token server replaced, with their replacements.
  const renewedTokens = new LruMap<
    string,
    { readonly from: Credential.Credential; readonly to: Credential.IdentityToken }
  >(
    1000
  )
  const renewedTokenKey = (key: TokenCache.Key) => `${key.origin} ${key.realm}`

  const keyOf = ({ entry, originText }: AuthContext, { parameters }: Challenge.Challenge) =>
    new TokenCache.Key({
      origin: originText,
      realm: parameters.get("realm")!,
      service: parameters.get("service"),
      credential: credentialFor(entry)
    })

  /** Returns the credentials with the newest identity token. */
  const withNewestToken = (key: TokenCache.Key, entry: Credential.Entry): Credential.Entry => {
    const newer = renewedTokens.get(renewedTokenKey(key))
    return newer !== undefined && Equal.equals(newer.from, key.credential)
      ? entry.map((credential) => credential._tag === "IdentityToken" ? newer.to : credential)
      : entry
  }

  const realmOf = (
    context: AuthContext,
    key: TokenCache.Key
  ): Exclude<Realm.Verdict, { readonly _tag: "Refused" }> | RegistryError.RealmRefused => {
    const verdict = Realm.judge(context.origin, key.realm, trustedRealms)
    const isAnonymous = key.credential._tag === "Anonymous"
    if (verdict._tag === "Trusted" || (verdict._tag === "Foreign" && isAnonymous)) return verdict
    const realm = printable(Realm.format(key.realm), 200)
    return new RegistryError.RealmRefused({
      realm,
      reason: verdict._tag === "Refused"
        ? `${context.originText} names ${realm} as its token server, which the client does not contact: ${verdict.reason}`
        : `${context.originText} names ${realm} as its token server, which is not trusted with ${
          Credential.describe(key.credential)
        }: if it is the right one, add "${verdict.url.origin}" to trustedRealms`
    })
  }

  const obtain = (
    context: AuthContext,
    key: TokenCache.Key,
    scope: AuthScope.AuthScope
  ): Effect.Effect<AcquiredToken, Failure> => {
    const verdict = realmOf(context, key)
    if (RegistryError.isRegistryError(verdict)) return verdict
    const { _tag, url: realm } = verdict
    const { origin } = context
    const { credential: from, service } = key
    const exchanged = Effect.suspend(() =>
      exchange({
        origin,
        realm,
        isTrusted: _tag === "Trusted",
        service,
        scope,
        entry: withNewestToken(key, context.entry)
      })
    ).pipe(
      Effect.tap(({ refreshToken }) =>
        Effect.sync(() => {
          if (refreshToken === undefined) return
          renewedTokens.set(renewedTokenKey(key), { from, to: Credential.identityToken(refreshToken) })
        })
      ),
      Effect.tapError((error) => Effect.sync(() => isRefused(error) && renewedTokens.delete(renewedTokenKey(key))))
    )
    return Effect.map(cache.acquire(key, scope, exchanged), (token) => ({ key, token, isFresh: true }))
  }

  const acquireReduced: TokenAcquisition["acquireReduced"] = (context, challenge, challengedScope, previousScope) => {
    const scope = RequestScopes.reducedScope(challengedScope, context.requestScopes)
    return AuthScope.contains(scope, previousScope) ? undefined : obtain(context, keyOf(context, challenge), scope)
  }

  return {
    findCached: (context, challenge, scope) => {
      const key = keyOf(context, challenge)
      const token = cache.find(key, scope)
      return token === undefined ? undefined : { key, token, isFresh: false }
    },
    acquire: (context, challenge, challengedScope) => {
      const scope = RequestScopes.requestedScope(challengedScope, context.requestScopes)
      return Effect.catchIf(
        obtain(context, keyOf(context, challenge), scope),
        isRefused,
        (error) => acquireReduced(context, challenge, challengedScope, scope) ?? Effect.fail(error)
      )
    },
    acquireReduced,
    drop: ({ key, token }) => cache.drop(key, token),
    store: (context, challenge, token) => cache.put(keyOf(context, challenge), token)
  }
}
