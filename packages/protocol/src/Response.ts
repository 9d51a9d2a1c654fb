/**
 * What operations answer as responses, and back.
 *
 * @since 0.1.0
 */
import type * as Operation from "@effect-oci/core/Operation"
import { withFields } from "@effect-oci/core/RegistryError"
import type { ErrorFields, RegistryError } from "@effect-oci/core/RegistryError"
import * as Effect from "effect/Effect"
import { decodePage as decodeList } from "./internal/pageDecoder.js"
import * as decoders from "./internal/responseDecoders.js"
import * as encoders from "./internal/responseEncoders.js"
import type { Limits, Received, ReceivedPage } from "./internal/responseModel.js"
import type { ItemOf, ListOperation, Page } from "./Page.js"
import type * as Wire from "./Wire.js"

export * from "./internal/responseModel.js"

/**
 * The response that says the result of an operation. The lists are not among them: see {@link encodePage}.
 *
 * @since 0.1.0
 * @category encoding
 */
export const encode = <O extends Exclude<Operation.Operation, ListOperation>>(
  operation: O,
  result: Operation.ResultOf<O>
): Wire.Response => encoders.rows[operation._tag](operation as never, result as never)

/**
 * The response that says a page of a list. `next` is the target of the page after it. Spec: "Listing Tags", "Listing
 * Referrers".
 *
 * @since 0.1.0
 * @category encoding
 */
export const encodePage = <O extends ListOperation>(
  operation: O,
  page: Page<ItemOf<O>>,
  options?: { readonly next?: string | undefined; readonly filtered?: boolean | undefined }
): Wire.Response => encoders.page(operation, page.items, options)

/**
 * Manifests of 8 MiB, twice what registries must take, and pages of 4 MiB.
 *
 * @since 0.1.0
 * @category constants
 */
export const defaultLimits: Limits = { manifest: 8 * 1024 * 1024, page: 4 * 1024 * 1024 }

/**
 * The result of an operation, or the error that the response says. `fields` go into the errors. The content of a blob
 * comes as it flows, and is not verified here; manifests are.
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
  told(
    fields,
    decoders.failed(response, fields) ??
      (decoders.rows[operation._tag](operation as never, response, fields, limits) as Decoded<never>)
  )

/**
 * A page of a list, or the error that the response says.
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
  told(
    fields,
    decoders.failed(response, fields) ?? (decodeList(operation, response, limits) as Decoded<ReceivedPage<never>>)
  )

type Decoded<A> = Effect.Effect<A, RegistryError>

/** An error met while an answer was read knows less of what was asked than whoever asked. */
const told = <A>(fields: ErrorFields, decoded: Decoded<A>): Decoded<A> =>
  Effect.mapError(
    decoded,
    (error) => error.operation === undefined && fields.operation !== undefined ? withFields(error, fields) : error
  )
