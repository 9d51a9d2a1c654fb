import * as Answer from "@effect-oci/core/Answer"
import * as Operation from "@effect-oci/core/Operation"
import * as RegistryError from "@effect-oci/core/RegistryError"
import type { Admission, Guard } from "@effect-oci/guard/Guard"
import * as Request from "@effect-oci/protocol/Request"
import type * as Wire from "@effect-oci/protocol/Wire"
import * as Effect from "effect/Effect"
import * as report from "./report.js"

/** Runs the decoded request, or answers with the reason why the request was rejected. */
export const begin = <A>(
  request: Wire.Request,
  decoded: Effect.Effect<A, Request.Rejected>,
  run: (value: A, request: Wire.Request) => Effect.Effect<Wire.Response>
): Effect.Effect<Wire.Response> => {
  const wait = (decoded: Effect.Effect<A, Request.Rejected>) =>
    Effect.onInterrupt(Effect.interruptible(decoded), () => rejected(request, gone))
  return Answer.matchEffect(Answer.ifPending(decoded, wait), {
    onSuccess: (value) => run(value, request),
    onFailure: (rejection) => rejected(request, rejection)
  })
}

/** Returns the admission of the guard. If the guard refuses the request, its body is not read. */
export const admitted = (guard: Guard, request: Wire.Request, limits: Request.Options) =>
  Answer.flatMap(
    Request.decodeHead(request),
    ({ operation, rest }) =>
      Answer.flatMap(guard(operation, request), (admission) =>
        rest === undefined
          ? Answer.succeed(admission)
          : Effect.map(rest(limits), (whole) => withBytes(admission, whole)))
  )

/** Adds the body to the admitted operation. The guard may have changed the other fields of that operation. */
const withBytes = ({ operation, ...rest }: Admission, whole: Operation.Operation): Admission => ({
  ...rest,
  operation: operation._tag === "PushManifest" && whole._tag === "PushManifest"
    ? new Operation.PushManifest({ ...operation, bytes: whole.bytes })
    : operation
})

const gone = new Request.Rejected({
  error: new RegistryError.BodyFailed({
    reason: "the client disconnected before it sent the whole body of the request"
  })
})

/** Logs and answers a rejection. A challenge is not logged: every client first sends a request without credentials. */
const rejected = (request: Wire.Request, rejection: Request.Rejected): Effect.Effect<Wire.Response> => {
  const response = Request.encodeRejected(rejection)
  return response.status === 401 && request.headers["authorization"] === undefined
    ? Answer.succeed(response)
    : report.refused(request, rejection.error, response)
}
