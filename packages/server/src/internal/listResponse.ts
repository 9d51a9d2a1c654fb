import type { Descriptor } from "@effect-oci/core/Descriptor"
import type { Handler } from "@effect-oci/core/Handler"
import type * as Operation from "@effect-oci/core/Operation"
import type { RegistryError } from "@effect-oci/core/RegistryError"
import * as Page from "@effect-oci/protocol/Page"
import * as Request from "@effect-oci/protocol/Request"
import * as Response from "@effect-oci/protocol/Response"
import type * as Wire from "@effect-oci/protocol/Wire"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as cursorMaps from "./cursors.js"
import { respond } from "./respond.js"
import type { Answered } from "./respond.js"

/** The largest page of a list. */
export interface Limits {
  readonly maxPageSize: number
  readonly maxPageBytes: number
}

type List = Answered<Stream.Stream<unknown, RegistryError>>

/** Answers with a page of a list. */
export const make = (handle: Handler, { maxPageBytes, maxPageSize }: Limits) => {
  const cursors = cursorMaps.make<unknown>()

  /** Returns a page of referrers: the page after the last one that the caller received, or the first page. */
  const referrersPage = (
    operation: Operation.ListReferrers,
    request: Wire.Request,
    list: List
  ): Answered<Page.Page<unknown>> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function*() {
        // The registry decides again whether the caller may see the list. Spec: an unknown repository has no referrers.
        const stream = yield* restore(Effect.catchTag(list, "OciNameUnknown", () => Effect.succeed(Stream.empty)))
        const { target } = Request.encode(operation)
        const last = Page.last(operation, request.target)
        const cursor = last === undefined ? undefined : yield* cursors.take(target, last)
        const reading = cursor ?? (yield* cursorMaps.Reading.open(Page.resume(operation, stream, request.target)))
        const page = yield* restore(Page.take(reading.items, maxPageSize, maxPageBytes)).pipe(
          Effect.catchTag("OciNameUnknown", () => Effect.succeed<Page.Page<unknown>>({ items: [], more: false })),
          Effect.onError(() => reading.close)
        )
        const final = page.items[page.items.length - 1] as Descriptor | undefined
        reading.sent(page.items.length)
        yield* page.more && final !== undefined ? cursors.put(target, final.digest, reading) : reading.close
        return page
      })
    )

  return (operation: Operation.WithShape<"list">, request: Wire.Request): Effect.Effect<Wire.Response> => {
    const size = Page.size(operation, maxPageSize)
    const list = handle(Page.widen(operation, size)) as List
    const page = operation._tag === "ListReferrers"
      ? referrersPage(operation, request, list)
      : Effect.flatMap(list, (stream) => Page.take(stream, size, maxPageBytes))
    return respond(page, operation, (page) =>
      Response.encodePage(operation, page as never, {
        next: page.more ? Page.nextTarget(operation, page, size) : undefined,
        filtered: operation._tag === "ListReferrers" && operation.artifactType !== undefined
      }))
  }
}
