import * as Handler from "@effect-oci/core/Handler"
import * as Operation from "@effect-oci/core/Operation"
import * as RegistryError from "@effect-oci/core/RegistryError"
import type { Admission, Guard } from "@effect-oci/guard/Guard"
import * as Request from "@effect-oci/protocol/Request"
import type * as Wire from "@effect-oci/protocol/Wire"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as report from "./report.js"

/** Runs the decoded request, or answers with the reason why the request was rejected. */
export const begin = <A>(
  request: Wire.Request,
  decoded: Effect.Effect<A, Request.Rejected>,
  run: (value: A, request: Wire.Request) => Effect.Effect<Wire.Response>
): Effect.Effect<Wire.Response> => {
  const exit = Handler.exitOf(decoded)
  if (exit === undefined) {
    return Effect.interruptible(decoded).pipe(
      Effect.onInterrupt(() => rejected(request, gone)),
      Effect.matchEffect({
        onSuccess: (value) => run(value, request),
        onFailure: (rejection) => rejected(request, rejection)
      })
    )
  }
  if (Exit.isSuccess(exit)) return run(exit.value, request)
  const rejection = Cause.failureOption(exit.cause)
  return Option.isSome(rejection) ? rejected(request, rejection.value) : exit as Exit.Exit<never>
}

/** Returns the admission of the guard. If the guard refuses the request, its body is not read. */
export const admitted = (guard: Guard, request: Wire.Request, limits: Request.Options) =>
  Handler.matchEffect(Request.decodeHead(request), {
    onFailure: Exit.fail,
    onSuccess: ({ operation, rest }) =>
      Handler.matchEffect(guard(operation, request), {
        onFailure: Exit.fail,
        onSuccess: (admission) =>
          rest === undefined
            ? Exit.succeed(admission)
            : Effect.map(rest(limits), (whole) => withBytes(admission, whole))
      })
  })

/** Adds the body to the admitted operation. The guard may have changed the other fields of that operation. */
const withBytes = ({ caller, operation }: Admission, whole: Operation.Operation): Admission => ({
  caller,
  operation: operation._tag === "PushManifest" && whole._tag === "PushManifest"
    ? new Operation.PushManifest({ ...operation, bytes: whole.bytes })
    : operation
})

const gone = new Request.Rejected({
  error: new RegistryError.BodyFailed({ reason: "the client went away before the request's body was there" })
})

/** Logs and answers a rejection. A challenge is not logged: every client first sends a request without credentials. */
const rejected = (request: Wire.Request, rejection: Request.Rejected): Effect.Effect<Wire.Response> => {
  const response = Request.encodeRejected(rejection)
  return response.status === 401 && request.headers["authorization"] === undefined
    ? Exit.succeed(response)
    : report.refused(request, rejection.error, response)
}
