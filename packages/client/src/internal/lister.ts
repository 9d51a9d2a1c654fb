import type * as Descriptor from "@effect-oci/core/Descriptor"
import type * as Handler from "@effect-oci/core/Handler"
import type { RegistryError } from "@effect-oci/core/RegistryError"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { HttpExchange } from "./httpExchange.js"
import { Lists } from "./lists.js"
import type { PageOptions } from "./pages.js"
import { ReferrersTag } from "./referrersTag.js"
import type { Shared } from "./shared.js"
import * as wholeLists from "./wholeLists.js"

/** Creates the rows that list. */
export const lister = (
  http: HttpExchange,
  shared: Shared,
  options: PageOptions
): Pick<Handler.Table, "ListRepositories" | "ListTags" | "ListReferrers"> => {
  const referrersTag = new ReferrersTag(http, shared)
  const lists = new Lists(http, options, wholeLists.make(shared))

  /**
   * Lists referrers. If the registry does not have the referrers API, the client reads them from the referrers tag.
   * Without that tag there are none. The same applies to a repository that the registry does not know.
   * [Spec](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#listing-referrers).
   */
  const listReferrers: Handler.Row<"ListReferrers"> = (operation) => {
    const { artifactType } = operation
    const isWanted = (referrer: Descriptor.Descriptor) =>
      artifactType === undefined || referrer.artifactType === artifactType
    const fromTag = Stream.unwrap(
      Effect.map(referrersTag.list(operation), (referrers) => Stream.fromIterable(referrers.filter(isWanted)))
    )
    return Effect.sync(() => {
      let hasAnswered = false
      const fromRegistry = lists.read(operation, () => {
        hasAnswered = true
        shared.tracksReferrers = true
      })
      return Stream.catchAll(
        fromRegistry,
        (error) => !hasAnswered && hasNoApi(error, http.origin) ? fromTag : Stream.fail(error)
      )
    })
  }

  return {
    ListRepositories: (operation) => Effect.succeed(lists.read(operation)),
    ListTags: (operation) => Effect.succeed(lists.read(operation)),
    ListReferrers: listReferrers
  }
}

/** Statuses of registries that do not know the path, or treat it as something else. */
const unknownPath = new Set([400, 401, 404, 405, 406, 410, 501])

/**
 * Returns whether the error of a list of referrers shows that the registry does not have the API. The registry did not
 * answer with an index of referrers. It answered with an HTML page, with one of the statuses above, or with a redirect
 * to a host that does not answer with an index.
 */
const hasNoApi = (error: RegistryError, origin: string): boolean => {
  switch (error._tag) {
    case "OciResponseInvalid":
      return true
    case "OciRefused":
      return error.by === "AddressGuard"
    case "OciTransportError":
      return error.url !== undefined && !error.url.startsWith(origin)
    default:
      return error.status !== undefined && unknownPath.has(error.status)
  }
}
