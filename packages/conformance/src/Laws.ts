/**
 * The lawbook: what every wrapper of a registry must keep, by property tests over histories of operations. What is asked
 * refers to what is there, so that most of it succeeds; results and errors are compared.
 *
 * A wrapper is judged in two ways: by equations (`identity`, `idempotent`, `commutes`, `distributes`, `same`), which need
 * no more than the wrapper; and, alone or in random stacks with others, by a `Model`: a plain function that says what the
 * wrapper makes of a registry. A history that shows a fault is made short, and printed as a test.
 *
 * @since 0.1.0
 */
import type { Handler } from "@effect-oci/core/Handler"
import type { OperationTag } from "@effect-oci/core/Operation"
import { Registry } from "@effect-oci/core/Registry"
import * as Memory from "@effect-oci/store/Memory"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as fc from "fast-check"
import { hop } from "./internal/laws/hop.js"
import * as judging from "./internal/laws/judge.js"
import type { Wrapper } from "./internal/laws/judge.js"
import type { Model } from "./internal/laws/models.js"
import * as models from "./internal/laws/models.js"
import * as printing from "./internal/laws/print.js"
import type { Script } from "./internal/laws/script.js"
import * as scripts from "./internal/laws/script.js"
import type { Expected, Spec } from "./internal/laws/spec.js"
import { slowed } from "./internal/laws/tags.js"
import * as tags from "./internal/laws/tags.js"
import { tell } from "./internal/telling.js"
import type { Told } from "./internal/telling.js"

export type { Expected, Model, Spec, Told, Wrapper }
export { tell }

/**
 * A wrapper that is judged.
 *
 * @since 0.1.0
 * @category models
 */
export interface Subject {
  /** The code that makes it: what is shown of it. */
  readonly code: string
  readonly wrapper: Wrapper
  /** What it makes of a registry: nothing unless said, so that results are those of the registry behind. */
  readonly model?: Model | undefined
}

/**
 * How a law is checked.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** The registry behind the wrappers, empty each time: in memory unless said. */
  readonly backend?: (() => Layer.Layer<Registry>) | undefined
  /** How many histories: 100 unless said. */
  readonly runs?: number | undefined
  /** How long they are at most: 25 operations unless said, besides up to 14 that fill the registry. */
  readonly maxLength?: number | undefined
  /** Whether the messages of errors are compared too: they are by equations, but by `distributes`, unless said. */
  readonly messages?: boolean | undefined
  /** Where random begins: the same place each time unless said. */
  readonly seed?: number | undefined
}

/**
 * What was asked, when a law held.
 *
 * @since 0.1.0
 * @category models
 */
export interface Summary {
  readonly operations: number
  readonly succeeded: number
  /** The kinds of operations of which some succeeded. */
  readonly kinds: ReadonlySet<OperationTag>
}

/**
 * A law does not hold. `test` is the shortest history that was found to show it, as a test of Vitest.
 *
 * @since 0.1.0
 * @category errors
 */
export class LawBroken extends Data.TaggedError("LawBroken")<{
  readonly law: string
  readonly seed: number
  /** How many operations the test asks. */
  readonly operations: number
  readonly test: string
}> {
  override get message(): string {
    return `${this.law} (seed ${this.seed}), in ${this.operations} operations:\n\n${this.test}\n`
  }
}

const defaultSeed = 20_261_121

/** A case of a law: whether it holds for a script, and what to print where it does not. */
interface Trial {
  readonly law: string
  readonly script: Script
  readonly holds: (script: Script) => Promise<boolean>
  readonly print: (script: Script) => Promise<string>
  /** The same with less: a stack without one of its wrappers. */
  readonly simpler: () => ReadonlyArray<Trial>
}

