import { Handler, RegistryError } from "@effect-oci/core"
import type { Operation } from "@effect-oci/core"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { redact } from "../redact.js"

type Read = Operation.ResolveBlob | Operation.GetBlob | Operation.ResolveManifest | Operation.GetManifest
type Write = Operation.PushBlob | Operation.MountBlob | Operation.CancelUpload | Operation.PushManifest
type Delete = Operation.DeleteBlob | Operation.DeleteManifest

/** What to do with the outcome of a read of the store. */
interface Cases<O extends Read, R> {
  readonly found: (
    result: Operation.ResultOf<O>
  ) => Effect.Effect<Operation.ResultOf<O>, RegistryError.RegistryError, R>
  readonly missing: () => Effect.Effect<Operation.ResultOf<O>, RegistryError.RegistryError, R>
  /** The store failed, so it is unknown whether it has the content. */
  readonly failed: () => Effect.Effect<Operation.ResultOf<O>, RegistryError.RegistryError, R>
}

/**
 * Creates the interface to the store of a cache. A failure of the store does not make the operation fail. It is logged,
 * once for each kind of operation until that kind succeeds again.
 */
export const make = (store: Handler.Handler) => {
  const failing = new Set<Operation.OperationTag>()

  const works = (operation: Operation.Operation) => {
    if (failing.size > 0) failing.delete(operation._tag)
  }

  const report = (operation: Operation.Operation, error: RegistryError.RegistryError): Effect.Effect<void> =>
    Effect.suspend(() => {
      if (failing.has(operation._tag)) return Effect.void
      failing.add(operation._tag)
      return Effect.annotateLogs(Effect.logWarning("the store of the cache fails, and is done without"), {
        operation: operation._tag,
        error: error._tag,
        errorMessage: redact(error.message)
      })
    })

  return {
    read: <O extends Read, R>(operation: O, cases: Cases<O, R>) =>
      Handler.matchEffect(store(operation) as Effect.Effect<Operation.ResultOf<O>, RegistryError.RegistryError, R>, {
        onSuccess: (result) => {
          works(operation)
          return cases.found(result)
        },
        onFailure: (error) => {
          if (RegistryError.isNotFound(error)) return cases.missing()
          // The store has the blob, but the range is not valid.
          if (error._tag === "RangeInvalid") return Exit.fail(error)
          return Effect.zipRight(report(operation, error), Effect.suspend(cases.failed))
        }
      }),

    /**
     * Writes to the store. Returns `undefined` if the store did not accept the content. An error that `isRefusal`
     * selects is not a failure of the store, and is not logged.
     */
    write: <O extends Write>(
      operation: O,
      isRefusal: (error: RegistryError.RegistryError) => boolean = () => false
    ): Effect.Effect<Operation.ResultOf<O> | undefined> =>
      Effect.matchEffect(store(operation) as Effect.Effect<Operation.ResultOf<O>, RegistryError.RegistryError>, {
        onSuccess: (result) => {
          works(operation)
          return Exit.succeed(result)
        },
        onFailure: (error) => Effect.as(isRefusal(error) ? Effect.void : report(operation, error), undefined)
      }),

    /** Deletes content. Succeeds if the store does not have it. */
    delete: (operation: Delete): Effect.Effect<void, RegistryError.RegistryError> =>
      Effect.matchEffect(store(operation), {
        onSuccess: () => {
          works(operation)
          return Effect.void
        },
        onFailure: (error) => RegistryError.isNotFound(error) ? Effect.void : Effect.fail(error)
      }),

    report
  }
}

export type Keeper = ReturnType<typeof make>
