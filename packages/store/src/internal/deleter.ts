import type * as Handler from "@effect-oci/core/Handler"
import * as Operation from "@effect-oci/core/Operation"
import * as Effect from "effect/Effect"
import * as failure from "./failure.js"
import type { Settings, Stores } from "./stores.js"
import type { Sweeper } from "./sweeper.js"

type Rows = Pick<Handler.Table, "DeleteBlob" | "DeleteManifest" | "DeleteTag">

/** Creates the handlers of the operations that delete. */
export const make = (
  { metadata }: Stores,
  { deleteReferenced: evenIfReferenced, policy: { readable } }: Settings,
  sweeper: Sweeper
): Rows => ({
  DeleteBlob: (operation) => {
    const { digest, repository } = operation
    return metadata.unlinkBlob({ repository, digest, evenIfReferenced, readable }).pipe(
      Effect.zipRight(sweeper.release),
      Effect.mapBoth({ onFailure: failure.of(operation), onSuccess: () => Operation.done })
    )
  },
  DeleteManifest: (operation) =>
    Effect.mapBoth(metadata.deleteManifest(operation.repository, operation.digest, evenIfReferenced), {
      onFailure: failure.of(operation),
      onSuccess: () => Operation.done
    }),
  DeleteTag: (operation) =>
    Effect.mapBoth(metadata.deleteTag(operation.repository, operation.tag), {
      onFailure: failure.of(operation),
      onSuccess: () => Operation.done
    })
})
