/**
 * Converts the results of operations to responses, and back.
 *
 * @since 0.1.0
 */
import type * as Operation from "@effect-oci/core/Operation"
import * as encoders from "./internal/responseEncoders.js"
import type { ItemOf, ListOperation, Page } from "./Page.js"
import type * as Wire from "./Wire.js"

export * from "./PageDecoder.js"
export * from "./ResponseDecoder.js"

/**
 * Creates the response with the result of an operation. For lists use {@link encodePage}.
 *
 * @since 0.1.0
 * @category encoding
 */
export const encode = <O extends Exclude<Operation.Operation, ListOperation>>(
  operation: O,
  result: Operation.ResultOf<O>
): Wire.Response => encoders.rows[operation._tag](operation as never, result as never)

/**
 * Creates the response with a page of a list. `next` is the target of the next page. Spec: [Listing
 * Tags](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#listing-tags), [Listing
 * Referrers](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#listing-referrers).
 *
 * @since 0.1.0
 * @category encoding
 */
export const encodePage = <O extends ListOperation>(
  operation: O,
  page: Page<ItemOf<O>>,
  options?: { readonly next?: string | undefined; readonly filtered?: boolean | undefined }
): Wire.Response => encoders.page(operation, page.items, options)
