import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type { Credentials, CredentialsFailed, Service } from "../../S3CredentialsModel.js"

/** How long before they expire credentials are renewed: requests that they signed must arrive before. */
const margin = 5 * 60_000

/** How long the next renewal waits after a failed one, while the credentials are still valid. */
const pause = 30_000

const expirationOf = ({ expiration }: Credentials): number =>
  expiration === undefined ? Infinity : DateTime.toEpochMillis(expiration)

/** Keeps credentials, and renews them before they expire. Callers at the same time share one renewal. */
export const make = (obtain: Effect.Effect<Credentials, CredentialsFailed>): Effect.Effect<Service> =>
  Effect.sync(() => {
    const mutex = Effect.unsafeMakeSemaphore(1)
    let current: Credentials | undefined
    let renewAt = -Infinity

    /** Returns the current credentials, unless they must be renewed now. */
    const valid = (now: number): Credentials | undefined => now < renewAt ? current : undefined

    const renew = Effect.gen(function*() {
      const now = yield* Clock.currentTimeMillis
      const known = valid(now)
      if (known !== undefined) return known
      const obtained = yield* Effect.either(obtain)
      if (obtained._tag === "Right") {
        current = obtained.right
        const expiration = expirationOf(current)
        // Credentials that live only minutes are renewed after half of their life.
        renewAt = Math.max(expiration - margin, now + (expiration - now) / 2)
        return current
      }
      if (current === undefined || expirationOf(current) <= now) return yield* Effect.fail(obtained.left)
      yield* Effect.logWarning("The credentials for S3 could not be renewed. They are used until they expire.", {
        reason: obtained.left.message
      })
      renewAt = Math.min(now + pause, expirationOf(current))
      return current
    })

    const get = Effect.flatMap(Clock.currentTimeMillis, (now) => {
      const known = valid(now)
      return known === undefined ? mutex.withPermits(1)(renew) : Effect.succeed(known)
    })
    /** Forgets credentials. Many calls report the same ones, also after others were obtained. */
    const expired = (credentials: Credentials) =>
      Effect.sync(() => {
        if (current === credentials) current = undefined
      })
    return { get, expired }
  })
