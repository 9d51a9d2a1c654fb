import type * as Handler from "@effect-oci/core/Handler"
import type { Operation, OperationTag } from "@effect-oci/core/Operation"
import { withFields } from "@effect-oci/core/RegistryError"
import * as Effect from "effect/Effect"
import type { HttpExchange, Result } from "./httpExchange.js"

/** Returns rows of a table that is loaded when one of them first runs. */
export const lazyRows = <Tag extends OperationTag>(
  http: HttpExchange,
  load: Result<Pick<Handler.Table, Tag>>,
  tags: ReadonlyArray<Tag>
): Pick<Handler.Table, Tag> => {
  const row = (operation: Operation) =>
    Effect.flatMap(
      Effect.mapError(load, (error) => withFields(error, http.fields(operation))),
      (table) => (table[operation._tag as Tag] as Handler.Row<OperationTag>)(operation)
    )
  return Object.fromEntries(tags.map((tag) => [tag, row])) as never
}
