import { Body } from "@effect-oci/core"
import type { RegistryError } from "@effect-oci/core"
import type * as Stream from "effect/Stream"

/** However small they are, no more pieces than this are kept: each costs memory besides its bytes. */
const maxPieces = 4096

/** A piece of at most this many bytes that is a view on a larger buffer is copied, or it would keep all of that. */
const small = 16 * 1024

/**
 * The last bytes of content that flows by, for those who follow it: so many bytes, and one piece. The pieces are shared
 * and not copied. Whoever is too slow falls behind the window and is no burden to anybody.
 */
export class Window {
  readonly #pieces = new Map<number, Uint8Array>()
  readonly #followers = new Set<() => void>()
  #first = 0
  #next = 0
  #held = 0
  #total = 0
  #ended = false

  /** Of content of `size` bytes, of which `maxBytes` are kept. */
  constructor(private readonly size: number, private readonly maxBytes: number) {}

  /** How many bytes have flowed by. */
  get total(): number {
    return this.#total
  }

  push(piece: Uint8Array): void {
    if (piece.byteLength === 0) return
    const copied = piece.byteLength <= small && piece.byteLength * 2 < piece.buffer.byteLength
    this.#pieces.set(this.#next++, copied ? piece.slice() : piece)
    this.#held += piece.byteLength
    this.#total += piece.byteLength
    while (this.#pieces.size > 1 && (this.#held > this.maxBytes || this.#pieces.size > maxPieces)) this.#drop()
    this.#wake()
  }

  /** No more will come. */
  end(): void {
    this.#ended = true
    this.#wake()
  }

  /** From the start, for as long as the follower keeps up; then it ends, and `follower.offset` says how far it came. */
  follow(): Follower {
    const follower: { stream: Follower["stream"]; offset: number } = {
      offset: 0,
      stream: Body.fromSource((sink) => this.#flow(follower, sink)).stream
    }
    return follower
  }

  #drop(): void {
    this.#held -= this.#pieces.get(this.#first)?.byteLength ?? 0
    this.#pieces.delete(this.#first++)
  }

  #wake(): void {
    for (const flow of this.#followers) flow()
  }

  #flow(follower: { offset: number }, sink: Body.Sink): Body.Control {
    let at = 0
    let waiting = false
    const stop = () => this.#followers.delete(flow)
    const flow = () => {
      while (!waiting) {
        const piece = this.#pieces.get(at)
        if (piece === undefined) {
          if (at < this.#first || this.#ended || follower.offset === this.size) {
            waiting = true
            stop()
            sink.end()
          }
          return
        }
        at++
        follower.offset += piece.byteLength
        waiting = true
        if (sink.data(piece)) waiting = false
      }
    }
    this.#followers.add(flow)
    queueMicrotask(flow)
    return {
      resume: () => {
        if (!waiting || !this.#followers.has(flow)) return
        waiting = false
        queueMicrotask(flow)
      },
      cancel: () => {
        waiting = true
        stop()
      }
    }
  }
}

/** One who follows. */
export interface Follower {
  readonly stream: Stream.Stream<Uint8Array, RegistryError.RegistryError>
  /** How many bytes it was given. */
  readonly offset: number
}
