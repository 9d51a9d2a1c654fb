/**
 * Converts the results of operations to responses, and back.
 *
 * @since 0.1.0
 */
import type * as Operation from "@effect-oci/core/Operation"
import { withFields } from "@effect-oci/core/RegistryError"
import type { ErrorFields, RegistryError } from "@effect-oci/core/RegistryError"
import * as Effect from "effect/Effect"
import type { Decoded } from "./internal/decoded.js"
import { decodePage as decodeList } from "./internal/pageDecoder.js"
import * as decoders from "./internal/responseDecoders.js"
import * as encoders from "./internal/responseEncoders.js"
import type { Limits, Received, ReceivedPage } from "./internal/responseModel.js"
import type { ItemOf, ListOperation, Page } from "./Page.js"
import type * as Wire from "./Wire.js"

export * from "./internal/responseModel.js"

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

/**
 * The default limits: manifests of 8 MiB, twice the size that registries must accept, and pages of 4 MiB.
 *
 * @since 0.1.0
 * @category constants
 */
export const defaultLimits: Limits = { manifest: 8 * 1024 * 1024, page: 4 * 1024 * 1024 }

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
    decoders.failed(response, fields) ?? (decodeList(operation, response, limits) as Decoded<ReceivedPage<never>>)
  )

/**
 * Adds `fields` to an error that does not name an operation yet. Code that parses a response does not know the
 * operation.
 */
const withRequestFields = <A>(fields: ErrorFields, decoded: Decoded<A>): Decoded<A> =>
  Effect.mapError(
    decoded,
    (error) => error.operation === undefined && fields.operation !== undefined ? withFields(error, fields) : error
  )
