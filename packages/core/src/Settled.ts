/**
 * Effects that may be settled. Import these functions from `Answer`.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { dual } from "effect/Function"
import * as Option from "effect/Option"

/**
 * Creates a settled answer from a result. Unlike `Effect.fail`, {@link fail} also creates a settled answer.
 *
 * @since 0.1.0
 * @category constructors
 */
export const succeed: <A>(result: A) => Effect.Effect<A> = Exit.succeed

/**
 * A settled answer without a result.
 *
 * @since 0.1.0
 * @category constructors
 */
export const done: Effect.Effect<void> = Exit.void

/**
 * Creates a settled answer from an error. `Effect.fail` does not, because it reads the current span from its fiber.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fail: <E>(error: E) => Effect.Effect<never, E> = Exit.fail

/**
 * Creates a settled answer that dies with a defect.
 *
 * @since 0.1.0
 * @category constructors
 */
export const die: (defect: unknown) => Effect.Effect<never> = Exit.die

/**
 * Calls a function that returns an effect. If the function throws, the effect dies with the defect.
 *
 * @since 0.1.0
 * @category constructors
 */
export const attempt = <A, E, R>(call: () => Effect.Effect<A, E, R>): Effect.Effect<A, E, R> => {
  try {
    return call()
  } catch (defect) {
    return die(defect)
  }
}

/**
 * Returns the result of an answer if the answer is settled, and `undefined` otherwise.
 *
 * @since 0.1.0
 * @category destructors
 */
export const settled = <A, E, R>(answer: Effect.Effect<A, E, R>): Exit.Exit<A, E> | undefined =>
  Exit.isExit(answer) ? answer as Exit.Exit<A, E> : undefined

/**
 * Applies a function to an answer that is not settled, such as one that provides a service or makes the wait
 * interruptible. Returns a settled answer unchanged.
 *
 * @since 0.1.0
 * @category combinators
 */
