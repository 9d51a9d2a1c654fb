import * as RegistryError from "@effect-oci/core/RegistryError"
import type * as Source from "@effect-oci/core/Source"
import type { File } from "../NodeFileSystem.js"

/**
 * The size of a chunk, in bytes, and the number of chunks that one read fills.
 *
 * A chunk belongs to its sink, so its memory is used again only if the sink releases it. New memory for each chunk makes
 * V8 collect garbage after each 32 to 64 MiB, at the cost of its whole heap. Chunks of less than 128 KiB stay in the heap
 * of glibc; glibc takes larger ones from the system each time.
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

/** Returns memory that is not zeroed. */
const newBuffer = (size: number): Uint8Array => new Uint8Array(Buffer.allocUnsafeSlow(size).buffer)

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
  /** The whole chunks that the sink has, and those that it has released. */
  private readonly passed = new WeakSet<ArrayBufferLike>()
  private readonly released: Array<ArrayBufferLike> = []

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
      if (chunk.buffer.byteLength === chunkSize) this.passed.add(chunk.buffer)
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

  release({ buffer }: Uint8Array): void {
    if (this.passed.delete(buffer)) this.released.push(buffer)
  }

  /** Returns memory for the next read, if so many bytes remain. */
  private buffersFor(remaining: number): ReadonlyArray<Uint8Array> {
    const size = Math.min(chunkSize * chunksPerRead, remaining)
    return Array.from({ length: Math.ceil(size / chunkSize) }, (_, index) => {
      const length = Math.min(chunkSize, size - index * chunkSize)
      const buffer = this.released.pop()
      return buffer === undefined ? newBuffer(length) : new Uint8Array(buffer, 0, length)
    })
  }

  private readAhead(): void {
    if (this.isReading || this.error !== undefined || this.position >= this.options.end) return
    this.isReading = true
    void this.read()
  }

  private async read(): Promise<void> {
    const { end, file, onShorter } = this.options
    const buffers = this.buffersFor(end - this.position)
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
  return {
    resume: () => sender.resume(),
    cancel: () => sender.cancel(),
    release: (chunk) => sender.release(chunk)
  }
}
