import * as RegistryError from "@effect-oci/core/RegistryError"
import type * as Source from "@effect-oci/core/Source"
import type { File } from "../NodeFileSystem.js"

/**
 * The size of a chunk, in bytes, and the number of chunks that one read fills.
 *
 * A chunk belongs to its sink, so that its memory cannot be used again. glibc takes memory of 128 KiB or more from the
 * system each time, and returns it: that costs more than the read itself. Smaller pieces stay in its heap. Measured for
 * 256 MiB from the cache of the system to a socket: 90 ms of processor time with chunks of 120 KiB, 85 ms with two buffers
 * of 1 MiB that are used again, and 330 ms with a new buffer of 256 KiB or 1 MiB for each read.
 */
const chunkSize = 120 * 1024
const chunksPerRead = 8

/** The number of remaining chunks at which the next read begins. */
const readAheadAt = 4

/** What is special about a source. */
export interface SourceOptions {
  readonly file: File
  /** The span to read, in bytes. */
  readonly start: number
  readonly end: number
  /** Returns the cause of the error for a file that has become shorter than `end`. */
  readonly onShorter: (size: number) => unknown
}

/** Returns memory for the next read, if so many bytes remain. */
const buffersFor = (remaining: number): ReadonlyArray<Uint8Array> => {
  const size = Math.min(chunkSize * chunksPerRead, remaining)
  return Array.from(
    { length: Math.ceil(size / chunkSize) },
    (_, index) => new Uint8Array(Buffer.allocUnsafeSlow(Math.min(chunkSize, size - index * chunkSize)).buffer)
  )
}

/**
 * Reads a span of a file. It reads ahead while the sink processes the chunks before, so that the disk and the sink do not
 * wait for each other.
 */
class Sender {
  private position: number
  private chunks: Array<Uint8Array> = []
  /** The error to report after the chunks that were read. */
  private error: RegistryError.RegistryError | undefined
  private isReading = false
  private isPaused = false
  private isOver = false

  constructor(private readonly options: SourceOptions, private readonly sink: Source.Sink) {
    this.position = options.start
  }

  /** Passes what was read, and reads ahead. */
  step(): void {
    if (this.isOver || this.isPaused) return
    const { chunks, error } = this
    const chunk = chunks.shift()
    if (chunk !== undefined) {
      if (chunks.length <= readAheadAt) this.readAhead()
      this.isPaused = true
      if (this.sink.data(chunk)) this.isPaused = false
      return this.step()
    }
    if (this.isReading) return
    if (error !== undefined) {
      this.isOver = true
      return this.sink.fail(error)
    }
    if (this.position < this.options.end) return this.readAhead()
    this.isOver = true
    this.sink.end()
  }

  resume(): void {
    if (!this.isPaused) return
    this.isPaused = false
    this.step()
  }

  cancel(): void {
    this.isOver = true
    this.chunks = []
  }

  private readAhead(): void {
    if (this.isReading || this.error !== undefined || this.position >= this.options.end) return
    this.isReading = true
    void this.read()
  }

  private async read(): Promise<void> {
    const { end, file, onShorter } = this.options
    const buffers = buffersFor(end - this.position)
    try {
      let count = await file.readv(buffers, this.position)
      if (count === 0) this.fail("the file has become shorter", onShorter(this.position))
      this.position += count
      for (const buffer of buffers) {
        if (count > 0 && !this.isOver) this.chunks.push(buffer.subarray(0, count))
        count -= buffer.byteLength
      }
    } catch (cause) {
      this.fail("the file cannot be read", cause)
    }
    this.isReading = false
    this.step()
  }

  private fail(reason: string, cause: unknown): void {
    this.error = new RegistryError.Unavailable({ reason, cause })
  }
}

/** Returns a source of a span of an open file. It reads with positions, so it can be run several times. */
export const send = (options: SourceOptions): Source.Source => (sink) => {
  const sender = new Sender(options, sink)
  queueMicrotask(() => sender.step())
  return { resume: () => sender.resume(), cancel: () => sender.cancel() }
}
