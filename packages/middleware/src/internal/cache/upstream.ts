import { Answer, RegistryError } from "@effect-oci/core"
import type { Handler, Operation, RepositoryName } from "@effect-oci/core"
import { LruMap } from "@effect-oci/core/LruMap"
import { SingleFlight } from "@effect-oci/core/SingleFlight"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

type Name = RepositoryName.RepositoryName
type SharedRead = Operation.ResolveBlob | Operation.ResolveManifest | Operation.GetManifest
type Read = SharedRead | Operation.GetBlob
type Result<O extends SharedRead> = Effect.Effect<Operation.ResultOf<O>, RegistryError.RegistryError>

/** The maximum number of shared requests in progress. Above it, each caller sends its own request. */
const maxSharedRequests = 1024

interface NotFound {
  readonly error: RegistryError.RegistryError
  readonly until: number
}

/**
 * Returns the key of a request. It contains the operation, because a not-found response to HEAD contains less than one
 * to GET.
 */
const keyOf = (operation: Read): string =>
  `${operation.repository} ${operation._tag} ${"digest" in operation ? operation.digest : operation.reference}`

/** Returns the repository in the key of a request. */
const repositoryOf = (key: string): string => key.slice(0, key.indexOf(" "))

/**
 * The upstream of a cache. It receives one request for all callers that need the same result at the same time, and no
 * request for a recent not-found result. While an operation changes a repository, each caller sends its own request,
 * and no result is kept.
 */
export class Upstream {
  readonly #notFound: LruMap<string, NotFound, string>
  readonly #requests: SingleFlight<string, Operation.ResultOf<SharedRead>, RegistryError.RegistryError>
  /** The number of operations that change a repository now. */
  readonly #changes = new Map<Name, number>()

  constructor(
    readonly next: Handler.Handler,
    private readonly options: {
      readonly scope: Scope.Scope
      readonly negativeTimeToLive: number
      readonly maxRemembered: number
    }
  ) {
    this.#notFound = new LruMap(options.maxRemembered, undefined, repositoryOf)
    this.#requests = new SingleFlight({ scope: options.scope, max: maxSharedRequests })
  }

  isChanging(repository: Name): boolean {
    return this.#changes.size > 0 && this.#changes.has(repository)
  }

  /** Returns the recent not-found error of a request, if there is one. */
  recentNotFound(operation: Read): Effect.Effect<RegistryError.RegistryError | undefined> {
    return Effect.map(Clock.currentTimeMillis, (now) => {
      const known = this.isChanging(operation.repository) ? undefined : this.#notFound.get(keyOf(operation))
      return known !== undefined && now < known.until ? known.error : undefined
    })
  }

  /** Stores a not-found error, and fails with the error. */
  failed(operation: Read, error: RegistryError.RegistryError): Effect.Effect<never, RegistryError.RegistryError> {
    return Effect.flatMap(Clock.currentTimeMillis, (now) => {
      if (RegistryError.isNotFound(error) && !this.isChanging(operation.repository)) {
        this.#notFound.set(keyOf(operation), { error, until: now + this.options.negativeTimeToLive })
      }
      return Answer.fail(error)
    })
  }

  /**
   * Sends a request. If it succeeds, `keep` runs once; callers that wait receive the result without waiting for `keep`.
   */
  read<O extends SharedRead>(
    operation: O,
    keep: (result: Operation.ResultOf<O>) => Effect.Effect<void> = () => Effect.void
  ): Result<O> {
    const { repository } = operation
    const request = Effect.suspend(() => this.next(operation) as Result<O>)
    const shared = this.#requests.run(keyOf(operation), (complete) =>
      Effect.matchEffect(request, {
        onFailure: (error) => this.failed(operation, error),
        onSuccess: (result) =>
          Effect.suspend(() => {
            const kept = this.isChanging(repository) ? Effect.void : keep(result)
            complete(result)
            return kept
          })
      })) as Effect.Effect<Operation.ResultOf<O> | undefined, RegistryError.RegistryError>
    return Effect.flatMap(this.recentNotFound(operation), (error) => {
      if (error !== undefined) return Answer.fail(error)
      if (this.isChanging(repository)) return request
      return Effect.flatMap(shared, (result) => result === undefined ? request : Answer.succeed(result))
    })
  }

  /** Runs an effect that changes a repository. */
  whileChanging<A, E>(repository: Name, effect: Effect.Effect<A, E>): Effect.Effect<A, E> {
    return Effect.acquireUseRelease(
      Effect.sync(() => this.#countChanges(repository, 1)),
      () => effect,
      () => Effect.sync(() => this.#countChanges(repository, -1))
    )
  }

  /** Forgets everything about a repository, and cancels shared requests for it. */
  forget(repository: Name): Effect.Effect<void> {
    return Effect.zipRight(
      this.#requests.cancel((key) => repositoryOf(key) === repository),
      Effect.sync(() => this.#notFound.deleteGroup(repository))
    )
  }

  #countChanges(repository: Name, change: 1 | -1): void {
    const count = (this.#changes.get(repository) ?? 0) + change
    if (count === 0) this.#changes.delete(repository)
    else this.#changes.set(repository, count)
  }
}
