import * as Body from "@effect-oci/core/Body"
import type { Descriptor } from "@effect-oci/core/Descriptor"
import { octetStream } from "@effect-oci/core/Descriptor"
import type { Digest } from "@effect-oci/core/Digest"
import type { RepositoryName } from "@effect-oci/core/RepositoryName"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as BlobStore from "../BlobStore.js"
import type * as MetadataStore from "../MetadataStore.js"
import * as StoreError from "../StoreError.js"
import { abandonedAfter } from "./collect.js"
import * as keys from "./keys.js"
import type { Settings, Stores } from "./stores.js"
import type { Sweeper } from "./sweeper.js"

export type PushFailure =
  | Effect.Effect.Error<ReturnType<BlobStore.Service["put"]>>
  | Effect.Effect.Error<ReturnType<MetadataStore.Service["linkBlob"]>>

/** A blob to push. */
export interface Push {
  readonly repository: RepositoryName
  readonly digest: Digest
  readonly size: number
  readonly body: Body.Body
  /** The upload session that ends with the push, and the number of the claim. */
  readonly upload?: { readonly id: string; readonly fence: number } | undefined
}

/**
 * Returns a function that stores a blob in one call of the blob store. The body is verified while it flows: nothing is
 * stored if its digest is wrong. After its bytes are stored, the push can no longer be interrupted.
 */
export const make = ({ blobs, metadata }: Stores, { policy: { grace } }: Settings, sweeper: Sweeper) => {
  /** Bytes without metadata are deleted when they are old, so those of a slow push are not linked any more. */
  const checkAge = (startedAt: number) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) =>
      now - startedAt > abandonedAfter(grace) / 2
        ? Effect.fail(new StoreError.Failed({ cause: "the push took too long" }))
        : Effect.void)

  /** Deletes bytes that were not linked. */
  const remove = (key: BlobStore.BlobKey) => Effect.ignore(blobs.delete([key]))

  return ({ body, digest, repository, size: expected, upload }: Push): Effect.Effect<Descriptor, PushFailure> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function*() {
        const startedAt = yield* Clock.currentTimeMillis
        const key = yield* keys.make
        const verified = Body.verify(body, { digest, size: expected })
        const size = yield* restore(blobs.put({ key, body: verified, size: expected, digest }))
        const stored = yield* checkAge(startedAt).pipe(
          Effect.zipRight(metadata.linkBlob({ repository, digest, size, key, keep: grace, upload })),
          Effect.tapError(({ _tag }) => _tag === "OciStoreOutcomeUnknown" ? Effect.void : remove(key))
        )
        if (stored.key !== key) yield* sweeper.release
        return { mediaType: octetStream, digest, size }
      })
    )
}

export type PushBlob = ReturnType<typeof make>
