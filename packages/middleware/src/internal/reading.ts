import { Body } from "@effect-oci/core"
import type { RegistryError } from "@effect-oci/core"
import type * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Outcome from "./outcome.js"

/** How far the reading of a stream is: bytes of a body, items of a list. Read anew, it adds up. */
export class Reading {
  amount = 0
  /** How the stream ended, if it did. */
  outcome: Outcome.Outcome | undefined
  endedAt: bigint | undefined

  constructor(private readonly now: () => bigint) {}

  end(outcome: Outcome.Outcome): void {
    this.outcome = outcome
    this.endedAt = this.now()
  }
}

/** The same stream, whose reading is noted. */
export const stream = <A>(
  content: Stream.Stream<A, RegistryError.RegistryError>,
  reading: Reading,
  amount: (chunk: Chunk.Chunk<A>) => number
): Stream.Stream<A, RegistryError.RegistryError> =>
  content.pipe(
    Stream.mapChunks((chunk) => {
      reading.amount += amount(chunk)
      return chunk
    }),
    Stream.tapErrorCause((cause) => Effect.sync(() => reading.end(Outcome.fromCause(cause)))),
    Stream.concat(Stream.suspend(() => {
      reading.end(Outcome.success)
      return Stream.empty
    }))
  )

/** The same body, whose reading is noted. A native source stays one. */
export const body = (content: Body.Body, reading: Reading): Body.Body => {
  const fields = { size: content.size, replayable: content.replayable }
  const source = content.source
  if (source === undefined) return Body.stream(stream(content.stream, reading, byteLength), fields)
  return Body.fromSource(
    (sink) =>
      source({
        data: (chunk) => {
          reading.amount += chunk.byteLength
          return sink.data(chunk)
        },
        end: () => {
          reading.end(Outcome.success)
          sink.end()
        },
        fail: (error) => {
          reading.end({ _tag: "Failure", error })
          sink.fail(error)
        }
      }),
    fields
  )
}

const byteLength = (chunk: Chunk.Chunk<Uint8Array>): number => {
  let total = 0
  for (const piece of chunk) total += piece.byteLength
  return total
}
