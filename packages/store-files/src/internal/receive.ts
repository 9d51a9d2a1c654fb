import type { RegistryError } from "@effect-oci/core/RegistryError"
import type * as Source from "@effect-oci/core/Source"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { File } from "../NodeFileSystem.js"

/**
 * The number of bytes to gather before a write, and the number of bytes at which the source is paused. Smaller writes
 * cost more calls. Larger ones are not faster.
 */
const writeSize = 256 * 1024
const highWater = 1024 * 1024

/** The result of writing: the number of bytes that were written, and the error that ended it. */
export interface Received {
  readonly written: number
  /** The error of the source. */
  readonly bodyError?: RegistryError | undefined
  /** The error of the file system. */
  readonly fileError?: NodeJS.ErrnoException | undefined
}

/** Writes all chunks. A single call may write fewer bytes than it was given. */
export const writeAll = async (
  file: File,
  chunks: ReadonlyArray<Uint8Array>,
  position: number
): Promise<Received> => {
  let written = 0
  let rest = chunks
  try {
    while (rest.length > 0) {
      const count = await file.writev(rest, position + written)
      written += count
      rest = after(rest, count)
    }
    return { written }
  } catch (error) {
    return { written, fileError: error as NodeJS.ErrnoException }
  }
}

/** Returns the chunks without their first `count` bytes. */
const after = (chunks: ReadonlyArray<Uint8Array>, count: number): ReadonlyArray<Uint8Array> => {
  let left = count
  return chunks.flatMap((chunk) => {
    const skipped = Math.min(left, chunk.byteLength)
    left -= skipped
    return skipped === chunk.byteLength ? [] : [chunk.subarray(skipped)]
  })
}

/** Gathers the chunks of a source, and writes them into a file while further chunks arrive. */
class Receiver {
  private gathered: Array<Uint8Array> = []
  private gatheredBytes = 0
  private written = 0
  private isPaused = false
  private isOver = false
  private ended: { readonly bodyError: RegistryError | undefined } | undefined
  /** Whether a write runs. A source that is resumed may call back before {@link running} is set. */
  private isWriting = false
  private running: Promise<void> | undefined
  private readonly control: Source.Control

  constructor(
    source: Source.Source,
    private readonly file: File,
    private readonly start: number,
    private readonly complete: (received: Received) => void
  ) {
    this.control = source({
      data: (chunk) => {
        this.gathered.push(chunk)
        this.gatheredBytes += chunk.byteLength
        this.step()
        this.isPaused = this.gatheredBytes >= highWater
        return !this.isPaused
      },
      end: () => this.end(undefined),
      fail: (error) => this.end(error)
    })
  }

  /** Stops the source. Returns when no write is running any more. */
  async stop(): Promise<void> {
    this.isOver = true
    this.control.cancel()
    await this.running
  }

  private end(bodyError: RegistryError | undefined): void {
    this.ended = { bodyError }
    this.step()
  }

  private step(): void {
    if (this.isWriting || this.isOver) return
    if (this.gatheredBytes === 0 && this.ended !== undefined) {
      this.isOver = true
      return this.complete({ written: this.written, ...this.ended })
    }
    if (this.gatheredBytes < writeSize && this.ended === undefined) return
    this.isWriting = true
    this.running = this.write()
  }

  private async write(): Promise<void> {
    const chunks = this.gathered
    this.gathered = []
    this.gatheredBytes = 0
    const writing = writeAll(this.file, chunks, this.start + this.written)
    if (this.isPaused && this.ended === undefined) {
      this.isPaused = false
      this.control.resume()
    }
    const { fileError, written } = await writing
    this.isWriting = false
    this.written += written
    if (this.isOver) return
    if (fileError === undefined) return this.step()
    this.isOver = true
    this.control.cancel()
    this.complete({ written: this.written, fileError })
  }
}

/**
 * Writes the bytes of a source into a file, from a position. It is one effect, however many chunks the source has. An
 * interruption stops the source, and waits for the write that is running.
 */
export const receive = (source: Source.Source, file: File, start: number): Effect.Effect<Received> =>
  Effect.async<Received>((resume) => {
    const receiver = new Receiver(source, file, start, (received) => resume(Exit.succeed(received)))
    return Effect.promise(() => receiver.stop())
  })
