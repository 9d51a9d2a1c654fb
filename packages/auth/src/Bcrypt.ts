/**
 * The comparison of passwords with hashes of bcrypt.
 *
 * @since 0.1.0
 */
import * as bcrypt from "bcryptjs"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"

/**
 * Compares passwords with hashes.
 *
 * @since 0.1.0
 * @category models
 */
export interface Service {
  /** How many comparisons may run at the same time. Each one keeps a core busy. */
  readonly concurrency: number
  /** Returns whether a hash is that of a password. */
  readonly compare: (password: string, hash: string) => Effect.Effect<boolean>
}

/**
 * Compares on the thread of the caller, in slices of about 100 milliseconds, wherever JavaScript runs. Meanwhile that
 * thread does nothing else: a server on Node uses `NodeHtpasswd`, which compares on other threads.
 *
 * @since 0.1.0
 * @category constants
 */
export const portable: Service = {
  concurrency: 2,
  compare: (password, hash) => Effect.promise(() => bcrypt.compare(password, hash))
}

/**
 * What {@link Service} is used. Default: {@link portable}.
 *
 * @since 0.1.0
 * @category services
 */
export class Bcrypt extends Context.Reference<Bcrypt>()("@effect-oci/auth/Bcrypt", {
  defaultValue: () => portable
}) {}

/**
 * The longest password that bcrypt hashes whole, in bytes of UTF-8.
 *
 * @since 0.1.0
 * @category constants
 */
export const maxPasswordBytes = 72

/**
 * Returns whether bcrypt tells a password from all others: it ignores what comes after 72 bytes, and repeats a password
 * after a NUL.
 *
 * @since 0.1.0
 * @category guards
 */
export const isHashedWhole = (password: string): boolean =>
  !password.includes("\0") && new TextEncoder().encode(password).byteLength <= maxPasswordBytes
