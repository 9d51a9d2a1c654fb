import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Inspectable from "effect/Inspectable"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import type * as Option from "effect/Option"
import * as Tracer from "effect/Tracer"
import { inspect } from "node:util"

/** Receives a text, and the name of its source: the log, or a part of a span. */
export type Note = (source: string, text: string) => void

/** Prints a value in all the common ways. */
export const printed = (value: unknown): string =>
  [String(value), Inspectable.toStringUnknown(value), inspect(value, { depth: 12, showHidden: true, getters: false })]
    .join("\n")

/** Prints the cause of a failed effect. */
export const printedCause = (cause: Cause.Cause<unknown>): string =>
  [
    Cause.pretty(cause, { renderErrorCause: true }),
    printed(cause),
    ...[...Cause.failures(cause)].map(printed),
    ...[...Cause.defects(cause)].map(printed)
  ].join("\n")

/** Records each log line, at every level. */
const logger = (note: Note) =>
  Logger.make<unknown, void>((options) => {
    note(
      "the log",
      [Logger.stringLogger.log(options), Logger.jsonLogger.log(options), printed(options.message)].join("\n")
    )
  })

class NotedSpan implements Tracer.Span {
  readonly _tag = "Span"
  readonly spanId = "0000000000000001"
  readonly traceId = "00000000000000000000000000000001"
  readonly sampled = true
  readonly attributes = new Map<string, unknown>()
  status: Tracer.SpanStatus

  constructor(
    private readonly note: Note,
    readonly name: string,
    readonly parent: Option.Option<Tracer.AnySpan>,
    readonly context: Context.Context<never>,
    readonly links: Array<Tracer.SpanLink>,
    startTime: bigint,
    readonly kind: Tracer.SpanKind
  ) {
    this.status = { _tag: "Started", startTime }
    note("the name of a span", name)
  }

  end(endTime: bigint, exit: Exit.Exit<unknown, unknown>): void {
    this.status = { _tag: "Ended", startTime: this.status.startTime, endTime, exit }
    if (Exit.isFailure(exit)) this.note(`the end of the span ${this.name}`, printedCause(exit.cause))
  }

  attribute(key: string, value: unknown): void {
    this.attributes.set(key, value)
    this.note(`the attribute ${key} of the span ${this.name}`, printed(value))
  }

  event(name: string, _startTime: bigint, attributes?: Record<string, unknown>): void {
    this.note(`an event of the span ${this.name}`, `${name} ${printed(attributes)}`)
  }

  addLinks(links: ReadonlyArray<Tracer.SpanLink>): void {
    this.links.push(...links)
    this.note(`a link of the span ${this.name}`, printed(links.map(({ attributes }) => attributes)))
  }
}

/** Runs an effect and records its log lines and spans, at every level. */
export const recording = (note: Note) => <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.withSpan(effect, "all").pipe(
    Effect.withTracer(Tracer.make({
      span: (name, parent, context, links, startTime, kind) =>
        new NotedSpan(note, name, parent, context, [...links], startTime, kind),
      context: (f) => f()
    })),
    Effect.provide(
      Layer.merge(Logger.replace(Logger.defaultLogger, logger(note)), Logger.minimumLogLevel(LogLevel.All))
    )
  )
