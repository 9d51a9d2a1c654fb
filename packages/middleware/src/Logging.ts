/**
 * A line in the log for each operation.
 *
 * @since 0.1.0
 */
import { Operation, Registry, RegistryError } from "@effect-oci/core"
import type { Middleware } from "@effect-oci/core"
import * as FiberRef from "effect/FiberRef"
import type * as Layer from "effect/Layer"
import * as LogLevel from "effect/LogLevel"
import * as Order from "effect/Order"
import * as logLine from "./internal/logLine.js"
import { observe } from "./internal/observe.js"
import type { Observation } from "./internal/observe.js"
import { problemOf } from "./internal/problem.js"
import { redact } from "./internal/redact.js"

/**
 * How operations are logged.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /**
   * The level of the lines, `Info` unless said. What is not found, or asked for wrongly, is no more than that; what the
   * registry or the way to it got wrong is a `Warning` at least, and a defect an `Error`.
   */
  readonly level?: LogLevel.LogLevel | undefined
}

/**
 * Writes a line to Effect's loggers for each operation: its name, annotated with
 *
 * - `repository` and `reference`, the tag or digest, if it has them; never the id of an upload;
 * - `outcome`: `Success`, `Failure`, `Defect`, `Interrupted`, or `Partial` for the content of a blob or a list that was
 *   not read to its end;
 * - `error` and `errorMessage`, the tag and the message of a failure, the name and the message of a defect, escaped and
 *   without the queries of URLs;
 * - `durationMillis`, to the end of the answer;
 * - `bytes` of the content that was read, or of the body or manifest that was pushed, where that is known, and `count`
 *   of the items of a list;
 * - `caller`, the name of who asks, unless anonymous.
 *
 * The line of a list is written when its stream ends, and that of a blob's content when its scope closes, so that they
 * say how far it came; where the bytes are in hand already, at once.
 *
 * @since 0.1.0
 * @category middleware
 */
export const middleware = (options?: Options): Middleware.Middleware => {
  const level = options?.level ?? LogLevel.Info
  const levels = { answer: level, fault: atLeast(level, LogLevel.Warning), defect: atLeast(level, LogLevel.Error) }
  return observe({
    ended: (observation, fiber) => {
      const level = levels[gravity(observation)]
      if (LogLevel.greaterThan(fiber.getFiberRef(FiberRef.currentMinimumLogLevel), level)) return
      logLine.write(fiber, level, observation.operation._tag, () => annotations(observation))
    }
  })
}

/**
 * A layer that logs what is asked of the registry below it.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options?: Options): Layer.Layer<Registry, never, Registry> => Registry.layer(middleware(options))

/**
 * Logs what is asked of the registry of a layer.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import type { Registry } from "@effect-oci/core"
 * import { Logging, ReadOnly } from "@effect-oci/middleware"
 * import type { Layer } from "effect"
 * import { LogLevel } from "effect"
 *
 * // The last is outermost: what ReadOnly refuses is logged too.
 * const mirror = (upstream: Layer.Layer<Registry>) =>
 *   upstream.pipe(ReadOnly.wrap(), Logging.wrap({ level: LogLevel.Debug }))
 * ```
 */
export const wrap = (options?: Options): <E, R>(registry: Layer.Layer<Registry, E, R>) => Layer.Layer<Registry, E, R> =>
  Registry.wrap(middleware(options))

const atLeast = Order.max(LogLevel.Order)

/** How much an outcome says against the registry: nothing, that it or the way to it failed, or that a program is wrong. */
const gravity = ({ operation, outcome }: Observation): "answer" | "fault" | "defect" => {
  switch (outcome._tag) {
    case "Success":
    case "Partial":
    case "Interrupted":
      return "answer"
    case "Failure":
      return isFault(outcome.error, operation) ? "fault" : "answer"
    case "Defect":
      return "defect"
  }
}

const isFault = (error: RegistryError.RegistryError, operation: Operation.Operation): boolean => {
  switch (error._tag) {
    case "ResponseInvalid":
    case "RealmRefused":
    case "CredentialError":
    case "TagConflict":
    case "PartialFailure":
      return true
    case "DigestInvalid":
    case "SizeInvalid":
    case "ManifestInvalid":
      // Of a push it is the caller's content that is wrong; of a read, the registry's.
      return Operation.isRead(operation)
    default:
      return RegistryError.isTransient(error)
  }
}

const annotations = ({ bytes, caller, count, millis, operation, outcome }: Observation): logLine.Annotations => {
  const { reference, repository } = Operation.errorFields(operation)
  const problem = problemOf(outcome, operation)
  return {
    repository,
    reference,
    outcome: outcome._tag,
    error: problem?.name,
    errorMessage: problem?.message,
    durationMillis: Math.round(millis * 1000) / 1000,
    bytes,
    count,
    caller: caller.name && redact(caller.name)
  }
}
