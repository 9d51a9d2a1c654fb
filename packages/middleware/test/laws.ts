import type { Middleware } from "@effect-oci/core"
import { Registry } from "@effect-oci/core"
import type * as Laws from "@effect-oci/laws/Laws"
import { Memory } from "@effect-oci/store"
import * as History from "@effect-oci/testing/History"
import { Effect } from "effect"
import type { Layer, Scope } from "effect"
import * as fc from "fast-check"

/** A wrapper, or an effect of one. */
export type Wrapper = Middleware.Middleware | Effect.Effect<Middleware.Middleware, never, Scope.Scope>

/** Combines several wrappers into one. The last one is outermost. */
export const stack = (...wrappers: ReadonlyArray<Wrapper>): Wrapper =>
  Effect.map(
    Effect.all(wrappers.map((wrapper) => Effect.isEffect(wrapper) ? wrapper : Effect.succeed(wrapper))),
    (all) => (next) => all.reduce((handle, wrap) => wrap(handle), next)
  )

/**
 * Runs a history on a wrapped registry in memory, after some operations without the wrapper, and returns the results.
 */
export const results = (
  wrapper: Wrapper,
  before: ReadonlyArray<History.Step>,
  history: ReadonlyArray<History.Step>,
  memory: Layer.Layer<Registry> = Memory.layer({ anonymousMount: true })
): Promise<ReadonlyArray<Laws.Response>> =>
  Effect.gen(function*() {
    const { handle } = yield* Registry
    yield* History.run(before)
    const middleware = Effect.isEffect(wrapper) ? yield* wrapper : wrapper
    return yield* Effect.provideService(History.run(history), Registry, Registry.fromHandler(middleware(handle)))
  }).pipe(Effect.scoped, Effect.provide(memory), Effect.runPromise)

interface Options {
  readonly numRuns?: number
  /** Whether the registry contains something at the start. */
  readonly filled?: boolean
}

/** Checks that two wrappers return the same for every history: results, errors and messages. */
export const same = (left: Wrapper, right: Wrapper, options?: Options): Promise<void> =>
  sameOf(fc.constant([left, right]), options)

/** Checks the same for pairs of wrappers. */
export const sameOf = (
  wrappers: fc.Arbitrary<readonly [left: Wrapper, right: Wrapper]>,
  options?: Options
): Promise<void> =>
  fc.assert(
    fc.asyncProperty(
      wrappers,
      options?.filled === true ? History.history(25) : fc.constant([]),
      History.history(25),
      async ([left, right], before, history) => {
        const [one, other] = await Promise.all([results(left, before, history), results(right, before, history)])
        const [a, b] = [one, other].map((all) => all.map((step) => JSON.stringify(step)))
        const at = a!.findIndex((step, index) => step !== b![index])
        if (at >= 0) throw new Error(`${a![at]} is not ${b![at]}, at step ${at}`)
      }
    ),
    { numRuns: options?.numRuns ?? 100, seed: 20_261_121 }
  )
