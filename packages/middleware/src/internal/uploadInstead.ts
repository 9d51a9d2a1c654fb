import { Operation, RegistryError } from "@effect-oci/core"
import type { Handler } from "@effect-oci/core"
import * as answer from "./answer.js"

/**
 * What a mount comes to whose source is not to be had: an upload, as where the source does not have the blob. Not a mount
 * without a source, by which a registry may take the blob from wherever it lies.
 */
export const uploadInstead = (
  next: Handler.Handler,
  operation: Operation.MountBlob
): answer.AnswerTo<Operation.MountBlob> => {
  const start = Operation.uploadInstead(operation)
  const asked = Operation.errorFields(operation)
  return answer.map(
    answer.mapError(next(start), (error) => RegistryError.withFields(error, asked)),
    (upload) => new Operation.UploadStarted({ upload })
  )
}
