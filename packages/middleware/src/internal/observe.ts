import { BlobContent, Body, Caller, Handler, Operation } from "@effect-oci/core"
import type { Manifest, Middleware, RegistryError } from "@effect-oci/core"
import * as Chunk from "effect/Chunk"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Tracer from "effect/Tracer"
import type * as answer from "./answer.js"
import * as Outcome from "./outcome.js"
import * as Reading from "./reading.js"

/** An operation that has ended, and its outcome. */
export interface Observation {
  readonly operation: Operation.Operation
  readonly caller: Caller.Identity
  readonly outcome: Outcome.Outcome
  /**
   * The time from the call to the end of the result, in milliseconds. For a further run of a list, from the start of
   * that run.
   */
  readonly millis: number
  /** The end of the result, in nanoseconds of the clock. */
  readonly endedAt: bigint
  /** The number of bytes of content that were read, or of the body or manifest that was pushed, if known. */
  readonly bytes: number | undefined
  /** The number of items of a list that were read. */
  readonly count: number | undefined
}

/** The fiber in which an operation ended. It contains the loggers, the minimum log level and the annotations. */
export type AnyFiber = Fiber.RuntimeFiber<unknown, unknown>

/** Callbacks that receive the operations. */
export interface Observer {
  /** Called when an operation has ended. */
  readonly ended: (observation: Observation, fiber: AnyFiber) => void
  /**
   * Called with 1 when an operation starts, and with -1 when it ends or pauses. It is not called for a result that is
   * available at once, and for a list only while its stream runs.
   */
  readonly underWay?: (operation: Operation.Operation, change: 1 | -1) => void
  /** The span within which the work for the operation runs. */
  readonly span?: Tracer.Span
  /** Creates the observer of a list that is run again. Default: the same observer. */
  readonly again?: Effect.Effect<Observer>
}

/**
 * Creates a middleware that changes nothing and reports each operation when its result has ended: at once; for a list,
 * when its stream ends; for the content of a blob, when its scope closes, unless its bytes are in memory. A list that
 * is never run is not reported. A list that is run twice is reported twice.
 */
export const observe = (observer: Observer): Middleware.Middleware => (next) => (operation) =>
  observed(next, operation, observer)

/** Runs an operation and reports it to the observer. */
export const observed = <O extends Operation.Operation>(
  next: Handler.Handler,
  operation: O,
  observer: Observer
): answer.AnswerTo<O> =>
  Effect.withFiberRuntime((fiber) => {
    const call = new Call(observer, operation, fiber)
    const settle = (exit: Exit.Exit<Operation.ResultOf<O>, RegistryError.RegistryError>): answer.AnswerTo<O> => {
      if (Exit.isSuccess(exit)) return answeredAs(operation)(exit.value, call, fiber)
      call.end(fiber, Outcome.fromCause(exit.cause))
      return exit
    }
    const answer = attempt(next, operation)
    const exit = Handler.exitOf(answer)
    if (exit !== undefined) return settle(exit)
    return Effect.uninterruptibleMask((restore) => {
      call.begin()
      return Effect.matchCauseEffect(restore(call.within(answer)), {
        onFailure: (cause) => settle(Exit.failCause(cause)),
        onSuccess: (result) => settle(Exit.succeed(result))
      })
    })
  })

/** A call in progress, or one run of a list. */
class Call {
  private readonly clock: Clock.Clock
  private readonly caller: Caller.Identity
  private readonly startedAt: bigint
  private isUnderWay = false
  private runs = 0

  constructor(
    private readonly observer: Observer,
    readonly operation: Operation.Operation,
    fiber: AnyFiber
  ) {
    this.clock = Context.get(fiber.currentDefaultServices, Clock.Clock)
    this.caller = Context.get(fiber.currentContext, Caller.Caller)
    this.startedAt = this.now()
  }

  now(): bigint {
    return this.clock.unsafeCurrentTimeNanos()
  }

  /** Must be called only where nothing can interrupt before `end` or `pause` is certain to run. */
  begin(): void {
    if (this.isUnderWay) return
    this.isUnderWay = true
    this.observer.underWay?.(this.operation, 1)
  }

  pause(): void {
    if (!this.isUnderWay) return
    this.isUnderWay = false
    this.observer.underWay?.(this.operation, -1)
  }

  /** Creates a counter for reading the result. */
  reading(): Reading.Reading {
    return new Reading.Reading(() => this.now())
  }

