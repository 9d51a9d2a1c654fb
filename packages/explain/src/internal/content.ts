import { BlobContent, Body, ByteRange, Descriptor, Operation, RegistryError } from "@effect-oci/core"
import type { Digest, RepositoryName } from "@effect-oci/core"
import * as Effect from "effect/Effect"

export type Result<A, R = never> = Effect.Effect<A, RegistryError.RegistryError, R>

/** What is known about content without reading it. */
export interface Known {
  /** Returns the size of content that a manifest names: such content is not transferred. */
  readonly sizeOf: (digest: Digest.Digest) => number | undefined
  /** Returns the size of a blob that the repository is known to have. */
  readonly blobOf: (repository: RepositoryName.RepositoryName, digest: Digest.Digest) => number | undefined
}

/** Fails with an error about an operation. */
export const fail = (
  Error: new(fields: RegistryError.ErrorFields) => RegistryError.RegistryError,
  operation: Operation.Operation,
  reason?: string
): Result<never> => Effect.fail(new Error({ ...Operation.errorFields(operation), reason }))

/** Returns the content of a blob, or the requested range of it. `body` opens a range. */
export const contentOf = (
  operation: Operation.GetBlob,
  size: number,
  body: (range: ByteRange.Span) => Body.Body
): Result<BlobContent.BlobContent> => {
  const { digest } = operation
  const range = operation.range === undefined ? undefined : ByteRange.resolve(operation.range, size)
  if (operation.range !== undefined && range === undefined) {
    return Effect.fail(new RegistryError.RangeInvalid({ ...Operation.errorFields(operation), size }))
  }
  const length = range?.length ?? size
  return Effect.succeed(
    new BlobContent.BlobContent({
      descriptor: { mediaType: Descriptor.octetStream, digest, size },
      range,
      body: Body.withSize(body(range ?? { offset: 0, length }), length),
      verified: false
    })
  )
}
