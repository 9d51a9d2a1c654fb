import type * as Handler from "@effect-oci/core/Handler"
import type { Exchange } from "./exchange.js"
import type { ReferrersTag } from "./referrersTag.js"

/** Creates the rows that delete. */
export const deleter = (
  { call }: Exchange,
  referrersTag: ReferrersTag
): Pick<Handler.Table, "DeleteBlob" | "DeleteManifest" | "DeleteTag"> => ({
  DeleteBlob: (operation) => call(operation),
  DeleteManifest: referrersTag.detach,
  DeleteTag: (operation) => call(operation)
})
