/**
 * Middleware: a function from one registry to another.
 *
 * @since 0.1.0
 */
import type { Handler } from "./Handler.js"

/**
 * A wrapper of a registry: what the result does with an operation, it does with the help of `next`.
 *
 * @since 0.1.0
 * @category models
 */
export type Middleware = (next: Handler) => Handler

/**
 * The wrapper that changes nothing.
 *
 * @since 0.1.0
 * @category constructors
 */
export const identity: Middleware = (next) => next

/**
 * Several wrappers as one: the last is outermost, as in a pipe.
 *
 * @since 0.1.0
 * @category combinators
 */
export const compose = (...middlewares: ReadonlyArray<Middleware>): Middleware => (next) =>
  middlewares.reduce((handler, middleware) => middleware(handler), next)
