/**
 * Connections that stay open after a HEAD.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import * as undiciOptions from "./internal/undiciOptions.js"

/**
 * Makes undici keep the connection of a HEAD. By default undici closes it, in case the answer has a body. Most requests
 * to a registry are HEAD requests, and a new connection takes longer than such a request. If the answer does have a
 * body, the connection closes all the same. Other HTTP clients ignore the setting.
 *
 * @since 0.1.0
 * @category combinators
 */
export const keepAlive: <A, E>(effect: Effect.Effect<A, E>) => Effect.Effect<A, E> = undiciOptions.provide(
  (settings) => ({ reset: false, ...settings })
)
