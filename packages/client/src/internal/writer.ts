import type * as Body from "@effect-oci/core/Body"
import type * as Handler from "@effect-oci/core/Handler"
import * as Operation from "@effect-oci/core/Operation"
import type { RepositoryName } from "@effect-oci/core/RepositoryName"
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import { appendInChunks } from "./appendInChunks.js"
import * as browser from "./browser.js"
import * as completion from "./completion.js"
import type { HttpExchange, Result } from "./httpExchange.js"
import * as lostCommit from "./lostCommit.js"
import * as pushBlob from "./pushBlob.js"
import * as pushManifest from "./pushManifest.js"
import { ReferrersTag } from "./referrersTag.js"
import type { Shared } from "./shared.js"

/** Creates the rows that push and delete. */
export const writer = (
  http: HttpExchange,
  shared: Shared,
  options: pushBlob.PushOptions
): Handler.WriterTable & Pick<Handler.Table, "DeleteBlob" | "DeleteManifest" | "DeleteTag"> => {
  const referrersTag = new ReferrersTag(http, shared)
  const pushManifestRow = pushManifest.make(http, referrersTag, options)

  /** Drops the kept lists that an operation may change. */
  const dropping = <A>(repository: RepositoryName, result: Result<A>): Result<A> =>
    Effect.ensuring(result, Effect.sync(() => shared.dropLists(repository)))

  /** Sends the body of an operation in chunks, and returns what the upload has become. */
  const split = (operation: Operation.AppendUpload | Operation.CompleteUpload, body: Body.Body) =>
    Effect.suspend(() => {
      const { id, offset, repository } = operation
      const session = { id, offset }
      const appended = appendInChunks(http, repository, session, body, browser.chunkSize, http.fields(operation))
      return Effect.as(appended, session)
    })

  /**
   * Completes an upload. If the operation has the offset and the size of its body, the size of the blob is known.
   * Otherwise the answer may contain the size. If it does not, the client requests it.
   */
  const completeUpload: Handler.Row<"CompleteUpload"> = (operation) => {
    const { body, digest, id, repository } = operation
    if (browser.mustSplit(body)) {
      return Effect.flatMap(
        split(operation, body),
        (session) => completeUpload(new Operation.CompleteUpload({ repository, digest, ...session }))
      )
    }
    const fields = http.fields(operation)
    const isSizeKnown = operation.offset !== undefined &&
      (operation.body === undefined || operation.body.size !== undefined)
    const completed = Effect.flatMap(
      http.send(operation, fields),
      (answer) =>
        isSizeKnown || answer.headers["upload-offset"] !== undefined || (answer.status !== 201 && answer.status !== 204)
          ? completion.decode(http, operation, answer, fields)
          : Effect.zipRight(answer.release(), http.call(new Operation.ResolveBlob(operation), fields))
    )
    return lostCommit.orFindBlob(http, { repository, digest, method: "PUT", upload: id }, fields, completed, identity)
  }

  const appendUpload: Handler.Row<"AppendUpload"> = (operation) => {
    const { body, repository } = operation
    return browser.mustSplit(body)
      ? Effect.flatMap(
        split(operation, body),
        ({ id }) => http.call(new Operation.GetUpload({ repository, id }), http.fields(operation))
      )
      : http.call(operation)
  }

  /**
   * Mounts a blob. If the registry refuses the mount with any status, the client starts an upload: a caller that may
   * not read the source may still push, and some registries do not support mounts. If the answer is 429, the client
   * does not send another request.
   * [Spec](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#mounting-a-blob-from-another-repository).
   */
  const mountBlob: Handler.Row<"MountBlob"> = (operation) =>
    Effect.catchIf(
      http.call(operation),
      (error) => error.status !== undefined && error.status !== 429,
      () =>
        Effect.map(
          http.call(Operation.uploadInstead(operation), http.fields(operation)),
          (upload) => new Operation.UploadStarted({ upload })
        )
    )

  return {
    PushBlob: pushBlob.make(http, options),
    MountBlob: mountBlob,
    StartUpload: (operation) => http.call(operation),
    GetUpload: (operation) => http.call(operation),
    AppendUpload: appendUpload,
    CompleteUpload: completeUpload,
    CancelUpload: (operation) => http.call(operation),
    PushManifest: (operation) => dropping(operation.repository, pushManifestRow(operation)),
    DeleteBlob: (operation) => http.call(operation),
    DeleteManifest: (operation) => dropping(operation.repository, referrersTag.detach(operation)),
    DeleteTag: (operation) => dropping(operation.repository, http.call(operation))
  }
}
