import type { RegistryError } from "@effect-oci/core/RegistryError"
import type * as Source from "@effect-oci/core/Source"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"

/** A part of a body. */
export interface Part {
  readonly bytes: Uint8Array
  /** Whether the body ended after this part, and with which error. `undefined` if more bytes follow. */
  readonly end: { readonly error: RegistryError | undefined } | undefined
}

/** The first size of the buffer of a part. It grows, so that a small body of an unknown size takes little memory. */
const firstSize = 64 * 1024

const nothing = new Uint8Array(0)

/**
 * Reads a source in parts. It pauses the source while no part is requested, and copies each chunk at once, so it holds
 * one part and the rest of one chunk.
 */
export class PartReader {
  private readonly control: Source.Control
  private buffer: Uint8Array = nothing
  private filled = 0
  /** The rest of a chunk that did not fit into the part. */
  private rest: Uint8Array = nothing
  private wanted = 0
  private waiting: ((part: Exit.Exit<Part>) => void) | undefined
  private isPaused = false
  private end: Part["end"]

  /** `size` is the size of the body, if known. */
  constructor(source: Source.Source, private left: number | undefined) {
    this.control = source({
      data: (chunk) => {
        this.rest = chunk
        this.fill()
        this.settle()
        this.isPaused = this.waiting === undefined
        return !this.isPaused
      },
      end: () => this.finish(undefined),
      fail: (error) => this.finish(error)
    })
  }

  /**
   * Returns the next bytes, as soon as there are `size` of them and it is known whether more follow, or the body has
   * ended. It is not called again after the end.
   */
  take(size: number): Effect.Effect<Part> {
    return Effect.async<Part>((resume) => {
      this.wanted = size
      this.waiting = resume
      this.fill()
      this.settle()
      if (this.isPaused && this.waiting !== undefined) {
        this.isPaused = false
        this.control.resume()
      }
    })
  }

  /** Stops the source. */
  readonly stop: Effect.Effect<void> = Effect.sync(() => this.control.cancel())

  private finish(error: RegistryError | undefined): void {
    this.end = { error }
    this.settle()
  }

  /** Moves bytes into the part. */
  private fill(): void {
    const moved = Math.min(this.wanted - this.filled, this.rest.byteLength)
    if (moved <= 0) return
    this.reserve(this.filled + moved)
    this.buffer.set(this.rest.subarray(0, moved), this.filled)
    this.filled += moved
    this.rest = this.rest.byteLength === moved ? nothing : this.rest.subarray(moved)
    if (this.left !== undefined) this.left -= moved
  }

  private reserve(size: number): void {
    if (size <= this.buffer.byteLength) return
    const expected = this.left === undefined ? Math.max(firstSize, 2 * this.buffer.byteLength) : this.left + this.filled
    const grown = new Uint8Array(Math.min(this.wanted, Math.max(size, expected)))
    grown.set(this.buffer.subarray(0, this.filled))
    this.buffer = grown
  }

  private settle(): void {
    const { waiting } = this
    const isLast = this.end !== undefined && this.rest.byteLength === 0
    if (waiting === undefined || !(isLast || (this.filled === this.wanted && this.rest.byteLength > 0))) return
    const part: Part = { bytes: this.buffer.subarray(0, this.filled), end: isLast ? this.end : undefined }
    this.waiting = undefined
    this.buffer = nothing
    this.filled = 0
    this.wanted = 0
    waiting(Exit.succeed(part))
  }
}
