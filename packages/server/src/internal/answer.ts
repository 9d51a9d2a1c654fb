import * as BlobContent from "@effect-oci/core/BlobContent"
import * as Handler from "@effect-oci/core/Handler"
import * as Operation from "@effect-oci/core/Operation"
import { printable } from "@effect-oci/core/Printable"
import * as RegistryError from "@effect-oci/core/RegistryError"
import * as ErrorBody from "@effect-oci/protocol/ErrorBody"
import * as Page from "@effect-oci/protocol/Page"
import * as Request from "@effect-oci/protocol/Request"
import * as Response from "@effect-oci/protocol/Response"
import type * as Wire from "@effect-oci/protocol/Wire"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { UploadIds } from "./uploadId.js"

/** From a plain request to a plain response: what both adapters run. It is an `Exit` where nothing had to be waited for. */
export type Answer = (request: Wire.Request) => Effect.Effect<Wire.Response>

export interface Settings {
  readonly uploadIds: UploadIds
  readonly maxManifestBytes: number
  readonly maxPageSize: number
}

type Listing = Page.ListOperation
type Answered<A> = Effect.Effect<A, RegistryError.RegistryError>
type Plain = Exclude<Operation.Operation, Listing | Operation.GetBlob>

const pong: Wire.Response = {
  status: 200,
  headers: {
    "content-type": "application/json",
    "content-length": "2",
    "docker-distribution-api-version": "registry/2.0"
  },
  body: undefined
}

/** Maps a result without a fiber where it is at hand. Defects and interruption become answers too. */
const respond = <A>(
  effect: Effect.Effect<A, RegistryError.RegistryError>,
  operation: Operation.Operation,
  onSuccess: (result: A) => Wire.Response
): Effect.Effect<Wire.Response> => {
  const exit = Handler.exitOf(effect)
  if (exit !== undefined) {
    return Exit.isSuccess(exit) ? Exit.succeed(onSuccess(exit.value)) : failure(exit.cause, operation)
  }
  return Effect.matchCauseEffect(effect, {
    onSuccess: (result) => Effect.succeed(onSuccess(result)),
    onFailure: (cause) => failure(cause, operation)
  })
}

/** A failure is an answer; a defect is a line in the log, and an answer that does not say more. */
const failure = (
  cause: Cause.Cause<RegistryError.RegistryError>,
  operation: Operation.Operation
): Effect.Effect<Wire.Response> => {
  const error = Cause.failureOption(cause)
  if (Option.isSome(error)) return Exit.succeed(ErrorBody.encode(error.value, operation))
  if (Cause.isInterruptedOnly(cause)) return Effect.failCause(cause as Cause.Cause<never>)
  return Effect.as(
    Effect.logError("operation died", cause).pipe(Effect.annotateLogs("operation", operation._tag)),
    ErrorBody.encode(new RegistryError.UnknownCode({ code: "UNKNOWN", reason: "internal error" }), operation)
  )
}

/** The ids of uploads as the registry knows them, not as they stand in URLs. */
const openUpload = <O extends Operation.Operation>(operation: O, uploadIds: UploadIds): O | undefined => {
  switch (operation._tag) {
    case "GetUpload":
    case "AppendUpload":
    case "CompleteUpload":
    case "CancelUpload": {
      const id = uploadIds.open(operation.repository, operation.id)
      return id === undefined ? undefined : Operation.withUploadId(operation, id) as O
    }
    default:
      return operation
  }
}

const isUpload = (result: unknown): result is Operation.Upload =>
  typeof result === "object" && result !== null && "id" in result && "offset" in result

/** The ids of uploads as they stand in URLs. */
const sealUpload = <A>(operation: Plain, result: A, uploadIds: UploadIds): A => {
  const seal = (upload: Operation.Upload) => ({ ...upload, id: uploadIds.seal(operation.repository, upload.id) })
  if (isUpload(result)) return seal(result) as A
  return result instanceof Operation.UploadStarted
    ? new Operation.UploadStarted({ upload: seal(result.upload) }) as A
    : result
}

