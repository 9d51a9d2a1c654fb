/**
 * Native sources of bytes: functions that push chunks to callbacks, without an Effect for each chunk.
 *
 * A source connects two native ends, such as a file and a socket. Its contract:
 *
 * - **Open.** Each call of a {@link Source} opens the content again. It returns a {@link Control} before the first
 *   callback. A source that cannot open its content calls `fail` later, it does not throw.
 * - **Chunks.** The source calls `data` with each chunk, in order. The chunk then belongs to the sink: the source does
 *   not change or reuse its memory, unless the sink gives it back with `release`.
 * - **Backpressure.** If `data` returns `false`, the source passes no further chunk until `resume` is called. `resume` is
 *   called after `data` has returned, not within it. It has no effect on a source that is not paused.
 * - **End.** The last callback is either `end` or `fail`, and there is exactly one. It may come while the source is
 *   paused. Afterwards `resume` and `cancel` have no effect.
 * - **Cancel.** `cancel` may be called at any time, also within a callback, and more than once. No callback follows. The
 *   source releases its resources.
 * - **Exceptions.** A callback must not throw: its caller is an event of the platform, which nothing catches.
 *
 * @since 0.1.0
 */
import type { Cause } from "effect/Cause"
import * as Effect from "effect/Effect"
import type { RuntimeFiber } from "effect/Fiber"
import * as Runtime from "effect/Runtime"
import type { RegistryError } from "./RegistryError.js"

/**
 * The callbacks that receive the bytes of a source. `E` is the type of the failure.
 *
 * @since 0.1.0
 * @category models
 */
export interface Sink<in E = RegistryError> {
  /** Receives a chunk. Returns `false` to pause the source until {@link Control.resume} is called. */
  readonly data: (chunk: Uint8Array) => boolean
  /** Receives the end of the content. */
  readonly end: () => void
  /** Receives the failure that ended the content. */
  readonly fail: (error: E) => void
}

/**
 * The methods by which a sink controls its source.
 *
 * @since 0.1.0
 * @category models
 */
export interface Control {
  /** Continues after {@link Sink.data} returned `false`. */
  readonly resume: () => void
  /** Stops the source early and releases its resources. */
  readonly cancel: () => void
  /**
   * Gives the memory of a chunk back to the source, which may use it for a later chunk: new memory for each chunk costs
   * more than to read a file. A sink may call it once for a chunk, when nothing reads the chunk any more. The
   * source ignores chunks of other sources. Absent if the source has no use for the memory.
   */
  readonly release?: ((chunk: Uint8Array) => void) | undefined
}

/**
 * A source of bytes that calls callbacks.
 *
 * @since 0.1.0
 * @category models
 */
export type Source<out E = RegistryError> = (sink: Sink<E>) => Control

/**
 * The callbacks of one run of a transformed body. They receive what the body yields, and call the sink of the consumer.
 * A callback that is absent passes on what it receives. An `end` or a `fail` that does not end the sink passes on what it
 * received when it returns.
 *
 * @since 0.1.0
 * @category models
 */
export interface Transformer extends Partial<Sink> {
  /** Called when the consumer requests more after {@link Sink.data} returned `false`. */
  readonly resume?: (() => void) | undefined
  /** Called in place of {@link Sink.fail} if the body is a stream that dies or is interrupted. */
  readonly die?: ((cause: Cause<never>) => void) | undefined
  /**
   * Whether `data` keeps no chunk, and no part of one, after it returns. Then the consumer can give chunks back to the
   * source ({@link Control.release}). Default: `true` without `data`, otherwise `false`.
   */
  readonly keepsNothing?: boolean | undefined
}

/**
 * A function that starts an effect in a fiber, for a source that needs one, such as the source of a stream. The fiber
 * must be able to be interrupted.
 *
 * @since 0.1.0
 * @category models
 */
export type Fork = <A>(effect: Effect.Effect<A, RegistryError>) => RuntimeFiber<A, RegistryError>

/**
 * Returns a function that starts effects in fibers that can be interrupted, with the context of the calling fiber.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fork: Effect.Effect<Fork> = /* @__PURE__ */ Effect.map(
  Effect.runtime<never>(),
  (runtime): Fork => (effect) => Runtime.runFork(runtime)(Effect.interruptible(effect))
)

const ignore = () => {}

/**
 * Creates a source that only fails.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fail = <E>(error: E): Source<E> => (sink) => {
  let isOver = false
  queueMicrotask(() => {
    if (!isOver) sink.fail(error)
  })
  return {
    resume: ignore,
    cancel: () => {
      isOver = true
    }
  }
}

/** The number of bytes that {@link fromChunks} passes before other fibers run: some milliseconds of hashing. */
const turn = 16 * 1024 * 1024

/**
 * Creates a source of chunks in memory. It passes all chunks at once while its sink accepts them, and lets other fibers
 * run after each 16 MiB.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromChunks = (chunks: Iterable<Uint8Array>): Source<never> => (sink) => {
  const rest = chunks[Symbol.iterator]()
  let isPaused = false
  let isOver = false
  const flow = () => {
    let left = turn
    while (!isOver && !isPaused) {
      const next = rest.next()
      if (next.done === true) {
        isOver = true
        return sink.end()
      }
      isPaused = true
      if (sink.data(next.value)) isPaused = false
      left -= next.value.byteLength
      if (left <= 0 && !isPaused) return void setTimeout(flow, 0)
    }
  }
  queueMicrotask(flow)
  return {
    resume: () => {
      if (!isPaused) return
      isPaused = false
      queueMicrotask(flow)
    },
    cancel: () => {
      isOver = true
    }
  }
}
