/**
 * Answers: the effects that handlers return.
 *
 * A handler may have its answer at the moment of the call, as a store in memory does. The answer is then settled: it is
 * an `Exit`, and a server needs no fiber to run it. The functions of this module keep a settled answer settled. They
 * are also the only place that knows the three shapes of results: a value, content with a body, and a list as a stream.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import { dual } from "effect/Function"
import * as Stream from "effect/Stream"
import * as BlobContent from "./BlobContent.js"
import { Reading } from "./internal/reading.js"
import * as Operation from "./Operation.js"
import * as Outcome from "./Outcome.js"
import type { RegistryError } from "./RegistryError.js"
import { attempt, flatMap, ifPending, map, settled, succeed } from "./Settled.js"

export * from "./Settled.js"

/**
 * The effect that a handler returns for an operation.
 *
 * @since 0.1.0
 * @category models
 */
export type Answer<O extends Operation.Operation> = Effect.Effect<
  Operation.ResultOf<O>,
  RegistryError,
  Operation.ScopeOf<O>
>

/**
 * A function that answers operations: the call signature of a handler.
 *
 * @since 0.1.0
 * @category models
 */
export type Handle = <O extends Operation.Operation>(operation: O) => Answer<O>

/**
 * Returns a handler that calls another handler each time its answer is run. Use it where an answer may be run again,
 * such as in `Effect.retry`: a settled answer does not change.
 *
 * @since 0.1.0
 * @category constructors
 */
export const defer = (handle: Handle): Handle => (operation) => Effect.suspend(() => handle(operation))

/**
 * Maps the error of an operation wherever it occurs: in the effect, in the body of content, in the stream of a list.
 *
 * @since 0.1.0
 * @category combinators
 * @example
 * ```ts
 * import { Answer, RegistryError } from "@effect-oci/core"
 * import type { Middleware } from "@effect-oci/core"
 *
 * const named = (registry: string): Middleware.Middleware => (next) => (operation) =>
 *   Answer.mapError(next(operation), operation, (error) => RegistryError.withFields(error, { registry }))
 * ```
 */
export const mapError: {
  <O extends Operation.Operation>(
    operation: O,
    f: (error: RegistryError) => RegistryError
  ): (answer: Answer<O>) => Answer<O>
  <O extends Operation.Operation>(
    answer: Answer<O>,
    operation: O,
    f: (error: RegistryError) => RegistryError
  ): Answer<O>
} = /* @__PURE__ */ dual(
  3,
  <O extends Operation.Operation>(answer: Answer<O>, operation: O, f: (error: RegistryError) => RegistryError) => {
    const exit = settled(answer)
    // Does not touch a success, so it is cheaper than `Effect.mapError`.
    const mapped = exit === undefined
      ? Effect.catchAllCause(answer, (cause) => Exit.failCause(Cause.map(cause, f)))
      : exit._tag === "Success"
      ? answer
      : Exit.mapError(exit, f)
    return mapShape(mapped, operation, {
      content: (content) => BlobContent.mapError(content, f),
      list: (items) => Stream.mapError(items, f)
    })
  }
)

/**
 * The functions that {@link mapShape} applies. Default: no change.
 *
 * @since 0.1.0
 * @category models
 */
export interface ShapeMaps {
  readonly content?: (content: BlobContent.BlobContent) => BlobContent.BlobContent
  readonly list?: <A>(items: Stream.Stream<A, RegistryError>) => Stream.Stream<A, RegistryError>
}

/**
 * Maps what the caller reads after the operation has answered: content, and the stream of a list. A value is returned
 * unchanged.
 *
 * @since 0.1.0
 * @category combinators
 */
export const mapShape: {
  <O extends Operation.Operation>(operation: O, maps: ShapeMaps): (answer: Answer<O>) => Answer<O>
  <O extends Operation.Operation>(answer: Answer<O>, operation: O, maps: ShapeMaps): Answer<O>
} = /* @__PURE__ */ dual(
  3,
  <O extends Operation.Operation>(answer: Answer<O>, operation: O, maps: ShapeMaps): Answer<O> => {
    const shape: Operation.Shape = Operation.shape(operation)
    const f = shape === "value" ? undefined : maps[shape]
    return f === undefined ? answer : map(answer, f as (result: unknown) => never)
  }
)

/**
 * A fiber of any effect.
 *
 * @since 0.1.0
 * @category models
 */
export type AnyFiber = Fiber.RuntimeFiber<unknown, unknown>

/**
 * The end of an answer.
 *
 * @since 0.1.0
 * @category models
 */
export interface End {
  readonly outcome: Outcome.Outcome
  /** The result, if the effect succeeded. */
  readonly result: unknown
  /** How much of the result was read: bytes of content, or items of a list. `undefined` for a value. */
  readonly amount: number | undefined
}

/**
 * The functions that {@link onEnd} calls during one answer. Only `end` is required.
 *
 * @since 0.1.0
 * @category models
 */
