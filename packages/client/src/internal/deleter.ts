import type * as Handler from "@effect-oci/core/Handler"
import type { HttpExchange } from "./httpExchange.js"
import type { ReferrersTag } from "./referrersTag.js"

/** Creates the rows that delete. */
export const deleter = (
  http: HttpExchange,
  referrersTag: ReferrersTag
): Pick<Handler.Table, "DeleteBlob" | "DeleteManifest" | "DeleteTag"> => ({
  DeleteBlob: (operation) => http.call(operation),
  DeleteManifest: (operation) => referrersTag.detach(operation),
  DeleteTag: (operation) => http.call(operation)
})
