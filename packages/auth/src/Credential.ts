/**
 * Credentials: what a client authenticates with at a registry.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Redacted from "effect/Redacted"

/**
 * Explicitly no credentials: the client is anonymous, and does not search other sources of credentials.
 *
 * @since 0.1.0
 * @category models
 */
export class Anonymous extends Data.TaggedClass("Anonymous") {}

/**
 * A user name and a password.
 *
 * @since 0.1.0
 * @category models
 */
export class Basic extends Data.TaggedClass("Basic")<{
  readonly username: string
  readonly password: Redacted.Redacted
}> {}

/**
 * A refresh token, which a token server accepts in place of a password.
 *
 * @since 0.1.0
 * @category models
 */
export class IdentityToken extends Data.TaggedClass("IdentityToken")<{ readonly token: Redacted.Redacted }> {}

/**
 * A token that the registry itself accepts. The client sends it unchanged, and contacts no token server.
 *
 * @since 0.1.0
 * @category models
 */
export class RegistryToken extends Data.TaggedClass("RegistryToken")<{ readonly token: Redacted.Redacted }> {}

/**
 * A credential. Credentials with the same content are equal (`Equal.equals`).
 *
 * @since 0.1.0
 * @category models
 */
export type Credential = Anonymous | Basic | IdentityToken | RegistryToken

/**
 * All credentials for one registry. If there are several, the client uses the strongest kind that the challenge
 * accepts. Empty if there are none.
 *
 * @since 0.1.0
 * @category models
 */
export type Entry = ReadonlyArray<Credential>

/**
 * A secret. Text is redacted at once.
 *
 * @since 0.1.0
 * @category models
 */
export type Secret = string | Redacted.Redacted

const redacted = (secret: Secret): Redacted.Redacted => typeof secret === "string" ? Redacted.make(secret) : secret

/**
 * The credential that explicitly stands for no credentials.
 *
 * @since 0.1.0
 * @category constructors
 */
export const anonymous: Anonymous = /* @__PURE__ */ new Anonymous()

/**
 * Creates a credential from a user name and a password.
 *
 * @since 0.1.0
 * @category constructors
 */
export const basic = (username: string, password: Secret): Basic =>
  new Basic({ username, password: redacted(password) })

/**
 * Creates an identity token from a refresh token.
 *
 * @since 0.1.0
 * @category constructors
 */
export const identityToken = (token: Secret): IdentityToken => new IdentityToken({ token: redacted(token) })

/**
 * Creates a registry token, which the client sends to the registry unchanged.
 *
 * @since 0.1.0
 * @category constructors
 */
export const registryToken = (token: Secret): RegistryToken => new RegistryToken({ token: redacted(token) })

/**
 * Returns the kind of a credential for a message. The text contains no secret.
 *
 * @since 0.1.0
 * @category destructors
 */
export const describe = (credential: Credential): string => {
  switch (credential._tag) {
    case "Anonymous":
      return "no credentials"
    case "Basic":
      return "a user and a password"
    case "IdentityToken":
      return "an identity token"
    case "RegistryToken":
      return "a registry token"
  }
}

/**
 * Returns the secrets of credentials, for `Redaction.make`.
 *
 * @since 0.1.0
 * @category destructors
 */
export const secrets = (entry: Entry): ReadonlyArray<string> =>
  entry.flatMap((credential) => {
    switch (credential._tag) {
      case "Anonymous":
        return []
      case "Basic": {
        const password = Redacted.value(credential.password)
        return [password, `${credential.username}:${password}`]
      }
      default:
        return [Redacted.value(credential.token)]
    }
  })

const sources = new WeakMap<Entry, string>()

/**
 * Returns the same credentials with the text of where they come from, such as the name of a file and the key in it. The
 * text contains no secret. A source of credentials names the entries that it returns.
 *
 * @since 0.1.0
 * @category sources
 */
export const withSource = (entry: Entry, source: string): Entry => {
  const named = [...entry]
  sources.set(named, source)
  return named
}

/**
 * Returns where credentials come from, or `undefined` if their source does not say it.
 *
 * @since 0.1.0
 * @category sources
 * @example
 * ```ts
 * import { Credential, Credentials } from "@effect-oci/auth"
 * import { Origin } from "@effect-oci/transport"
 * import { Effect } from "effect"
 *
 * // "/home/alice/.docker/config.json, key registry.example.com"
 * const source = Effect.gen(function*() {
 *   const credentials = yield* Credentials.Credentials
 *   const origin = yield* Effect.fromNullable(Origin.parse("https://registry.example.com"))
 *   return Credential.sourceOf(yield* credentials.get(origin))
 * })
 * ```
 */
export const sourceOf = (entry: Entry): string | undefined => sources.get(entry)
