import * as Cause from "effect/Cause"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { fromBodyFailure, withFields } from "../RegistryError.js"
import type { RegistryError } from "../RegistryError.js"
import * as Source from "../Source.js"

/**
 * A function that is called each time a transformed body is opened. It receives the sink of the consumer. If it ends or
 * fails the sink at once, the body is not opened.
 */
export type Through = (sink: Source.Sink) => Source.Transformer

/**
 * A function that says how a body continues after its end, or after a failure: with another value, or with its end if
 * the effect returns `undefined`. It receives the number of bytes that were passed so far.
 */
export type Next<A> = (
  error: RegistryError | undefined,
  passed: number
) => Effect.Effect<A | undefined, RegistryError>

/** The maximum number of bytes that a stream buffers before the source is paused. */
const highWater = 1024 * 1024

/**
 * Converts a source to a stream. The stream emits everything that has arrived as one chunk of byte arrays, and pauses
 * the source while nothing reads the stream.
 */
export const toStream = (source: Source.Source): Stream.Stream<Uint8Array, RegistryError> =>
  Stream.unwrapScoped(Effect.gen(function*() {
    let gathered: Array<Uint8Array> = []
    let bytes = 0
    let paused = false
    let ended: { readonly error: RegistryError | undefined } | undefined
    let wake: (() => void) | undefined
    const signal = () => {
      const waiting = wake
      wake = undefined
      waiting?.()
    }
    const control = yield* Effect.acquireRelease(
      Effect.sync(() =>
        source({
          data: (chunk) => {
            gathered.push(chunk)
            bytes += chunk.byteLength
            signal()
            paused = bytes >= highWater
            return !paused
          },
          end: () => {
            ended = { error: undefined }
            signal()
          },
          fail: (error) => {
            ended = { error }
            signal()
          }
        })
      ),
      (control) => Effect.sync(control.cancel)
    )
    const take: Effect.Effect<Chunk.Chunk<Uint8Array>, Option.Option<RegistryError>> = Effect.suspend(() => {
      if (gathered.length > 0) {
        const chunk = Chunk.unsafeFromArray(gathered)
        gathered = []
        bytes = 0
        if (paused) {
          paused = false
          if (ended === undefined) control.resume()
        }
        return Effect.succeed(chunk)
      }
      if (ended !== undefined) {
        return Effect.fail(ended.error === undefined ? Option.none() : Option.some(ended.error))
      }
      return Effect.zipRight(
        Effect.async<void>((resume) => {
          wake = () => resume(Effect.void)
          return Effect.sync(() => {
            wake = undefined
          })
        }),
        take
      )
    })
    return Stream.repeatEffectChunkOption(take)
  }))

/**
 * Calls a function with each chunk of a source until it ends, in one effect. The function must keep up with the source.
 */
export const forEach = (source: Source.Source, f: (chunk: Uint8Array) => void): Effect.Effect<void, RegistryError> =>
  Effect.async<void, RegistryError>((resume) => {
    const control = source({
      data: (chunk) => {
        // The caller is an event of a native source: an exception here would not be caught, and would end the process.
        try {
          f(chunk)
          return true
        } catch (defect) {
          control.cancel()
          resume(Effect.die(defect))
          return false
        }
      },
      end: () => resume(Effect.void),
      fail: (error) => resume(Effect.fail(error))
    })
    return Effect.sync(control.cancel)
  })

/** Returns the effect as an `Exit` if it is one. */
const exitOf = <A, E>(effect: Effect.Effect<A, E>): Exit.Exit<A, E> | undefined =>
  Exit.isExit(effect) ? effect as Exit.Exit<A, E> : undefined

/** Maps what follows. An `Exit` stays an `Exit`, which needs no fiber. */
export const mapNext = <A, B>(next: Next<A>, f: (value: A) => B): Next<B> => (error, passed) => {
  const effect = next(error, passed)
  const g = (value: A | undefined) => value === undefined ? undefined : f(value)
  const exit = exitOf(effect)
  return exit === undefined ? Effect.map(effect, g) : Exit.map(exit, g)
}

/** Returns the error of a fiber that ran for a source. A defect or an interruption becomes a `BodyFailed`. */
const errorOf = (cause: Cause.Cause<RegistryError>): RegistryError =>
  Option.getOrElse(Cause.failureOption(cause), () => fromBodyFailure(Cause.squash(cause)))

