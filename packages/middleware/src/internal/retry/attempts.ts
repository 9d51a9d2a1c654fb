import { Answer, RegistryError, RetryBudget } from "@effect-oci/core"
import type { Handler, Operation } from "@effect-oci/core"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { constTrue } from "effect/Function"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"

/** Which errors are retried, how often, and after how long. */
export interface Policy {
  readonly retries: number
  readonly isWorthIt: (error: RegistryError.RegistryError, operation: Operation.Operation) => boolean
  /** Waits before a retry. `retry` counts from 1. */
  readonly wait: (retry: number, error: RegistryError.RegistryError) => Effect.Effect<void>
}

type Result<A, R = never> = Effect.Effect<A, RegistryError.RegistryError, R>

/**
 * The attempts of one operation: the first attempt and its retries. The retries share one budget with retries of inner
 * wrappers.
 */
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

  /** Whether an earlier attempt may have been executed although its response was lost. */
  get mayBeDone(): boolean {
    return this.lost
  }

  /** Returns new attempts with a full number of retries, for a result that is run a second time. */
  anew(): Attempts {
    return new Attempts(this.policy, this.handler, this.operation, this.outer)
  }

  /** Sends an operation to the registry. Retries inside it use the same budget. */
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

  /** Waits before the next attempt. Fails with the error if no retry is allowed. */
  again(error: RegistryError.RegistryError): Result<void> {
    if (!this.isWorthIt(error)) return Answer.fail(error)
    if (this.retries >= this.policy.retries || !this.budget.take()) {
      return Answer.fail(this.retries === 0 ? error : withNote(error, `given up after ${this.retries + 1} attempts`))
    }
    this.retries += 1
    // A registry that answers `TooManyRequests` has not executed the operation.
    this.lost ||= error._tag !== "TooManyRequests"
    return this.policy.wait(this.retries, error)
  }

  /** Runs `goOn` if an attempt fails and a retry is allowed. */
  recover<A, R, R2>(
    attempt: Result<A, R>,
    goOn: (error: RegistryError.RegistryError) => Result<A, R2>
  ): Result<A, R | R2> {
    return Effect.catchAll(attempt, (error) => Effect.flatMap(this.again(error), () => goOn(error)))
  }

  /** Runs an attempt, and retries while a retry is allowed. */
  repeat<A, R, R2>(attempt: Result<A, R>, retry: () => Result<A, R2>): Result<A, R | R2> {
    return this.recover(attempt, () => this.persist(retry))
  }

  /** Runs the first attempt and its retries. */
  persist<A, R>(attempt: () => Result<A, R>): Result<A, R> {
    return this.repeat(Effect.suspend(attempt), attempt)
  }
}

/**
 * Passes the result of an operation to `goOn`, together with the remaining attempts. A final result that is available
 * at once is returned unchanged: a success for which `isWhole` returns `true`, or a failure that is not retried.
 */
export const attempt = <O extends Operation.Operation, R>(
  policy: Policy,
  handler: Handler.Handler,
  operation: O,
  goOn: (attempts: Attempts, answer: Answer.Answer<O>) => Result<Operation.ResultOf<O>, R>,
  isWhole: (result: Operation.ResultOf<O>) => boolean
): Result<Operation.ResultOf<O>, R | Operation.ScopeOf<O>> => {
  const answer: Answer.Answer<O> = handler(operation)
  const exit = Answer.settled(answer)
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

/** Returns the error with a note that says why there was no further attempt. */
export const withNote = <E extends RegistryError.RegistryError>(error: E, note: string): E => {
  const reason = error.reason ?? RegistryError[error._tag].fallback
  return RegistryError.withFields(error, { reason: `${reason.replace(givenUpWithin, "")}; ${note}` })
}

/** The note of an inner `Retry`, which does not know the number of all attempts. */
const givenUpWithin = /; given up after \d+ attempts$/
