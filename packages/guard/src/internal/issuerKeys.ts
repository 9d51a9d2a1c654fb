import { SingleFlight } from "@effect-oci/core/SingleFlight"
import type * as HttpClient from "@effect/platform/HttpClient"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type * as TokenKeys from "../TokenKeys.js"
import * as jwks from "./jwks.js"

export interface Options {
  readonly issuer: string
  /** Default: the URL in the configuration of the issuer. */
  readonly keysUrl: string | undefined
  readonly refreshEvery: Duration.DurationInput
  readonly keepFor: Duration.DurationInput
  readonly retryAfter: Duration.DurationInput
}

/** The keys of an issuer, which change. */
export interface IssuerKeys extends TokenKeys.Verifying {
  /** Reads the keys again, if the last time is long enough ago. Callers at the same time share one request. */
  readonly refresh: Effect.Effect<void>
  /** Whether the keys were read, and may still be used. */
  readonly isKnown: () => boolean
}

/**
 * Creates the keys of an issuer. A scoped fiber reads them now and at an interval. If that fails, the earlier keys remain
 * valid for `keepFor`.
 */
export const make = (
  options: Options,
  client: HttpClient.HttpClient
): Effect.Effect<IssuerKeys, never, Scope.Scope> =>
  Effect.gen(function*() {
    const { issuer, keysUrl } = options
    const clock = yield* Effect.clock
    const scope = yield* Effect.scope
    const keepFor = Duration.toMillis(options.keepFor)
    const retryAfter = Duration.toMillis(options.retryAfter)
    const flight = new SingleFlight<"keys", true>({ scope })
    let keys: ReadonlyArray<TokenKeys.VerificationKey> = []
    let readAt = -Infinity
    let triedAt = -Infinity
    let isReading = false

    const url = keysUrl === undefined ? jwks.discover(issuer, client) : Effect.succeed(keysUrl)
    const load = Effect.suspend(() => {
      isReading = true
      triedAt = clock.unsafeCurrentTimeMillis()
      return Effect.flatMap(url, (url) => jwks.read(url, client))
    }).pipe(
      Effect.map((found) => {
        keys = found
        readAt = clock.unsafeCurrentTimeMillis()
      }),
      Effect.catchAll(({ reason }) =>
        Effect.annotateLogs(Effect.logError("keys of an issuer not read"), { issuer, reason })
      ),
      Effect.ensuring(Effect.sync(() => {
        isReading = false
      })),
      Effect.as(true as const)
    )
    const shared = flight.share("keys", load)
    yield* Effect.forkScoped(Effect.repeat(shared, Schedule.spaced(options.refreshEvery)))

    const isKnown = () => clock.unsafeCurrentTimeMillis() - readAt <= keepFor
    const all = () => isKnown() ? keys : []
    return {
      all,
      find: (id) => all().find((key) => key.id === id),
      isKnown,
      refresh: Effect.suspend(() =>
        isReading || clock.unsafeCurrentTimeMillis() - triedAt >= retryAfter ? Effect.asVoid(shared) : Effect.void
      )
    }
  })