/** Converts a stream to a source. A fiber runs the stream at the pace of the sink. */
export const fromStream =
  (content: Stream.Stream<Uint8Array, RegistryError>, fork: Source.Fork): Source.Source => (sink) => {
    let isOver = false
    let isOpen = true
    let wake: (() => void) | undefined
    const opened = Effect.async<void>((resume) => {
      if (isOpen) resume(Effect.void)
      else wake = () => resume(Effect.void)
    })
    const pass = (pieces: Chunk.Chunk<Uint8Array>, from = 0): Effect.Effect<void> =>
      Effect.suspend(() => {
        for (let at = from; at < pieces.length; at++) {
          if (isOver) return Effect.void
          isOpen = false
          if (!sink.data(Chunk.unsafeGet(pieces, at))) return Effect.zipRight(opened, pass(pieces, at + 1))
          isOpen = true
        }
        return Effect.void
      })
    // A fiber starts at once, but the source must return before the first chunk.
    const fiber = fork(Effect.zipRight(Effect.yieldNow(), Stream.runForEachChunk(content, (pieces) => pass(pieces))))
    fiber.addObserver((exit) => {
      if (isOver) return
      isOver = true
      if (exit._tag === "Success") sink.end()
      else sink.fail(errorOf(exit.cause))
    })
    return {
      resume: () => {
        isOpen = true
        const waiting = wake
        wake = undefined
        waiting?.()
      },
      cancel: () => {
        if (isOver) return
        isOver = true
        fiber.unsafeInterruptAsFork(FiberId.none)
      }
    }
  }

/** Returns a source whose callbacks pass through the transformer that `through` creates. */
export const transform = (inner: Source.Source, through: Through): Source.Source => (sink) => {
  let isOver = false
  let early: RegistryError | undefined
  /** The control of the source. Absent while the source is being opened, and after its end. */
  let control: Source.Control | undefined
  const close = () => {
    isOver = true
    const open = control
    control = undefined
    open?.cancel()
  }
  let isOpened = false
  const finish = (error: RegistryError | undefined) => {
    if (isOver) return
    close()
    early = error
    // While the source is being opened, no callback may be called.
    if (!isOpened) return
    if (error === undefined) sink.end()
    else sink.fail(error)
  }
  const out: Source.Sink = {
    data: (chunk) => !isOver && sink.data(chunk),
    end: () => finish(undefined),
    fail: finish
  }
  const transformer = through(out)
  const { data = out.data, end = out.end, fail = out.fail, resume } = transformer
  const { keepsNothing = transformer.data === undefined } = transformer
  if (isOver) return early === undefined ? Source.fromChunks([])(sink) : Source.fail(early)(sink)
  isOpened = true
  control = inner({
    data: (chunk) => !isOver && data(chunk),
    end: () => {
      control = undefined
      if (isOver) return
      end()
      out.end()
    },
    fail: (error) => {
      control = undefined
      if (isOver) return
      fail(error)
      out.fail(error)
    }
  })
  return {
    resume: () => {
      if (isOver) return
      resume?.()
      control?.resume()
    },
    cancel: close,
    release: keepsNothing ? (chunk) => control?.release?.(chunk) : undefined
  }
}

/**
 * Returns a source that continues with the source that `next` opens, whenever a source ends or fails. It opens a source
 * only when its sink accepts more bytes. A fiber runs the effect, unless the effect is an `Exit`.
 */
export const sequence =
  (first: Source.Source, next: Next<Source.Source>, fork: Source.Fork): Source.Source => (sink) => {
    let isOver = false
    let isPaused = false
    let passed = 0
    let control: Source.Control
    /** Opens the next source, if a source ended while the sink did not accept bytes. */
    let deferred: (() => void) | undefined

    const connect = (source: Source.Source): void => {
      const ended = (error?: RegistryError) => {
        if (isOver) return
        if (isPaused) deferred = () => follow(error)
        else follow(error)
      }
      control = source({
        data: (chunk) => {
          isPaused = true
          passed += chunk.byteLength
          const isOpen = sink.data(chunk)
          if (isOpen) isPaused = false
          return isOpen
        },
        end: ended,
        fail: ended
      })
    }
    const follow = (error: RegistryError | undefined): void => {
      const effect = next(error, passed)
      const settle = (exit: Exit.Exit<Source.Source | undefined, RegistryError>) => {
        if (isOver) return
        if (exit._tag === "Success" && exit.value !== undefined) return connect(exit.value)
        isOver = true
        if (exit._tag === "Success") sink.end()
        else sink.fail(errorAfter(error, exit.cause))
      }
      const exit = exitOf(effect)
      if (exit !== undefined) return settle(exit)
      const fiber = fork(effect)
      control = { resume: () => {}, cancel: () => fiber.unsafeInterruptAsFork(FiberId.none) }
      fiber.addObserver(settle)
    }

    connect(first)
    return {
      resume: () => {
        isPaused = false
        const open = deferred
        deferred = undefined
        if (open === undefined) control.resume()
        else open()
      },
      cancel: () => {
        isOver = true
        control.cancel()
      },
      release: (chunk) => control.release?.(chunk)
    }
  }

/** Returns the error if the next source could not be opened after a source failed with `error`, or after its end. */
const errorAfter = (error: RegistryError | undefined, cause: Cause.Cause<RegistryError>): RegistryError => {
  if (error === undefined || Option.isSome(Cause.failureOption(cause))) return errorOf(cause)
  return Cause.isInterruptedOnly(cause) ? error : withFields(error, { cause: Cause.squash(cause) })
}
