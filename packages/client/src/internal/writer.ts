import type * as Handler from "@effect-oci/core/Handler"
import * as Operation from "@effect-oci/core/Operation"
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import * as committed from "./committed.js"
import * as completion from "./completion.js"
import type { Exchange } from "./exchange.js"
import * as pushBlob from "./pushBlob.js"
import * as pushManifest from "./pushManifest.js"
import type { ReferrersTag } from "./referrersTag.js"

/** Creates the rows that push. */
export const writer = (
  exchange: Exchange,
  referrersTag: ReferrersTag,
  manner: pushBlob.Manner & pushManifest.Manner
): Pick<
  Handler.Table,
  | "PushBlob"
  | "MountBlob"
  | "StartUpload"
  | "GetUpload"
  | "AppendUpload"
  | "CompleteUpload"
  | "CancelUpload"
  | "PushManifest"
> => {
  const { call } = exchange

  /**
   * Completes an upload. If the operation has the offset and the size of its body, the size of the blob is known.
   * Otherwise the answer may contain the size. If it does not, the client requests it.
   */
  const completeUpload: Handler.Row<"CompleteUpload"> = (operation) => {
    const fields = exchange.fields(operation)
    const sent = operation.offset !== undefined && (operation.body === undefined || operation.body.size !== undefined)
    const completed = Effect.flatMap(
      exchange.send(operation, fields),
      (answer) =>
        sent || answer.headers["upload-offset"] !== undefined || (answer.status !== 201 && answer.status !== 204)
          ? completion.decode(exchange, operation, answer, fields)
          : Effect.zipRight(answer.release(), call(new Operation.ResolveBlob(operation), fields))
    )
    const { digest, id, repository } = operation
    return committed.orFound(exchange, { repository, digest, method: "PUT", upload: id }, fields, completed, identity)
  }

  /**
   * Mounts a blob. If the registry refuses the mount with any status, the client starts an upload: a caller that may
   * not read the source may still push, and some registries do not support mounts. If the answer is 429, the client
   * does not send another request.
   * [Spec](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#mounting-a-blob-from-another-repository).
   */
  const mountBlob: Handler.Row<"MountBlob"> = (operation) =>
    Effect.catchIf(call(operation), (error) => error.status !== undefined && error.status !== 429, () =>
      Effect.map(
        call(Operation.uploadInstead(operation), exchange.fields(operation)),
        (upload) => new Operation.UploadStarted({ upload })
      ))

  return {
    PushBlob: pushBlob.make(exchange, manner),
    MountBlob: mountBlob,
    StartUpload: (operation) => call(operation),
    GetUpload: (operation) => call(operation),
    AppendUpload: (operation) => call(operation),
    CompleteUpload: completeUpload,
    CancelUpload: (operation) => call(operation),
    PushManifest: pushManifest.make(exchange, referrersTag, manner)
  }
}
