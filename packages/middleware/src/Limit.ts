/**
 * A wrapper that limits concurrency and rate of operations.
 *
 * Use it to protect a registry, to respect the limits of a remote one, or to share a registry fairly between teams and
 * callers.
 *
 * @since 0.1.0
 */
import { Answer, BlobContent, Caller, Operation, Registry, RegistryError } from "@effect-oci/core"
import type { Handler, Middleware } from "@effect-oci/core"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { Gates } from "./internal/limit/limiterState.js"
import type { Gate, Kind, Limits } from "./internal/limit/limiterState.js"

/**
 * How many operations of each kind may run at the same time. Default: no limit.
 *
 * @since 0.1.0
 * @category models
 */
export interface Concurrency {
  /** Open contents of blobs (`GetBlob`), each until its scope closes. */
  readonly reads?: number | undefined
  /** Bodies in transfer (`PushBlob`, `AppendUpload`, `CompleteUpload` with a last chunk). */
  readonly writes?: number | undefined
  /** All other operations, which the registry answers at once, and pages of lists. */
  readonly small?: number | undefined
}

/**
 * How many operations may start: `operations` in the time `per`, evenly, and after an idle period up to `burst` of them
 * at once. Default of `burst`: `operations`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Rate {
  readonly operations: number
  readonly per: Duration.DurationInput
  readonly burst?: number | undefined
}

/**
 * Options for {@link middleware}: the limits, and which operations share them.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** The limit of concurrency. A number applies to each kind separately. Default: no limit. */
  readonly concurrency?: number | Concurrency | undefined
  readonly rate?: Rate | undefined
  /**
   * Which operations share one limit: all operations on the same repository (`"repository"`); all operations of the
   * same caller (`"caller"`), by name or, for anonymous callers of a server, by network (`Caller.key`); or all
   * operations for which a function returns the same key. The function is called at each operation. A limit that is not
   * in use is forgotten. Default: all operations share one limit.
   */
  readonly by?:
    | "repository"
    | "caller"
    | ((operation: Operation.Operation, caller: Caller.Identity) => string)
    | undefined
  /**
   * How many operations may wait for one limit. If the queue is full, an operation fails with `TooManyRequests`.
   * Default: no limit.
   */
  readonly queue?: number | undefined
}

/**
 * Creates a middleware that queues operations above a limit. Small operations go before operations that move content,
 * but one in five is an operation that moves content, if one waits. Otherwise the queue is first in, first out.
 * Interruption removes an operation from the queue. If the queue is full, an operation fails with `TooManyRequests`;
 * `retryAfter` is an estimate of when to retry.
 *
 * Contents that are read, bodies that are written, and small operations have separate permits. So a copy
 * within the registry, which needs one permit of each kind, never waits for itself and ends under any limit.
 * Operations that the body of a write makes while it flows use the permit of the write. Only a caller that keeps
 * several contents open at the same time needs as many `reads`.
 *
 * Law: results do not change, except for `TooManyRequests`.
 *
 * @since 0.1.0
 * @category middleware
 * @throws RangeError if a limit is not a valid number
 */
export const middleware = (options: Options): Effect.Effect<Middleware.Middleware> => {
  const limits = limitsOf(options)
  return Effect.sync(() => {
    const limiter = new Limiter(limits, options)
    return (next) => (operation) => limiter.handle(next, operation)
  })
}

/**
 * Creates a layer that limits the operations on the registry below it.
 *
 * @since 0.1.0
 * @category layers
 * @throws RangeError if a limit is not a valid number
 */
export const layer = (options: Options): Layer.Layer<Registry, never, Registry> => Registry.layer(middleware(options))

/**
 * Wraps the registry of a layer so that its operations are limited.
 *
 * @since 0.1.0
 * @category layers
 * @throws RangeError if a limit is not a valid number
 * @example
 * ```ts
 * import type { Registry } from "@effect-oci/core"
 * import { Limit } from "@effect-oci/middleware"
 * import type { Layer } from "effect"
 *
 * // Each caller has four reads, four writes and ten operations a second, and up to a hundred operations in the queue.
 * const fair = (registry: Layer.Layer<Registry>) =>
 *   registry.pipe(
 *     Limit.wrap({ by: "caller", concurrency: 4, rate: { operations: 10, per: "1 second" }, queue: 100 })
 *   )
 * ```
 */
export const wrap = (options: Options): <E, R>(registry: Layer.Layer<Registry, E, R>) => Layer.Layer<Registry, E, R> =>
  Registry.wrap(middleware(options))

