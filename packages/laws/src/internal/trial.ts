import * as Effect from "effect/Effect"
import * as fc from "fast-check"
import type { Script } from "./script.js"

/** A case of a law: tests whether the law holds for a script, and prints the failure. */
export interface Trial {
  readonly law: string
  readonly script: Script
  readonly holds: (script: Script) => Promise<boolean>
  readonly print: (script: Script) => Promise<string>
  /** Returns simpler cases: the stack without one of its wrappers. */
  readonly simpler: () => ReadonlyArray<Trial>
}

/** A failing case of a law, with the shortest script that was found. */
export interface Failure {
  readonly law: string
  readonly seed: number
  readonly operations: number
  readonly test: string
}

/** Runs cases of a law. Returns the first failure, if any. */
export const search = (
  trials: fc.Arbitrary<Trial>,
  options: { readonly runs: number; readonly seed: number }
): Effect.Effect<Failure | undefined> =>
  Effect.gen(function*() {
    const { counterexample, errorInstance, failed, seed } = yield* Effect.promise(() =>
      fc.check(fc.asyncProperty(trials, ({ holds, script }) => holds(script)), {
        numRuns: options.runs,
        seed: options.seed,
        // `shorten` below shrinks the script: it need not generate a new script for each line that it removes.
        endOnFailure: true
      })
    )
    if (!failed) return undefined
    const found = counterexample?.[0]
    if (found === undefined) return yield* Effect.die(errorInstance)
    const trial = yield* Effect.promise(() => simplify(found))
    const script = yield* Effect.promise(() => shorten(trial))
    const test = yield* Effect.promise(() => trial.print(script))
    return { law: trial.law, seed, operations: script.length, test }
  })

const simplify = async (trial: Trial): Promise<Trial> => {
  for (const simpler of trial.simpler()) {
    if (simpler.script.length > 0 && !await simpler.holds(simpler.script)) return simplify(simpler)
  }
  return trial
}

/** Removes the lines that the failure does not need: first halves and smaller parts, then single lines from the end. */
const shorten = async ({ holds, script }: Trial): Promise<Script> => {
  let short = script
  for (let size = Math.ceil(script.length / 2); size > 0; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let at = short.length - size; at > -size; at -= size) {
      const without = short.filter((_, index) => index < at || index >= at + size)
      if (without.length > 0 && without.length < short.length && !await holds(without)) short = without
    }
  }
  return short
}
