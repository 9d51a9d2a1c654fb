import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"
import * as HashSet from "effect/HashSet"
import * as Logger from "effect/Logger"
import type * as LogLevel from "effect/LogLevel"

/** Runs an effect with only this logger and this minimum log level, whatever loggers the program has. */
export const logTo =
  (logger: Logger.Logger<unknown, void>, level: LogLevel.LogLevel) => <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    effect.pipe(
      Effect.locally(FiberRef.currentLoggers, HashSet.make(logger)),
      Logger.withMinimumLogLevel(level)
    )
