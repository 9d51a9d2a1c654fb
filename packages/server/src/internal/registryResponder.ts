import * as Answer from "@effect-oci/core/Answer"
import * as Body from "@effect-oci/core/Body"
import * as Caller from "@effect-oci/core/Caller"
import type { Handler } from "@effect-oci/core/Handler"
import * as Middleware from "@effect-oci/core/Middleware"
import * as Operation from "@effect-oci/core/Operation"
import * as RegistryError from "@effect-oci/core/RegistryError"
import * as UploadIds from "@effect-oci/core/UploadIds"
import type { Admission, Guard } from "@effect-oci/guard/Guard"
import * as ErrorBody from "@effect-oci/protocol/ErrorBody"
import * as Request from "@effect-oci/protocol/Request"
import * as Response from "@effect-oci/protocol/Response"
import type * as Wire from "@effect-oci/protocol/Wire"
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import { admitted, begin } from "./admission.js"
import * as blobResponse from "./blobResponse.js"
import * as bodiesInMemory from "./bodiesInMemory.js"
import * as brokenUploads from "./brokenUploads.js"
import type * as byteBudget from "./byteBudget.js"
import * as listResponse from "./listResponse.js"
import * as report from "./report.js"
import { respond } from "./respond.js"
import type { Answered } from "./respond.js"
import { total } from "./totalResponse.js"
import type { Respond } from "./totalResponse.js"
import * as turns from "./turns.js"

export interface Settings extends listResponse.Limits {
  readonly uploadIds: UploadIds.UploadIds
  readonly maxManifestBytes: number
  readonly bytesInFlight: byteBudget.Limits
  readonly redirect: blobResponse.Redirect | undefined
  readonly guard: Guard | undefined
  readonly addressOf: (request: Wire.Request) => string | undefined
}

type Command = Operation.Operation | Request.Ping

type Plain = Operation.WithShape<"value">

const pong: Wire.Response = {
  status: 200,
  headers: {
    "content-type": "application/json",
    "content-length": "2",
    "docker-distribution-api-version": "registry/2.0"
  },
  body: Body.bytes(new TextEncoder().encode("{}"))
}

/** Answers requests from a registry: decodes, admits, runs within the limits, and encodes. */
export const make = (handler: Handler, settings: Settings): Respond => {
  const { addressOf, guard, maxManifestBytes, maxPageBytes } = settings
  const run = runner(handler, settings)
  const inMemory = bodiesInMemory.make(settings.bytesInFlight, maxManifestBytes)
  const inTurn = turns.make()

  const networkOf = (request: Wire.Request): string | undefined => {
    const address = addressOf(request)
    return address === undefined ? undefined : Caller.networkOf(address)
  }

  return total((request) => {
    const client = () => networkOf(request) ?? ""
    const bodies = inMemory(client)
    const limits = { maxManifestBytes, inMemory: bodies.request }
    const runAs = (operation: Command, admission: Omit<Admission, "operation">) =>
      asCaller(run(operation, request, admission.caller), admission, () => networkOf(request))
    const runLimited = (operation: Command, admission: Omit<Admission, "operation">) => {
      const counted = () => Answer.map(runAs(operation, admission), bodies.response)
      return operation._tag === "Ping" ? counted() : Operation.matchShape(operation, {
        value: (operation) => isLarge(operation) ? inTurn(client(), counted) : counted(),
        // The content of a blob is a stream, or is already in the memory of the store.
        content: (operation) => runAs(operation, admission),
        list: () => inTurn(client(), () => bodies.list(maxPageBytes, counted))
      })
    }
    const response = guard === undefined
      ? begin(
        request,
        Request.decode(request, limits),
        (operation) => runLimited(operation, { caller: Caller.anonymous })
      )
      : begin(request, admitted(guard, request, limits), (admission) => runLimited(admission.operation, admission))
    return Answer.ifPending(response, Effect.ensuring(bodies.release))
  })
}

/** Runs an operation, and answers by the shape of its result. */
const runner = (handler: Handler, settings: Settings) => {
  const handle = Middleware.verified(brokenUploads.waitForStored(handler))
  const blob = blobResponse.make(handle, settings.redirect)
  const list = listResponse.make(handle, settings)
  return (operation: Command, request: Wire.Request, caller: Caller.Identity): Effect.Effect<Wire.Response> =>
    operation._tag === "Ping" ? Answer.succeed(pong) : Operation.matchShape(operation, {
      value: (operation) => value(handle, settings.uploadIds, operation, request, caller),
      content: blob,
      list: (operation) => list(operation, request)
    })
}

/** Answers with a value. Upload ids in URLs are sealed for the caller. */
const value = (
  handle: Handler,
  uploadIds: UploadIds.UploadIds,
  operation: Plain,
  request: Wire.Request,
  { name }: Caller.Identity
): Effect.Effect<Wire.Response> => {
  const opened = UploadIds.openOperation(uploadIds, operation, name)
  if (opened === undefined) {
    const unknown = new RegistryError.BlobUploadUnknown(Operation.errorFields(operation))
    return report.refused(request, unknown, ErrorBody.encode(unknown, operation))
  }
  return respond(
    handle(opened) as Answered<unknown>,
    operation,
    (result) =>
      Response.encode<Plain>(operation, UploadIds.sealResult<Plain>(uploadIds, operation, result as never, name))
  )
}

/**
 * Provides the caller to a response, and adds the challenge of the guard if the registry does not know the caller. A
 * settled answer did not read the caller.
 */
const asCaller = (
  response: Effect.Effect<Wire.Response>,
  { caller, challenge, presented }: Omit<Admission, "operation">,
  networkOf: () => string | undefined
): Effect.Effect<Wire.Response> => {
  const answer = Answer.ifPending(response, (pending) => {
    const network = networkOf()
    return Effect.flatMap(Caller.Caller, (ambient) =>
      pending.pipe(
        Effect.provideService(Caller.Caller, { ...(caller === Caller.anonymous ? ambient : caller), network }),
        presented === undefined ? identity : Effect.provideService(Caller.Presented, presented)
      ))
  })
  return challenge === undefined ?
    answer :
    Answer.map(
      answer,
      (response) => response.status === 401 ? { ...response, headers: { ...challenge, ...response.headers } } : response
    )
}

/** The size from which a manifest takes long to parse, in bytes. */
const largeManifest = 64 * 1024

const isLarge = (operation: Plain): boolean =>
  operation._tag === "PushManifest" && operation.bytes.byteLength > largeManifest
