import * as Answer from "@effect-oci/core/Answer"
import type * as Operation from "@effect-oci/core/Operation"
import { printable } from "@effect-oci/core/Printable"
import * as RegistryError from "@effect-oci/core/RegistryError"
import * as ErrorBody from "@effect-oci/protocol/ErrorBody"
import type * as Wire from "@effect-oci/protocol/Wire"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"

/**
 * Returns the path of a request for the log. Omits upload ids, because anyone with an id could resume the upload
 * session. Omits the query, because it may contain a secret.
 */
const shownPath = (target: string): string => {
  const path = target.replace(/^https?:\/\/[^/?#]*/i, "").replace(/[?#].*$/s, "")
  return printable(path.replace(/(\/blobs\/uploads\/).+$/s, "$1…"), 300)
}

const shownRequest = (request: Wire.Request) => ({
  method: printable(request.method, 16),
  path: shownPath(request.target)
})

/** Logs a request that did not reach the registry, because no wrapper logs it. */
export const refused = (
  request: Wire.Request,
  error: RegistryError.RegistryError,
  response: Wire.Response
): Effect.Effect<Wire.Response> =>
  Effect.as(
    Effect.logInfo("request refused").pipe(
      Effect.annotateLogs({
        ...shownRequest(request),
        status: response.status,
        error: error._tag,
        reason: printable(error.message)
      })
    ),
    response
  )

const internalError = new RegistryError.UnknownCode({ code: "UNKNOWN", reason: "internal error" })
const interrupted = new RegistryError.Unavailable({ reason: "the request was interrupted" })

/**
 * Returns the answer after a defect or an interruption. Logs the cause of a defect, which the answer does not contain.
 * If the operation was interrupted although the client is still connected, the answer is "unavailable".
 */
export const died = (request: Wire.Request, cause: Cause.Cause<unknown>): Effect.Effect<Wire.Response> =>
  Cause.isInterruptedOnly(cause)
    ? Answer.succeed(ErrorBody.encode(interrupted))
    : Effect.as(
      Effect.logError("request died", cause).pipe(Effect.annotateLogs(shownRequest(request))),
      ErrorBody.encode(internalError)
    )

/** Logs content that broke off while it was sent, unless the client disconnected: the answer can no longer say so. */
export const brokenOff = (operation: Operation.GetBlob, exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> => {
  if (Exit.isSuccess(exit) || Cause.isInterruptedOnly(exit.cause)) return Effect.void
  const error = Option.getOrUndefined(Cause.failureOption(exit.cause))
  const line = RegistryError.isRegistryError(error)
    ? Effect.annotateLogs(Effect.logWarning("content broke off"), {
      error: error._tag,
      reason: printable(error.message)
    })
    : Effect.logError("content broke off", exit.cause)
  return Effect.annotateLogs(line, { repository: operation.repository, reference: operation.digest })
}
