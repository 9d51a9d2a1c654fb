import { Handler, RegistryError, RetryBudget } from "@effect-oci/core"
import type { Operation } from "@effect-oci/core"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { constTrue } from "effect/Function"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { AnswerTo } from "../answer.js"

/** What is tried again, how often, and after how long. */
export interface Policy {
  readonly retries: number
  readonly isWorthIt: (error: RegistryError.RegistryError, operation: Operation.Operation) => boolean
  /** Waits before the retry of this number, from one. */
  readonly wait: (retry: number, error: RegistryError.RegistryError) => Effect.Effect<void>
}

type Answer<A, R = never> = Effect.Effect<A, RegistryError.RegistryError, R>

/** The attempts at one operation: its first, and its retries, which are taken from one budget with those within it. */
export class Attempts {
  private retries = 0
  private lost = false
  private readonly budget: RetryBudget.Budget

  constructor(
    private readonly policy: Policy,
    private readonly handler: Handler.Handler,
    private readonly operation: Operation.Operation,
    private readonly outer: RetryBudget.Budget | undefined
  ) {
    this.budget = outer ?? RetryBudget.make(policy.retries)
  }

  /** Whether an earlier attempt may have been done, and only its answer was lost. */
  get mayBeDone(): boolean {
    return this.lost
  }

  /** As many attempts again, for an answer that is run a second time. */
  anew(): Attempts {
    return new Attempts(this.policy, this.handler, this.operation, this.outer)
  }

  /** Asks the registry: what is retried within takes from the same budget. */
  readonly next: Handler.Handler = (operation) => this.within(Effect.suspend(() => this.handler(operation)))

  within<A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    return this.outer === undefined
      ? Effect.provideService(effect, RetryBudget.RetryBudget, this.budget) as Effect.Effect<A, E, R>
      : effect
  }

  withinStream<A>(items: Stream.Stream<A, RegistryError.RegistryError>): Stream.Stream<A, RegistryError.RegistryError> {
    return this.outer === undefined ? Stream.provideService(items, RetryBudget.RetryBudget, this.budget) : items
  }

  isWorthIt(error: RegistryError.RegistryError): boolean {
    return this.policy.isWorthIt(error, this.operation)
  }

  /** Waits until it may be tried again; fails where it may not, or not any more. */
  again(error: RegistryError.RegistryError): Answer<void> {
    if (!this.isWorthIt(error)) return Exit.fail(error)
    if (this.retries >= this.policy.retries || !this.budget.take()) {
      return Exit.fail(this.retries === 0 ? error : withNote(error, `given up after ${this.retries + 1} attempts`))
    }
    this.retries += 1
    // Who says that it is too much has done nothing.
    this.lost ||= error._tag !== "TooManyRequests"
    return this.policy.wait(this.retries, error)
  }

  /** Goes on another way where an attempt fails and there may be one more. */
  recover<A, R, R2>(
    attempt: Answer<A, R>,
    goOn: (error: RegistryError.RegistryError) => Answer<A, R2>
  ): Answer<A, R | R2> {
    return Effect.catchAll(attempt, (error) => Effect.flatMap(this.again(error), () => goOn(error)))
  }

  /** Tries, and tries again as long as that may help. */
  repeat<A, R, R2>(attempt: Answer<A, R>, retry: () => Answer<A, R2>): Answer<A, R | R2> {
    return this.recover(attempt, () => this.persist(retry))
  }

  /** Tries what was not tried yet. */
  persist<A, R>(attempt: () => Answer<A, R>): Answer<A, R> {
    return this.repeat(Effect.suspend(attempt), attempt)
  }
}

/**
 * Goes on with the answer to an operation, with what attempts are left. An answer at hand to which nothing can be added
 * stays one: a success of which `isWhole`, or a failure that is not worth another attempt.
 */
export const attempt = <O extends Operation.Operation, R>(
  policy: Policy,
  handler: Handler.Handler,
  operation: O,
  goOn: (attempts: Attempts, answer: AnswerTo<O>) => Answer<Operation.ResultOf<O>, R>,
  isWhole: (result: Operation.ResultOf<O>) => boolean
): Answer<Operation.ResultOf<O>, R | Operation.ScopeOf<O>> => {
  const answer: AnswerTo<O> = handler(operation)
  const exit = Handler.exitOf(answer)
  if (exit !== undefined && isFinal(exit, isWhole, (error) => policy.isWorthIt(error, operation))) return answer
  return Effect.flatMap(RetryBudget.RetryBudget, (outer) => {
    const attempts = new Attempts(policy, handler, operation, outer)
    return goOn(attempts, attempts.within(answer))
  })
}

const isFinal = <A>(
  exit: Exit.Exit<A, RegistryError.RegistryError>,
  isWhole: (result: A) => boolean,
  isWorthIt: (error: RegistryError.RegistryError) => boolean
): boolean =>
  exit._tag === "Success"
    ? isWhole(exit.value)
    : Option.match(Cause.failureOption(exit.cause), { onNone: constTrue, onSome: (error) => !isWorthIt(error) })

/** The same error, which says why nothing more was done. */
export const withNote = <E extends RegistryError.RegistryError>(error: E, note: string): E => {
  const reason = error.reason ?? RegistryError[error._tag].fallback
  return RegistryError.withFields(error, { reason: `${reason.replace(givenUpWithin, "")}; ${note}` })
}

/** What is said by those within, who did not know of all attempts. */
const givenUpWithin = /; given up after \d+ attempts$/
