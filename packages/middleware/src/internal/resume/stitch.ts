import { Body, RegistryError } from "@effect-oci/core"
import type * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as FiberId from "effect/FiberId"
import * as Stream from "effect/Stream"
import { failureOf, toSource } from "./toSource.js"
import type { Fork } from "./toSource.js"

/** Returns the rest of a body that broke after `sent` bytes. Fails with the error if there is no rest. */
export type Rest = (
  error: RegistryError.RegistryError,
  sent: number
) => Effect.Effect<Body.Body, RegistryError.RegistryError>

/**
 * Returns a body that continues with its rest if it breaks. A body that ends too early counts as broken. A body that
 * breaks after its last byte counts as complete. A native source stays native: a fiber opens the rest, not before the
 * consumer wants more bytes, and lives no longer than the scope.
 */
export const stitch = (body: Body.Body, thread: Thread): Body.Body => {
  const fields = { size: body.size, replayable: body.replayable }
  const { source } = body
  return source === undefined
    ? Body.stream(stitchStream(body.stream, thread), fields)
    : Body.fromSource((sink) => new Seam(sink, thread).open(source), fields)
}

/** Options for {@link stitch}. */
export interface Thread {
  readonly fork: Fork
  /** The expected number of bytes. */
  readonly length: number
  /** Starts one run of the body, and returns the function that opens its rests. */
  readonly begin: () => Rest
  readonly asked: RegistryError.ErrorFields
}

/** Returns the error of content that ended too early. Not every registry reports that. */
const endedEarly = ({ asked, length }: Thread, sent: number) =>
  new RegistryError.TransportError({ ...asked, reason: `the content ended after ${sent} of ${length} bytes` })

const stitchStream = (first: Body.Body["stream"], thread: Thread): Body.Body["stream"] =>
  Stream.suspend(() => {
    const { length } = thread
    const rest = thread.begin()
    let sent = 0
    const count = (chunk: Chunk.Chunk<Uint8Array>) => {
      for (const piece of chunk) sent += piece.byteLength
      return chunk
    }
    const complete = (stream: Body.Body["stream"]): Body.Body["stream"] =>
      Stream.mapChunks(stream, count).pipe(
        Stream.concat(Stream.suspend(() => sent < length ? Stream.fail(endedEarly(thread, sent)) : Stream.empty)),
        Stream.catchAll((error) =>
          sent === length && RegistryError.isTransient(error)
            ? Stream.empty
            : Stream.unwrap(Effect.map(rest(error, sent), (body) => complete(body.stream)))
        )
      )
    return complete(first)
  })

/** A native source that continues with the next source where one breaks. */
class Seam {
  private sent = 0
  private paused = false
  private over = false
  private control: Body.Control = idle
  /** Opens the rest, if the source broke before the consumer wanted more bytes. */
  private look: (() => void) | undefined

  private readonly rest: Rest

  constructor(
    private readonly sink: Body.Sink,
    private readonly thread: Thread
  ) {
    this.rest = thread.begin()
  }

  open(source: Body.Source): Body.Control {
    this.connect(source)
    return {
      resume: () => {
        this.paused = false
        const look = this.look
        this.look = undefined
        if (look === undefined) this.control.resume()
        else look()
      },
      cancel: () => {
        this.over = true
        this.control.cancel()
      }
    }
  }

  private connect(source: Body.Source): void {
    this.control = source({
      data: (chunk) => {
        this.sent += chunk.byteLength
        this.paused = true
        if (!this.sink.data(chunk)) return false
        this.paused = false
        return true
      },
      end: () => {
        if (this.sent < this.thread.length) this.broken(endedEarly(this.thread, this.sent))
        else this.end()
      },
      fail: (error) => this.broken(error)
    })
  }

  private broken(error: RegistryError.RegistryError): void {
    if (this.over) return
    if (this.sent === this.thread.length && RegistryError.isTransient(error)) return this.end()
    if (this.paused) this.look = () => this.goOn(error)
    else this.goOn(error)
  }

  private goOn(error: RegistryError.RegistryError): void {
    const fiber = this.thread.fork(this.rest(error, this.sent))
    this.control = { resume: () => {}, cancel: () => fiber.unsafeInterruptAsFork(FiberId.none) }
    fiber.addObserver((exit) => {
      if (this.over) return
      if (exit._tag === "Success") return this.connect(toSource(exit.value, this.thread.fork))
      this.over = true
      this.sink.fail(failureOf(exit.cause, error))
    })
  }

  private end(): void {
    this.over = true
    this.sink.end()
  }
}

const idle: Body.Control = { resume: () => {}, cancel: () => {} }
