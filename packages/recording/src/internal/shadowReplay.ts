import { Answer, Body, Operation, RegistryError } from "@effect-oci/core"
import type { BlobContent, Digest, Handler, RepositoryName } from "@effect-oci/core"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { ObservedResponse } from "./observeResponse.js"
import { ObservedBody } from "./observeResponse.js"

/** The response of the second registry, read to its end or as far as the response of the first registry was read. */
type Replayed = Effect.Effect<ObservedResponse, RegistryError.RegistryError, Scope.Scope>

/** Sends an operation to the second registry, and reads as much of the response as was read at the first registry. */
export const replayRead = (
  shadow: Handler.Handler,
  operation: Operation.Operation,
  first: ObservedResponse
): Replayed =>
  Operation.matchShape<Replayed>(operation, {
    content: (operation) => Effect.flatMap(shadow(operation), (blob) => readBlob(blob, first)),
    list: (operation) =>
      Effect.flatMap(shadow<Operation.Operation>(operation), (items) => readList(items as Items, first)),
    value: (operation) => valueOf(shadow(operation))
  })

type Items = Stream.Stream<unknown, RegistryError.RegistryError>

const valueOf = (value: Effect.Effect<unknown, RegistryError.RegistryError, Scope.Scope>): Replayed =>
  Effect.map(value, (value): ObservedResponse => ({ _tag: "Value", value }))

const readBlob = (blob: BlobContent.BlobContent, first: ObservedResponse): Replayed => {
  const content = first._tag === "Blob" ? first.content() : undefined
  const body = content?.ended === "early" ? Body.slice(blob.body, { offset: 0, length: content.size }) : blob.body
  const observed = new ObservedBody(body, 0)
  return Effect.as(
    Effect.ignore(Body.forEachChunk(observed.body, () => {})),
    { _tag: "Blob", blob, content: () => observed.content() }
  )
}

const readList = (items: Items, first: ObservedResponse): Replayed => {
  const part = first._tag === "List" && first.ended === "early" ? Stream.take(items, first.items.length) : items
  const read: Array<unknown> = []
  return Stream.runForEachChunk(part, (chunk) =>
    Effect.sync(() => {
      for (const item of Chunk.toReadonlyArray(chunk)) read.push(item)
    })).pipe(
      Effect.either,
      Effect.map((end): ObservedResponse => ({
        _tag: "List",
        items: read,
        ended: Either.isLeft(end) ? { error: end.left } : undefined
      }))
    )
}

/** Returns `undefined`, for operations that are not repeated: reads, and the steps of an upload session. */
const skip = () => undefined

/**
 * Repeats a successful write at the second registry. A blob is mounted, or copied from the first registry: its body may
 * have been read already, and the second registry has no such upload session.
 */
export const replayWrite = (
  shadow: Handler.Handler,
  operation: Operation.Operation,
  primary: Handler.Handler
): Replayed | undefined => {
  const repeat = (operation: Operation.Operation) =>
    valueOf(shadow(operation) as Effect.Effect<unknown, RegistryError.RegistryError>)
  const copy = (blob: Blob) => valueOf(copyBlob(Answer.defer(shadow), Answer.defer(primary), blob))
  return Operation.match<Replayed | undefined>(operation, {
    PushBlob: ({ descriptor: { digest }, repository }) => copy({ repository, digest }),
    CompleteUpload: copy,
    MountBlob: copy,
    PushManifest: repeat,
    DeleteBlob: repeat,
    DeleteManifest: repeat,
    DeleteTag: repeat,
    StartUpload: skip,
    GetUpload: skip,
    AppendUpload: skip,
    CancelUpload: skip,
    ResolveBlob: skip,
    GetBlob: skip,
    ResolveManifest: skip,
    GetManifest: skip,
    ListRepositories: skip,
    ListTags: skip,
    ListReferrers: skip
  })
}

/** A blob in a repository, and the repository from which it was mounted. */
interface Blob {
  readonly repository: RepositoryName.RepositoryName
  readonly digest: Digest.Digest
  readonly from?: RepositoryName.RepositoryName | undefined
}

const copyBlob = (shadow: Handler.Handler, primary: Handler.Handler, { digest, from, repository }: Blob) => {
  const resolve = shadow(new Operation.ResolveBlob({ repository, digest }))
  const copy = Effect.flatMap(
    primary(new Operation.GetBlob({ repository, digest })),
    ({ body, descriptor }) => shadow(new Operation.PushBlob({ repository, descriptor, body }))
  )
  const mount = from === undefined
    ? copy
    : Effect.flatMap(shadow(new Operation.MountBlob({ repository, digest, from })), (mounted) => {
      if (mounted._tag === "Mounted") return resolve
      const cancel = shadow(new Operation.CancelUpload({ repository, id: mounted.upload.id }))
      return Effect.zipRight(Effect.ignore(cancel), copy)
    })
  return Effect.catchIf(resolve, RegistryError.isNotFound, () => mount)
}
