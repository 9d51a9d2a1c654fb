import type * as Descriptor from "@effect-oci/core/Descriptor"
import type * as Handler from "@effect-oci/core/Handler"
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

  /** Where the registry does not know what refers to what, a tag may say. Spec: "Listing Referrers". */
  const listReferrers: Handler.Row<"ListReferrers"> = (operation) => {
    const { artifactType } = operation
    const isWanted = (referrer: Descriptor.Descriptor) =>
      artifactType === undefined || referrer.artifactType === artifactType
    return Effect.sync(() => {
      let begun = false
      const fromRegistry = list(operation, () => {
        begun = true
        referrersTag.isKept()
      })
      const fromTag = Stream.unwrap(
        Effect.map(referrersTag.list(operation), (referrers) => Stream.fromIterable(referrers.filter(isWanted)))
      )
      return Stream.catchAll(
        fromRegistry,
        (error) => error.status === 404 && !begun ? fromTag : Stream.fail(error)
      )
    })
  }

  return {
    ListRepositories: (operation) => Effect.succeed(list(operation)),
    ListTags: (operation) => Effect.succeed(list(operation)),
    ListReferrers: listReferrers
  }
}
