import * as Digest from "@effect-oci/core/Digest"
import type { Handler } from "@effect-oci/core/Handler"
import type * as Operation from "@effect-oci/core/Operation"
import * as RegistryError from "@effect-oci/core/RegistryError"
import * as Cause from "effect/Cause"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"

/**
 * The response of a registry to an operation: a result in a form that does not depend on the ids of upload sessions, or
 * the tag and message of an error. For requests whose response has no body (HEAD), not-found errors are all `NotFound`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Response {
  readonly operation: Operation.OperationTag
  readonly result?: unknown
  readonly error?: string
  readonly message?: string
}

interface Success {
  readonly result: unknown
  readonly upload?: Operation.Upload | undefined
}

/**
 * Performs an operation and returns the response, with the upload session that was opened or continued.
 *
 * @since 0.1.0
 * @category running
 */
export const perform = (
  handle: Handler,
  operation: Operation.Operation
): Effect.Effect<{ readonly response: Response; readonly upload?: Operation.Upload | undefined }> =>
  Effect.scoped(Effect.matchCause(Effect.suspend(() => run(handle, operation)), {
    onFailure: (cause) => ({ response: failureOf(operation, cause) }),
    onSuccess: ({ result, upload }) => ({ response: { operation: operation._tag, result }, upload })
  }))

const run = (
  handle: Handler,
  operation: Operation.Operation
): Effect.Effect<Success, RegistryError.RegistryError, Scope.Scope> => {
  switch (operation._tag) {
    case "GetBlob":
      return Effect.flatMap(
        handle(operation),
        ({ body, descriptor, range }) =>
          Effect.map(Stream.runCollect(body.stream), (pieces) => ({
            result: { size: descriptor.size, range, digest: digestOf(Chunk.toReadonlyArray(pieces)) }
          }))
      )
    case "ListRepositories":
    case "ListTags":
    case "ListReferrers":
      return Effect.flatMap(
        handle(operation) as Effect.Effect<
          Stream.Stream<unknown, RegistryError.RegistryError>,
          RegistryError.RegistryError
        >,
        (list) => Effect.map(Stream.runCollect(list), (items) => ({ result: Chunk.toReadonlyArray(items) }))
      )
    case "GetManifest":
      return Effect.map(handle(operation), ({ bytes, descriptor }) => ({
        result: { ...descriptor, content: Digest.fromBytes(bytes) }
      }))
    case "StartUpload":
    case "GetUpload":
    case "AppendUpload":
      return Effect.map(
        handle(operation),
        (upload) => ({ result: { offset: upload.offset }, upload })
      )
    case "MountBlob":
      return Effect.map(handle(operation), (mounted) =>
        mounted._tag === "Mounted"
          ? { result: mounted.digest }
          : { result: { offset: mounted.upload.offset }, upload: mounted.upload })
    case "ResolveBlob":
    case "ResolveManifest":
    case "PushBlob":
    case "CompleteUpload":
    case "CancelUpload":
    case "PushManifest":
    case "DeleteBlob":
    case "DeleteManifest":
    case "DeleteTag":
      return Effect.map(
        handle(operation) as Effect.Effect<unknown, RegistryError.RegistryError>,
        (result) => ({ result })
      )
  }
}

const digestOf = (pieces: ReadonlyArray<Uint8Array>): Digest.Digest => {
  const hasher = Digest.hasher("sha256")
  for (const piece of pieces) hasher.update(piece)
  return hasher.digest()
}

const failureOf = (operation: Operation.Operation, cause: Cause.Cause<RegistryError.RegistryError>): Response => {
  const { _tag } = operation
  const error = Option.getOrUndefined(Cause.failureOption(cause))
  if (error === undefined) return { operation: _tag, error: "Defect", message: Cause.pretty(cause) }
  const head = operation._tag === "ResolveBlob" || operation._tag === "ResolveManifest"
  return head && RegistryError.isNotFound(error)
    ? { operation: _tag, error: "NotFound" }
    : { operation: _tag, error: error._tag, message: error.message }
}
