import { Body, RegistryError } from "@effect-oci/core"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as FiberId from "effect/FiberId"
import * as Runtime from "effect/Runtime"
import * as Stream from "effect/Stream"

/** One body for several takers. */
export interface FanOut {
  /** One for each. They are read in lock step, and once. */
  readonly bodies: ReadonlyArray<Body.Body>
  /** A taker is done, whether it has read its body or not: nobody waits for it any more. */
  readonly leave: (index: number) => void
}

/**
 * Gives several takers the same bytes by one reading of a body, a chunk at a time: the next comes when all who are left
 * have taken the last, and the first when all have begun to read or have left. Nothing is held for the slower ones, so
 * that all go at the pace of the slowest. `skips` says for each how many bytes it has already.
 *
 * A body whose bytes can be had again is not read so: each taker has it for itself, and may begin anew.
 */
export const fanOut = (body: Body.Body, skips: ReadonlyArray<number>): Effect.Effect<FanOut> => {
  if (body.replayable && skips.every((skip) => skip === 0)) {
    return Effect.succeed({ bodies: skips.map(() => body), leave: () => {} })
  }
  const { size, source } = body
  if (source !== undefined) return Effect.sync(() => inLockStep(source, size, skips))
  return Effect.map(Effect.runtime(), (runtime) => inLockStep(toSource(body.stream, runtime), size, skips))
}

interface Taker {
  sink: Body.Sink | undefined
  left: boolean
  /** It has asked for no more for now. */
  full: boolean
  skip: number
}

const inLockStep = (source: Body.Source, size: number | undefined, skips: ReadonlyArray<number>): FanOut => {
  const takers = skips.map((skip): Taker => ({ sink: undefined, left: false, full: false, skip }))
  let control: Body.Control | undefined
  let ended = false
  let paused = false

  const begin = () => {
    if (control !== undefined || !takers.every(({ left, sink }) => left || sink !== undefined)) return
    if (takers.every(({ left }) => left)) return
    control = source({
      data: (chunk) => {
        for (const taker of takers) give(taker, chunk)
        paused = takers.some(isFull)
        return !paused
      },
      end: () => finish((sink) => sink.end()),
      fail: (error) => finish((sink) => sink.fail(error))
    })
  }
  const finish = (tell: (sink: Body.Sink) => void) => {
    ended = true
    for (const { left, sink } of takers) if (!left && sink !== undefined) tell(sink)
  }
  const goOn = () => {
    if (ended || !paused || takers.some(isFull)) return
    paused = false
    control?.resume()
  }
  const leave = (taker: Taker) => {
    if (taker.left) return
    taker.left = true
    if (control === undefined) begin()
    else if (takers.every(({ left }) => left)) {
      if (!ended) control.cancel()
      ended = true
    } else goOn()
  }

  const bodyOf = (taker: Taker): Body.Body =>
    Body.fromSource((sink) => {
      if (taker.sink !== undefined || taker.left) return again(sink)
      taker.sink = sink
      begin()
      return {
        resume: () => {
          taker.full = false
          goOn()
        },
        cancel: () => leave(taker)
      }
    }, { size: size === undefined ? undefined : Math.max(0, size - taker.skip) })

  return {
    bodies: takers.map(bodyOf),
    leave: (index) => leave(takers[index]!)
  }
}

const isFull = ({ full, left }: Taker): boolean => full && !left

const give = (taker: Taker, chunk: Uint8Array): void => {
  if (taker.left || taker.sink === undefined) return
  const skipped = Math.min(taker.skip, chunk.byteLength)
  taker.skip -= skipped
  if (skipped < chunk.byteLength) taker.full = !taker.sink.data(skipped === 0 ? chunk : chunk.subarray(skipped))
}

/** What a taker gets that reads again what can be read once. */
const again: Body.Source = (sink) => {
  let cancelled = false
  queueMicrotask(() => {
    if (!cancelled) sink.fail(new RegistryError.BodyFailed({ reason: "the body to send can be read once" }))
  })
  return {
    resume: () => {},
    cancel: () => {
      cancelled = true
    }
  }
}

/** A source over a stream, which a fiber runs. */
const toSource = (content: Body.Body["stream"], runtime: Runtime.Runtime<never>): Body.Source => (sink) => {
  let over = false
  let open = true
  let wake: (() => void) | undefined
  const opened = Effect.async<void>((resume) => {
    if (open) resume(Effect.void)
    else wake = () => resume(Effect.void)
  })
  const give = (piece: Uint8Array) =>
    Effect.suspend(() => {
      if (over) return Effect.interrupt
      open = sink.data(piece)
      return open ? Effect.void : opened
    })
  // Nothing flows before the source has returned.
  const pump = Effect.zipRight(
    Effect.yieldNow(),
    Stream.runForEachChunk(content, (pieces) => Effect.forEach(pieces, give, { discard: true }))
  )
  const fiber = Runtime.runFork(runtime)(pump)
  fiber.addObserver((exit) => {
    if (over) return
    over = true
    if (exit._tag === "Success") sink.end()
    else sink.fail(RegistryError.fromBodyFailure(Cause.squash(exit.cause)))
  })
  return {
    resume: () => {
      open = true
      const waiting = wake
      wake = undefined
      waiting?.()
    },
    cancel: () => {
      over = true
      fiber.unsafeInterruptAsFork(FiberId.none)
    }
  }
}
