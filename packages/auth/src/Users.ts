/**
 * Users: who has an account, and how they prove that it is theirs.
 *
 * @since 0.1.0
 */
import type * as Caller from "@effect-oci/core/Caller"
import type { RegistryError } from "@effect-oci/core/RegistryError"
import type * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"

/**
 * Somebody says who they are.
 *
 * @since 0.1.0
 * @category models
 */
export interface Attempt {
  readonly username: string
  readonly password: Redacted.Redacted<string>
  /** Where from, if that is known. */
  readonly address: string | undefined
}

/**
 * An account. `version` changes with its password: what was given out for another is over.
 *
 * @since 0.1.0
 * @category models
 */
export interface Account {
  readonly identity: Caller.Identity & { readonly name: string }
  readonly version: string
}

/**
 * The users of a registry, such as those of an `Htpasswd` file, or of a directory of one's own.
 *
 * @since 0.1.0
 * @category models
 */
export interface Users {
  /**
   * The account of whom the password proves to be its owner. Else `Unauthorized`, which does not say whether there is
   * such a user, and takes as long as if there were; `TooManyRequests` for whom to be heard too often.
   */
  readonly check: (attempt: Attempt) => Effect.Effect<Account, RegistryError>
  /** An account as it is now, for who has proved before to be its owner. */
  readonly find: (username: string) => Effect.Effect<Account | undefined, RegistryError>
}
