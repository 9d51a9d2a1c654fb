/**
 * Users: accounts, and how users prove that an account is theirs.
 *
 * @since 0.1.0
 */
import type * as Caller from "@effect-oci/core/Caller"
import * as RegistryError from "@effect-oci/core/RegistryError"
import * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import type { Policy } from "./Policy.js"

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
 * An account.
 *
 * @since 0.1.0
 * @category models
 */
export interface Account {
  readonly identity: Caller.Identity & { readonly name: string }
  /**
   * Changes with the password of the account: refresh tokens of an earlier version are invalid. `undefined` if the
   * account gets no refresh tokens.
   */
  readonly version: string | undefined
  /**
   * Decides what the account may do, in place of the policy of the registry. In addition, the account may do what the
   * policy of the registry allows anonymous callers. Default: the policy of the registry.
   */
  readonly policy?: Policy | undefined
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
  readonly check: (attempt: Attempt) => Effect.Effect<Account, RegistryError.RegistryError>
  /**
   * Returns the current account of a user who has authenticated before, or `undefined` if the account no longer exists.
   */
  readonly find: (username: string) => Effect.Effect<Account | undefined, RegistryError.RegistryError>
}

/**
 * A registry without users: every password is wrong. For a registry that accepts other credentials only, such as the ID
 * tokens of workflows.
 *
 * @since 0.1.0
 * @category constants
 */
export const none: Users = {
  check: () => Effect.fail(new RegistryError.Unauthorized({ reason: "the user name or the password is wrong" })),
  find: () => Effect.succeed(undefined)
}

/**
 * Creates the users of several directories. `choose` returns the directory of a user name.
 *
 * @since 0.1.0
 * @category combinators
 */
export const route = (choose: (username: string) => Users): Users => ({
  check: (attempt) => choose(attempt.username).check(attempt),
  find: (username) => choose(username).find(username)
})
