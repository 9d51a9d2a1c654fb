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
export const stitch = (body: Body.Body, options: Options): Body.Body => {
  const fields = { size: body.size, replayable: body.replayable }
  const { source } = body
  return source === undefined
    ? Body.stream(stitchStream(body.stream, options), fields)
    : Body.fromSource((sink) => new StitchedSource(sink, options).open(source), fields)
}

/** Options for {@link stitch}. */
export interface Options {
  readonly fork: Fork
  /** The expected number of bytes. */
  readonly length: number
  /** Starts one run of the body, and returns the function that opens its rests. */
  readonly begin: () => Rest
  readonly errorFields: RegistryError.ErrorFields
}

/** Returns the error of content that ended too early. Not every registry reports that. */
const endedEarly = ({ errorFields, length }: Options, sent: number) =>
  new RegistryError.TransportError({ ...errorFields, reason: `the content ended after ${sent} of ${length} bytes` })

const stitchStream = (first: Body.Body["stream"], options: Options): Body.Body["stream"] =>
  Stream.suspend(() => {
    const { length } = options
    const rest = options.begin()
    let sent = 0
    const count = (chunk: Chunk.Chunk<Uint8Array>) => {
      for (const piece of chunk) sent += piece.byteLength
      return chunk
    }
    const complete = (stream: Body.Body["stream"]): Body.Body["stream"] =>
      Stream.mapChunks(stream, count).pipe(
        Stream.concat(Stream.suspend(() => sent < length ? Stream.fail(endedEarly(options, sent)) : Stream.empty)),
        Stream.catchAll((error) =>
          sent === length && RegistryError.isTransient(error)
            ? Stream.empty
            : Stream.unwrap(Effect.map(rest(error, sent), (body) => complete(body.stream)))
        )
      )
    return complete(first)
  })

/** A native source that continues with the next source where one breaks. */
class StitchedSource {
  private sent = 0
  private isPaused = false
  private isOver = false
  private control: Body.Control = idle
  /** Opens the rest, if the source broke before the consumer wanted more bytes. */
  private onResume: (() => void) | undefined

  private readonly rest: Rest

  constructor(
    private readonly sink: Body.Sink,
    private readonly options: Options
  ) {
    this.rest = options.begin()
  }

  open(source: Body.Source): Body.Control {
    this.connect(source)
    return {
      resume: () => {
        this.isPaused = false
        const onResume = this.onResume
        this.onResume = undefined
        if (onResume === undefined) this.control.resume()
        else onResume()
      },
      cancel: () => {
        this.isOver = true
        this.control.cancel()
      }
    }
  }

  private connect(source: Body.Source): void {
    this.control = source({
      data: (chunk) => {
        this.sent += chunk.byteLength
        this.isPaused = true
        if (!this.sink.data(chunk)) return false
        this.isPaused = false
        return true
      },
      end: () => {
        if (this.sent < this.options.length) this.onBreak(endedEarly(this.options, this.sent))
        else this.end()
      },
      fail: (error) => this.onBreak(error)
    })
  }

  private onBreak(error: RegistryError.RegistryError): void {
    if (this.isOver) return
    if (this.sent === this.options.length && RegistryError.isTransient(error)) return this.end()
    if (this.isPaused) this.onResume = () => this.openRest(error)
    else this.openRest(error)
  }

  private openRest(error: RegistryError.RegistryError): void {
    const fiber = this.options.fork(this.rest(error, this.sent))
    this.control = { resume: () => {}, cancel: () => fiber.unsafeInterruptAsFork(FiberId.none) }
    fiber.addObserver((exit) => {
      if (this.isOver) return
      if (exit._tag === "Success") return this.connect(toSource(exit.value, this.options.fork))
      this.isOver = true
      this.sink.fail(failureOf(exit.cause, error))
    })
  }

  private end(): void {
    this.isOver = true
    this.sink.end()
  }
}

const idle: Body.Control = { resume: () => {}, cancel: () => {} }
