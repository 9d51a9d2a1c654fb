import * as Body from "@effect-oci/core/Body"
import type { Descriptor } from "@effect-oci/core/Descriptor"
import { octetStream } from "@effect-oci/core/Descriptor"
import type * as Operation from "@effect-oci/core/Operation"
import type { RegistryError } from "@effect-oci/core/RegistryError"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { BlobKey } from "../BlobStore.js"
import * as StoreError from "../StoreError.js"
import { abandonedAfter } from "./collect.js"
import * as failure from "./failure.js"
import * as keys from "./keys.js"
import type { Settings, Stores } from "./stores.js"
import type { Sweeper } from "./sweeper.js"

/**
 * Creates the handler of `PushBlob`. The body is verified while it flows: nothing is stored if its digest is wrong.
 * After its bytes are stored, the push can no longer be interrupted.
 */
export const make = ({ blobs, metadata }: Stores, { policy: { grace } }: Settings, sweeper: Sweeper) => {
  /** Bytes without metadata are deleted when they are old, so those of a slow push are not linked any more. */
  const checkAge = (startedAt: number) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) =>
      now - startedAt > abandonedAfter(grace) / 2
        ? Effect.fail(new StoreError.Failed({ cause: "the push took too long" }))
        : Effect.void)

  /** Deletes bytes that were not linked. */
  const remove = (key: BlobKey) => Effect.ignore(blobs.delete([key]))

  return (operation: Operation.PushBlob): Effect.Effect<Descriptor, RegistryError> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function*() {
        const { body, descriptor: { digest, size: expected }, repository } = operation
        const startedAt = yield* Clock.currentTimeMillis
        const key = yield* keys.make
        const verified = Body.verify(body, { digest, size: expected })
        const size = yield* restore(blobs.put({ key, body: verified, size: expected, digest }))
        const stored = yield* checkAge(startedAt).pipe(
          Effect.zipRight(metadata.linkBlob({ repository, digest, size, key, keep: grace })),
          Effect.tapError(({ _tag }) => _tag === "OciStoreOutcomeUnknown" ? Effect.void : remove(key))
        )
        if (stored.key !== key) yield* sweeper.release
        return { mediaType: octetStream, digest, size }
      })
    ).pipe(Effect.mapError(failure.of(operation)))
}
