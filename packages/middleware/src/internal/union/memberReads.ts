import { Handler } from "@effect-oci/core"
import type { Operation, RegistryError } from "@effect-oci/core"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type { Cooldown } from "./cooldown.js"
import { isOutOfOrder } from "./cooldown.js"
import type { Attempt } from "./memberErrors.js"
import * as attempts from "./memberErrors.js"
import type { Options, Target } from "./model.js"
import * as model from "./model.js"
import { race } from "./race.js"

type Answer<A, R = never> = Effect.Effect<A, RegistryError.RegistryError, R>

/** A read, and how to send it to each member. */
export interface Question<A, R> {
  readonly operation: Operation.Operation
  readonly members: ReadonlyArray<Target>
  readonly ask: (target: Target) => Answer<A, R>
  /** The failures of members that were asked before. */
  readonly failed?: ReadonlyArray<Attempt> | undefined
}

/** How reads ask the members. Members that failed within the cooldown are asked last. */
export interface Asking {
  /** Asks one member after another until one succeeds. */
  readonly inOrder: <A, R>(question: Question<A, R>) => Answer<A, R>
  /** Asks all members at once, and returns the first success. `late` receives each success that comes later. */
  readonly raced: <A, R>(question: Question<A, R>, late: (value: A) => Effect.Effect<void>) => Answer<A, R>
  /** Returns whether an error of a member makes reads ask the next member. */
  readonly shouldTryNext: (
    operation: Operation.Operation,
    target: Target,
    error: RegistryError.RegistryError
  ) => boolean
}

export const make = ({ passOver }: Options, cooldown: Cooldown): Asking => {
  const movesOn = model.movesOn(passOver)

  const shouldTryNext: Asking["shouldTryNext"] = (operation, target, error) =>
    !target.authoritative &&
    // A member that returns other content does not have the content of the digest.
    (movesOn(error) || model.isWrongContent(error, operation))

  const oneByOne = <A, R>({ ask, failed: before = [], members, operation }: Question<A, R>): Answer<A, R> => {
    const from = (index: number, before: ReadonlyArray<Attempt>): Answer<A, R> => {
      const target = members[index]!
      const answer = ask(target)
      const failed = (error: RegistryError.RegistryError): Answer<A, R> => {
        const all = [...before, { name: target.name, error }]
        if (!shouldTryNext(operation, target, error)) return Exit.fail(attempts.asOne(operation, all, error))
        const next = (): Answer<A, R> =>
          index + 1 < members.length ? from(index + 1, all) : Exit.fail(attempts.asOne(operation, all))
        return isOutOfOrder(error, operation)
          ? Effect.flatMap(Effect.clock, (clock) => {
            cooldown.note(target, error, clock)
            return next()
          })
          : next()
      }
      const exit = Handler.exitOf(answer)
      if (exit === undefined) return Effect.catchAll(answer, failed)
      if (exit._tag === "Success") return answer
      return Option.match(Cause.failureOption(exit.cause), { onNone: () => answer, onSome: failed })
    }
    return members.length === 0 ? Exit.fail(attempts.asOne(operation, before)) : from(0, before)
  }

  const atOnce = <A, R>(
    { ask, members, operation }: Question<A, R>,
    late: (value: A) => Effect.Effect<void>
  ): Effect.Effect<A, ReadonlyArray<RegistryError.RegistryError>, R> => {
    const answers: Array<Answer<A, R>> = []
    for (const target of members) {
      const answer = ask(target)
      if (Handler.exitOf(answer)?._tag === "Success") return answer as Effect.Effect<A>
      answers.push(
        Effect.tapError(answer, (error) =>
          isOutOfOrder(error, operation)
            ? Effect.map(Effect.clock, (clock) => cooldown.note(target, error, clock))
            : Effect.void)
      )
    }
    return race(answers, late)
  }

  return {
    shouldTryNext,
    inOrder: (question) =>
      Handler.matchEffect(cooldown.split(question.operation, question.members), {
        onFailure: Exit.fail,
        onSuccess: ({ ready, resting }) => oneByOne({ ...question, members: [...ready, ...resting] })
      }),
    raced: (question, late) =>
      Handler.matchEffect(cooldown.split(question.operation, question.members), {
        onFailure: Exit.fail,
        onSuccess: ({ ready, resting }) => {
          const [first, others] = ready.length === 0 ? [resting, []] : [ready, resting]
          return Handler.matchEffect(atOnce({ ...question, members: first }, late), {
            onSuccess: Exit.succeed,
            onFailure: (errors) => {
              const failed = errors.map((error, index) => ({ name: first[index]!.name, error }))
              const final = first.findIndex(({ authoritative }) => authoritative)
              return final < 0
                ? oneByOne({ ...question, members: others, failed })
                : Exit.fail(attempts.asOne(question.operation, failed, errors[final]))
            }
          })
        }
      })
  }
}
