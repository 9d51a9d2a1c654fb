import { Operation, RegistryError } from "@effect-oci/core"
import type { Handler } from "@effect-oci/core"
import * as answer from "./answer.js"

/**
 * Starts an upload session instead of a mount, as a registry does if the source does not have the blob. It does not
 * forward the mount without a source, because the registry could then take the blob from any repository.
 */
export const uploadInstead = (
  next: Handler.Handler,
  operation: Operation.MountBlob
): answer.AnswerTo<Operation.MountBlob> => {
  const start = Operation.uploadInstead(operation)
  const fields = Operation.errorFields(operation)
  return answer.map(
    answer.mapError(next(start), (error) => RegistryError.withFields(error, fields)),
    (upload) => new Operation.UploadStarted({ upload })
  )
}
