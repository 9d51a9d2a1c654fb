/** Runs the checks in this runtime, and reports them to the process that started it. */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Option from "effect/Option"
import * as Scheduler from "effect/Scheduler"
import { type Check, type Event, type Platform, type Result, type Settings, Unavailable, type World } from "./Check.js"
import { checks } from "./checks.js"

const failed = (reason: string): Result => ({ _tag: "Fails", reason })

const resultOf = (exit: Exit.Exit<void, unknown>): Result =>
  Exit.match(exit, {
    onSuccess: (): Result => ({ _tag: "Works" }),
    onFailure: (cause) => {
      const error = Option.getOrUndefined(Cause.failureOption(cause))
      if (error instanceof Unavailable) return { _tag: "Unavailable", reason: error.reason }
      return failed(error instanceof Error ? describe(error) : Cause.pretty(cause))
    }
  })

const describe = (error: Error): string =>
  error.cause instanceof Error ? `${error.message} (${describe(error.cause)})` : error.message

const perform = (check: Check, world: World): Effect.Effect<Result> =>
  Effect.suspend(() => check.run(world)).pipe(
    Effect.scoped,
    Effect.provide(FetchHttpClient.layer),
    Effect.timeoutFail({ duration: "5 minutes", onTimeout: () => new Error("it did not end in 5 minutes") }),
    Effect.exit,
    Effect.map(resultOf)
  )

const json = (url: string, value?: unknown) =>
  Effect.promise(async () => {
    const response = await fetch(url, value === undefined ? {} : { method: "POST", body: JSON.stringify(value) })
    return await response.json()
  })

/** Runs the checks that the server at a URL asks for, and sends it what happens. */
export const run = (control: string, platform: Platform = {}): Promise<void> => {
  const say = (event: Event) => json(`${control}/events`, event)
  return Effect.gen(function*() {
    const settings: Settings = yield* json(`${control}/settings`)
    const world: World = { settings, platform, conformance: (url) => json(`${control}/conformance`, { url }) }
    for (const check of checks.filter(({ name }) => settings.checks.includes(name))) {
      yield* say({ _tag: "Started", check: check.name })
      yield* say({ _tag: "Ended", check: check.name, result: yield* perform(check, world) })
    }
    yield* say({ _tag: "Finished" })
  }).pipe(
    Logger.withMinimumLogLevel(LogLevel.Warning),
    Effect.catchAllCause((cause) => say({ _tag: "Finished", error: Cause.pretty(cause) })),
    // In workerd, a fiber that another request resumes would do the I/O of that request.
    Effect.withScheduler(new Scheduler.MixedScheduler(2048)),
    Effect.runPromise
  )
}
