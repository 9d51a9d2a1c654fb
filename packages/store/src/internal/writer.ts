import * as Body from "@effect-oci/core/Body"
import * as Digest from "@effect-oci/core/Digest"
import type * as Handler from "@effect-oci/core/Handler"
import * as Operation from "@effect-oci/core/Operation"
import * as RegistryError from "@effect-oci/core/RegistryError"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as MetadataStore from "../MetadataStore.js"
import * as failure from "./failure.js"
import type { PushBlob } from "./pushBlob.js"
import { pushManifest } from "./pushManifest.js"
import type { Settings, Stores } from "./stores.js"
import type { Uploads } from "./uploads.js"

/** Returns the algorithm of a digest, and loads it. Fails if the store cannot verify this algorithm. */
const verifiable = (
  operation: Operation.Operation,
  digest: Digest.Digest
): Effect.Effect<Digest.Algorithm, RegistryError.DigestInvalid> =>
  Effect.flatMap(Digest.load(digest), () => {
    const algorithm = Digest.verifiable(digest)
    return algorithm === undefined ? unsupported(operation, Digest.algorithm(digest)) : Effect.succeed(algorithm)
  })

const unsupported = (operation: Operation.Operation, algorithm: string) =>
  Effect.fail(
    new RegistryError.DigestInvalid({
      ...Operation.errorFields(operation),
      reason: `digest algorithm "${algorithm}" is not supported`
    })
  )

/**
 * The final request of an upload stores a smaller body in one call, without a session in the blob store: of such a body,
 * a client can as well send all bytes again.
 */
const minResumable = 1024 * 1024

/** Creates the handlers of the operations that write. */
export const make = (stores: Stores, settings: Settings, uploads: Uploads, push: PushBlob): Handler.WriterTable => {
  const { granularity } = stores.blobs
  const started = ({ id }: MetadataStore.NewUpload): Operation.Upload => progress({ id, offset: 0 })
  const progress = ({ id, offset }: { readonly id: string; readonly offset: number }): Operation.Upload => ({
    id,
    offset,
    ...(granularity > 1 ? { minChunkSize: granularity } : {})
  })
  // Of a body that breaks, a store with this granularity would keep nothing that is smaller.
  const wholeSize = Math.max(granularity, minResumable)

  return {
    PushBlob: (operation) => {
      const { body, descriptor: { digest, size }, repository } = operation
      return Effect.zipRight(
        verifiable(operation, digest),
        Effect.mapError(push({ repository, digest, size, body }), failure.of(operation))
      )
    },
    MountBlob: (operation) =>
      Effect.gen(function*() {
        const { digest, from, repository } = operation
        const algorithm = yield* verifiable(operation, digest)
        const keep = settings.policy.grace
        const mounted = from !== undefined || settings.anonymousMount
          ? yield* Effect.mapError(stores.metadata.mount({ repository, digest, from, keep }), failure.of(operation))
          : false
        return mounted
          ? new Operation.Mounted({ digest })
          : new Operation.UploadStarted({ upload: started(yield* uploads.start(operation, algorithm)) })
      }),
    StartUpload: (operation) => {
      const { algorithm: name = "sha256" } = operation
      const algorithm = Digest.algorithms.find((known) => known === name)
      return algorithm === undefined
        ? unsupported(operation, name)
        : Effect.map(uploads.start(operation, algorithm), started)
    },
    GetUpload: (operation) => Effect.map(uploads.find(operation), progress),
    AppendUpload: (operation) =>
      Effect.flatMap(
        uploads.claim(operation),
        (upload) => Effect.map(uploads.append(operation, upload, operation.body, upload.algorithm), progress)
      ),
    CompleteUpload: (operation) =>
      Effect.gen(function*() {
        const { body = Body.empty, digest } = operation
        const algorithm = yield* verifiable(operation, digest)
        const claimed = yield* Effect.either(uploads.claim(operation))
        if (Either.isLeft(claimed)) {
          return yield* claimed.left instanceof RegistryError.BlobUploadUnknown
            ? uploads.completed(operation)
            : Effect.fail(claimed.left)
        }
        const upload = claimed.right
        if (upload.token === undefined && body.size !== undefined && body.size <= wholeSize) {
          return yield* uploads.finishWhole(operation, upload, { digest, body, size: body.size })
        }
        // After a lost answer the upload may have all bytes: a client repeats the request without content.
        const whole = body.size === 0
          ? upload
          : yield* uploads.append(operation, upload, body, algorithm)
        return yield* uploads.finish(operation, whole, digest, algorithm)
      }),
    CancelUpload: (operation) => Effect.as(uploads.cancel(operation), Operation.done),
    PushManifest: pushManifest(stores, settings)
  }
}
