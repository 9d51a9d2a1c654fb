/**
 * Credentials: with what somebody can show a registry who they are.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Redacted from "effect/Redacted"

/**
 * Nobody, on purpose: other places are not looked into.
 *
 * @since 0.1.0
 * @category models
 */
export class Anonymous extends Data.TaggedClass("Anonymous") {}

/**
 * A user and a password.
 *
 * @since 0.1.0
 * @category models
 */
export class Basic extends Data.TaggedClass("Basic")<{
  readonly username: string
  readonly password: Redacted.Redacted
}> {}

/**
 * A refresh token, which a token server takes in place of a password.
 *
 * @since 0.1.0
 * @category models
 */
export class IdentityToken extends Data.TaggedClass("IdentityToken")<{ readonly token: Redacted.Redacted }> {}

/**
 * A token that the registry itself takes: it is sent as it is, and no token server is asked.
 *
 * @since 0.1.0
 * @category models
 */
export class RegistryToken extends Data.TaggedClass("RegistryToken")<{ readonly token: Redacted.Redacted }> {}

/**
 * A credential. Two of the same content are equal (`Equal.equals`).
 *
 * @since 0.1.0
 * @category models
 */
export type Credential = Anonymous | Basic | IdentityToken | RegistryToken

/**
 * All that is known of one registry: some give out several credentials, of which the strongest that a challenge takes is
 * used. Empty where nothing is known.
 *
 * @since 0.1.0
 * @category models
 */
export type Entry = ReadonlyArray<Credential>

type Secret = string | Redacted.Redacted

const redacted = (secret: Secret): Redacted.Redacted => typeof secret === "string" ? Redacted.make(secret) : secret

/**
 * Nobody, on purpose.
 *
 * @since 0.1.0
 * @category constructors
 */
export const anonymous: Anonymous = new Anonymous()

/**
 * A user and a password.
 *
 * @since 0.1.0
 * @category constructors
 */
export const basic = (username: string, password: Secret): Basic =>
  new Basic({ username, password: redacted(password) })

/**
 * A refresh token.
 *
 * @since 0.1.0
 * @category constructors
 */
export const identityToken = (token: Secret): IdentityToken => new IdentityToken({ token: redacted(token) })

/**
 * A token that is sent to the registry as it is.
 *
 * @since 0.1.0
 * @category constructors
 */
export const registryToken = (token: Secret): RegistryToken => new RegistryToken({ token: redacted(token) })

/**
 * What kind of credential it is, for a message: never what is in it.
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