const check = (trials: fc.Arbitrary<Trial>, options: Options | undefined): Effect.Effect<void, LawBroken> =>
  Effect.gen(function*() {
    const { counterexample, errorInstance, failed, seed } = yield* Effect.promise(() =>
      fc.check(fc.asyncProperty(trials, ({ holds, script }) => holds(script)), {
        numRuns: options?.runs ?? 100,
        seed: options?.seed ?? defaultSeed,
        // It is made short here: a script need not be written anew for each line that is left out.
        endOnFailure: true
      })
    )
    if (!failed) return
    const found = counterexample?.[0]
    if (found === undefined) return yield* Effect.die(errorInstance)
    const trial = yield* Effect.promise(() => simplify(found))
    const script = yield* Effect.promise(() => shorten(trial))
    const test = yield* Effect.promise(() => trial.print(script))
    return yield* new LawBroken({ law: trial.law, seed, operations: script.length, test })
  })

const simplify = async (trial: Trial): Promise<Trial> => {
  for (const simpler of trial.simpler()) {
    if (simpler.script.length > 0 && !await simpler.holds(simpler.script)) return simplify(simpler)
  }
  return trial
}

/** Leaves out what is not needed: first halves and smaller parts, then a line at a time from the end. */
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

const backendOf = (options: Options | undefined) => options?.backend ?? (() => Memory.layer())

const plans = (options: Options | undefined) => scripts.plan(options?.maxLength ?? 25)

const code = (subjects: ReadonlyArray<Subject>): string =>
  subjects.length === 0 ? "a registry without wrappers" : subjects.map((subject) => subject.code).join(", ")

const modelsOf = (subjects: ReadonlyArray<Subject>) => subjects.map(({ model }) => model ?? models.identity)

/**
 * Stacks of wrappers do what their models say: each is a registry in wrappers, the last of which is outermost.
 *
 * @since 0.1.0
 * @category laws
 */
export const lawful = (
  stacks: fc.Arbitrary<ReadonlyArray<Subject>>,
  options?: Options
): Effect.Effect<Summary, LawBroken> =>
  Effect.suspend(() => {
    let operations = 0
    let succeeded = 0
    const kinds = new Set<OperationTag>()
    const trialOf = (subjects: ReadonlyArray<Subject>, plan: scripts.Plan): Trial => {
      const all = modelsOf(subjects)
      const judge = (script: Script) =>
        Effect.runPromise(judging.judge(backendOf(options)(), subjects.map(({ wrapper }) => wrapper), all, script))
      const law = `${code(subjects)}: does what its model says`
      return {
        law,
        script: scripts.write(plan, judging.stage(all)),
        holds: async (script) => {
          const verdict = await judge(script)
          operations += verdict.operations
          succeeded += verdict.succeeded
          for (const tag of verdict.asked) kinds.add(tag)
          return verdict.fault === undefined
        },
        print: async (script) => {
          const { fault } = await judge(script)
          return fault === undefined
            ? "// It does not fail each time."
            : printing.faultTest(law, subjects.map((subject) => subject.code), script, fault)
        },
        simpler: () => subjects.map((_, at) => trialOf(subjects.filter((_, index) => index !== at), plan))
      }
    }
    const trials = fc.tuple(stacks, plans(options)).map(([subjects, plan]) => trialOf(subjects, plan))
    return Effect.map(check(trials, options), () => ({ operations, succeeded, kinds }))
  })

/**
 * Random stacks, up to `depth` wrappers (6 unless said) of those that are given.
 *
 * @since 0.1.0
 * @category arbitraries
 */
export const stacks = (
  wrappers: ReadonlyArray<fc.Arbitrary<Subject>>,
  options?: { readonly depth?: number | undefined }
): fc.Arbitrary<ReadonlyArray<Subject>> =>
  fc.array(fc.oneof(...wrappers), { minLength: 1, maxLength: options?.depth ?? 6, size: "max" })

