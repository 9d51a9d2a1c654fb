import * as Operation from "@effect-oci/core/Operation"
import type { RepositoryName } from "@effect-oci/core/RepositoryName"
import * as Effect from "effect/Effect"
import type { HttpExchange } from "./httpExchange.js"

/** How long the client tries to cancel an upload session. */
const timeout = "5 seconds"

/** Cancels an upload session that the client abandons. A failure is ignored: the session expires at the registry. */
export const cancelUpload = (http: HttpExchange, repository: RepositoryName, id: string): Effect.Effect<void> =>
  http.call(new Operation.CancelUpload({ repository, id })).pipe(
    Effect.interruptible,
    Effect.timeoutOption(timeout),
    Effect.ignore
  )