  within<A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    const { span } = this.observer
    return span === undefined ? effect : Effect.provideService(effect, Tracer.ParentSpan, span)
  }

  streamWithin<A, E>(stream: Stream.Stream<A, E>): Stream.Stream<A, E> {
    const { span } = this.observer
    return span === undefined ? stream : Stream.provideService(stream, Tracer.ParentSpan, span)
  }

  /** A native source runs outside of fibers, so it needs no span. */
  bodyWithin(body: Body.Body): Body.Body {
    return this.observer.span === undefined || body.source !== undefined
      ? body
      : Body.stream(this.streamWithin(body.stream), { size: body.size, replayable: body.replayable })
  }

  /** Returns this call for the first run of a list, and a new call for each further run. */
  run(fiber: AnyFiber): Effect.Effect<Call> {
    if (this.runs++ === 0) return Exit.succeed(this)
    const observer = this.observer.again ?? Exit.succeed(this.observer)
    return Effect.map(observer, (observer) => new Call(observer, this.operation, fiber))
  }

  end(
    fiber: AnyFiber,
    outcome: Outcome.Outcome,
    seen?: { readonly bytes?: number | undefined; readonly count?: number; readonly endedAt?: bigint | undefined }
  ): void {
    this.pause()
    const endedAt = seen?.endedAt ?? this.now()
    this.observer.ended({
      operation: this.operation,
      caller: this.caller,
      outcome,
      millis: Number(endedAt - this.startedAt) / 1e6,
      endedAt,
      bytes: seen?.bytes,
      count: seen?.count
    }, fiber)
  }
}

/** Calls a handler. A handler that throws is a defect. */
const attempt = <O extends Operation.Operation>(handle: Handler.Handler, operation: O): answer.AnswerTo<O> => {
  try {
    return handle(operation)
  } catch (defect) {
    return Exit.die(defect)
  }
}

/** Ends the call with its result, at once or after the result has been read. */
type Answered<O extends Operation.Operation> = (
  result: Operation.ResultOf<O>,
  call: Call,
  fiber: AnyFiber
) => answer.AnswerTo<O>

const plain = <A>(result: A, call: Call, fiber: AnyFiber): Effect.Effect<A> => {
  call.end(fiber, Outcome.success, { bytes: pushed(call.operation) })
  return Exit.succeed(result)
}

const pushed = (operation: Operation.Operation): number | undefined => {
  switch (operation._tag) {
    case "PushBlob":
      return operation.descriptor.size
    case "PushManifest":
      return operation.bytes.byteLength
    default:
      return Operation.bodyOf(operation)?.size
  }
}

const manifest = (result: Manifest.Manifest, call: Call, fiber: AnyFiber): Effect.Effect<Manifest.Manifest> => {
  call.end(fiber, Outcome.success, { bytes: result.bytes.byteLength })
  return Exit.succeed(result)
}

const content = (
  result: BlobContent.BlobContent,
  call: Call,
  fiber: AnyFiber
): Effect.Effect<BlobContent.BlobContent, never, Scope.Scope> => {
  if (result.body.bytes !== undefined) {
    call.end(fiber, Outcome.success, { bytes: result.body.bytes.byteLength })
    return Exit.succeed(result)
  }
  const reading = call.reading()
  const size = result.range?.length ?? result.descriptor.size
  const closed = (exit: Exit.Exit<unknown, unknown>) =>
    Effect.withFiberRuntime<void>((fiber) => {
      // A reader that knows the size may stop without reading the end marker.
      const outcome = reading.amount === size ? Outcome.success : Outcome.unended(exit)
      call.end(fiber, reading.outcome ?? outcome, { bytes: reading.amount, endedAt: reading.endedAt })
      return Effect.void
    })
  const body = Reading.body(call.bodyWithin(result.body), reading)
  return Effect.uninterruptible(Effect.suspend(() => {
    call.begin()
    return Effect.as(Effect.addFinalizer(closed), new BlobContent.BlobContent({ ...result, body }))
  }))
}

const list = <A>(
  result: Stream.Stream<A, RegistryError.RegistryError>,
  call: Call
): Effect.Effect<Stream.Stream<A, RegistryError.RegistryError>> => {
  call.pause()
  const begin = Effect.withFiberRuntime<Run>((fiber) =>
    Effect.map(call.run(fiber), (call) => {
      call.begin()
      return { call, reading: call.reading() }
    })
  )
  const end = ({ call, reading }: Run, exit: Exit.Exit<unknown, unknown>) =>
    Effect.withFiberRuntime<void>((fiber) => {
      call.end(fiber, reading.outcome ?? Outcome.unended(exit), { count: reading.amount, endedAt: reading.endedAt })
      return Effect.void
    })
  return Exit.succeed(Stream.unwrapScoped(
    Effect.map(
      Effect.acquireRelease(begin, end),
      ({ call, reading }) => Reading.stream(call.streamWithin(result), reading, Chunk.size)
    )
  ))
}

interface Run {
  readonly call: Call
  readonly reading: Reading.Reading
}

const readAs: { readonly [Tag in Operation.OperationTag]?: Answered<Operation.OperationOf<Tag>> } = {
  GetBlob: content,
  GetManifest: manifest,
  ListRepositories: list,
  ListTags: list,
  ListReferrers: list
}

const answeredAs = <O extends Operation.Operation>(operation: O): Answered<O> => {
  const answered: unknown = readAs[operation._tag] ?? plain
  return answered as Answered<O>
}
