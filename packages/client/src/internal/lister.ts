import type * as Descriptor from "@effect-oci/core/Descriptor"
import type * as Handler from "@effect-oci/core/Handler"
import type { RegistryError } from "@effect-oci/core/RegistryError"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Exchange } from "./exchange.js"
import * as pages from "./pages.js"
import type { ReferrersTag } from "./referrersTag.js"

/** Lists. */
export const lister = (
  exchange: Exchange,
  referrersTag: ReferrersTag,
  manner: pages.Manner
): Pick<Handler.Table, "ListRepositories" | "ListTags" | "ListReferrers"> => {
  const list = pages.make(exchange, manner)

  /**
   * Where the registry does not know what refers to what, a tag may say. Without one there are no referrers, unless the
   * registry says outright that there is no such repository. Spec: "Listing Referrers".
   */
  const listReferrers: Handler.Row<"ListReferrers"> = (operation) => {
    const { artifactType } = operation
    const isWanted = (referrer: Descriptor.Descriptor) =>
      artifactType === undefined || referrer.artifactType === artifactType
    const fromTag = (error: RegistryError) =>
      Stream.unwrap(
        Effect.map(referrersTag.list(operation), (referrers) =>
          referrers === undefined && saysNameUnknown(error)
            ? Stream.fail(error)
            : Stream.fromIterable((referrers ?? []).filter(isWanted)))
      )
    return Effect.sync(() => {
      let begun = false
      const fromRegistry = list(operation, () => {
        begun = true
        referrersTag.isKept()
      })
      return Stream.catchAll(
        fromRegistry,
        (error) => error.status === 404 && !begun ? fromTag(error) : Stream.fail(error)
      )
    })
  }

  return {
    ListRepositories: (operation) => Effect.succeed(list(operation)),
    ListTags: (operation) => Effect.succeed(list(operation)),
    ListReferrers: listReferrers
  }
}

/** Whether it is not only the status that says so. */
const saysNameUnknown = (error: RegistryError): boolean =>
  error._tag === "NameUnknown" && (error.diagnostics ?? []).length > 0
