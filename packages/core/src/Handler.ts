/**
 * Handlers: a registry as one function from operations to effects.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type { Operation, OperationOf, OperationTag, ResultOf, Results, ScopeOf } from "./Operation.js"
import type { RegistryError } from "./RegistryError.js"

/**
 * A registry as a function: it takes any operation and returns an effect with its result. A wrapper takes a handler and
 * returns another handler.
 *
 * A handler may compute its answer at the moment of the call. The returned effect is then an `Exit`, and running it
 * again gives the same answer. To get a new answer, call the handler again.
 *
 * @since 0.1.0
 * @category models
 */
export interface Handler {
  <O extends Operation>(operation: O): Effect.Effect<ResultOf<O>, RegistryError, ScopeOf<O>>
}

/**
 * The function that handles one kind of operation.
 *
 * @since 0.1.0
 * @category models
 */
export type Row<Tag extends OperationTag> = (
  operation: OperationOf<Tag>
) => Effect.Effect<Results[Tag], RegistryError, ScopeOf<OperationOf<Tag>>>

/**
 * A table with one function for each kind of operation.
 *
 * @since 0.1.0
 * @category models
 */
export type Table = { readonly [Tag in OperationTag]: Row<Tag> }

/**
 * Creates a handler from a table with one function for each operation. A table that lacks an operation does not
 * compile.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromTable = (table: Table): Handler => (operation) => {
  const row = table[operation._tag] as (operation: Operation) => Effect.Effect<never, RegistryError>
  return row(operation)
}

const perCaller = new WeakSet<Handler>()

/**
 * Marks a handler whose answers depend on the `Caller` of the operation, and returns it. A wrapper that shares answers
 * among callers, such as a cache, refuses to wrap a marked handler. `Handler.override`, `Middleware.compose` and
 * `Registry.layer` keep the mark of what they wrap.
 *
 * @since 0.1.0
 * @category combinators
 * @example
 * ```ts
 * import { Caller, Handler } from "@effect-oci/core"
 * import { Effect } from "effect"
 *
 * const byTenant = (registryOf: (tenant: string | undefined) => Handler.Handler): Handler.Handler =>
 *   Handler.dependingOnCaller((operation) =>
 *     Effect.flatMap(Caller.Caller, ({ name }) => registryOf(name)(operation))
 *   )
 * ```
 */
export const dependingOnCaller = (handler: Handler): Handler => {
  perCaller.add(handler)
  return handler
}

/**
 * Returns whether a handler is marked as depending on the caller (see {@link dependingOnCaller}).
 *
 * @since 0.1.0
 * @category getters
 */
export const dependsOnCaller = (handler: Handler): boolean => perCaller.has(handler)

/**
 * Returns `handler`, and marks it if the answers of any of the `others` that it uses depend on the caller.
 *
 * @since 0.1.0
 * @category combinators
 */
export const builtOn = (handler: Handler, ...others: ReadonlyArray<Handler>): Handler =>
  others.some(dependsOnCaller) ? dependingOnCaller(handler) : handler

/**
 * Creates a handler that handles the operations in `rows` itself and passes the others to `next`.
 *
 * @since 0.1.0
 * @category combinators
 * @example
 * ```ts
 * import { Handler, RegistryError } from "@effect-oci/core"
 * import type { Middleware } from "@effect-oci/core"
 * import { Effect } from "effect"
 *
 * const keepBlobs: Middleware.Middleware = (next) =>
 *   Handler.override(next, {
 *     DeleteBlob: () => Effect.fail(new RegistryError.Refused({ by: "keepBlobs", reason: "blobs are kept" }))
 *   })
 * ```
 */
export const override = (next: Handler, rows: Partial<Table>): Handler =>
  builtOn((operation) => {
    const row = rows[operation._tag] as ((operation: Operation) => Effect.Effect<never, RegistryError>) | undefined
    return row === undefined ? next(operation) : row(operation)
  }, next)

/**
 * Returns the result of an effect if the effect is an `Exit`, which needs no run, and `undefined` otherwise. A store
 * that knows the answer immediately returns an `Exit`. A wrapper that only inspects or maps answers can keep it an
 * `Exit`, so that a server does not have to start a fiber.
 *
 * @since 0.1.0
 * @category destructors
 */
export const exitOf = <A, E, R>(effect: Effect.Effect<A, E, R>): Exit.Exit<A, E> | undefined =>
  Exit.isExit(effect) ? effect as Exit.Exit<A, E> : undefined

/**
 * Continues with the result of an effect, as `Effect.matchEffect` does. If the effect is an `Exit`, calls the matching
 * function immediately, so the result may be an `Exit` too.
 *
 * Use `Exit.fail` for a failure that must be an `Exit`: `Effect.fail` is not one, because it reads the current span
 * from its fiber.
 *
 * @since 0.1.0
 * @category combinators
 */
export const matchEffect = <A, E, R, B, E2, R2, C, E3, R3>(
  effect: Effect.Effect<A, E, R>,
  cases: {
    readonly onFailure: (error: E) => Effect.Effect<B, E2, R2>
    readonly onSuccess: (value: A) => Effect.Effect<C, E3, R3>
  }
): Effect.Effect<B | C, E2 | E3, R | R2 | R3> => {
  const exit = exitOf(effect)
  if (exit === undefined) return Effect.matchEffect(effect, cases)
  return exit._tag === "Success" ? cases.onSuccess(exit.value) : Option.match(Cause.failureOption(exit.cause), {
    onNone: (): Effect.Effect<B, E2, R2> => Exit.failCause(exit.cause as Cause.Cause<never>),
    onSome: cases.onFailure
  })
}
