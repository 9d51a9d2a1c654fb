import { Body, Outcome } from "@effect-oci/core"
import type { RegistryError } from "@effect-oci/core"
import type * as Cause from "effect/Cause"
import * as Channel from "effect/Channel"
import type * as Chunk from "effect/Chunk"
import * as Stream from "effect/Stream"

/** How far a stream has been read, in bytes of a body or items of a list. Further runs add up. */
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

/** Counts how far a stream is read. It uses one channel, at about half the cost of one operator for each count. */
export const stream = <A>(
  content: Stream.Stream<A, RegistryError.RegistryError>,
  reading: Reading,
  amount: (chunk: Chunk.Chunk<A>) => number
): Stream.Stream<A, RegistryError.RegistryError> => {
  const note: Noted<A> = Channel.readWithCause({
    onInput: (chunk: Chunk.Chunk<A>) => {
      reading.amount += amount(chunk)
      return Channel.flatMap(Channel.write(chunk), () => note)
    },
    onFailure: (cause: Cause.Cause<RegistryError.RegistryError>) => {
      reading.end(Outcome.fromCause(cause))
      return Channel.failCause(cause)
    },
    onDone: () => {
      reading.end(Outcome.success)
      return Channel.void
    }
  })
  return Stream.fromChannel(Channel.pipeTo(Stream.toChannel(content), note))
}

type Noted<A> = Channel.Channel<
  Chunk.Chunk<A>,
  Chunk.Chunk<A>,
  RegistryError.RegistryError,
  RegistryError.RegistryError,
  void,
  unknown
>

/** Counts how far a body is read. A native source stays native. */
export const body = (content: Body.Body, reading: Reading): Body.Body =>
  Body.transform(content, (sink) => ({
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
    },
    die: (cause) => reading.end(Outcome.fromCause(cause))
  }))
