import { Answer, BlobContent, Body, Caller, Operation, RegistryError } from "@effect-oci/core"
import type { Handler } from "@effect-oci/core"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { LimiterStates } from "./limiterState.js"
import type { Kind, LimiterState, Limits } from "./limiterState.js"

type Restore = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

/** The `retryAfter` of a full queue if there is no rate to compute it from, in milliseconds. */
const defaultRetryAfter = 1000

/** The limiters that do not limit this fiber: it produces the body of a write that already has their permit. */
class WritesOf extends Context.Reference<WritesOf>()("@effect-oci/middleware/Limit/WritesOf", {
  defaultValue: (): ReadonlyArray<Limiter> => []
}) {}

/** Which operations share a limit. */
type By = "repository" | "caller" | ((operation: Operation.Operation, caller: Caller.Identity) => string) | undefined

/** What an operation takes from the limit of its key. */
interface Request {
  readonly key: string
  readonly kind: Kind
  readonly takesToken: boolean
}

/** Runs operations within limits of concurrency and rate. */
export class Limiter {
  private readonly states: LimiterStates
  private readonly hasRate: boolean

  constructor(limits: Limits, private readonly maxQueue: number, private readonly by: By) {
    this.states = new LimiterStates(limits)
    this.hasRate = limits.rate !== undefined
  }

  /**
   * Runs an operation. If a permit is free and the result is available at once, the result is returned at once, without
   * taking the permit.
   */
  handle<O extends Operation.Operation>(next: Handler.Handler, operation: O): Answer.Answer<O> {
    const kind = kindOf(operation)
    const key = this.hasRate ? undefined : this.keyWithoutCaller(operation)
    if (key !== undefined && this.states.ifActive(key)?.isFree(kind) !== false) {
      return this.run({ key, kind, takesToken: false }, operation, next(operation))
    }
    return Effect.withFiberRuntime((fiber) => {
      const key = this.keyOf(operation, fiber)
      const now = nowOf(fiber)
      const state = this.states.get(key, now)
      const isFree = state.isFree(kind) && state.takeToken(now)
      this.states.settle(key, state, now)
      return isFree
        ? this.run({ key, kind, takesToken: false }, operation, next(operation))
        : this.runWithPermit({ key, kind, takesToken: true }, operation, Effect.suspend(() => next(operation)))
    })
  }

  private run<O extends Operation.Operation>(
    request: Request,
    operation: O,
    answer: Answer.Answer<O>
  ): Answer.Answer<O> {
    const exit = Answer.settled(answer)
    return exit === undefined || (exit._tag === "Success" && staysOpen(exit.value))
      ? this.runWithPermit(request, operation, answer)
      : this.limitPages(request.key, operation, answer)
  }

  /** Runs the operation with a permit, and keeps the permit until the scope closes if the content stays open. */
  private runWithPermit<O extends Operation.Operation>(
    request: Request,
    operation: O,
    answer: Answer.Answer<O>
  ): Answer.Answer<O> {
    const limited = Effect.withFiberRuntime<Operation.ResultOf<O>, RegistryError.RegistryError, Scope.Scope>(
      (fiber) =>
        request.kind !== "small" && Context.get(fiber.currentContext, WritesOf).includes(this)
          ? answer
          : Effect.uninterruptibleMask((restore) =>
            Effect.flatMap(this.acquire(request, restore, operation), (state) => {
              const release = this.release(request, state)
              return Effect.matchCauseEffect(restore(this.shareWithBody(operation, answer)), {
                onFailure: (cause) => Effect.zipRight(release, Effect.failCause(cause)),
                onSuccess: (result) =>
                  Effect.as(staysOpen(result) ? Effect.addFinalizer(() => release) : release, result)
              })
            })
          )
    )
    // Only the content of a blob stays open, and that has a scope.
    return this.limitPages(request.key, operation, limited as Answer.Answer<O>)
  }

  /** Makes a list take a permit for each page, so that its reader holds no permit between pages. */
  private limitPages<O extends Operation.Operation>(
    key: string,
    operation: O,
    answer: Answer.Answer<O>
  ): Answer.Answer<O> {
    const request: Request = { key, kind: "small", takesToken: false }
    const limited = <A, E>(page: Effect.Effect<A, E>) =>
      Effect.uninterruptibleMask((restore) =>
        Effect.flatMap(
          this.acquire(request, restore),
          (state) => Effect.ensuring(restore(page), this.release(request, state))
        )
      )
    return Answer.mapShape(answer, operation, {
      list: (items) => Stream.fromPull(Effect.map(Stream.toPull(items), limited))
    })
  }

