import * as Operation from "@effect-oci/core/Operation"
import type { RepositoryName } from "@effect-oci/core/RepositoryName"
import * as Effect from "effect/Effect"
import type { Exchange } from "./exchange.js"

/** How long the client tries to cancel an upload session. */
const patience = "5 seconds"

/** Cancels an upload session that the client abandons. A failure is ignored: the session expires at the registry. */
export const cancelUpload = (exchange: Exchange, repository: RepositoryName, id: string): Effect.Effect<void> =>
  exchange.call(new Operation.CancelUpload({ repository, id })).pipe(
    Effect.interruptible,
    Effect.timeoutOption(patience),
    Effect.ignore
  )