const limitsOf = ({ concurrency, queue, rate }: Options): Limits => {
  const all = typeof concurrency === "number"
    ? { reads: concurrency, writes: concurrency, small: concurrency }
    : concurrency ?? {}
  const permits = (name: keyof Concurrency) => atLeast(1, `concurrency.${name}`, all[name] ?? Infinity)
  if (queue !== undefined) atLeast(0, "queue", queue)
  return {
    permits: { read: permits("reads"), write: permits("writes"), small: permits("small") },
    rate: rate && {
      capacity: atLeast(1, "rate.burst", rate.burst ?? Math.max(1, Math.floor(rate.operations))),
      perMilli: positive("rate.operations", rate.operations) / positive("rate.per", Duration.toMillis(rate.per))
    }
  }
}

const atLeast = (least: number, name: string, value: number): number => {
  if (value === Infinity || (Number.isSafeInteger(value) && value >= least)) return value
  throw new RangeError(`Limit: ${name} must be a whole number of at least ${least}, or Infinity, not ${value}`)
}

const positive = (name: string, value: number): number => {
  if (Number.isFinite(value) && value > 0) return value
  throw new RangeError(`Limit: ${name} must be more than 0, not ${value}`)
}

/** The `retryAfter` of a full queue if there is no rate to compute it from, in milliseconds. */
const retryAfter = 1000

/** The limiters on whose write permit this fiber runs, because it produces the body of that write. */
class WorksFor extends Context.Reference<WorksFor>()("@effect-oci/middleware/Limit/WorksFor", {
  defaultValue: (): ReadonlyArray<Limiter> => []
}) {}

class Limiter {
  private readonly gates: Gates
  private readonly by: Options["by"]
  private readonly queue: number
  private readonly hasRate: boolean

  constructor(limits: Limits, { by, queue = Infinity, rate }: Options) {
    this.gates = new Gates(limits)
    this.by = by
    this.queue = queue
    this.hasRate = rate !== undefined
  }

  /**
   * Runs an operation. If a permit is free and the result is available at once, the result is returned at once, without
   * taking the permit.
   */
  handle<O extends Operation.Operation>(next: Handler.Handler, operation: O): Answer.Answer<O> {
    const kind = kindOf(operation)
    const key = this.hasRate ? undefined : this.plainKeyOf(operation)
    if (key !== undefined && this.gates.inUse(key)?.isFree(kind) !== false) {
      return this.goOn(key, kind, operation, next(operation))
    }
    return Effect.withFiberRuntime((fiber) => {
      const key = this.keyOf(operation, fiber)
      const now = nowOf(fiber)
      const gate = this.gates.at(key, now)
      const isFree = gate.isFree(kind) && gate.takeToken(now)
      this.gates.release(key, gate, now)
      return isFree
        ? this.goOn(key, kind, operation, next(operation))
        : this.hold(key, kind, true, operation, Effect.suspend(() => next(operation)))
    })
  }

  private goOn<O extends Operation.Operation>(
    key: string,
    kind: Kind,
    operation: O,
    answer: Answer.Answer<O>
  ): Answer.Answer<O> {
    const exit = Answer.settled(answer)
    return exit === undefined || (exit._tag === "Success" && staysOpen(exit.value))
      ? this.hold(key, kind, false, operation, answer)
      : this.paced(key, operation, answer)
  }

  /** Runs the operation with a permit, and keeps the permit until the scope closes if the content stays open. */
  private hold<O extends Operation.Operation>(
    key: string,
    kind: Kind,
    takesToken: boolean,
    operation: O,
    answer: Answer.Answer<O>
  ): Answer.Answer<O> {
    const held = Effect.withFiberRuntime<Operation.ResultOf<O>, RegistryError.RegistryError, Scope.Scope>((fiber) => {
      if (kind !== "small" && Context.get(fiber.currentContext, WorksFor).includes(this)) return answer
      return Effect.uninterruptibleMask((restore) =>
        Effect.flatMap(
          this.enter(key, kind, takesToken, restore, (gate) => tooMany(operation, gate)),
          (gate) => {
            const leave = this.leave(key, kind, gate)
            return Effect.matchCauseEffect(restore(this.worked(operation, answer)), {
              onFailure: (cause) => Effect.zipRight(leave, Effect.failCause(cause)),
              onSuccess: (result) => Effect.as(staysOpen(result) ? Effect.addFinalizer(() => leave) : leave, result)
            })
          }
        )
      )
    })
    // Only the content of a blob stays open, and that has a scope.
    return this.paced(key, operation, held as Answer.Answer<O>)
  }

