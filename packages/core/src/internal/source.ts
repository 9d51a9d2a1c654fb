import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { RegistryError } from "../RegistryError.js"

/**
 * The callbacks that receive the bytes of a source. After `end` or `fail`, or after the source was cancelled, no
 * callback is called.
 *
 * @since 0.1.0
 * @category models
 */
export interface Sink {
  /** Receives a chunk. Returns `false` to pause the source until {@link Control.resume} is called. */
  readonly data: (chunk: Uint8Array) => boolean
  readonly end: () => void
  readonly fail: (error: RegistryError) => void
}

/**
 * The methods by which a sink controls its source. They may be called from within a callback. After the end of the
 * source they do nothing.
 *
 * @since 0.1.0
 * @category models
 */
export interface Control {
  /** Continues after {@link Sink.data} returned `false`. */
  readonly resume: () => void
  /** Stops the source early and releases its resources. */
  readonly cancel: () => void
}

/**
 * A source of bytes that calls callbacks. It connects two native ends, such as a socket and a file, without a fiber
 * between them. Each call opens the content again. No callback is called before the call returns.
 *
 * A chunk that was passed to the sink belongs to the sink: the source does not reuse its memory.
 *
 * @since 0.1.0
 * @category models
 */
export type Source = (sink: Sink) => Control

/** The maximum number of bytes that a stream buffers before the source is paused. */
const highWater = 1024 * 1024

/**
 * Converts a source to a stream. The stream emits everything that has arrived as one chunk of byte arrays, and pauses
 * the source while nothing reads the stream.
 */
export const toStream = (source: Source): Stream.Stream<Uint8Array, RegistryError> =>
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
export const forEach = (source: Source, f: (chunk: Uint8Array) => void): Effect.Effect<void, RegistryError> =>
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

/** Returns a source that only fails with an error. */
export const fail = (error: RegistryError): Source => (sink) => {
  let cancelled = false
  queueMicrotask(() => {
    if (!cancelled) sink.fail(error)
  })
  return {
    resume: () => {},
    cancel: () => {
      cancelled = true
    }
  }
}
