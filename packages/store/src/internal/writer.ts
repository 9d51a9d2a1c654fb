import * as Digest from "@effect-oci/core/Digest"
import type * as Handler from "@effect-oci/core/Handler"
import * as Operation from "@effect-oci/core/Operation"
import * as RegistryError from "@effect-oci/core/RegistryError"
import * as Effect from "effect/Effect"
import type * as MetadataStore from "../MetadataStore.js"
import * as failure from "./failure.js"
import { pushManifest } from "./pushManifest.js"
import type { Settings, Stores } from "./stores.js"
import type { Uploads } from "./uploads.js"

/** Returns the algorithm of a digest. Fails if the store cannot verify this algorithm. */
const verifiable = (
  operation: Operation.Operation,
  digest: Digest.Digest
): Effect.Effect<Digest.Algorithm, RegistryError.DigestInvalid> => {
  const algorithm = Digest.verifiable(digest)
  return algorithm === undefined ? unsupported(operation, Digest.algorithm(digest)) : Effect.succeed(algorithm)
}

const unsupported = (operation: Operation.Operation, algorithm: string) =>
  Effect.fail(
    new RegistryError.DigestInvalid({
      ...Operation.errorFields(operation),
      reason: `digest algorithm "${algorithm}" is not supported`
    })
  )

const progress = ({ id, offset }: MetadataStore.Upload): Operation.Upload => ({ id, offset })

/** Creates the handlers of the operations that write. */
export const make = (stores: Stores, settings: Settings, uploads: Uploads): Handler.WriterTable => {
  /**
   * Finds the upload session of an operation. Fails if the operation does not continue at the offset of the session.
   */
  const continued = (operation: Operation.AppendUpload | Operation.CompleteUpload) =>
    Effect.filterOrFail(
      uploads.find(operation),
      ({ offset }) => operation.offset === undefined || operation.offset === offset,
      ({ offset }) => failure.of(operation)({ _tag: "OffsetMismatch", offset })
    )

  return {
    PushBlob: (operation) =>
      Effect.gen(function*() {
        const { body, descriptor } = operation
        const { digest, size } = descriptor
        const algorithm = yield* verifiable(operation, digest)
        return yield* Effect.acquireUseRelease(
          uploads.start(operation, algorithm),
          (upload) =>
            Effect.flatMap(
              uploads.append(operation, upload, body, { size, algorithm }),
              (received) => uploads.finish(operation, received, digest, algorithm)
            ),
          (upload, exit) => exit._tag === "Success" ? Effect.void : uploads.discard(upload)
        )
      }),
    MountBlob: (operation) =>
      Effect.gen(function*() {
        const { digest, from, repository } = operation
        const algorithm = yield* verifiable(operation, digest)
        const mounted = from !== undefined || settings.anonymousMount
          ? yield* Effect.mapError(stores.metadata.mount({ repository, digest, from }), failure.of(operation))
          : false
        return mounted
          ? new Operation.Mounted({ digest })
          : new Operation.UploadStarted({ upload: progress(yield* uploads.start(operation, algorithm)) })
      }),
    StartUpload: (operation) => {
      const { algorithm = "sha256" } = operation
      return algorithm === "sha256" || algorithm === "sha512"
        ? Effect.map(uploads.start(operation, algorithm), progress)
        : unsupported(operation, algorithm)
    },
    GetUpload: (operation) => Effect.map(uploads.find(operation), progress),
    AppendUpload: (operation) =>
      Effect.gen(function*() {
        const { body } = operation
        const upload = yield* continued(operation)
        const { algorithm } = upload
        return progress(yield* uploads.append(operation, upload, body, { size: body.size, algorithm }))
      }),
    CompleteUpload: (operation) =>
      Effect.gen(function*() {
        const { body, digest } = operation
        const algorithm = yield* verifiable(operation, digest)
        const upload = yield* continued(operation)
        const whole = body === undefined
          ? upload
          : yield* uploads.append(operation, upload, body, { size: body.size, algorithm })
        return yield* uploads.finish(operation, whole, digest, algorithm)
      }),
    CancelUpload: (operation) => Effect.as(uploads.cancel(operation), Operation.done),
    PushManifest: pushManifest(stores, settings)
  }
}