  /** Makes a list take a permit for each page, so that its reader holds no permit between pages. */
  private paced<O extends Operation.Operation>(
    key: string,
    operation: O,
    answer: Answer.Answer<O>
  ): Answer.Answer<O> {
    return Answer.mapShape(answer, operation, { list: (items) => this.pages(key, items) })
  }

  private pages<A, E>(key: string, items: Stream.Stream<A, E>): Stream.Stream<A, E> {
    return Stream.fromPull(
      Effect.map(Stream.toPull(items), (page) =>
        Effect.uninterruptibleMask((restore) =>
          Effect.flatMap(
            this.enter(key, "small", false, restore),
            (gate) => Effect.ensuring(restore(page), this.leave(key, "small", gate))
          )
        ))
    )
  }

  /**
   * Lets operations that the body of a write makes run on the permit of the write. Otherwise they could wait for the
   * write itself.
   */
  private worked<A, E, R>(operation: Operation.Operation, answer: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    const body = Operation.bodyOf(operation)
    return body === undefined || body.bytes !== undefined || body.source !== undefined
      ? answer
      : Effect.flatMap(WorksFor, (all) => Effect.provideService(answer, WorksFor, [...all, this]))
  }

  /** Takes a permit, and a token if `takesToken`, when it is the operation's turn. */
  private enter<E = never>(
    key: string,
    kind: Kind,
    takesToken: boolean,
    restore: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>,
    onFull?: (gate: Gate) => E
  ): Effect.Effect<Gate, E> {
    return Effect.withFiberRuntime((fiber) => {
      const now = nowOf(fiber)
      const gate = this.gates.at(key, now)
      if (gate.isFree(kind) && (!takesToken || gate.takeToken(now))) {
        gate.take(kind)
        return Answer.succeed(gate)
      }
      if (onFull !== undefined && gate.waiting >= this.queue) {
        this.gates.release(key, gate, now)
        return Answer.fail(onFull(gate))
      }
      const waiter = gate.wait(kind, takesToken)
      const turn = Effect.async<void>((resume) => {
        waiter.wake = () => resume(Effect.void)
        if (waiter.isAdmitted) waiter.wake()
      })
      return Effect.zipRight(
        tick(gate, now),
        Effect.matchCauseEffect(restore(turn), {
          onFailure: (cause) =>
            Effect.zipRight(this.change(key, gate, (now) => gate.giveUp(waiter, now)), Effect.failCause(cause)),
          onSuccess: () => Answer.succeed(gate)
        })
      )
    })
  }

  private leave(key: string, kind: Kind, gate: Gate): Effect.Effect<void> {
    return this.change(key, gate, (now) => gate.leave(kind, now))
  }

  private change(key: string, gate: Gate, change: (now: number) => void): Effect.Effect<void> {
    return Effect.withFiberRuntime((fiber) => {
      const now = nowOf(fiber)
      change(now)
      this.gates.release(key, gate, now)
      return tick(gate, now)
    })
  }

  /** Returns the key of an operation if the key does not depend on the caller. */
  private plainKeyOf(operation: Operation.Operation): string | undefined {
    if (this.by === undefined) return ""
    if (this.by !== "repository") return undefined
    return "repository" in operation ? operation.repository : ""
  }

  private keyOf(operation: Operation.Operation, fiber: Answer.AnyFiber): string {
    const plain = this.plainKeyOf(operation)
    if (plain !== undefined) return plain
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

/** Sleeps until the rate admits the next waiting operation, and repeats while operations wait for the rate. */
const tick = (gate: Gate, now: number): Effect.Effect<void> => {
  if (gate.isTimed || gate.delay(now) === undefined) return Effect.void
  gate.isTimed = true
  const wait: Effect.Effect<void> = Effect.flatMap(Clock.currentTimeMillis, (now) => {
    const delay = gate.delay(now)
    gate.isTimed = delay !== undefined
    return delay === undefined ? Effect.void : Effect.zipRight(Effect.sleep(delay), wait)
  })
  return Effect.asVoid(Effect.forkDaemon(Effect.interruptible(wait)))
}

const tooMany = (operation: Operation.Operation, gate: Gate): RegistryError.TooManyRequests =>
  new RegistryError.TooManyRequests({
    ...Operation.errorFields(operation),
    reason: `${gate.waiting} operations wait already`,
    retryAfter: gate.tokensIn(gate.waiting + 1) || retryAfter
  })
