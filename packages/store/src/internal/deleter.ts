import type * as Handler from "@effect-oci/core/Handler"
import * as Operation from "@effect-oci/core/Operation"
import * as Effect from "effect/Effect"
import * as failure from "./failure.js"
import type { Stores } from "./stores.js"
import type { Sweeper } from "./sweeper.js"

type Rows = Pick<Handler.Table, "DeleteBlob" | "DeleteManifest" | "DeleteTag">

/** Creates the handlers of the operations that delete. */
export const make = ({ metadata }: Stores, sweeper: Sweeper): Rows => ({
  DeleteBlob: (operation) =>
    metadata.unlinkBlob(operation.repository, operation.digest).pipe(
      Effect.flatMap((garbage) => garbage === undefined ? Effect.void : sweeper.deleteBytes(garbage)),
      Effect.mapBoth({ onFailure: failure.of(operation), onSuccess: () => Operation.done })
    ),
  DeleteManifest: (operation) =>
    Effect.mapBoth(metadata.deleteManifest(operation.repository, operation.digest), {
      onFailure: failure.of(operation),
      onSuccess: () => Operation.done
    }),
  DeleteTag: (operation) =>
    Effect.mapBoth(metadata.deleteTag(operation.repository, operation.tag), {
      onFailure: failure.of(operation),
      onSuccess: () => Operation.done
    })
})
