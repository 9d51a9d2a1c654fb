/**
 * Users: accounts, and how users prove that an account is theirs.
 *
 * @since 0.1.0
 */
import type * as Caller from "@effect-oci/core/Caller"
import type { RegistryError } from "@effect-oci/core/RegistryError"
import type * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"

/**
 * A login attempt.
 *
 * @since 0.1.0
 * @category models
 */
export interface Attempt {
  readonly username: string
  readonly password: Redacted.Redacted<string>
  /** The address of the client, if it is known. */
  readonly address: string | undefined
}

/**
 * An account. `version` changes with the password of the account: refresh tokens of an earlier version are invalid.
 *
 * @since 0.1.0
 * @category models
 */
export interface Account {
  readonly identity: Caller.Identity & { readonly name: string }
  readonly version: string
}

/**
 * The users of a registry: the users of an `Htpasswd` file, or an implementation of your own.
 *
 * @since 0.1.0
 * @category models
 */
export interface Users {
  /**
   * Returns the account if the password is right. Fails with `Unauthorized` otherwise: the error does not reveal
   * whether the user exists, and takes as long for an unknown user as for a known one. Fails with `TooManyRequests`
   * after too many wrong passwords.
   */
  readonly check: (attempt: Attempt) => Effect.Effect<Account, RegistryError>
  /**
   * Returns the current account of a user who has authenticated before, or `undefined` if the account no longer exists.
   */
  readonly find: (username: string) => Effect.Effect<Account | undefined, RegistryError>
}
