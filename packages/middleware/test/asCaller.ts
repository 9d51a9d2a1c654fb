/** Runs random histories of callers on a wrapper. */
import { Effect } from "effect"
import * as fc from "fast-check"
import { AsCaller } from "../src/index.js"
import { memory } from "./cache.js"
import * as callers from "./callers.js"

const defaultSeed = 20_261_130

export const asCaller = (timeToLive: number): callers.Wrapper =>
  Effect.flatMap(memory({ sparseManifests: true }), (store) => AsCaller.middleware({ store, timeToLive }))

/** Runs histories, and returns the first read that breaks the law, with the shortest history that shows it. */
export const broken = async (wrapper: callers.Wrapper, options: callers.Law, numRuns: number, seed = defaultSeed) => {
  const { counterexample, errorInstance, failed } = await fc.check(
    fc.asyncProperty(callers.histories, (history) => callers.lawful(wrapper, history, options)),
    // A leak that is expected need not be the shortest.
    { numRuns, seed, endOnFailure: !options.isComplete }
  )
  return failed ? `${String(errorInstance).split("\n", 1)[0]} after ${JSON.stringify(counterexample)}` : undefined
}