export const ifPending: {
  <A, E, R, R2>(
    f: (pending: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R2>
  ): (answer: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R2>
  <A, E, R, R2>(
    answer: Effect.Effect<A, E, R>,
    f: (pending: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R2>
  ): Effect.Effect<A, E, R2>
} = /* @__PURE__ */ dual(2, <A, E, R, R2>(
  answer: Effect.Effect<A, E, R>,
  f: (pending: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R2>
): Effect.Effect<A, E, R2> => settled(answer) ?? f(answer))

/**
 * Continues with the result or the error of an answer, as `Effect.matchEffect` does. If the answer is settled, calls
 * the function immediately.
 *
 * @since 0.1.0
 * @category pattern matching
 */
export const matchEffect: {
  <E, B, E2, R2, A, C, E3, R3>(cases: {
    readonly onFailure: (error: E) => Effect.Effect<B, E2, R2>
    readonly onSuccess: (result: A) => Effect.Effect<C, E3, R3>
  }): <R>(answer: Effect.Effect<A, E, R>) => Effect.Effect<B | C, E2 | E3, R | R2 | R3>
  <A, E, R, B, E2, R2, C, E3, R3>(
    answer: Effect.Effect<A, E, R>,
    cases: {
      readonly onFailure: (error: E) => Effect.Effect<B, E2, R2>
      readonly onSuccess: (result: A) => Effect.Effect<C, E3, R3>
    }
  ): Effect.Effect<B | C, E2 | E3, R | R2 | R3>
} = /* @__PURE__ */ dual(2, <A, E, R, B, E2, R2, C, E3, R3>(
  answer: Effect.Effect<A, E, R>,
  cases: {
    readonly onFailure: (error: E) => Effect.Effect<B, E2, R2>
    readonly onSuccess: (result: A) => Effect.Effect<C, E3, R3>
  }
): Effect.Effect<B | C, E2 | E3, R | R2 | R3> => {
  const exit = settled(answer)
  if (exit === undefined) return Effect.matchEffect(answer, cases)
  if (exit._tag === "Success") return cases.onSuccess(exit.value)
  const error = Cause.failureOption(exit.cause)
  return Option.isSome(error) ? cases.onFailure(error.value) : exit as Exit.Exit<never>
})

/**
 * Maps the result and the error of an answer to a value.
 *
 * @since 0.1.0
 * @category pattern matching
 */
export const match: {
  <E, B, A, C>(
    cases: { readonly onFailure: (error: E) => B; readonly onSuccess: (result: A) => C }
  ): <R>(answer: Effect.Effect<A, E, R>) => Effect.Effect<B | C, never, R>
  <A, E, R, B, C>(
    answer: Effect.Effect<A, E, R>,
    cases: { readonly onFailure: (error: E) => B; readonly onSuccess: (result: A) => C }
  ): Effect.Effect<B | C, never, R>
} = /* @__PURE__ */ dual(2, <A, E, R, B, C>(
  answer: Effect.Effect<A, E, R>,
  cases: { readonly onFailure: (error: E) => B; readonly onSuccess: (result: A) => C }
): Effect.Effect<B | C, never, R> =>
  settled(answer) === undefined ? Effect.match(answer, cases) : matchEffect(answer, {
    onFailure: (error: E) => succeed(cases.onFailure(error)),
    onSuccess: (result: A) => succeed(cases.onSuccess(result))
  }))

/**
 * Maps the result of an answer.
 *
 * @since 0.1.0
 * @category combinators
 */
export const map: {
  <A, B>(f: (result: A) => B): <E, R>(answer: Effect.Effect<A, E, R>) => Effect.Effect<B, E, R>
  <A, E, R, B>(answer: Effect.Effect<A, E, R>, f: (result: A) => B): Effect.Effect<B, E, R>
} = /* @__PURE__ */ dual(
  2,
  <A, E, R, B>(answer: Effect.Effect<A, E, R>, f: (result: A) => B): Effect.Effect<B, E, R> => {
    const exit = settled(answer)
    return exit === undefined ? Effect.map(answer, f) : Exit.map(exit, f)
  }
)

/**
 * Continues with the result of an answer.
 *
 * @since 0.1.0
 * @category combinators
 */
export const flatMap: {
  <A, B, E2, R2>(
    f: (result: A) => Effect.Effect<B, E2, R2>
  ): <E, R>(answer: Effect.Effect<A, E, R>) => Effect.Effect<B, E | E2, R | R2>
  <A, E, R, B, E2, R2>(
    answer: Effect.Effect<A, E, R>,
    f: (result: A) => Effect.Effect<B, E2, R2>
  ): Effect.Effect<B, E | E2, R | R2>
} = /* @__PURE__ */ dual(2, <A, E, R, B, E2, R2>(
  answer: Effect.Effect<A, E, R>,
  f: (result: A) => Effect.Effect<B, E2, R2>
): Effect.Effect<B, E | E2, R | R2> => {
  const exit = settled(answer)
  if (exit === undefined) return Effect.flatMap(answer, f)
  return exit._tag === "Success" ? f(exit.value) : exit as Exit.Exit<never, E>
})

/**
 * Runs another effect with the result of an answer, and keeps the result.
 *
 * @since 0.1.0
 * @category combinators
 */
export const tap: {
  <A, E2, R2>(
    f: (result: A) => Effect.Effect<unknown, E2, R2>
  ): <E, R>(answer: Effect.Effect<A, E, R>) => Effect.Effect<A, E | E2, R | R2>
  <A, E, R, E2, R2>(
    answer: Effect.Effect<A, E, R>,
    f: (result: A) => Effect.Effect<unknown, E2, R2>
  ): Effect.Effect<A, E | E2, R | R2>
} = /* @__PURE__ */ dual(2, <A, E, R, E2, R2>(
  answer: Effect.Effect<A, E, R>,
  f: (result: A) => Effect.Effect<unknown, E2, R2>
): Effect.Effect<A, E | E2, R | R2> => flatMap(answer, (result) => map(f(result), () => result)))

/**
 * Continues with the error of an answer.
 *
 * @since 0.1.0
 * @category combinators
 */
export const catchAll: {
  <E, B, E2, R2>(
    f: (error: E) => Effect.Effect<B, E2, R2>
  ): <A, R>(answer: Effect.Effect<A, E, R>) => Effect.Effect<A | B, E2, R | R2>
  <A, E, R, B, E2, R2>(
    answer: Effect.Effect<A, E, R>,
    f: (error: E) => Effect.Effect<B, E2, R2>
  ): Effect.Effect<A | B, E2, R | R2>
} = /* @__PURE__ */ dual(2, <A, E, R, B, E2, R2>(
  answer: Effect.Effect<A, E, R>,
  f: (error: E) => Effect.Effect<B, E2, R2>
): Effect.Effect<A | B, E2, R | R2> => {
  const exit = settled(answer)
  if (exit === undefined) return Effect.catchAll(answer, f)
  return exit._tag === "Success" ? exit as Exit.Exit<A> : matchEffect(exit, { onFailure: f, onSuccess: succeed })
})
