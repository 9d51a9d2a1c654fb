import type { Digest, RegistryError, RepositoryName } from "@effect-oci/core"
import { LruMap } from "@effect-oci/core/LruMap"
import { SingleFlight } from "@effect-oci/core/SingleFlight"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { Verdict } from "../Policy.js"

/** What a verdict is about: a manifest, as it is served by one media type to some callers, and a policy. */
export interface Subject {
  readonly policy: string
  /** The callers who share the verdict. */
  readonly callers: string
  readonly repository: RepositoryName.RepositoryName
  readonly digest: Digest.Digest
  readonly mediaType: string
}

interface Options {
  readonly timeToLive: number
  readonly negativeTimeToLive: number
  readonly maxRemembered: number
}

interface Entry {
  readonly verdict: Verdict
  readonly expires: number
}

const keyOf = ({ callers, digest, mediaType, policy, repository }: Subject): string =>
  JSON.stringify([repository, digest, mediaType, policy, callers])

/** Remembers verdicts for a time, and computes each verdict once for all callers that need it at the same time. */
export class Verdicts {
  readonly #entries: LruMap<string, Entry, string>
  readonly #flights = new SingleFlight<string, Verdict, RegistryError.RegistryError>()
  /** Counts the calls of `forget`, so that a verdict that was computed meanwhile is not remembered. */
  #forgotten = 0

  constructor(private readonly options: Options) {
    this.#entries = new LruMap(options.maxRemembered, undefined, (key) => key.slice(2, key.indexOf(`",`)))
  }

  /** Returns the verdict if it is remembered and valid. */
  known(subject: Subject, now: number): Verdict | undefined {
    const entry = this.#entries.get(keyOf(subject))
    return entry === undefined || entry.expires <= now ? undefined : entry.verdict
  }

  /** Returns the remembered verdict, or computes it. */
  get(
    subject: Subject,
    verify: Effect.Effect<Verdict, RegistryError.RegistryError>
  ): Effect.Effect<Verdict, RegistryError.RegistryError> {
    return Effect.flatMap(Clock.currentTimeMillis, (now) => {
      const known = this.known(subject, now)
      return known === undefined
        ? this.#flights.share(keyOf(subject), this.#remember(subject, verify))
        : Effect.succeed(known)
    })
  }

  /** Forgets the verdicts about the manifests of a repository. */
  forget(repository: RepositoryName.RepositoryName): void {
    this.#forgotten++
    this.#entries.deleteGroup(repository)
  }

  #remember(subject: Subject, verify: Effect.Effect<Verdict, RegistryError.RegistryError>) {
    return Effect.suspend(() => {
      const forgotten = this.#forgotten
      return Effect.zipWith(verify, Clock.currentTimeMillis, (verdict, now) => {
        const { negativeTimeToLive, timeToLive } = this.options
        const expires = Math.min(
          now + (verdict.allowed ? timeToLive : negativeTimeToLive),
          verdict.validUntil ?? Infinity
        )
        if (forgotten === this.#forgotten) this.#entries.set(keyOf(subject), { verdict, expires })
        return verdict
      })
    })
  }
}
