import * as RegistryError from "@effect-oci/core/RegistryError"
import type * as Source from "@effect-oci/core/Source"
import type { File } from "../NodeFileSystem.js"

/** The size of a read, in bytes. */
const readSize = 256 * 1024

/** What is special about a source. */
export interface SourceOptions {
  readonly file: File
  /** The span to read, in bytes. */
  readonly start: number
  readonly end: number
  /** Returns the cause of the error for a file that has become shorter than `end`. */
  readonly onShorter: (size: number) => unknown
}

/**
 * Reads a span of a file. One chunk is read ahead while the sink processes the one before, so that the disk and the sink
 * do not wait for each other.
 *
 * Each chunk has memory of its own, because it belongs to the sink.
 */
class Sender {
  private position: number
  private chunk: Uint8Array | undefined
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
    const { chunk, error } = this
    if (chunk !== undefined) {
      this.chunk = undefined
      this.readAhead()
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
    this.chunk = undefined
  }

  private readAhead(): void {
    if (this.isReading || this.error !== undefined || this.position >= this.options.end) return
    this.isReading = true
    void this.read()
  }

  private async read(): Promise<void> {
    const { end, file, onShorter } = this.options
    const buffer = Buffer.allocUnsafeSlow(Math.min(readSize, end - this.position))
    try {
      const count = await file.read(buffer, this.position)
      this.position += count
      if (count > 0) this.chunk = new Uint8Array(buffer.buffer, 0, count)
      else this.fail("the file has become shorter", onShorter(this.position))
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
