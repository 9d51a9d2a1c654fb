/**
 * Fuzz tests for every parser and decoder, with hostile input. A parser must not throw, break one of its laws, return
 * an error that is not safe to log, or take more than linear time.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { documents } from "./internal/fuzz/documents.js"
import { headers } from "./internal/fuzz/headers.js"
import type { Grammar } from "./internal/fuzz/hostile.js"
import { names } from "./internal/fuzz/names.js"
import { requests } from "./internal/fuzz/requests.js"
import { responses } from "./internal/fuzz/responses.js"
import { text } from "./internal/fuzz/target.js"
import type { Target } from "./internal/fuzz/target.js"

export { text }
export type { Grammar, Target }

/**
 * Contains all parsers and decoders of `core`, `protocol` and `server`.
 *
 * @since 0.1.0
 * @category targets
 */
export const targets: ReadonlyArray<Target> = [
  ...names,
  ...headers,
  ...documents,
  ...requests,
  ...responses
]

/** The maximum length of an error message: a reason of 1024 characters, all escaped, and the request. */
const maxMessage = 12_288

const unprintable = /[\p{Cc}\p{Cs}]/u

/** Returns the problem of an error, or `undefined`. Errors contain untrusted input. */
const errorProblem = (error: unknown): string | undefined => {
  if (!(error instanceof Error)) return undefined
  const { message } = error
  if (message.length > maxMessage) return `the error message has ${message.length} characters`
  if (unprintable.test(message)) return "the error message has characters that are not safe to log"
  JSON.stringify(error)
  return undefined
}

/**
 * Runs a target on an input, and returns the problem that it found, or `undefined`.
 *
 * @since 0.1.0
 * @category running
 */
export const problem = <Input, Output>(target: Target<Input, Output>, input: Input): string | undefined => {
  const checked = Effect.suspend(() => target.run(input)).pipe(
    Effect.matchEffect({
      onFailure: (error) => Effect.sync(() => errorProblem(error)),
      onSuccess: (output) =>
        Effect.sync(() => {
          const broken = Object.entries(target.laws).find(([, law]) => !law(output, input))
          return broken === undefined ? undefined : `this law does not hold: ${broken[0]}`
        })
    }),
    Effect.runSyncExit
  )
  return Exit.isSuccess(checked) ? checked.value : Cause.pretty(checked.cause)
}

/**
 * Measures how long a target takes for an input, in milliseconds. Returns the shortest of `tries` runs, because other
 * programs can only slow a run down. Stops after the first run that takes at most `enough` milliseconds.
 *
 * @since 0.1.0
 * @category running
 */
export const time = <Input, Output>(
  target: Target<Input, Output>,
  input: Input,
  options: { readonly tries: number; readonly enough: number }
): number => {
  let best = Infinity
  for (let tried = 0; tried < options.tries && best > options.enough; tried++) {
    const start = performance.now()
    Effect.runSyncExit(Effect.suspend(() => target.run(input)))
    best = Math.min(best, performance.now() - start)
  }
  return best
}
