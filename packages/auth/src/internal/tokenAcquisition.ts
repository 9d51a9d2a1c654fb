import * as AuthScope from "@effect-oci/core/AuthScope"
import { LruMap } from "@effect-oci/core/LruMap"
import { printable } from "@effect-oci/core/Printable"
import * as RegistryError from "@effect-oci/core/RegistryError"
import type { Origin } from "@effect-oci/transport/Origin"
import * as RequestContext from "@effect-oci/transport/RequestContext"
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

/** The origin, the credentials, the scopes and the context of a request. */
export interface AuthContext {
  readonly origin: Origin
  /** The origin as text. */
  readonly originText: string
  readonly entry: Credential.Entry
  readonly requestScopes: RequestScopes.RequestScopes
  /** The context of the request. Requests to token servers are sent in the same context. */
  readonly within: RequestContext.RequestContext
}

/** A token, and how the client got it. */
export interface AcquiredToken {
  readonly key: TokenCache.Key
  readonly token: Token
  /** Whether the token server issued the token for this request. `false` for a token from the cache. */
  readonly isFresh: boolean
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
  error._tag === "OciUnauthorized" || error._tag === "OciDenied"

/** Gets tokens that answer challenges, from the cache or from the token server. */
export class TokenAcquisition {
  readonly #settings: Settings
  /** Identity tokens that a token server replaced, with their replacements. */
  readonly #renewedTokens = new LruMap<
    string,
    { readonly from: Credential.Credential; readonly to: Credential.IdentityToken }
  >(1000)

  constructor(settings: Settings) {
    this.#settings = settings
  }

  /** Returns a cached token that allows the scope. */
  findCached(
    context: AuthContext,
    challenge: Challenge.Challenge,
    scope: AuthScope.AuthScope
  ): AcquiredToken | undefined {
    const key = keyOf(context, challenge)
    const token = this.#settings.cache.find(key, scope)
    return token && { key, token, isFresh: false }
  }

  /**
   * Gets a new token for the required scope and the scope of the challenge. If the token server refuses, gets a token
   * for less.
   */
  acquire(
    context: AuthContext,
    challenge: Challenge.Challenge,
    challengedScope: AuthScope.AuthScope
  ): Effect.Effect<AcquiredToken, Failure> {
    const scope = RequestScopes.requestedScope(challengedScope, context.requestScopes)
    return Effect.catchIf(
      this.#obtain(context, keyOf(context, challenge), scope),
      isRefused,
      (error) => this.acquireReduced(context, challenge, challengedScope, scope) ?? Effect.fail(error)
    )
  }

  /** Gets a new token for less than the previous scope. Returns `undefined` if the scope cannot be reduced. */
  acquireReduced(
    context: AuthContext,
    challenge: Challenge.Challenge,
    challengedScope: AuthScope.AuthScope,
    previousScope: AuthScope.AuthScope
  ): Effect.Effect<AcquiredToken, Failure> | undefined {
    const scope = RequestScopes.reducedScope(challengedScope, context.requestScopes)
    return AuthScope.contains(scope, previousScope)
      ? undefined
      : this.#obtain(context, keyOf(context, challenge), scope)
  }

  drop({ key, token }: AcquiredToken): void {
    this.#settings.cache.drop(key, token)
  }

  /** Caches a token that the client did not request itself. */
  store(context: AuthContext, challenge: Challenge.Challenge, token: Token): void {
    this.#settings.cache.put(keyOf(context, challenge), token)
  }

  #obtain(
    context: AuthContext,
    key: TokenCache.Key,
    scope: AuthScope.AuthScope
  ): Effect.Effect<AcquiredToken, Failure> {
    const { cache, exchange, trustedRealms } = this.#settings
    const { credential: from, service } = key
    const renewedTokenKey = `${key.origin} ${key.realm}`
    const exchanged = (verdict: Usable) =>
      Effect.suspend(() =>
        exchange({
          origin: context.origin,
          realm: verdict.url,
          isTrusted: verdict._tag === "Trusted",
          service,
          scope,
          entry: this.#withNewestToken(key, context.entry)
        })
      ).pipe(
        (exchanged) => RequestContext.provide(exchanged, context.within),
        Effect.tap(({ refreshToken }) => {
          if (refreshToken === undefined) return
          this.#renewedTokens.set(renewedTokenKey, { from, to: Credential.identityToken(refreshToken) })
        }),
        Effect.tapError((error) => Effect.sync(() => isRefused(error) && this.#renewedTokens.delete(renewedTokenKey)))
      )
    // The judgement may have to load the list of domains, so it is a part of what requests at the same time share.
    const judged = Effect.flatMap(judgeRealm(context, key, trustedRealms), exchanged)
    return Effect.map(cache.acquire(key, scope, judged), (token) => ({ key, token, isFresh: true }))
  }

  /** Returns the credentials with the newest identity token. */
  #withNewestToken(key: TokenCache.Key, entry: Credential.Entry): Credential.Entry {
    const newer = this.#renewedTokens.get(`${key.origin} ${key.realm}`)
    return newer !== undefined && Equal.equals(newer.from, key.credential)
      ? entry.map((credential) => credential._tag === "IdentityToken" ? newer.to : credential)
      : entry
  }
}

const keyOf = ({ entry, originText }: AuthContext, { parameters }: Challenge.Challenge) =>
  new TokenCache.Key({
    origin: originText,
    realm: parameters.get("realm")!,
    service: parameters.get("service"),
    credential: credentialFor(entry)
  })

/** The verdict on a realm that the client may contact. */
type Usable = Exclude<Realm.Verdict, { readonly _tag: "Refused" }>

const judgeRealm = (
  { origin, originText }: AuthContext,
  { credential, realm }: TokenCache.Key,
  trustedRealms: ReadonlyArray<string>
): Effect.Effect<Usable, RegistryError.RealmRefused> =>
  Effect.flatMap(Realm.judge(origin, realm, trustedRealms), (verdict) => {
    if (verdict._tag === "Trusted" || (verdict._tag === "Foreign" && credential._tag === "Anonymous")) {
      return Effect.succeed(verdict)
    }
    const shown = printable(Realm.format(realm), 200)
    return new RegistryError.RealmRefused({
      realm: shown,
      reason: verdict._tag === "Refused"
        ? `${originText} names ${shown} as its token server, which the client does not contact: ${verdict.reason}`
        : `${originText} names ${shown} as its token server, which is not trusted with ${
          Credential.describe(credential)
        }: if it is the right one, add "${verdict.url.origin}" to trustedRealms`
    })
  })
