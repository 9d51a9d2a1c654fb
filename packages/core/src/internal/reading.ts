import type * as Cause from "effect/Cause"
import * as Channel from "effect/Channel"
import * as Chunk from "effect/Chunk"
import * as Stream from "effect/Stream"
import * as Body from "../Body.js"
import * as Outcome from "../Outcome.js"
import type { RegistryError } from "../RegistryError.js"

/** Counts how far a body or a list is read, in bytes or items. Several runs add up. */
export class Reading {
  amount = 0
  /** How the stream ended, if it did. */
  outcome: Outcome.Outcome | undefined

  constructor(private readonly onEnd: () => void) {}

  private end(outcome: Outcome.Outcome): void {
    this.outcome = outcome
    this.onEnd()
  }

  /** Counts the items of a list. */
  list<A>(items: Stream.Stream<A, RegistryError>): Stream.Stream<A, RegistryError> {
    return this.stream(items, Chunk.size)
  }

  /** Counts the bytes of a body. A native source stays native. */
  body({ replayable, size, source, stream }: Body.Body): Body.Body {
    if (source === undefined) return Body.stream(this.stream(stream, byteLength), { size, replayable })
    return Body.fromSource(
      (sink) =>
        source({
          data: (chunk) => {
            this.amount += chunk.byteLength
            return sink.data(chunk)
          },
          end: () => {
            this.end(Outcome.success)
            sink.end()
          },
          fail: (error) => {
            this.end({ _tag: "Failure", error })
            sink.fail(error)
          }
        }),
      { size, replayable }
    )
  }

  /** Uses one channel, at about half the cost of one operator for each count. */
  private stream<A>(
    content: Stream.Stream<A, RegistryError>,
    amount: (chunk: Chunk.Chunk<A>) => number
  ): Stream.Stream<A, RegistryError> {
    const count: Counter<A> = Channel.readWithCause({
      onInput: (chunk: Chunk.Chunk<A>) => {
        this.amount += amount(chunk)
        return Channel.flatMap(Channel.write(chunk), () => count)
      },
      onFailure: (cause: Cause.Cause<RegistryError>) => {
        this.end(Outcome.fromCause(cause))
        return Channel.failCause(cause)
      },
      onDone: () => {
        this.end(Outcome.success)
        return Channel.void
      }
    })
    return Stream.fromChannel(Channel.pipeTo(Stream.toChannel(content), count))
  }
}

type Counter<A> = Channel.Channel<
  Chunk.Chunk<A>,
  Chunk.Chunk<A>,
  RegistryError,
  RegistryError,
  void,
  unknown
>

const byteLength = (chunk: Chunk.Chunk<Uint8Array>): number => {
  let total = 0
  for (const piece of chunk) total += piece.byteLength
  return total
}
