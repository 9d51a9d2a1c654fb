import type { RegistryError } from "@effect-oci/core"
import { Handler } from "@effect-oci/core"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"

/** The outcome of an operation at a member. */
export interface Outcome<A> {
  readonly name: string
  readonly answer: Either.Either<A, RegistryError.RegistryError>
}

type Answer<A> = Effect.Effect<A, RegistryError.RegistryError>

/**
 * Asks all targets at once, and returns their outcomes in the order of the targets. If all results are available at
 * once, the outcomes are too.
 */
export const everywhere = <T extends { readonly name: string }, A>(
  targets: ReadonlyArray<T>,
  ask: (target: T, index: number) => Answer<A>
): Effect.Effect<ReadonlyArray<Outcome<A>>> => {
  const answers = targets.map(ask)
  const outcomes: Array<Outcome<A>> = []
  for (const [index, answer] of answers.entries()) {
    const either = atHand(answer)
    if (either === undefined) return Effect.forEach(answers, outcomeOf(targets), { concurrency: "unbounded" })
    outcomes.push({ name: targets[index]!.name, answer: either })
  }
  return Exit.succeed(outcomes)
}

/**
 * Asks the targets one after another, starting with the last one, and returns their outcomes in the order of the
 * targets.
 */
export const lastFirst = <T extends { readonly name: string }, A>(
  targets: ReadonlyArray<T>,
  ask: (target: T) => Answer<A>
): Effect.Effect<ReadonlyArray<Outcome<A>>> =>
  Effect.map(
    Effect.forEach(targets.toReversed(), (target) => outcomeOf([target])(ask(target), 0)),
    (outcomes) => outcomes.reverse()
  )

const outcomeOf =
  (targets: ReadonlyArray<{ readonly name: string }>) =>
  <A>(answer: Answer<A>, index: number): Effect.Effect<Outcome<A>> =>
    Effect.map(Effect.either(answer), (either) => ({ name: targets[index]!.name, answer: either }))

const atHand = <A>(answer: Answer<A>): Outcome<A>["answer"] | undefined => {
  const exit = Handler.exitOf(answer)
  if (exit === undefined) return undefined
  if (exit._tag === "Success") return Either.right(exit.value)
  return Option.getOrUndefined(Option.map(Cause.failureOption(exit.cause), (error) => Either.left(error)))
}
