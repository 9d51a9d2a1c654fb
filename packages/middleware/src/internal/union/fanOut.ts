import { Body, RegistryError, Source } from "@effect-oci/core"
import * as Effect from "effect/Effect"

/** One body for several consumers. */
export interface FanOut {
  /** A body for each consumer. The source is read once, and all bodies advance in lock step. */
  readonly bodies: ReadonlyArray<Body.Body>
  /** Marks a consumer as done, whether it has read its body or not. The other consumers no longer wait for it. */
  readonly leave: (index: number) => void
}

/**
 * Sends the bytes of one body to several consumers, and reads the body only once. The first chunk is sent when all
 * consumers have started to read or have left. The next chunk is sent when all remaining consumers have taken the last
 * one. Nothing is buffered, so the slowest consumer sets the pace. `skips` contains, for each consumer, how many bytes
 * it already has.
 *
 * A body that can be replayed is not read in lock step: each consumer receives the body itself, and can start again.
 */
export const fanOut = (body: Body.Body, skips: ReadonlyArray<number>): Effect.Effect<FanOut> => {
  if (body.replayable && skips.every((skip) => skip === 0)) {
    return Effect.succeed({ bodies: skips.map(() => body), leave: () => {} })
  }
  return Effect.map(Source.fork, (fork) => inLockStep(Body.toSource(body, fork), body.size, skips))
}

interface Taker {
  sink: Source.Sink | undefined
  left: boolean
  /** Whether its sink asked to pause. */
  full: boolean
  skip: number
}

const inLockStep = (source: Source.Source, size: number | undefined, skips: ReadonlyArray<number>): FanOut => {
  const takers = skips.map((skip): Taker => ({ sink: undefined, left: false, full: false, skip }))
  let control: Source.Control | undefined
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
  const finish = (tell: (sink: Source.Sink) => void) => {
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

/** The source of a consumer that reads a body a second time, although it can be read only once. */
const again = Source.fail(
  new RegistryError.BodyFailed({ reason: "the member read the body twice, but this body can be read only once" })
)
