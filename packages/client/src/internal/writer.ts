import type * as Handler from "@effect-oci/core/Handler"
import * as Operation from "@effect-oci/core/Operation"
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import * as completion from "./completion.js"
import type { HttpExchange } from "./httpExchange.js"
import * as lostCommit from "./lostCommit.js"
import * as pushBlob from "./pushBlob.js"
import * as pushManifest from "./pushManifest.js"
import type { ReferrersTag } from "./referrersTag.js"

/** Creates the rows that push. */
export const writer = (
  http: HttpExchange,
  referrersTag: ReferrersTag,
  options: pushBlob.PushOptions
): Handler.WriterTable => {
  /**
   * Completes an upload. If the operation has the offset and the size of its body, the size of the blob is known.
   * Otherwise the answer may contain the size. If it does not, the client requests it.
   */
  const completeUpload: Handler.Row<"CompleteUpload"> = (operation) => {
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
    const { digest, id, repository } = operation
    return lostCommit.orFindBlob(http, { repository, digest, method: "PUT", upload: id }, fields, completed, identity)
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
    AppendUpload: (operation) => http.call(operation),
    CompleteUpload: completeUpload,
    CancelUpload: (operation) => http.call(operation),
    PushManifest: pushManifest.make(http, referrersTag, options)
  }
}
