/**
 * Measures the cost of a wrapper: the nanoseconds that one more wrapper adds to one operation.
 *
 * One fiber requests the descriptor of a manifest from a stack of wrappers, again and again, without a fiber, a layer
 * or a scope in between. Stacks of zero, one and ten wrappers take turns. `one more` is the slope between one and ten
 * wrappers, without the cost of the loop and of the base. `the first` is the cost of the first wrapper. It includes
 * costs that occur once per stack, for example when the answer is no longer an exit. The base returns an exit, or an
 * effect that must be run.
 */
import { Descriptor, Operation, RepositoryName, Tag } from "@effect-oci/core"
import type { Handler } from "@effect-oci/core"
import { Logging, ReadOnly } from "@effect-oci/middleware"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import { all, stack, wrappers } from "./internal/contenders.js"
import type { Wrapper } from "./internal/contenders.js"
import { logTo } from "./internal/logTo.js"
import { interleave, row } from "./internal/measure.js"
import type { Row } from "./internal/measure.js"

const repository = RepositoryName.make("team/app")
const ask = new Operation.ResolveManifest({ repository, reference: Tag.make("v1") })
const refuse = new Operation.DeleteTag({ repository, tag: Tag.make("v1") })
const descriptor = Descriptor.fromBytes(new TextEncoder().encode("{}"), "application/vnd.oci.image.manifest.v1+json")
const answer = Effect.succeed(descriptor) as Effect.Effect<never>

/** What a wrapper that decides about manifests reads before its first decision. */
const manifest = Effect.succeed({ descriptor, bytes: new TextEncoder().encode("{}") }) as Effect.Effect<never>

const answerTo = ({ _tag }: Operation.Operation) => _tag === "GetManifest" ? manifest : answer

const bases: ReadonlyArray<{ readonly name: string; readonly handle: Handler.Handler }> = [
  { name: "an exit", handle: answerTo },
  { name: "an effect", handle: (operation) => Effect.suspend(() => answerTo(operation)) }
]

/** Measures nanoseconds per operation. */
const sample = (handle: Handler.Handler, times: number): Effect.Effect<number, unknown> =>
  Effect.suspend(() => {
    let left = times
    let wrong = 0
    const start = performance.now()
    return Effect.flatMap(
      Effect.whileLoop({
        while: () => left-- > 0,
        body: () => handle(ask),
        step: (result) => {
          if (result !== descriptor) wrong++
        }
      }),
      () => {
        const nanos = (performance.now() - start) * 1e6
        return wrong === 0 ? Effect.succeed(nanos / times) : Effect.dieMessage(`${wrong} of ${times} answers are wrong`)
      }
    )
  })

const largest = 10

const measure = ({ level, logger, make, name, target, times }: Wrapper, base: typeof bases[number]) =>
  Effect.gen(function*() {
    const sizes = [0, 1, largest]
    const cases = new Map(sizes.map((size) => [`${size}`, sample(stack(base.handle, make, size), times)]))
    const rounds = yield* logTo(logger, level)(interleave(cases, { warmUp: 5, rounds: 21 }))
    const at = (round: ReadonlyMap<string, number>, size: number) => round.get(`${size}`) ?? Number.NaN
    const figure = { unit: "ns", better: "lower", target } as const
    return [
      row(
        { ...figure, name: `${name}: one more, over ${base.name}` },
        rounds.map((round) => (at(round, largest) - at(round, 1)) / (largest - 1))
      ),
      row(
        { ...figure, name: `${name}: the first, over ${base.name}` },
        rounds.map((round) => at(round, 1) - at(round, 0))
      )
    ]
  })

/** Verifies that the measured cases do their work: refusals are refusals, and log lines are written. */
const check = Effect.gen(function*() {
  for (const { handle } of bases) {
    yield* Effect.flip(stack(handle, ReadOnly.middleware, largest)(refuse))
    let lines = 0
    const counting = Logger.make<unknown, void>(() => void lines++)
    const logged = stack(handle, Logging.middleware, largest)(ask)
    yield* logTo(counting, LogLevel.Info)(logged)
    if (lines !== largest) return yield* Effect.dieMessage(`${largest} loggers wrote ${lines} lines`)
    yield* logTo(counting, LogLevel.Warning)(logged)
    if (lines !== largest) return yield* Effect.dieMessage("lines below the least level were written")
  }
})

/** Measures the cost of an operation that passes through one of each wrapper. */
const measureAll = (base: typeof bases[number]) =>
  Effect.gen(function*() {
    const cases = new Map([["none", sample(base.handle, 500)], ["all", sample(all(base.handle), 500)]])
    const rounds = yield* logTo(Logger.none, LogLevel.Info)(interleave(cases, { warmUp: 5, rounds: 21 }))
    return row(
      { name: `one of each: all together, over ${base.name}`, unit: "ns", better: "lower" },
      rounds.map((round) => (round.get("all") ?? Number.NaN) - (round.get("none") ?? Number.NaN))
    )
  })

export const run: Effect.Effect<ReadonlyArray<Row>, unknown> = Effect.gen(function*() {
  yield* check
  const rows: Array<Row> = []
  for (const wrapper of wrappers) {
    for (const base of bases) rows.push(...(yield* measure(wrapper, base)))
  }
  for (const base of bases) rows.push(yield* measureAll(base))
  return rows
})
