import { Answer, BlobContent, Body, Caller, Operation } from "@effect-oci/core"
import type { Middleware, Outcome } from "@effect-oci/core"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Tracer from "effect/Tracer"

type AnyFiber = Answer.AnyFiber

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

/** Callbacks that receive the operations. */
export interface Observer {
  /** Called when an operation has ended, with the fiber in which it ended: its loggers, log level and annotations. */
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
 * Creates a middleware that changes nothing and reports each operation when its result has ended (see
 * {@link Answer.onEnd}).
 */
export const observe = (observer: Observer): Middleware.Middleware => (next) => (operation) =>
  Answer.onEnd(next, operation, listen(operation, observer))

/** Returns the function that creates the listener of an operation. */
export const listen = (operation: Operation.Operation, observer: Observer) => (fiber: AnyFiber): Answer.Listener =>
  new Call(observer, operation, fiber)

/**
 * Runs a stream within a span, one pull at a time. `Stream.provideService` costs twice as much: it provides a new context
 * to each effect of the stream.
 */
const withinSpan = <A, E>(items: Stream.Stream<A, E>, span: Tracer.AnySpan): Stream.Stream<A, E> =>
  Stream.unwrapScoped(Effect.flatMap(Effect.context<Scope.Scope>(), (context) => {
    const inside = Context.add(context, Tracer.ParentSpan, span)
    return Effect.map(
      Effect.mapInputContext(Stream.toPull(items), () => inside),
      (pull) => Stream.repeatEffectChunkOption(Effect.mapInputContext(pull, () => inside))
    )
  }))

/** A call in progress, or one run of a list. */
class Call implements Answer.Listener {
  private readonly clock: Clock.Clock
  private readonly caller: Caller.Identity
  private readonly startedAt: bigint
  private endedAt: bigint | undefined
  private isActive = false

  constructor(
    private readonly observer: Observer,
    private readonly operation: Operation.Operation,
    fiber: AnyFiber
  ) {
    this.clock = Context.get(fiber.currentDefaultServices, Clock.Clock)
    this.caller = Context.get(fiber.currentContext, Caller.Caller)
    this.startedAt = this.now()
  }

  private now(): bigint {
    return this.clock.unsafeCurrentTimeNanos()
  }

  active(isActive: boolean): void {
    if (isActive === this.isActive) return
    this.isActive = isActive
    this.observer.underWay?.(this.operation, isActive ? 1 : -1)
  }

  within<A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    const { span } = this.observer
    return span === undefined ? effect : Effect.provideService(effect, Tracer.ParentSpan, span)
  }

  list<A, E>(items: Stream.Stream<A, E>): Stream.Stream<A, E> {
    const { span } = this.observer
    return span === undefined ? items : withinSpan(items, span)
  }

  /** A native source runs outside of fibers, so it needs no span. */
  content(content: BlobContent.BlobContent): BlobContent.BlobContent {
    const { bytes, replayable, size, source, stream } = content.body
    return this.observer.span === undefined || bytes !== undefined || source !== undefined
      ? content
      : BlobContent.mapBody(content, () => Body.stream(this.list(stream), { size, replayable }))
  }

  readEnd(): void {
    this.endedAt = this.now()
  }

  again(fiber: AnyFiber): Effect.Effect<Answer.Listener> {
    return Answer.map(
      this.observer.again ?? Answer.succeed(this.observer),
      (observer) => new Call(observer, this.operation, fiber)
    )
  }

  end({ amount, outcome, result }: Answer.End, fiber: AnyFiber): Effect.Effect<void> {
    const { caller, endedAt = this.now(), operation } = this
    const isList = Operation.shape(operation) === "list"
    const size = outcome._tag === "Success" ? transferred(operation, result) : undefined
    this.observer.ended({
      operation,
      caller,
      outcome,
      millis: Number(endedAt - this.startedAt) / 1e6,
      endedAt,
      bytes: isList ? undefined : amount ?? size,
      count: isList ? amount : undefined
    }, fiber)
    return Answer.done
  }
}

type Size<Tag extends Operation.OperationTag> = (
  operation: Operation.OperationOf<Tag>,
  result: Operation.Results[Tag]
) => number | undefined

const none = () => undefined
const sizeOfBody = ({ body }: Operation.AppendUpload | Operation.CompleteUpload) => body?.size

/** The number of bytes that a successful operation has transferred, without the content that its caller reads later. */
const sizes: { readonly [Tag in Operation.OperationTag]: Size<Tag> } = {
  ResolveBlob: none,
  GetBlob: none,
  ResolveManifest: none,
  GetManifest: (_, { bytes }) => bytes.byteLength,
  PushBlob: ({ descriptor }) => descriptor.size,
  MountBlob: none,
  StartUpload: none,
  GetUpload: none,
  AppendUpload: sizeOfBody,
  CompleteUpload: sizeOfBody,
  CancelUpload: none,
  PushManifest: ({ bytes }) => bytes.byteLength,
  DeleteBlob: none,
  DeleteManifest: none,
  DeleteTag: none,
  ListRepositories: none,
  ListTags: none,
  ListReferrers: none
}

const transferred = (operation: Operation.Operation, result: unknown): number | undefined =>
  sizes[operation._tag](operation as never, result as never)
