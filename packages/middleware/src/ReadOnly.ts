/**
 * A wrapper that makes a registry read-only.
 *
 * @since 0.1.0
 */
import type { Middleware } from "@effect-oci/core"
import { Answer, Operation, Registry, RegistryError } from "@effect-oci/core"
import type * as Layer from "effect/Layer"

/**
 * Creates a middleware that forwards reads and lists. All other operations fail with `Unsupported` and do not reach the
 * registry. All operations of an upload session count as writes, `GetUpload` included.
 *
 * @since 0.1.0
 * @category middleware
 */
export const middleware = (): Middleware.Middleware => (next) => (operation) =>
  Operation.isRead(operation) ? next(operation) : Answer.fail(
    new RegistryError.Unsupported({ ...Operation.errorFields(operation), reason: "the registry is read-only" })
  )

/**
 * Creates a layer that requires a registry, and provides that registry read-only. {@link wrap} does the same in a pipe.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (): Layer.Layer<Registry, never, Registry> => Registry.layerMiddleware(middleware())

/**
 * Wraps the registry of a layer so that it is read-only.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import type { Registry } from "@effect-oci/core"
 * import { ReadOnly } from "@effect-oci/middleware"
 * import type { Layer } from "effect"
 *
 * const mirror = (upstream: Layer.Layer<Registry>) => upstream.pipe(ReadOnly.wrap())
 * ```
 */
export const wrap = (): <E, R>(registry: Layer.Layer<Registry, E, R>) => Layer.Layer<Registry, E, R> =>
  Registry.wrap(middleware())
