import { Answer, Operation, RegistryError } from "@effect-oci/core"
import type { Handler } from "@effect-oci/core"

/**
 * Starts an upload session instead of a mount, as a registry does if the source does not have the blob. It does not
 * forward the mount without a source, because the registry could then take the blob from any repository.
 */
export const uploadInstead = (
  next: Handler.Row<"StartUpload">,
  operation: Operation.MountBlob
): Answer.Answer<Operation.MountBlob> => {
  const start = Operation.uploadInstead(operation)
  const fields = Operation.errorFields(operation)
  return Answer.map(
    Answer.mapError(next(start), start, (error) => RegistryError.withFields(error, fields)),
    (upload) => new Operation.UploadStarted({ upload })
  )
}
