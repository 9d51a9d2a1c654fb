/**
 * A wrapper that writes a log line for each operation.
 *
 * @since 0.1.0
 */
import { Operation, redact, Registry, RegistryError } from "@effect-oci/core"
import type { Middleware } from "@effect-oci/core"
import * as FiberRef from "effect/FiberRef"
import type * as Layer from "effect/Layer"
import * as LogLevel from "effect/LogLevel"
import * as Order from "effect/Order"
import * as logLine from "./internal/logging/logLine.js"
import { observe } from "./internal/observe.js"
import type { Observation } from "./internal/observe.js"
import { problemOf } from "./internal/problem.js"

/**
 * Options for {@link middleware}.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /**
   * The level of the lines. Not-found errors and errors of the caller have this level too. Errors of the registry or of
   * the connection have at least the level `Warning`, defects at least `Error`. Default: `Info`.
   */
  readonly level?: LogLevel.LogLevel | undefined
}

/**
 * Creates a middleware that writes a line to Effect's loggers for each operation. The message is the name of the
 * operation. The annotations are:
 *
 * - `repository` and `reference` (the tag or digest), if the operation has them; never the id of an upload;
 * - `outcome`: `Success`, `Failure`, `Defect`, `Interrupted`, or `Partial` for the content of a blob or a list that was
 *   not read to its end;
 * - `error` and `errorMessage`: the tag and the message of a failure, or the name and the message of a defect, escaped
 *   and without the queries of URLs;
 * - `durationMillis`: the time to the end of the result;
 * - `bytes`: the size of the content that was read, or of the body or manifest that was pushed, if known; and `count`:
 *   the number of items of a list that were read;
 * - `caller`: the name of the caller, unless anonymous.
 *
 * The line of a list is written when its stream ends. The line of a blob's content is written when its scope closes, or
 * at once if the bytes are in memory already. So the lines say how much was read.
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
 * Creates a layer that requires a registry, and provides that registry with its operations logged. {@link wrap} does
 * the same in a pipe.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options?: Options): Layer.Layer<Registry, never, Registry> =>
  Registry.layerMiddleware(middleware(options))

/**
 * Wraps the registry of a layer so that its operations are logged.
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
 * // The last wrapper is outermost: operations that ReadOnly refuses are logged too.
 * const mirror = (upstream: Layer.Layer<Registry>) =>
 *   upstream.pipe(ReadOnly.wrap(), Logging.wrap({ level: LogLevel.Debug }))
 * ```
 */
export const wrap = (options?: Options): <E, R>(registry: Layer.Layer<Registry, E, R>) => Layer.Layer<Registry, E, R> =>
  Registry.wrap(middleware(options))

const atLeast = Order.max(LogLevel.Order)

/**
 * Returns how severe an outcome is: a normal answer, a failure of the registry or the connection, or a defect of a
 * program.
 */
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
    case "OciResponseInvalid":
    case "OciRealmRefused":
    case "OciCredentialError":
    case "OciTagConflict":
    case "OciPartialFailure":
      return true
    case "OciDigestInvalid":
    case "OciSizeInvalid":
    case "OciManifestInvalid":
      // In a push, the content of the caller is wrong; in a read, the content of the registry.
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
