import type { Answer } from "@effect-oci/core"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as FiberRef from "effect/FiberRef"
import * as HashMap from "effect/HashMap"
import * as Inspectable from "effect/Inspectable"
import * as Logger from "effect/Logger"
import type * as LogLevel from "effect/LogLevel"

/** The annotations of a log line. Values that are `undefined` are left out. */
export type Annotations = { readonly [name: string]: string | number | undefined }

/**
 * Writes a line to the loggers of a fiber. It has the effect of `Effect.annotateLogs(Effect.logWithLevel(level,
 * message), annotations())` at a quarter of the cost, because setting and resetting the annotations is expensive. If no
 * logger is set, the line is not built.
 */
export const write = (
  fiber: Answer.AnyFiber,
  level: LogLevel.LogLevel,
  message: string,
  annotations: () => Annotations
): void => {
  let line: Logger.Logger.Options<unknown> | undefined
  for (const logger of fiber.getFiberRef(FiberRef.currentLoggers)) {
    if (logger === Logger.none) continue
    const options = line ??= make(fiber, level, message, annotations())
    Inspectable.withRedactableContext(options.context, () => logger.log(options))
  }
}

const make = (
  fiber: Answer.AnyFiber,
  level: LogLevel.LogLevel,
  message: string,
  annotations: Annotations
): Logger.Logger.Options<unknown> => ({
  fiberId: fiber.id(),
  logLevel: level,
  message: [message],
  cause: Cause.empty,
  context: fiber.getFiberRefs(),
  spans: fiber.getFiberRef(FiberRef.currentLogSpan),
  annotations: annotate(fiber.getFiberRef(FiberRef.currentLogAnnotations), annotations),
  date: new Date(Context.get(fiber.currentDefaultServices, Clock.Clock).unsafeCurrentTimeMillis())
})

const annotate = (base: HashMap.HashMap<string, unknown>, annotations: Annotations): HashMap.HashMap<string, unknown> =>
  HashMap.mutate(base, (all) => {
    for (const name of Object.keys(annotations)) {
      const value = annotations[name]
      if (value !== undefined) HashMap.set(all, name, value)
    }
  })
