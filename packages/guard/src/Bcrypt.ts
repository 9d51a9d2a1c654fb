/**
 * The comparison of passwords with bcrypt hashes.
 *
 * @since 0.1.0
 */
import * as bcrypt from "bcryptjs"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"

/**
 * A service that compares passwords with hashes.
 *
 * @since 0.1.0
 * @category models
 */
export interface Service {
  /** The number of comparisons that may run at the same time. Each comparison keeps a core busy. */
  readonly concurrency: number
  /** Returns whether `hash` is a hash of `password`. */
  readonly compare: (password: string, hash: string) => Effect.Effect<boolean>
}

/**
 * Compares on the thread of the caller, in slices of about 100 milliseconds. Runs on any JavaScript runtime. The thread
 * does nothing else during a slice: a server on Node uses `NodeHtpasswd`, which compares on worker threads.
 *
 * @since 0.1.0
 * @category constants
 */
export const portable: Service = {
  concurrency: 2,
  compare: (password, hash) => Effect.promise(() => bcrypt.compare(password, hash))
}

/**
 * The {@link Service} that compares passwords. Default: {@link portable}.
 *
 * @since 0.1.0
 * @category services
 */
export class Bcrypt extends Context.Reference<Bcrypt>()("@effect-oci/guard/Bcrypt", {
  defaultValue: () => portable
}) {}

/**
 * The longest password that bcrypt hashes as a whole, in bytes of UTF-8.
 *
 * @since 0.1.0
 * @category constants
 */
export const maxPasswordBytes = 72

/**
 * Returns whether bcrypt distinguishes a password from all others. bcrypt ignores everything after 72 bytes, and
 * repeats a password after a NUL.
 *
 * @since 0.1.0
 * @category guards
 */
export const isHashedWhole = (password: string): boolean =>
  !password.includes("\0") && new TextEncoder().encode(password).byteLength <= maxPasswordBytes