export const make = (handler: Handler.Handler, settings: Settings): Answer => {
  const { maxManifestBytes, maxPageSize, uploadIds } = settings

  const plain = <O extends Plain>(operation: O): Effect.Effect<Wire.Response> => {
    const opened = openUpload(operation, uploadIds)
    if (opened === undefined) {
      const unknown = new RegistryError.BlobUploadUnknown(Operation.errorFields(operation))
      return Exit.succeed(ErrorBody.encode(unknown, operation))
    }
    // The type of what `plain` runs has no scope: `GetBlob` is not among it.
    const result = handler(opened) as Answered<Operation.ResultOf<O>>
    return respond(result, operation, (result) =>
      Response.encode<Plain>(operation, sealUpload(operation, result, uploadIds) as never))
  }

  /** The content stays open until the adapter has sent it: the response carries the scope's end. */
  const blob = (operation: Operation.GetBlob): Effect.Effect<Wire.Response> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(Scope.make(), (scope) =>
        Effect.matchCauseEffect(restore(Scope.extend(handler(operation), scope)), {
          onSuccess: (content) =>
            Effect.succeed({
              ...Response.encode(operation, BlobContent.verify(content)),
              close: (exit) => Scope.close(scope, exit)
            }),
          onFailure: (cause) =>
            Effect.zipRight(Scope.close(scope, Exit.failCause(cause)), failure(cause, operation))
        })))

  const list = (operation: Listing, request: Wire.Request): Effect.Effect<Wire.Response> => {
    const size = Page.size(operation, maxPageSize)
    const page = Effect.flatMap(
      handler(Page.widen(operation, size)) as Answered<Stream.Stream<unknown, RegistryError.RegistryError>>,
      (stream) => Page.take(Page.resume(operation, stream, request.target), size)
    )
    return respond(page, operation, (page) =>
      Response.encodePage(operation, page as never, {
        next: page.more ? Page.nextTarget(operation, page, size) : undefined,
        filtered: operation._tag === "ListReferrers" && operation.artifactType !== undefined
      }))
  }

  const run = (operation: Operation.Operation | Request.Ping, request: Wire.Request): Effect.Effect<Wire.Response> => {
    switch (operation._tag) {
      case "Ping":
        return Exit.succeed(pong)
      case "GetBlob":
        return blob(operation)
      case "ListRepositories":
      case "ListTags":
      case "ListReferrers":
        return list(operation, request)
      default:
        return plain(operation)
    }
  }

  const answer: Answer = (request) => {
    const decoded = Request.decode(request, { maxManifestBytes })
    const exit = Handler.exitOf(decoded)
    if (exit !== undefined) {
      return Exit.isSuccess(exit) ? run(exit.value, request) : rejected(request, exit.cause)
    }
    return Effect.matchCauseEffect(decoded, {
      onSuccess: (operation) => run(operation, request),
      onFailure: (cause) => rejected(request, cause)
    })
  }

  return (request) => {
    const response = answer(request)
    const exit = Handler.exitOf(response)
    return exit !== undefined && Exit.isSuccess(exit)
      ? Exit.succeed(finish(exit.value, request))
      : Effect.map(response, (response) => finish(response, request))
  }
}

/** A request that became no operation: no wrapper saw it, so the log line is written here. */
const rejected = (request: Wire.Request, cause: Cause.Cause<Request.Rejected>): Effect.Effect<Wire.Response> => {
  const rejection = Cause.failureOption(cause)
  if (Option.isNone(rejection)) return Effect.failCause(cause as Cause.Cause<never>)
  const { error, headers, status } = rejection.value
  const encoded = ErrorBody.encode(error)
  const response = { ...encoded, status: status ?? encoded.status, headers: { ...encoded.headers, ...headers } }
  return Effect.as(
    Effect.logInfo("request refused", {
      method: printable(request.method, 16),
      path: printable(request.target.replace(/\?.*$/s, ""), 300),
      status: response.status,
      error: error._tag,
      reason: error.message
    }),
    response
  )
}

/** The length of a body that is known; and no body where the request is a HEAD, whatever its answer. */
const finish = (response: Wire.Response, request: Wire.Request): Wire.Response => {
  const { body, headers } = response
  const sized = body?.size === undefined || headers["content-length"] !== undefined
    ? headers
    : { ...headers, "content-length": String(body.size) }
  return request.method !== "HEAD" && sized === headers
    ? response
    : { ...response, headers: sized, body: request.method === "HEAD" ? undefined : body }
}
