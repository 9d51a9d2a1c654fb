import { BlobContent } from "@effect-oci/core/BlobContent"
import * as ByteRange from "@effect-oci/core/ByteRange"
import type * as Handler from "@effect-oci/core/Handler"
import * as Operation from "@effect-oci/core/Operation"
import * as RegistryError from "@effect-oci/core/RegistryError"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import type * as BlobStore from "../BlobStore.js"
import type * as MetadataStore from "../MetadataStore.js"
import * as answer from "./answer.js"
import * as failure from "./failure.js"
import type { Stores } from "./stores.js"

type Rows = Pick<Handler.Table, "ResolveBlob" | "GetBlob" | "ResolveManifest" | "GetManifest">

/** What reads. These answer with an `Exit` where the stores do. */
export const make = ({ blobs, metadata }: Stores): Rows => {
  const find = <A, R>(
    operation: Operation.ResolveBlob | Operation.GetBlob,
    onFound: (blob: MetadataStore.StoredBlob) => Effect.Effect<A, RegistryError.RegistryError, R>
  ): Effect.Effect<A, RegistryError.RegistryError, R> =>
    answer.andThen(
      metadata.hasBlob(operation.repository, operation.digest),
      (error): Effect.Effect<A, RegistryError.RegistryError, R> => Exit.fail(failure.of(operation)(error)),
      (blob) =>
        blob === undefined
          ? Exit.fail(new RegistryError.BlobUnknown(Operation.errorFields(operation)))
          : onFound(blob)
    )

  const read = (
    operation: Operation.GetBlob,
    blob: MetadataStore.StoredBlob
  ): Effect.Effect<BlobContent, RegistryError.RegistryError, Scope.Scope> => {
    const { descriptor, key } = blob
    const range = operation.range === undefined ? undefined : ByteRange.resolve(operation.range, descriptor.size)
    if (operation.range !== undefined && range === undefined) {
      return Exit.fail(
        new RegistryError.RangeInvalid({ ...Operation.errorFields(operation), size: descriptor.size })
      )
    }
    return answer.andThen(
      blobs.read(key, range),
      (error) => error._tag === "NotFound" ? again(operation, error) : Exit.fail(failure.of(operation)(error)),
      (body) => Exit.succeed(new BlobContent({ descriptor, range, body, verified: true }))
    )
  }

  /** The blob was deleted since it was found, and maybe pushed again, under another key. */
  const again = (operation: Operation.GetBlob, missing: BlobStore.NotFound) =>
    Effect.suspend(() =>
      find(
        operation,
        (blob) => blob.key === missing.key ? Exit.fail(failure.of(operation)(missing)) : read(operation, blob)
      )
    )

  return {
    ResolveBlob: (operation) => find(operation, (blob) => Exit.succeed(blob.descriptor)),
    GetBlob: (operation) => find(operation, (blob) => read(operation, blob)),
    ResolveManifest: (operation) =>
      answer.mapError(
        metadata.resolveManifest(operation.repository, operation.reference),
        failure.of(operation)
      ),
    GetManifest: (operation) =>
      answer.mapError(metadata.getManifest(operation.repository, operation.reference), failure.of(operation))
  }
}
