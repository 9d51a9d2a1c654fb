import * as Answer from "@effect-oci/core/Answer"
import { BlobContent } from "@effect-oci/core/BlobContent"
import * as ByteRange from "@effect-oci/core/ByteRange"
import type * as Handler from "@effect-oci/core/Handler"
import * as Operation from "@effect-oci/core/Operation"
import * as RegistryError from "@effect-oci/core/RegistryError"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as MetadataStore from "../MetadataStore.js"
import type * as StoreError from "../StoreError.js"
import * as failure from "./failure.js"
import type { Settings, Stores } from "./stores.js"

type Rows = Pick<Handler.Table, "ResolveBlob" | "GetBlob" | "ResolveManifest" | "GetManifest">

type Read = Operation.OperationOf<keyof Rows>

const failed = (operation: Read) => (error: StoreError.StoreError) => Answer.fail(failure.of(operation)(error))

/**
 * Creates the handlers of the operations that read. Their answers are settled if those of the stores are. A resolve
 * renews the lease of the content, because the caller may push a manifest that refers to it.
 */
export const make = ({ blobs, metadata }: Stores, { policy: { grace } }: Settings): Rows => {
  const find = <A, R>(
    operation: Operation.ResolveBlob | Operation.GetBlob,
    onFound: (blob: MetadataStore.StoredBlob) => Effect.Effect<A, RegistryError.RegistryError, R>,
    keep?: Duration.Duration
  ): Effect.Effect<A, RegistryError.RegistryError, R> =>
    Answer.matchEffect(metadata.findBlob(operation.repository, operation.digest, keep), {
      onFailure: failed(operation),
      onSuccess: (blob) =>
        blob === undefined
          ? Answer.fail(new RegistryError.BlobUnknown(Operation.errorFields(operation)))
          : onFound(blob)
    })

  const read = (
    operation: Operation.GetBlob,
    blob: MetadataStore.StoredBlob
  ): Effect.Effect<BlobContent, RegistryError.RegistryError, Scope.Scope> => {
    const { descriptor, key } = blob
    const range = operation.range === undefined ? undefined : ByteRange.resolve(operation.range, descriptor.size)
    if (operation.range !== undefined && range === undefined) {
      return Answer.fail(
        new RegistryError.RangeInvalid({ ...Operation.errorFields(operation), size: descriptor.size })
      )
    }
    return Answer.matchEffect(blobs.read(key, range), {
      onFailure: (error) => error._tag === "OciStoreNotFound" ? again(operation, error) : failed(operation)(error),
      onSuccess: (body) => Answer.succeed(new BlobContent({ descriptor, range, body, verified: true }))
    })
  }

  /** Reads again. The blob was deleted after it was found, and may have been pushed again under another key. */
  const again = (operation: Operation.GetBlob, missing: StoreError.NotFound) =>
    Effect.suspend(() =>
      find(
        operation,
        (blob) => blob.key === missing.key ? Answer.fail(failure.of(operation)(missing)) : read(operation, blob)
      )
    )

  return {
    ResolveBlob: (operation) => find(operation, (blob) => Answer.succeed(blob.descriptor), grace),
    GetBlob: (operation) => find(operation, (blob) => read(operation, blob)),
    ResolveManifest: (operation) =>
      Answer.catchAll(metadata.resolveManifest(operation.repository, operation.reference, grace), failed(operation)),
    GetManifest: (operation) =>
      Answer.catchAll(metadata.getManifest(operation.repository, operation.reference), failed(operation))
  }
}
