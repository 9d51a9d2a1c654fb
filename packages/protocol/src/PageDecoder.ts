/**
 * The decoder of the pages of lists. Import it from `Response`.
 *
 * @since 0.1.0
 */
import type { ErrorFields, RegistryError } from "@effect-oci/core/RegistryError"
import type * as Effect from "effect/Effect"
import { withRequestFields } from "./internal/decoded.js"
import type { Decoded } from "./internal/decoded.js"
import { decodePage as decodeList } from "./internal/pageDecoder.js"
import { failed } from "./internal/responseDecoders.js"
import { defaultLimits } from "./internal/responseModel.js"
import type { Limits, Received, ReceivedPage } from "./internal/responseModel.js"
import type { ItemOf, ListOperation } from "./Page.js"

/**
 * Returns a page of a list, or fails with the error that the response contains.
 *
 * @since 0.1.0
 * @category decoding
 */
export const decodePage = <O extends ListOperation>(
  operation: O,
  response: Received,
  fields: ErrorFields,
  limits: Limits = defaultLimits
): Effect.Effect<ReceivedPage<ItemOf<O>>, RegistryError> =>
  withRequestFields(
    fields,
    failed(response, fields) ?? (decodeList(operation, response, limits) as Decoded<ReceivedPage<never>>)
  )
