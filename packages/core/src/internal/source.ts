import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { RegistryError } from "../RegistryError.js"

/**
 * Where bytes go, by callbacks. Nothing follows after `end` or `fail`, or once the source has been cancelled.
 *
 * @since 0.1.0
 * @category models
 */
export interface Sink {
  /** Takes a chunk; `false` asks to be given no more until {@link Control.resume}. */
  readonly data: (chunk: Uint8Array) => boolean
  readonly end: () => void
  readonly fail: (error: RegistryError) => void
}

/**
 * The hold that a sink has on its source. It may be used while the source calls; after the end it does nothing.
 *
 * @since 0.1.0
 * @category models
 */
export interface Control {
  /** Asks for more after {@link Sink.data} answered `false`. */
  readonly resume: () => void
  /** Ends it early and closes what is open. */
  readonly cancel: () => void
}

/**
 * Bytes by callbacks: how one native end (a socket, a file) meets another with no fiber between. Each call opens it
 * anew, and nothing flows before the call returns.
 * A chunk that is handed over belongs to the sink: the source does not use its memory again.
 *
 * @since 0.1.0
 * @category models
 */
export type Source = (sink: Sink) => Control

/** How many bytes a stream may gather ahead of its reader. */
const highWater = 1024 * 1024

/** A stream over a source: it takes all that has come as one chunk of chunks, and pauses the source while nobody reads. */
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

/** Runs a source to its end through a function that keeps up with it: one effect for all of it. */
export const forEach = (source: Source, f: (chunk: Uint8Array) => void): Effect.Effect<void, RegistryError> =>
  Effect.async<void, RegistryError>((resume) => {
    const control = source({
      data: (chunk) => {
        // Whoever calls is an event of a native end: what is thrown here would reach nobody and end the process.
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

/** A source that has nothing but an error. */
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
