import { RegistryError } from "@effect-oci/core"
import type { Handler, Operation, RepositoryName } from "@effect-oci/core"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import type { AnswerTo } from "../answer.js"
import { Remembered } from "./lruMap.js"
import { Flights } from "./singleFlight.js"

type Name = RepositoryName.RepositoryName
type Asked = Operation.ResolveBlob | Operation.ResolveManifest | Operation.GetManifest
type Answered = Operation.ResultOf<Asked>

/** The maximum number of shared requests in progress. Above it, each caller sends its own request. */
const maxFlights = 1024

interface Absence {
  readonly error: RegistryError.RegistryError
  readonly until: number
}

/**
 * Returns the key of a request. It contains the operation, because a not-found response to HEAD contains less than one
 * to GET.
 */
const keyOf = (operation: Asked | Operation.GetBlob): string =>
  `${operation._tag} ${operation.repository} ${"digest" in operation ? operation.digest : operation.reference}`

/**
 * Creates the interface to the upstream. It sends one request for all callers that need the same result at the same
 * time, and no request for a recent not-found result. While an operation changes a repository, each caller sends its
 * own request, and no result is kept.
 */
export const make = (
  next: Handler.Handler,
  options: { readonly scope: Scope.Scope; readonly negativeTimeToLive: number; readonly maxRemembered: number }
) => {
  const absent = new Remembered<Absence>(options.maxRemembered)
  const flights = new Flights<Answered>(options.scope, maxFlights)
  const changing = new Map<Name, number>()

  const isChanging = (repository: Name): boolean => changing.size > 0 && changing.has(repository)

  const count = (repository: Name, by: 1 | -1): void => {
    const left = (changing.get(repository) ?? 0) + by
    if (left === 0) changing.delete(repository)
    else changing.set(repository, left)
  }

  /** Returns the recent not-found error of a request, if there is one. */
  const absence = (operation: Asked | Operation.GetBlob): Effect.Effect<RegistryError.RegistryError | undefined> =>
    Effect.map(Clock.currentTimeMillis, (now) => {
      const known = isChanging(operation.repository) ? undefined : absent.get(keyOf(operation))
      return known !== undefined && now < known.until ? known.error : undefined
    })

  /** Stores a not-found error, and fails with the error. */
  const failed = (operation: Asked | Operation.GetBlob, error: RegistryError.RegistryError) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => {
      const { repository } = operation
      if (RegistryError.isNotFound(error) && !isChanging(repository)) {
        absent.set(repository, keyOf(operation), { error, until: now + options.negativeTimeToLive })
      }
      return Exit.fail(error)
    })

  /**
   * Sends a request. If it succeeds, `keep` runs once; callers that wait receive the result without waiting for `keep`.
   */
  const ask = <O extends Asked>(
    operation: O,
    keep: (result: Operation.ResultOf<O>) => Effect.Effect<void> = () => Effect.void
  ): AnswerTo<O> => {
    const { repository } = operation
    const each = Effect.suspend((): AnswerTo<O> => next(operation))
    const once = flights.join(
      keyOf(operation),
      repository,
      (give) =>
        Effect.matchEffect(each as Effect.Effect<Operation.ResultOf<O>, RegistryError.RegistryError>, {
          onFailure: (error) => failed(operation, error),
          onSuccess: (result) =>
            Effect.suspend(() => {
              const kept = isChanging(repository) ? Effect.void : keep(result)
              give(result)
              return kept
            })
        })
    ) as Effect.Effect<Operation.ResultOf<O> | undefined, RegistryError.RegistryError>
    return Effect.flatMap(absence(operation), (error) => {
      if (error !== undefined) return Exit.fail(error)
      if (isChanging(repository)) return each
      return Effect.flatMap(once, (result) => result === undefined ? each : Exit.succeed(result))
    }) as AnswerTo<O>
  }

  /** Runs an effect that changes a repository. */
  const whileChanging = <A, E>(repository: Name, effect: Effect.Effect<A, E>): Effect.Effect<A, E> =>
    Effect.acquireUseRelease(
      Effect.sync(() => count(repository, 1)),
      () => effect,
      () => Effect.sync(() => count(repository, -1))
    )

  /** Forgets everything about a repository, and cancels shared requests for it. */
  const forget = (repository: Name): Effect.Effect<void> =>
    Effect.zipRight(flights.cut(repository), Effect.sync(() => absent.forget(repository)))

  return { next, ask, absence, failed, isChanging, whileChanging, forget }
}

export type Upstream = ReturnType<typeof make>