  /**
   * Lets operations that the body of a write makes run on the permit of the write. Otherwise they could wait for the
   * write itself.
   */
  private shareWithBody<A, E, R>(operation: Operation.Operation, answer: Effect.Effect<A, E, R>) {
    const body = Operation.bodyOf(operation)
    return body === undefined || !Body.needsFiber(body)
      ? answer
      : Effect.flatMap(WritesOf, (limiters) => Effect.provideService(answer, WritesOf, [...limiters, this]))
  }

  /**
   * Waits for a permit, and for a token if the request takes one. If the queue is full, fails with the error of
   * `operation`; without an operation, waits however many others wait.
   */
  private acquire(
    request: Request,
    restore: Restore,
    operation: Operation.Operation
  ): Effect.Effect<LimiterState, RegistryError.TooManyRequests>
  private acquire(request: Request, restore: Restore): Effect.Effect<LimiterState>
  private acquire(
    request: Request,
    restore: Restore,
    operation?: Operation.Operation
  ): Effect.Effect<LimiterState, RegistryError.TooManyRequests> {
    const { key, kind, takesToken } = request
    return Effect.withFiberRuntime((fiber) => {
      const now = nowOf(fiber)
      const state = this.states.get(key, now)
      if (state.isFree(kind) && (!takesToken || state.takeToken(now))) {
        state.take(kind)
        return Answer.succeed(state)
      }
      if (operation !== undefined && state.waiting >= this.maxQueue) {
        this.states.settle(key, state, now)
        return Answer.fail(queueFull(operation, state, now))
      }
      const ticket = state.enqueue(kind, takesToken)
      const admitted = Effect.async<void>((resume) => {
        ticket.wake = () => resume(Effect.void)
        if (ticket.isAdmitted) ticket.wake()
      })
      const abandon = this.update(key, state, (now) => state.abandon(ticket, now))
      return Effect.zipRight(
        admitByRate(state, now),
        Effect.as(Effect.onError(restore(admitted), () => abandon), state)
      )
    })
  }

  private release({ key, kind }: Request, state: LimiterState): Effect.Effect<void> {
    return this.update(key, state, (now) => state.leave(kind, now))
  }

  private update(key: string, state: LimiterState, change: (now: number) => void): Effect.Effect<void> {
    return Effect.withFiberRuntime((fiber) => {
      const now = nowOf(fiber)
      change(now)
      this.states.settle(key, state, now)
      return admitByRate(state, now)
    })
  }

  /** Returns the key of an operation if the key does not depend on the caller. */
  private keyWithoutCaller(operation: Operation.Operation): string | undefined {
    if (this.by === undefined) return ""
    if (this.by !== "repository") return undefined
    return "repository" in operation ? operation.repository : ""
  }

  private keyOf(operation: Operation.Operation, fiber: Answer.AnyFiber): string {
    const key = this.keyWithoutCaller(operation)
    if (key !== undefined) return key
    const caller = Context.get(fiber.currentContext, Caller.Caller)
    return typeof this.by === "function" ? this.by(operation, caller) : Caller.key(caller)
  }
}

const kindOf = (operation: Operation.Operation): Kind => {
  if (Operation.shape(operation) === "content") return "read"
  return Operation.bodyOf(operation) === undefined ? "small" : "write"
}

const staysOpen = (result: unknown): boolean =>
  result instanceof BlobContent.BlobContent && result.body.bytes === undefined

const nowOf = (fiber: Answer.AnyFiber): number =>
  Context.get(fiber.currentDefaultServices, Clock.Clock).unsafeCurrentTimeMillis()

/** Starts a timer that admits waiting operations as the rate allows. It runs while operations wait for the rate. */
const admitByRate = (state: LimiterState, now: number): Effect.Effect<void> => {
  if (state.isTimed || state.delay(now) === undefined) return Effect.void
  state.isTimed = true
  const timer: Effect.Effect<void> = Effect.flatMap(Clock.currentTimeMillis, (now) => {
    const delay = state.delay(now)
    state.isTimed = delay !== undefined
    return delay === undefined ? Effect.void : Effect.zipRight(Effect.sleep(delay), timer)
  })
  return Effect.asVoid(Effect.forkDaemon(Effect.interruptible(timer)))
}

const queueFull = (operation: Operation.Operation, state: LimiterState, now: number): RegistryError.TooManyRequests =>
  new RegistryError.TooManyRequests({
    ...Operation.errorFields(operation),
    reason: `the queue is full: ${state.waiting} operations are waiting (option queue)`,
    retryAfter: state.wait(now, state.waiting + 1) || defaultRetryAfter
  })
