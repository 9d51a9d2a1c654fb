import { Answer, redact, RegistryError } from "@effect-oci/core"
import type { Handler, Operation } from "@effect-oci/core"
import * as Effect from "effect/Effect"

type Read = Operation.ResolveBlob | Operation.GetBlob | Operation.ResolveManifest | Operation.GetManifest
type Write = Operation.PushBlob | Operation.MountBlob | Operation.CancelUpload | Operation.PushManifest
type Delete = Operation.DeleteBlob | Operation.DeleteManifest

type Result<O extends Operation.Operation, R> = Effect.Effect<Operation.ResultOf<O>, RegistryError.RegistryError, R>

/** What to do with the outcome of a read of the store. */
interface Cases<O extends Read, R> {
  readonly found: (result: Operation.ResultOf<O>) => Result<O, R>
  readonly missing: () => Result<O, R>
  /** The store failed, so it is unknown whether it has the content. Default: as `missing`. */
  readonly failed?: () => Result<O, R>
}

/**
 * The registry in which a cache stores content. A failure of the store does not make the operation fail. It is logged,
 * once for each kind of operation until that kind succeeds again.
 */
export class CacheStore {
  readonly #failing = new Set<Operation.OperationTag>()

  constructor(private readonly handle: Handler.Handler) {}

  read<O extends Read, R>(operation: O, { failed, found, missing }: Cases<O, R>): Result<O, R> {
    return Answer.matchEffect(this.handle(operation) as Result<O, R>, {
      onSuccess: (result) => found(this.#succeeded(operation, result)),
      onFailure: (error) => {
        if (RegistryError.isNotFound(error)) return missing()
        // The store has the blob, but the range is not valid.
        if (error._tag === "OciRangeInvalid") return Answer.fail(error)
        return Effect.zipRight(this.reportFailure(operation, error), Effect.suspend(failed ?? missing))
      }
    })
  }

  /**
   * Writes to the store. Returns `undefined` if the store did not accept the content. An error that `isRefusal` selects
   * is not a failure of the store, and is not logged.
   */
  write<O extends Write>(
    operation: O,
    isRefusal: (error: RegistryError.RegistryError) => boolean = () => false
  ): Effect.Effect<Operation.ResultOf<O> | undefined> {
    return Effect.matchEffect(this.handle(operation) as Result<O, never>, {
      onSuccess: (result) => Answer.succeed(this.#succeeded(operation, result)),
      onFailure: (error) => Effect.as(isRefusal(error) ? Effect.void : this.reportFailure(operation, error), undefined)
    })
  }

  /** Deletes content. Succeeds if the store does not have it. */
  delete(operation: Delete): Effect.Effect<void, RegistryError.RegistryError> {
    return Effect.matchEffect(this.handle(operation), {
      onSuccess: () => Answer.succeed(this.#succeeded(operation, undefined)),
      onFailure: (error) => RegistryError.isNotFound(error) ? Effect.void : Effect.fail(error)
    })
  }

  reportFailure(operation: Operation.Operation, error: RegistryError.RegistryError): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.#failing.has(operation._tag)) return Effect.void
      this.#failing.add(operation._tag)
      return Effect.annotateLogs(Effect.logWarning("the cache store failed; serving from upstream without caching"), {
        operation: operation._tag,
        error: error._tag,
        errorMessage: redact(error.message)
      })
    })
  }

  #succeeded<A>(operation: Operation.Operation, result: A): A {
    if (this.#failing.size > 0) this.#failing.delete(operation._tag)
    return result
  }
}
