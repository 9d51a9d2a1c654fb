import type * as Cause from "effect/Cause"
import * as Channel from "effect/Channel"
import type * as Chunk from "effect/Chunk"
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

  /** Counts the bytes of a body. */
  body(body: Body.Body): Body.Body {
    return Body.transform(body, (sink) => ({
      keepsNothing: true,
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
      },
      die: (cause) => this.end(Outcome.fromCause(cause))
    }))
  }

  /** Counts the items of a list. It uses one channel, at about half the cost of one operator for each event. */
  list<A>(items: Stream.Stream<A, RegistryError>): Stream.Stream<A, RegistryError> {
    const count: Counter<A> = Channel.readWithCause({
      onInput: (chunk: Chunk.Chunk<A>) => {
        this.amount += chunk.length
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
    return Stream.fromChannel(Channel.pipeTo(Stream.toChannel(items), count))
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
