/**
 * A log of requests and answers.
 *
 * @since 0.1.0
 */
import * as LazyModule from "@effect-oci/core/LazyModule"
import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"
import * as LogLevel from "effect/LogLevel"
import * as Transport from "./Transport.js"

/**
 * Options for the log.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** The level of the log lines. Default: `Debug`. */
  readonly level?: LogLevel.LogLevel | undefined
}

/**
 * Creates a transport that logs one line for each request and one for its result: the method and the URL. The lines are
 * annotated with `headers`, and the result also with `status` and `durationMillis`, or with `error`.
 *
 * The log contains no credentials. It contains only headers and query parameters that are known to be harmless. It does
 * not contain the URL of an upload, or a path outside the API. Text from the registry is made safe to print on a
 * terminal. If the level is not logged, this transport costs nothing.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options?: Options): Transport.Transport => {
  const level = options?.level ?? LogLevel.Debug
  const write = (text: string, annotations: Record<string, unknown>) =>
    Effect.annotateLogs(Effect.logWithLevel(level, text), annotations)
  return Transport.makeIn((request, within, send) =>
    Effect.withFiberRuntime((fiber) => {
      const answer = send(request, within)
      return LogLevel.greaterThan(fiber.getFiberRef(FiberRef.currentMinimumLogLevel), level)
        ? answer
        : Effect.matchEffect(lines, {
          onFailure: () => answer,
          onSuccess: ({ logged }) => logged(request, answer, write)
        })
    })
  )
}

/** Programs that do not log at this level never need the lines. */
const lines = LazyModule.make(() => import("./internal/logLines.js"))
