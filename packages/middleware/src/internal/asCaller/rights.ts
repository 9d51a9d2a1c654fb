import { Answer, Caller, RegistryError } from "@effect-oci/core"
import type { Descriptor, Handler, Operation, RepositoryName } from "@effect-oci/core"
import { LruMap } from "@effect-oci/core/LruMap"
import { SingleFlight } from "@effect-oci/core/SingleFlight"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"

type Name = RepositoryName.RepositoryName
type Resolve = Operation.ResolveBlob | Operation.ResolveManifest
type Found = Effect.Effect<Descriptor.Descriptor, RegistryError.RegistryError>

/** What the upstream answered a caller, and until when this is valid. */
interface Decision {
  readonly descriptor: Descriptor.Descriptor
  readonly validUntil: number
}

interface Options {
  readonly timeToLive: number
  readonly staleIfError: number
  readonly maxRemembered: number
}

/** The number of checks that run at the same time. Above it, each caller sends its own request. */
const maxChecks = 1024

const keyOf = (operation: Resolve, caller: string): string =>
  `${operation.repository} ${operation._tag} ${
    "digest" in operation ? operation.digest : operation.reference
  } ${caller}`

const repositoryOf = (key: string): string => key.slice(0, key.indexOf(" "))

/** What each caller may read at the upstream. Only what the upstream answered that caller counts. */
export class Rights {
  readonly #decisions: LruMap<string, Decision, string>
  /** The checks that run now. A check belongs to one caller, because its key contains the caller. */
  readonly #checks = new SingleFlight<string, Descriptor.Descriptor, RegistryError.RegistryError>({ max: maxChecks })

  constructor(private readonly next: Handler.Handler, private readonly options: Options) {
    this.#decisions = new LruMap(options.maxRemembered, undefined, repositoryOf)
  }

  /** Returns what the upstream answers the caller, or answered a moment ago. */
  resolve(operation: Resolve): Found {
    return Effect.flatMap(Caller.fingerprint, (caller) => {
      if (caller === undefined) return this.#ask(operation)
      const key = keyOf(operation, caller)
      return Effect.flatMap(Clock.currentTimeMillis, (now) => {
        const known = this.#decisions.get(key)
        return known !== undefined && now < known.validUntil
          ? Answer.succeed(known.descriptor)
          : this.#checkOnce(operation, key)
      })
    })
  }

  /** Forgets what all callers may read in a repository, and cancels the checks of it that run. */
  forget(repository: Name): Effect.Effect<void> {
    return Effect.zipRight(
      this.#checks.cancel((key) => repositoryOf(key) === repository),
      Effect.sync(() => this.#decisions.deleteGroup(repository))
    )
  }

  /** Shares a check with the other calls of the caller. After a change cancels the check, each call asks for itself. */
  #checkOnce(operation: Resolve, key: string): Found {
    return Effect.flatMap(
      this.#checks.run(key, (complete) => Effect.map(this.#check(operation, key), complete)),
      (descriptor) => descriptor === undefined ? this.#ask(operation) : Answer.succeed(descriptor)
    )
  }

  /** Asks the upstream, and keeps what it grants. The time to live begins with the request. */
  #check(operation: Resolve, key: string): Found {
    return Effect.flatMap(Clock.currentTimeMillis, (now) =>
      Effect.matchEffect(this.#ask(operation), {
        onSuccess: (descriptor) => {
          this.#decisions.set(key, { descriptor, validUntil: now + this.options.timeToLive })
          return Answer.succeed(descriptor)
        },
        onFailure: (error) => {
          const known = this.#decisions.get(key)
          if (!RegistryError.isTransient(error)) this.#decisions.delete(key)
          else if (known !== undefined && now < known.validUntil + this.options.staleIfError) {
            return Answer.succeed(known.descriptor)
          }
          return Answer.fail(error)
        }
      }))
  }

  #ask(operation: Resolve): Found {
    return Effect.suspend((): Found => this.next(operation) as Found)
  }
}
