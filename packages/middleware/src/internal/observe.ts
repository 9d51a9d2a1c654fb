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

/** What became of an operation. */
export interface Observation {
  readonly operation: Operation.Operation
  readonly caller: Caller.Identity
  readonly outcome: Outcome.Outcome
  /** From the call to the end of its answer, in milliseconds; for a list that is run again, from its beginning. */
  readonly millis: number
  /** The end of its answer, in nanoseconds by the clock. */
  readonly endedAt: bigint
  /** How many bytes of content were read, or were in the body or manifest that was pushed, where that is known. */
  readonly bytes: number | undefined
  /** How many items of a list were read. */
  readonly count: number | undefined
}

/** The fiber in which an operation ended: it knows the loggers, their least level and the annotations. */
export type AnyFiber = Fiber.RuntimeFiber<unknown, unknown>

/** Who is told of operations. */
export interface Observer {
  /** Takes note of what became of an operation. */
  readonly ended: (observation: Observation, fiber: AnyFiber) => void
  /**
   * An operation is under way: 1, or no longer: -1. One whose answer is at hand never is, and neither is a list while
   * nobody runs it.
   */
  readonly underWay?: (operation: Operation.Operation, change: 1 | -1) => void
  /** What is done for the operation is done within this span. */
  readonly span?: Tracer.Span
  /** Who is told of a list that is run again: the same unless said. */
  readonly again?: Effect.Effect<Observer>
}

/**
 * The wrapper that changes nothing, and tells what became of each operation when its answer has ended: at once; with
 * the stream, for a list; and when its scope closes, for the content of a blob, unless its bytes are all in hand. A
 * list that nobody runs is not told of; one that is run twice is told of twice.
 */
export const observe = (observer: Observer): Middleware.Middleware => (next) => (operation) =>
  observed(next, operation, observer)

/** The answer of a registry to an operation, of which an observer is told. */
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

/** A call under way, or one run of a list. */
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

  /** Only where it is certain that it ends or pauses: nothing interrupts between. */
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

  /** What notes how its answer is read. */
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

  /** A native source does nothing in a fiber that a span could be seen from. */
  bodyWithin(body: Body.Body): Body.Body {
    return this.observer.span === undefined || body.source !== undefined
      ? body
      : Body.stream(this.streamWithin(body.stream), { size: body.size, replayable: body.replayable })
  }

  /** The call itself, for the first run of a list, and another for each that follows. */
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

/** The answer of a registry, of one that throws as well. */
const attempt = <O extends Operation.Operation>(handle: Handler.Handler, operation: O): answer.AnswerTo<O> => {
  try {
    return handle(operation)
  } catch (defect) {
    return Exit.die(defect)
  }
}

/** Ends the call with its result, now or when that has been read. */
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
      // A reader that knows the size has no need to wait for the end.
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
