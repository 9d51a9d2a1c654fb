import * as Answer from "@effect-oci/core/Answer"
import * as Body from "@effect-oci/core/Body"
import type * as Descriptor from "@effect-oci/core/Descriptor"
import * as Digest from "@effect-oci/core/Digest"
import type * as Handler from "@effect-oci/core/Handler"
import * as Operation from "@effect-oci/core/Operation"
import * as RegistryError from "@effect-oci/core/RegistryError"
import * as Effect from "effect/Effect"
import { appendInChunks } from "./appendInChunks.js"
import * as browser from "./browser.js"
import { cancelUpload } from "./cancelUpload.js"
import * as completion from "./completion.js"
import type { HttpExchange } from "./httpExchange.js"
import * as lostCommit from "./lostCommit.js"

/** How blobs and manifests are pushed. */
export interface PushOptions {
  /** Whether a blob is sent in one request if the registry supports it. */
  readonly singlePost: boolean
  /** The size of the chunks of a larger blob, in bytes. */
  readonly chunkSize: number | undefined
  /** The largest manifest that is sent, in bytes. */
  readonly maxPushedManifest: number
}

/**
 * The largest chunk in bytes that a registry may require the client to keep in memory, unless the options allow a
 * larger one.
 */
const largestChunk = 64 * 1024 * 1024

/**
 * Pushes a blob. The client verifies the body while it sends it, and does not send the last byte of a wrong body.
 * [Spec](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pushing-blobs).
 */
export const make = (http: HttpExchange, options: PushOptions): Handler.Row<"PushBlob"> => (operation) => {
  const { descriptor, repository } = operation
  const { digest, size } = descriptor
  const fields = http.fields(operation)

  const orFindBlob = <A>(
    request: Pick<lostCommit.Commit, "method" | "upload">,
    commit: Effect.Effect<A, RegistryError.RegistryError>
  ) => lostCommit.orFindBlob(http, { repository, digest, size, ...request }, fields, commit, () => descriptor)

  const complete = (id: string, body: Body.Body | undefined) => {
    const last = new Operation.CompleteUpload({ repository, id, digest, body })
    return orFindBlob(
      { method: "PUT", upload: id },
      Effect.flatMap(
        http.send(last, fields),
        (answer) => Effect.as(completion.decode(http, last, answer.supply("upload-offset", size), fields), descriptor)
      )
    )
  }

  const sendInChunks = ({ id }: Operation.Upload, body: Body.Body, chunkSize: number) => {
    const session = { id, offset: 0 }
    return Effect.suspend(() => appendInChunks(http, repository, session, body, chunkSize, fields)).pipe(
      Effect.flatMap(() => complete(session.id, undefined)),
      Effect.onError(() => cancel(session.id))
    )
  }

  const cancel = (id: string) => cancelUpload(http, repository, id)

  const upload = (started: Operation.Upload, body: Body.Body) => {
    const wanted = options.chunkSize ?? (browser.mustSplit(body) ? browser.chunkSize : undefined)
    const chunkSize = wanted === undefined ? size : Math.max(wanted, started.minChunkSize ?? 0)
    return chunkSize < size && chunkSize <= Math.max(wanted ?? 0, largestChunk)
      ? sendInChunks(started, body, chunkSize)
      : Effect.onError(complete(started.id, body), () => cancel(started.id))
  }

  /**
   * Sends a blob in one request. A registry that does not support this opens an upload instead.
   * [Spec](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#single-post).
   */
  const sendInOne = (body: Body.Body) => {
    const all = new Operation.PushBlob({ ...operation, body })
    const sent = Effect.flatMap(
      http.send(all, fields),
      (answer): Effect.Effect<Descriptor.Descriptor | Operation.Upload, RegistryError.RegistryError> =>
        answer.status === 202
          ? http.decode(new Operation.StartUpload({ repository }), answer, fields)
          : http.decode(all, answer, fields)
    )
    return Effect.flatMap(orFindBlob({ method: "POST" }, sent), (result) => {
      if (!("id" in result)) return Effect.succeed(result)
      return body.replayable
        ? upload(result, body)
        : Effect.zipRight(cancel(result.id), Effect.fail(notReplayable(fields)))
    })
  }

  return Effect.flatMap(
    checked(operation, fields),
    (body) =>
      options.singlePost && !browser.mustSplit(body)
        ? sendInOne(body)
        : Effect.flatMap(startUpload(http, operation, fields), (started) => upload(started, body))
  )
}

const startUpload = (
  http: HttpExchange,
  { descriptor, repository }: Operation.PushBlob,
  fields: RegistryError.ErrorFields
) => {
  const algorithm = Digest.algorithm(descriptor.digest)
  return http.call(
    new Operation.StartUpload({ repository, algorithm: algorithm === "sha256" ? undefined : algorithm }),
    fields
  )
}

const notReplayable = (fields: RegistryError.ErrorFields) =>
  new RegistryError.BodyFailed({
    ...fields,
    reason:
      "the registry does not support a blob in one request, and the body cannot be sent again: set singlePost to false, or push a replayable body"
  })

/**
 * Verifies a body that is in memory. For a stream, returns a body that fails if its content is wrong. Fails immediately
 * if the size of the body is known and differs from the descriptor.
 */
const checked = (
  { body, descriptor }: Operation.PushBlob,
  fields: RegistryError.ErrorFields
): Effect.Effect<Body.Body, RegistryError.RegistryError> => {
  if (body.size !== undefined && body.size !== descriptor.size) {
    return Effect.fail(
      new RegistryError.SizeInvalid({
        ...fields,
        reason: `the body has ${body.size} bytes, but the size in its descriptor is ${descriptor.size}`
      })
    )
  }
  return Answer.flatMap(Digest.load(descriptor.digest), () => {
    const verified = Body.verify(body, descriptor, fields)
    if (body.bytes === undefined && descriptor.size > 0) return Answer.succeed(verified)
    return Body.forEachChunk(verified, () => {}).pipe(
      Effect.mapBoth({
        onFailure: (error) => RegistryError.withFields(error, fields),
        onSuccess: () => body.bytes === undefined ? Body.empty : body
      })
    )
  })
}
