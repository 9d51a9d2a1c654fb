/**
 * Laws: property tests for wrappers of a registry, over random histories of operations. The operations refer to
 * existing content, so most of them succeed. The tests compare results and errors.
 *
 * There are two kinds of tests. Equations (`identity`, `idempotent`, `commutes`, `distributes`, `same`) need only the
 * wrapper. `lawful` compares a wrapper, alone or in random stacks with others, with its `Model`: a plain function that
 * describes how the wrapper changes a registry. A history that shows a fault is shortened and printed as a test.
 *
 * @since 0.1.0
 */
import type { Handler } from "@effect-oci/core/Handler"
import type { Middleware } from "@effect-oci/core/Middleware"
import type { OperationTag } from "@effect-oci/core/Operation"
import { Registry } from "@effect-oci/core/Registry"
import * as Memory from "@effect-oci/store/Memory"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as fc from "fast-check"
import { hop } from "./internal/hop.js"
import * as judging from "./internal/judge.js"
import * as models from "./internal/models.js"
import * as printing from "./internal/print.js"
import { perform } from "./internal/response.js"
import type { Response } from "./internal/response.js"
import type { Script } from "./internal/script.js"
import * as scripts from "./internal/script.js"
import { search } from "./internal/trial.js"
import type { Trial } from "./internal/trial.js"
import { LawBroken } from "./Law.js"
import type { Expected, Model, Options, Spec, Subject, Summary, Wrapper } from "./Law.js"

export { LawBroken, perform }
export type { Expected, Model, Options, Response, Spec, Subject, Summary, Wrapper }

const check = (trials: fc.Arbitrary<Trial>, options: Options | undefined): Effect.Effect<void, LawBroken> =>
  Effect.flatMap(
    search(trials, { runs: options?.runs ?? 100, seed: options?.seed ?? 20_261_121 }),
    (failure) => failure === undefined ? Effect.void : Effect.fail(new LawBroken(failure))
  )

const backendOf = (options: Options | undefined) => options?.backend ?? (() => Memory.layer())

const plans = (options: Options | undefined) => scripts.plan(options?.maxLength ?? 25)

const code = (subjects: ReadonlyArray<Subject>): string =>
  subjects.length === 0 ? "a registry without wrappers" : subjects.map((subject) => subject.code).join(", ")

const modelsOf = (subjects: ReadonlyArray<Subject>) => subjects.map(({ model }) => model ?? models.identity)

/**
 * Checks that stacks of wrappers behave as their models say. The last wrapper of a stack is the outermost.
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
      const law = `${code(subjects)}: behaves as its model`
      return {
        law,
        script: scripts.write(plan, judging.stage(all)),
        holds: async (script) => {
          const verdict = await judge(script)
          operations += verdict.operations
          succeeded += verdict.succeeded
          for (const tag of verdict.kinds) kinds.add(tag)
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
 * Generates random stacks of 1 to `depth` of the given wrappers. Default of `depth`: 6.
 *
 * @since 0.1.0
 * @category arbitraries
 */
export const stacks = (
  wrappers: ReadonlyArray<fc.Arbitrary<Subject>>,
  options?: { readonly depth?: number | undefined }
): fc.Arbitrary<ReadonlyArray<Subject>> =>
  fc.array(fc.oneof(...wrappers), { minLength: 1, maxLength: options?.depth ?? 6, size: "max" }).filter(isBuildable)

/** The last wrapper is the outermost. */
const isBuildable = (stack: ReadonlyArray<Subject>): boolean =>
  stack.every(({ callers }, index) =>
    callers !== "refuses" || stack.slice(0, index).every((inner) => inner.callers !== "depends")
  )

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
      const equality = `${law}: ${left.code} is ${right.code}`
      return {
        law: equality,
        script: scripts.write(plan, judging.stage(modelsOf([left]))),
        holds: async (script) => await differ(script) === undefined,
        print: async (script) => {
          const difference = await differ(script)
          return difference === undefined
            ? "// It does not fail each time."
            : printing.differenceTest(equality, [left.code, right.code], script, difference)
        },
        simpler: () => []
      }
    }),
    options
  )

/**
 * Checks that two wrappers return the same results, errors and messages for every history.
 *
 * @since 0.1.0
 * @category laws
 * @example
 * ```ts
 * import * as Laws from "@effect-oci/laws/Laws"
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
 * Checks {@link same} for pairs of wrappers.
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
 * Composes several wrappers under test into one. The last wrapper is the outermost.
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
 * Checks that the wrapper does not change any result.
 *
 * @since 0.1.0
 * @category laws
 */
export const identity = (subject: Subject, options?: Options): Effect.Effect<void, LawBroken> =>
  equation("identity", fc.constant([subject, nothing]), options)

/**
 * Checks that the wrapper applied twice behaves like the wrapper applied once.
 *
 * @since 0.1.0
 * @category laws
 */
export const idempotent = (subject: Subject, options?: Options): Effect.Effect<void, LawBroken> =>
  equation("idempotent", fc.constant([compose(subject, subject), subject]), options)

/**
 * Checks that two wrappers behave the same in either order.
 *
 * @since 0.1.0
 * @category laws
 */
export const commutes = (one: Subject, other: Subject, options?: Options): Effect.Effect<void, LawBroken> =>
  equation("commutes", fc.constant([compose(one, other), compose(other, one)]), options)

/**
 * Checks that a wrapper around two joined registries behaves like the join of the two wrapped registries. `join`
 * combines the registry behind the wrapper with another registry that has content. Errors are compared by their tags.
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
 * Opens a separate registry from a layer. The registry closes with the scope.
 *
 * @since 0.1.0
 * @category running
 */
export const open = (layer: Layer.Layer<Registry>): Effect.Effect<Registry["Type"], never, Scope.Scope> =>
  Effect.flatMap(Layer.build(layer), (context) => Effect.provide(Registry, context))

/**
 * Composes several wrappers into one middleware. The last wrapper is the outermost.
 *
 * @since 0.1.0
 * @category running
 */
export const stack = (wrappers: ReadonlyArray<Wrapper>): Effect.Effect<Middleware, never, Scope.Scope> =>
  judging.stack(wrappers)

/**
 * Wraps a registry in several wrappers. The last wrapper is the outermost.
 *
 * @since 0.1.0
 * @category running
 */
export const wrap = (
  behind: Handler,
  wrappers: ReadonlyArray<Wrapper>
): Effect.Effect<Handler, never, Scope.Scope> => Effect.map(stack(wrappers), (middleware) => middleware(behind))

export { hop }

/**
 * Options for a suite of laws.
 *
 * @since 0.1.0
 * @category models
 */
export interface Suite extends Omit<Options, "backend"> {
  /** The wrappers under test, each with various options. */
  readonly wrappers: ReadonlyArray<fc.Arbitrary<Subject>>
  /** The registries behind the wrappers, by name, empty each time. Default: one in memory. */
  readonly backends?: { readonly [name: string]: () => Layer.Layer<Registry> } | undefined
  readonly depth?: number | undefined
  /** The minimum share of operations that must succeed, so that the histories are meaningful. Default: 0.8. */
  readonly share?: number | undefined
}

/**
 * Defines a Vitest test for each backend, which checks random stacks of the wrappers with {@link lawful}. Await it at
 * the top level of a test file. Needs `@effect/vitest`.
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
        "random stacks behave as their models",
        () =>
          Effect.map(lawful(stacks(wrappers, { depth }), { ...options, backend }), ({ operations, succeeded }) => {
            expect(succeeded / operations).toBeGreaterThanOrEqual(share)
          }),
        120_000
      )
    })
  }
}
