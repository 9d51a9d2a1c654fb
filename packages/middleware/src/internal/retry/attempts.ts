import { Answer, Operation, RegistryError, RetryBudget } from "@effect-oci/core"
import type { BlobContent, Handler } from "@effect-oci/core"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
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
  private readonly budget: RetryBudget.Budget
  /** Whether an earlier attempt may have been executed although its response was lost. */
  mayBeDone = false

  constructor(
    private readonly policy: Policy,
    private readonly handler: Handler.Handler,
    private readonly operation: Operation.Operation,
    private readonly outer: RetryBudget.Budget | undefined
  ) {
    this.budget = outer ?? RetryBudget.make(policy.retries)
  }

  /** Returns new attempts with a full number of retries, for a result that is run a second time. */
  restart(): Attempts {
    return new Attempts(this.policy, this.handler, this.operation, this.outer)
  }

  /** Sends an operation to the registry. Retries inside it use the same budget. */
  readonly next: Handler.Handler = (operation) => this.withBudget(Effect.suspend(() => this.handler(operation)))

  withBudget<A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    return this.outer === undefined
      ? Effect.provideService(effect, RetryBudget.RetryBudget, this.budget) as Effect.Effect<A, E, R>
      : effect
  }

  streamWithBudget<A, E>(items: Stream.Stream<A, E>): Stream.Stream<A, E> {
    return this.outer === undefined ? Stream.provideService(items, RetryBudget.RetryBudget, this.budget) : items
  }

  isWorthIt(error: RegistryError.RegistryError): boolean {
    return this.policy.isWorthIt(error, this.operation)
  }

  /** Waits before the next attempt. Fails with the error if no retry is allowed. */
  waitForRetry(error: RegistryError.RegistryError): Result<void> {
    if (!this.isWorthIt(error)) return Answer.fail(error)
    if (this.retries >= this.policy.retries || !this.budget.take()) {
      return Answer.fail(this.retries === 0 ? error : withNote(error, `given up after ${this.retries + 1} attempts`))
    }
    this.retries += 1
    // A registry that answers `TooManyRequests` has not executed the operation.
    this.mayBeDone ||= error._tag !== "OciTooManyRequests"
    return this.policy.wait(this.retries, error)
  }

  /** Runs `retry` if an attempt fails and a retry is allowed. */
  recover<A, R, R2>(
    attempt: Result<A, R>,
    retry: (error: RegistryError.RegistryError) => Result<A, R2>
  ): Result<A, R | R2> {
    return Effect.catchAll(attempt, (error) => Effect.flatMap(this.waitForRetry(error), () => retry(error)))
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
 * Returns the result of an operation, with what `retry` does after its first attempt. A result that is settled and final
 * is returned unchanged: a complete result, or a failure that is not retried.
 */
export const attempt = <O extends Operation.Operation>(
  policy: Policy,
  handler: Handler.Handler,
  operation: O,
  retry: (attempts: Attempts, operation: O, answer: Answer.Answer<O>) => Answer.Answer<O>
): Answer.Answer<O> => {
  const answer: Answer.Answer<O> = handler(operation)
  const exit = Answer.settled(answer)
  const isFinal = exit !== undefined && (exit._tag === "Success"
    ? isComplete(operation, exit.value)
    : Option.match(Cause.failureOption(exit.cause), {
      onNone: () => true,
      onSome: (error) => !policy.isWorthIt(error, operation)
    }))
  if (isFinal) return answer
  return Effect.flatMap(RetryBudget.RetryBudget, (outer) => {
    const attempts = new Attempts(policy, handler, operation, outer)
    return retry(attempts, operation, attempts.withBudget(answer))
  })
}

/** Returns whether a result needs no further read that could fail. */
const isComplete = (operation: Operation.Operation, result: unknown): boolean =>
  Operation.matchShape(operation, {
    value: () => true,
    content: () => (result as BlobContent.BlobContent).body.bytes !== undefined,
    list: () => false
  })

/** Returns the error with a note that says why there was no further attempt. */
export const withNote = <E extends RegistryError.RegistryError>(error: E, note: string): E => {
  return RegistryError.withFields(error, { reason: `${RegistryError.reason(error).replace(innerNote, "")}; ${note}` })
}

/** The note of an inner `Retry`, which does not know the number of all attempts. */
const innerNote = /; given up after \d+ attempts$/
