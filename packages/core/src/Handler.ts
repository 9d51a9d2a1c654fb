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
 * A registry: it answers every operation. A wrapper takes one and gives another.
 *
 * A handler may answer when it is called: its effect is then an `Exit`, and says what was so at that moment. Who wants
 * to ask again calls it again.
 *
 * @since 0.1.0
 * @category models
 */
export interface Handler {
  <O extends Operation>(operation: O): Effect.Effect<ResultOf<O>, RegistryError, ScopeOf<O>>
}

/**
 * How one operation is answered.
 *
 * @since 0.1.0
 * @category models
 */
export type Row<Tag extends OperationTag> = (
  operation: OperationOf<Tag>
) => Effect.Effect<Results[Tag], RegistryError, ScopeOf<OperationOf<Tag>>>

/**
 * How every operation is answered: a row for each.
 *
 * @since 0.1.0
 * @category models
 */
export type Table = { readonly [Tag in OperationTag]: Row<Tag> }

/**
 * A handler from a table with a row for each operation. A table without one of them does not compile.
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
 * Whether the answers of a handler depend on the caller, as far as its mark says.
 *
 * @since 0.1.0
 * @category getters
 */
export const dependsOnCaller = (handler: Handler): boolean => perCaller.has(handler)

/**
 * Returns a handler that is built on others, and marks it if the answers of one of them depend on the caller.
 *
 * @since 0.1.0
 * @category combinators
 */
export const builtOn = (handler: Handler, ...others: ReadonlyArray<Handler>): Handler =>
  others.some(dependsOnCaller) ? dependingOnCaller(handler) : handler

/**
 * A handler that answers some operations itself and leaves the rest to another.
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
 * How an effect ends, where that is known without running it: it is an `Exit`. A store that has the answer at hand
 * gives one, and a wrapper that only looks or maps may keep it one, so that a server need not start a fiber.
 *
 * @since 0.1.0
 * @category destructors
 */
export const exitOf = <A, E, R>(effect: Effect.Effect<A, E, R>): Exit.Exit<A, E> | undefined =>
  Exit.isExit(effect) ? effect as Exit.Exit<A, E> : undefined

/**
 * Goes on with an answer, as `Effect.matchEffect` does, and at once where the answer is at hand: then the result may be
 * an `Exit` too. Only `Exit.fail` makes a failure that is one, as `Effect.fail` asks its fiber for the current span.
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
