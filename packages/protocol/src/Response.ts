/**
 * What operations answer as responses, and back.
 *
 * @since 0.1.0
 */
import type * as Operation from "@effect-oci/core/Operation"
import type { ErrorFields, RegistryError } from "@effect-oci/core/RegistryError"
import * as Effect from "effect/Effect"
import * as decoders from "./internal/responseDecoders.js"
import * as encoders from "./internal/responseEncoders.js"
import type { ItemOf, ListOperation, Page } from "./Page.js"
import type * as Wire from "./Wire.js"

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
 * A response as a client has it: `bytes` reads its whole body, at most so many bytes, and fails with a `SizeInvalid`
 * where there are more.
 *
 * @since 0.1.0
 * @category models
 */
export interface Received extends Wire.Response {
  /** Where the request went at last: what relative locations are relative to. */
  readonly url: string
  readonly bytes: (limit: number) => Effect.Effect<Uint8Array, RegistryError>
}

/**
 * The most that is read of each kind of body, in bytes.
 *
 * @since 0.1.0
 * @category models
 */
export interface Limits {
  readonly manifest: number
  readonly page: number
}

/**
 * @since 0.1.0
 * @category constants
 */
export const defaultLimits: Limits = { manifest: 8 * 1024 * 1024, page: 8 * 1024 * 1024 }

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
  Effect.catchAll(
    decoders.failed(response, fields) ??
      decoders.rows[operation._tag](operation as never, response, fields, limits) as Effect.Effect<
        never,
        RegistryError
      >,
    (error) => Effect.fail(decoders.complete(error, fields))
  )

/**
 * A page of a list as it was received, and the target of the next, as it was written.
 *
 * @since 0.1.0
 * @category models
 */
export interface ReceivedPage<A> {
  readonly items: ReadonlyArray<A>
  readonly next: string | undefined
  /** Whether the registry says that it applied the filter by artifact type (`OCI-Filters-Applied`). */
  readonly filtered: boolean
}

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
  Effect.catchAll(
    decoders.failed(response, fields) ??
      decoders.page(operation, response, limits) as Effect.Effect<ReceivedPage<never>, RegistryError>,
    (error) => Effect.fail(decoders.complete(error, fields))
  )