const equation = (
  law: string,
  pairs: fc.Arbitrary<readonly [left: Subject, right: Subject]>,
  options: Options | undefined
): Effect.Effect<void, LawBroken> =>
  check(
    fc.tuple(pairs, plans(options)).map(([[left, right], plan]): Trial => {
      const differ = (script: Script) =>
        Effect.runPromise(
          judging.compare(backendOf(options), [left.wrapper, right.wrapper], script, options?.messages ?? true)
        )
      const said = `${law}: ${left.code} is ${right.code}`
      return {
        law: said,
        script: scripts.write(plan, judging.stage(modelsOf([left]))),
        holds: async (script) => await differ(script) === undefined,
        print: async (script) => {
          const difference = await differ(script)
          return difference === undefined
            ? "// It does not fail each time."
            : printing.differenceTest(said, [left.code, right.code], script, difference)
        },
        simpler: () => []
      }
    }),
    options
  )

/**
 * Two wrappers tell the same of every history: results, errors and messages.
 *
 * @since 0.1.0
 * @category laws
 * @example
 * ```ts
 * import * as Laws from "@effect-oci/conformance/Laws"
 * import { ReferenceSet } from "@effect-oci/core"
 * import { Filter } from "@effect-oci/middleware"
 *
 * const all = { code: "Filter of all", wrapper: Filter.middleware({ select: ReferenceSet.all }) }
 * const law = Laws.same(all, Laws.nothing)
 * ```
 */
export const same = (left: Subject, right: Subject, options?: Options): Effect.Effect<void, LawBroken> =>
  equation("the same", fc.constant([left, right]), options)

/**
 * The same of pairs of wrappers.
 *
 * @since 0.1.0
 * @category laws
 */
export const sameOf = (
  pairs: fc.Arbitrary<readonly [left: Subject, right: Subject]>,
  options?: Options
): Effect.Effect<void, LawBroken> => equation("the same", pairs, options)

/**
 * The wrapper that changes nothing.
 *
 * @since 0.1.0
 * @category models
 */
export const nothing: Subject = { code: "Middleware.identity", wrapper: (next) => next, model: models.identity }

/**
 * Several wrappers as one, the last of which is outermost.
 *
 * @since 0.1.0
 * @category models
 */
export const compose = (...subjects: ReadonlyArray<Subject>): Subject => ({
  code: `Laws.stack([${subjects.map((subject) => subject.code).join(", ")}])`,
  wrapper: stack(subjects.map(({ wrapper }) => wrapper)),
  model: (next, another) => modelsOf(subjects).reduce((spec, model) => model(spec, another), next)
})

/**
 * The wrapper changes nothing.
 *
 * @since 0.1.0
 * @category laws
 */
export const identity = (subject: Subject, options?: Options): Effect.Effect<void, LawBroken> =>
  equation("identity", fc.constant([subject, nothing]), options)

/**
 * The wrapper twice is the wrapper once.
 *
 * @since 0.1.0
 * @category laws
 */
export const idempotent = (subject: Subject, options?: Options): Effect.Effect<void, LawBroken> =>
  equation("idempotent", fc.constant([compose(subject, subject), subject]), options)

/**
 * Two wrappers do the same in either order.
 *
 * @since 0.1.0
 * @category laws
 */
export const commutes = (one: Subject, other: Subject, options?: Options): Effect.Effect<void, LawBroken> =>
  equation("commutes", fc.constant([compose(one, other), compose(other, one)]), options)

/**
 * A wrapper round two registries as one, made by `join` of the registry behind and one that has something too, is the two,
 * each in the wrapper, as one. Errors are compared by their tags.
 *
 * @since 0.1.0
 * @category laws
 */
