import { Body } from "@effect-oci/core"
import type { RegistryError, Source } from "@effect-oci/core"
import type * as Stream from "effect/Stream"

/**
 * The maximum number of pieces in the buffer, even if they are small: each piece needs memory in addition to its bytes.
 */
const maxPieces = 4096

/**
 * A piece of at most this size, in bytes, that is a view of a larger buffer is copied. Otherwise it would keep the
 * whole buffer in memory.
 */
const maxCopiedBytes = 16 * 1024

/**
 * A ring buffer of the last bytes of a stream, for readers that follow it. It contains up to `maxBytes`, and at least
 * one piece. Pieces are shared, not copied. A reader that is too slow loses its position, and does not block the others.
 */
export class RingBuffer {
  readonly #pieces = new Map<number, Uint8Array>()
  readonly #followers = new Set<() => void>()
  #first = 0
  #next = 0
  #bufferedBytes = 0
  #total = 0
  #ended = false

  /** Creates a buffer of `maxBytes` for content of `size` bytes. */
  constructor(private readonly size: number, private readonly maxBytes: number) {}

  /** The number of bytes that have been added. */
  get total(): number {
    return this.#total
  }

  push(piece: Uint8Array): void {
    if (piece.byteLength === 0) return
    const isCopied = piece.byteLength <= maxCopiedBytes && piece.byteLength * 2 < piece.buffer.byteLength
    this.#pieces.set(this.#next++, isCopied ? piece.slice() : piece)
    this.#bufferedBytes += piece.byteLength
    this.#total += piece.byteLength
    while (this.#pieces.size > 1 && (this.#bufferedBytes > this.maxBytes || this.#pieces.size > maxPieces)) this.#drop()
    this.#wake()
  }

  /** Ends the stream. */
  end(): void {
    this.#ended = true
    this.#wake()
  }

  /**
   * Returns a reader from the start of the content. Its stream ends when the reader is too slow; `offset` says how many
   * bytes it received.
   */
  follow(): Follower {
    const follower: { stream: Follower["stream"]; offset: number } = {
      offset: 0,
      stream: Body.fromSource((sink) => this.#flow(follower, sink)).stream
    }
    return follower
  }

  #drop(): void {
    this.#bufferedBytes -= this.#pieces.get(this.#first)?.byteLength ?? 0
    this.#pieces.delete(this.#first++)
  }

  #wake(): void {
    for (const flow of this.#followers) flow()
  }

  #flow(follower: { offset: number }, sink: Source.Sink): Source.Control {
    let next = 0
    let isPaused = false
    const stop = () => this.#followers.delete(flow)
    const flow = () => {
      while (!isPaused) {
        const piece = this.#pieces.get(next)
        if (piece === undefined) {
          if (next < this.#first || this.#ended || follower.offset === this.size) {
            isPaused = true
            stop()
            sink.end()
          }
          return
        }
        next++
        follower.offset += piece.byteLength
        isPaused = true
        if (sink.data(piece)) isPaused = false
      }
    }
    this.#followers.add(flow)
    queueMicrotask(flow)
    return {
      resume: () => {
        if (!isPaused || !this.#followers.has(flow)) return
        isPaused = false
        queueMicrotask(flow)
      },
      cancel: () => {
        isPaused = true
        stop()
      }
    }
  }
}

/** A reader of the buffer. */
export interface Follower {
  readonly stream: Stream.Stream<Uint8Array, RegistryError.RegistryError>
  /** The number of bytes that the reader received. */
  readonly offset: number
}
