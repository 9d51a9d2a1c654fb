import { Answer } from "@effect-oci/core"
import type { RegistryError } from "@effect-oci/core"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"

/** The outcome of an operation at a member. */
export interface Outcome<A> {
  readonly name: string
  readonly answer: Either.Either<A, RegistryError.RegistryError>
}

type Result<A> = Effect.Effect<A, RegistryError.RegistryError>

interface Named {
  readonly name: string
}

/**
 * Asks all members at once, and returns their outcomes in the order of the members. If all results are available at
 * once, the outcomes are too.
 */
export const askAll = <M extends Named, A>(
  members: ReadonlyArray<M>,
  ask: (member: M, index: number) => Result<A>
): Effect.Effect<ReadonlyArray<Outcome<A>>> => {
  const answers = members.map((member, index) => outcomeOf(member, ask(member, index)))
  const outcomes: Array<Outcome<A>> = []
  for (const answer of answers) {
    const exit = Answer.settled(answer)
    if (exit?._tag !== "Success") return Effect.all(answers, { concurrency: "unbounded" })
    outcomes.push(exit.value)
  }
  return Answer.succeed(outcomes)
}

/**
 * Asks the members one after another, starting with the last one, and returns their outcomes in the order of the
 * members.
 */
export const askAllReversed = <M extends Named, A>(
  members: ReadonlyArray<M>,
  ask: (member: M) => Result<A>
): Effect.Effect<ReadonlyArray<Outcome<A>>> =>
  Effect.map(
    Effect.forEach(members.toReversed(), (member) => outcomeOf(member, ask(member))),
    (outcomes) => outcomes.reverse()
  )

const outcomeOf = <A>({ name }: Named, answer: Result<A>): Effect.Effect<Outcome<A>> =>
  Answer.match(answer, {
    onFailure: (error): Outcome<A> => ({ name, answer: Either.left(error) }),
    onSuccess: (result): Outcome<A> => ({ name, answer: Either.right(result) })
  })
