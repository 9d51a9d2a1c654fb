import { BlobContent, Caller, Handler, Operation } from "@effect-oci/core"
import type { Manifest, Middleware, RegistryError } from "@effect-oci/core"
import * as Chunk from "effect/Chunk"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Outcome from "./outcome.js"
import * as Reading from "./reading.js"

/** What became of an operation. */
export interface Observation {
  readonly operation: Operation.Operation
  readonly caller: Caller.Identity
  readonly outcome: Outcome.Outcome
  /** From the call to the end of its answer, in milliseconds. */
  readonly millis: number
  /** How many bytes of content were read, or were in the body or manifest that was pushed, where that is known. */
  readonly bytes: number | undefined
  /** How many items of a list were read. */
  readonly count: number | undefined
}

/** The fiber in which an operation ended: it knows the loggers, their least level and the annotations. */
export type AnyFiber = Fiber.RuntimeFiber<unknown, unknown>

/** Takes note of what became of an operation. */
export type Observer = (observation: Observation, fiber: AnyFiber) => void

/**
 * The wrapper that changes nothing, and tells what became of each operation when its answer has ended: at once; with
 * the stream, for a list; and when its scope closes, for the content of a blob, unless its bytes are all in hand. A
 * list that nobody runs is not told of; one that is run twice is told of twice.
 */
export const observe = (observer: Observer): Middleware.Middleware => (next) => {
  const ask = <O extends Operation.Operation>(operation: O, answered: Answered<O>): AnswerOf<O> =>
    Effect.withFiberRuntime((fiber) => {
      const call = new Call(observer, operation, fiber)
      const settle = (exit: ExitOf<O>) => {
        if (Exit.isSuccess(exit)) return answered(exit.value, call, fiber)
        call.end(fiber, Outcome.fromCause(exit.cause))
        return exit
      }
      const answer = attempt(next, operation)
      return isExit(answer)
        ? settle(answer)
        : Effect.uninterruptibleMask((restore) => Effect.flatMap(Effect.exit(restore(answer)), settle))
    })
  return Handler.override((operation) => ask(operation, plain), {
    GetBlob: (operation) => ask(operation, content),
    GetManifest: (operation) => ask(operation, manifest),
    ListRepositories: (operation) => ask(operation, list),
    ListTags: (operation) => ask(operation, list),
    ListReferrers: (operation) => ask(operation, list)
  })
}

type AnswerOf<O extends Operation.Operation> = Effect.Effect<
  Operation.ResultOf<O>,
  RegistryError.RegistryError,
  Operation.ScopeOf<O>
>
type ExitOf<O extends Operation.Operation> = Exit.Exit<Operation.ResultOf<O>, RegistryError.RegistryError>
type Answered<O extends Operation.Operation> = (
  result: Operation.ResultOf<O>,
  call: Call,
  fiber: AnyFiber
) => Effect.Effect<Operation.ResultOf<O>, never, Operation.ScopeOf<O>>

/** A call under way. */
class Call {
  private readonly clock: Clock.Clock
  private readonly caller: Caller.Identity
  private readonly startedAt: bigint

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

  end(
    fiber: AnyFiber,
    outcome: Outcome.Outcome,
    seen?: { readonly bytes?: number | undefined; readonly count?: number; readonly endedAt?: bigint | undefined }
  ): void {
    const nanos = (seen?.endedAt ?? this.now()) - this.startedAt
    this.observer({
      operation: this.operation,
      caller: this.caller,
      outcome,
      millis: Number(nanos) / 1e6,
      bytes: seen?.bytes,
      count: seen?.count
    }, fiber)
  }
}

/** The answer of a registry, of one that throws as well. */
const attempt = <O extends Operation.Operation>(handle: Handler.Handler, operation: O): AnswerOf<O> => {
  try {
    return handle(operation)
  } catch (defect) {
    return Exit.die(defect)
  }
}

const isExit = <A, E, R>(effect: Effect.Effect<A, E, R>): effect is Exit.Exit<A, E> => Exit.isExit(effect)

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
  const reading = new Reading.Reading(() => call.now())
  const size = result.range?.length ?? result.descriptor.size
  const closed = (exit: Exit.Exit<unknown, unknown>) =>
    Effect.withFiberRuntime<void>((fiber) => {
      // A reader that knows the size has no need to wait for the end.
      const outcome = reading.amount === size ? Outcome.success : Outcome.unended(exit)
      call.end(fiber, reading.outcome ?? outcome, { bytes: reading.amount, endedAt: reading.endedAt })
      return Effect.void
    })
  return Effect.uninterruptible(
    Effect.as(
      Effect.addFinalizer(closed),
      new BlobContent.BlobContent({ ...result, body: Reading.body(result.body, reading) })
    )
  )
}

const list = <A>(
  result: Stream.Stream<A, RegistryError.RegistryError>,
  call: Call
): Effect.Effect<Stream.Stream<A, RegistryError.RegistryError>> =>
  Exit.succeed(Stream.suspend(() => {
    const reading = new Reading.Reading(() => call.now())
    return Stream.ensuringWith(Reading.stream(result, reading, Chunk.size), (exit) =>
      Effect.withFiberRuntime<void>((fiber) => {
        call.end(fiber, reading.outcome ?? Outcome.unended(exit), { count: reading.amount, endedAt: reading.endedAt })
        return Effect.void
      }))
  }))