export const distributes = (
  subject: Subject,
  join: { readonly code: string; readonly of: (members: ReadonlyArray<Handler>) => Handler },
  options?: Options
): Effect.Effect<void, LawBroken> => {
  const other = Effect.flatMap(open(Memory.layer()), ({ handle }) => Effect.as(scripts.fill(handle), handle))
  const make = (inside: boolean): Wrapper =>
    Effect.zipWith(
      other,
      stack([subject.wrapper]),
      (second, wrap) => (next) => inside ? join.of([wrap(next), wrap(second)]) : wrap(join.of([next, second]))
    )
  const pair = [
    { code: `${subject.code} round ${join.code}`, wrapper: make(false), model: subject.model },
    { code: `${join.code} of members in ${subject.code}`, wrapper: make(true) }
  ] as const
  return equation("distributes", fc.constant(pair), { messages: false, ...options })
}

/**
 * No tag moves, whoever pushes to it at the same time: of all pushes to a tag that succeeded each was of the same
 * manifest, and nothing was deleted. The registry behind takes its time, so that others have their turn.
 *
 * @since 0.1.0
 * @category laws
 */
export const keepsTags = (subject: Subject, options?: Options): Effect.Effect<void, LawBroken> =>
  Effect.gen(function*() {
    const { counterexample, failed, seed } = yield* Effect.promise(() =>
      fc.check(
        fc.asyncProperty(tags.races, (race) =>
          tags.keeps(race, subject.wrapper).pipe(Effect.provide(backendOf(options)()), Effect.runPromise)),
        { numRuns: options?.runs ?? 100, seed: options?.seed ?? defaultSeed }
      )
    )
    const race = counterexample?.[0]
    if (!failed || race === undefined) return
    return yield* new LawBroken({
      law: `${subject.code}: no tag moves`,
      seed,
      operations: race.flat().length,
      test: tags.print(race, subject.code)
    })
  })

/**
 * A registry of its own for as long as the scope lasts.
 *
 * @since 0.1.0
 * @category running
 */
export const open = (layer: Layer.Layer<Registry>): Effect.Effect<Registry["Type"], never, Scope.Scope> =>
  Effect.flatMap(Layer.build(layer), (context) => Effect.provide(Registry, context))

/**
 * Several wrappers as one, the last of which is outermost.
 *
 * @since 0.1.0
 * @category running
 */
export const stack = (wrappers: ReadonlyArray<Wrapper>): ReturnType<typeof judging.stack> => judging.stack(wrappers)

/**
 * A registry in several wrappers, the last of which is outermost.
 *
 * @since 0.1.0
 * @category running
 */
export const wrap = (
  behind: Handler,
  wrappers: ReadonlyArray<Wrapper>
): Effect.Effect<Handler, never, Scope.Scope> => Effect.map(stack(wrappers), (middleware) => middleware(behind))

export { hop, slowed }

/**
 * What a suite judges.
 *
 * @since 0.1.0
 * @category models
 */
export interface Suite extends Omit<Options, "backend"> {
  /** The wrappers, each with the options that it may have. */
  readonly wrappers: ReadonlyArray<fc.Arbitrary<Subject>>
  /** The registries behind them, by name, empty each time: one in memory unless said. */
  readonly backends?: { readonly [name: string]: () => Layer.Layer<Registry> } | undefined
  readonly depth?: number | undefined
  /** The least share of operations that must succeed, or the histories say little: 0.8 unless said. */
  readonly share?: number | undefined
}

/**
 * Judges each wrapper by itself and random stacks of them, over each backend, as tests of Vitest. To be awaited at the top
 * of a test file.
 *
 * @since 0.1.0
 * @category running
 */
export const suite = async (
  name: string,
  { backends, depth, share = 0.8, wrappers, ...options }: Suite
): Promise<void> => {
  const { describe, expect, it } = await import("@effect/vitest")
  for (const [behind, backend] of Object.entries(backends ?? { memory: () => Memory.layer() })) {
    describe(`${name}, over ${behind}`, () => {
      it.live(
        `random stacks do what their models say`,
        () =>
          Effect.map(lawful(stacks(wrappers, { depth }), { ...options, backend }), ({ operations, succeeded }) => {
            expect(succeeded / operations).toBeGreaterThanOrEqual(share)
          }),
        120_000
      )
    })
  }
}
