/**
 * The decoder of responses. Import it from `Response`.
 *
 * @since 0.1.0
 */
import type * as Operation from "@effect-oci/core/Operation"
import type { ErrorFields, RegistryError } from "@effect-oci/core/RegistryError"
import type * as Effect from "effect/Effect"
import { withRequestFields } from "./internal/decoded.js"
import type { Decoded } from "./internal/decoded.js"
import * as decoders from "./internal/responseDecoders.js"
import { defaultLimits } from "./internal/responseModel.js"
import type { Limits, Received } from "./internal/responseModel.js"
import type { ListOperation } from "./Page.js"

export * from "./internal/responseModel.js"

/**
 * Returns the result of an operation, or fails with the error that the response contains. `fields` are added to errors.
 * Manifests are verified. The content of a blob is streamed and not verified here.
 *
 * @since 0.1.0
 * @category decoding
 */
export const decode = <O extends Exclude<Operation.Operation, ListOperation>>(
  operation: O,
  response: Received,
  fields: ErrorFields,
  limits: Limits = defaultLimits
): Effect.Effect<Operation.ResultOf<O>, RegistryError> =>
  withRequestFields(
    fields,
    decoders.failed(response, fields) ??
      (decoders.rows[operation._tag](operation as never, response, fields, limits) as Decoded<never>)
  )
