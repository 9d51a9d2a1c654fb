import { Body, Operation, RegistryError } from "@effect-oci/core"
import type { BlobContent, Descriptor, Handler } from "@effect-oci/core"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { ObservedResponse } from "./observeResponse.js"
import { ObservedBody } from "./observeResponse.js"

/** The answer of a registry, read to its end or as far as the answer of the first registry was read. */
type Asking = Effect.Effect<ObservedResponse, RegistryError.RegistryError, Scope.Scope>

/** Sends an operation to another registry, and reads as much of the answer as was read at the first registry. */
export const readAgain = (handle: Handler.Handler, operation: Operation.Operation, first: ObservedResponse): Asking => {
  switch (operation._tag) {
    case "GetBlob":
      return Effect.flatMap(handle(operation), (blob) => readBlob(blob, first))
    case "ListRepositories":
    case "ListTags":
    case "ListReferrers":
      return Effect.flatMap(
        handle(operation) as Effect.Effect<Items, RegistryError.RegistryError>,
        (items) => readList(items, first)
      )
    default:
      return Effect.map(
        handle(operation),
        (value): ObservedResponse => ({ _tag: "Value", operation: operation._tag, value })
      )
  }
}

type Items = Stream.Stream<unknown, RegistryError.RegistryError>

const isEarly = (first: ObservedResponse): boolean =>
  (first._tag === "List" && first.ended === "early") || (first._tag === "Blob" && first.content().ended === "early")

const readBlob = (blob: BlobContent.BlobContent, first: ObservedResponse): Asking => {
  const length = first._tag === "Blob" && isEarly(first) ? first.content().size : undefined
  const body = length === undefined ? blob.body : Body.slice(blob.body, { offset: 0, length })
  const watched = new ObservedBody(body, 0)
  return Effect.as(
    Effect.ignore(Body.forEachChunk(watched.body, () => {})),
    { _tag: "Blob", blob, content: () => watched.content() }
  )
}

const readList = (items: Items, first: ObservedResponse): Asking => {
  const some = first._tag === "List" && isEarly(first) ? Stream.take(items, first.items.length) : items
  const seen: Array<unknown> = []
  return Stream.runForEachChunk(some, (chunk) =>
    Effect.sync(() => {
      for (const item of Chunk.toReadonlyArray(chunk)) seen.push(item)
    })).pipe(
      Effect.either,
      Effect.map((read): ObservedResponse => ({
        _tag: "List",
        items: seen,
        ended: Either.isLeft(read) ? { error: read.left } : undefined
      }))
    )
}

/**
 * Repeats a successful write at another registry. A blob is mounted, or copied from the first registry: its body may
 * have been read already, and the other registry has no such upload session.
 */
export const writeAgain = (
  handle: Handler.Handler,
  operation: Operation.Operation,
  primary: Handler.Handler
): Asking | undefined => {
  switch (operation._tag) {
    case "PushBlob":
      return copied(handle, primary, operation.repository, operation.descriptor.digest, operation._tag)
    case "CompleteUpload":
    case "MountBlob":
      return copied(
        handle,
        primary,
        operation.repository,
        operation.digest,
        operation._tag,
        operation._tag === "MountBlob" ? operation.from : undefined
      )
    case "PushManifest":
    case "DeleteBlob":
    case "DeleteManifest":
    case "DeleteTag":
      return Effect.map(
        handle(operation) as Effect.Effect<unknown, RegistryError.RegistryError>,
        (value): ObservedResponse => ({ _tag: "Value", operation: operation._tag, value })
      )
    default:
      return undefined
  }
}

const copied = (
  handle: Handler.Handler,
  primary: Handler.Handler,
  repository: Operation.PushBlob["repository"],
  digest: Descriptor.Descriptor["digest"],
  operation: Operation.OperationTag,
  from?: Operation.PushBlob["repository"]
): Asking => {
  const copy = Effect.flatMap(
    primary(new Operation.GetBlob({ repository, digest })),
    ({ body, descriptor }) => handle(new Operation.PushBlob({ repository, descriptor, body }))
  )
  const mount = from === undefined
    ? copy
    : Effect.flatMap(
      handle(new Operation.MountBlob({ repository, digest, from })),
      (mounted) =>
        mounted._tag === "Mounted"
          ? handle(new Operation.ResolveBlob({ repository, digest }))
          : Effect.zipRight(
            Effect.ignore(handle(new Operation.CancelUpload({ repository, id: mounted.upload.id }))),
            copy
          )
    )
  return handle(new Operation.ResolveBlob({ repository, digest })).pipe(
    Effect.catchAll((error) => RegistryError.isNotFound(error) ? mount : Exit.fail(error)),
    Effect.map((value): ObservedResponse => ({ _tag: "Value", operation, value }))
  )
}