export interface Listener {
  /** Called once, when the result has ended, with the fiber in which it ended. */
  readonly end: (end: End, fiber: AnyFiber) => Effect.Effect<void>
  /** Called when the reader has read the last byte or item, or the read fails. The result ends later. */
  readonly readEnd?: () => void
  /**
   * Called with `true` when the caller starts to wait for the answer, when content is opened and when a list runs, and
   * with `false` when that is over. The same value may be sent twice. Not called for a value that is settled.
   */
  readonly active?: (isActive: boolean) => void
  /** Wraps the effect that the caller waits for. */
  readonly within?: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** Wraps content before it is read. */
  readonly content?: (content: BlobContent.BlobContent) => BlobContent.BlobContent
  /** Wraps the stream of a list before it is read. */
  readonly list?: <A>(items: Stream.Stream<A, RegistryError>) => Stream.Stream<A, RegistryError>
  /** Creates the listener of a second or later run of a list. Default: the same listener. */
  readonly again?: (fiber: AnyFiber) => Effect.Effect<Listener>
}

/**
 * Calls a handler, and reports when the result has ended: a value at once; content when its scope closes, or at once if
 * its bytes are in memory; a list when its stream ends. A list that is never run is not reported. A list that is run
 * twice is reported twice. Changes no results.
 *
 * `listen` is called each time the answer is run, before the handler.
 *
 * @since 0.1.0
 * @category combinators
 * @example
 * ```ts
 * import { Answer } from "@effect-oci/core"
 * import type { Middleware } from "@effect-oci/core"
 * import { Effect } from "effect"
 *
 * const logged: Middleware.Middleware = (next) => (operation) =>
 *   Answer.onEnd(next, operation, () => ({
 *     end: ({ amount, outcome }) => Effect.log(operation._tag, outcome._tag, amount)
 *   }))
 * ```
 */
export const onEnd = <O extends Operation.Operation>(
  handle: Handle,
  operation: O,
  listen: (fiber: AnyFiber) => Listener
): Answer<O> =>
  Effect.withFiberRuntime((fiber) => {
    const listener = listen(fiber)
    const settle = (exit: Exit.Exit<unknown, RegistryError>) =>
      (exit._tag === "Success"
        ? succeeded[Operation.shape(operation)](exit.value as never, listener, fiber)
        : flatMap(finish(listener, fiber, Outcome.fromCause(exit.cause)), () => exit)) as Answer<O>
    const answer = attempt(() => handle(operation))
    const exit = settled(answer)
    if (exit !== undefined) return settle(exit)
    return Effect.uninterruptibleMask((restore) => {
      listener.active?.(true)
      return Effect.matchCauseEffect(restore(listener.within === undefined ? answer : listener.within(answer)), {
        onFailure: (cause) => settle(Exit.failCause(cause)),
        onSuccess: (result) => settle(Exit.succeed(result))
      })
    })
  })

const finish = (
  listener: Listener,
  fiber: AnyFiber,
  outcome: Outcome.Outcome,
  result?: unknown,
  amount?: number
): Effect.Effect<void> => {
  listener.active?.(false)
  return ifPending(listener.end({ outcome, result, amount }, fiber), Effect.uninterruptible)
}

/** Reports a result of each shape when it has ended. */
const succeeded: {
  readonly [S in Operation.Shape]: (
    result: Operation.ResultOf<Operation.WithShape<S>>,
    listener: Listener,
    fiber: AnyFiber
  ) => Effect.Effect<unknown, never, unknown>
} = {
  value: (result, listener, fiber) => map(finish(listener, fiber, Outcome.success, result), () => result),

  content: (result, listener, fiber) => {
    const content = listener.content?.(result) ?? result
    const { bytes } = content.body
    if (bytes !== undefined) {
      return map(finish(listener, fiber, Outcome.success, result, bytes.byteLength), () => content)
    }
    const reading = new Reading(() => listener.readEnd?.())
    const size = content.range?.length ?? content.descriptor.size
    const close = (exit: Exit.Exit<unknown, unknown>) =>
      Effect.withFiberRuntime<void>((fiber) => {
        // A reader that knows the size may stop without reading the end marker.
        const outcome = reading.outcome ?? (reading.amount === size ? Outcome.success : Outcome.unfinished(exit))
        return finish(listener, fiber, outcome, result, reading.amount)
      })
    return Effect.uninterruptible(Effect.suspend(() => {
      listener.active?.(true)
      return Effect.as(Effect.addFinalizer(close), BlobContent.mapBody(content, (body) => reading.body(body)))
    }))
  },

  list: (items: Stream.Stream<unknown, RegistryError>, listener) => {
    listener.active?.(false)
    let runs = 0
    const open = Effect.withFiberRuntime<Run>((fiber) =>
      map((runs++ > 0 ? listener.again?.(fiber) : undefined) ?? succeed(listener), (listener) => {
        listener.active?.(true)
        return { listener, reading: new Reading(() => listener.readEnd?.()) }
      })
    )
    const close = ({ listener, reading }: Run, exit: Exit.Exit<unknown, unknown>) =>
      Effect.withFiberRuntime<void>((fiber) =>
        finish(listener, fiber, reading.outcome ?? Outcome.unfinished(exit), items, reading.amount)
      )
    return succeed(Stream.unwrapScoped(
      Effect.map(
        Effect.acquireRelease(open, close),
        ({ listener, reading }) => reading.list(listener.list?.(items) ?? items)
      )
    ))
  }
}

interface Run {
  readonly listener: Listener
  readonly reading: Reading
}
