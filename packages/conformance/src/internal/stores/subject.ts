import * as Body from "@effect-oci/core/Body"
import * as Digest from "@effect-oci/core/Digest"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import { identity } from "effect/Function"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"
import * as TestContext from "effect/TestContext"
import type { YieldWrap } from "effect/Utils"
import { Violation } from "../../Check.js"
import type { Options, StoreCheck } from "../../StoreCheck.js"

/** An expectation that does not hold. {@link makeCheck} adds the last call of the store. */
export class Mismatch extends Data.TaggedError("Mismatch")<{ readonly expected: string; readonly actual: string }> {}

/** What a check can do with the store under test, in addition to calling it. */
export interface Subject {
  /** Closes the store and opens it again. Does nothing if the store is not durable. */
  readonly reopen: Effect.Effect<void, unknown>
  /** Returns the duration of `n` units. */
  readonly units: (n: number) => Duration.Duration
  /** Waits for `n` units. */
  readonly pass: (n: number) => Effect.Effect<void>
  /** Whether the clock is a test clock, so that long waits cost nothing. */
  readonly testClock: boolean
}

/** Formats a value as text. Equal values have equal texts. Bytes are replaced by their number and digest. */
export const print = (value: unknown): string =>
  JSON.stringify(value, function(this: Record<string, unknown>, name, field: unknown) {
    // `field` of a `Buffer` of Node is not its bytes.
    const bytes = this[name]
    if (bytes instanceof Uint8Array) return `${bytes.byteLength} bytes ${Digest.fromBytes(bytes).slice(7, 19)}`
    if (Body.isBody(field)) return "body"
    if (field instanceof Error) return [field.name, field.message, field.cause]
    if (typeof field !== "object" || field === null || Array.isArray(field)) return field
    return Object.fromEntries(Object.entries(field).sort(([a], [b]) => a < b ? -1 : 1))
  }) ?? "undefined"

const shorten = (text: string): string => text.length > 600 ? `${text.slice(0, 600)}…` : text

export const mismatch = (expected: string, actual: string) =>
  Effect.fail(new Mismatch({ expected: shorten(expected), actual: shorten(actual) }))

/** Expects a value that is equal in all fields. A field that is `undefined` equals an absent field. */
export const equal = (actual: unknown, expected: unknown): Effect.Effect<void, Mismatch> => {
  const [found, wanted] = [print(actual), print(expected)]
  return found === wanted ? Effect.void : mismatch(wanted, found)
}

/** Expects that an effect succeeds with a value. */
export const returns = <A, E>(effect: Effect.Effect<A, E>, expected: A): Effect.Effect<void, E | Mismatch> =>
  Effect.flatMap(effect, (actual) => equal(actual, expected))

/** Expects that an effect fails with one of some errors. */
export const fails = <E>(
  effect: Effect.Effect<unknown, E>,
  ...errors: ReadonlyArray<E>
): Effect.Effect<void, Mismatch> => {
  const texts = errors.map(print)
  const expected = `the error ${texts.join(" or ")}`
  return Effect.matchEffect(effect, {
    onSuccess: (actual) => mismatch(expected, `the result ${print(actual)}`),
    onFailure: (error) => texts.includes(print(error)) ? Effect.void : mismatch(expected, `the error ${print(error)}`)
  })
}

/** Expects that the pages of a list contain `all`, in this order, also the pages after keys that no item has. */
export const listsInPages = <A, Key extends string, E>(
  list: (after: Key | undefined, n: number) => Effect.Effect<ReadonlyArray<A>, E>,
  all: ReadonlyArray<A>,
  keyOf: (item: A) => Key,
  absent: ReadonlyArray<Key>
) =>
  Effect.gen(function*() {
    yield* returns(list(undefined, 0), [])
    for (const n of new Set([all.length / 20, all.length / 3, all.length, all.length + 1].map(Math.ceil))) {
      if (n === 0) continue
      const found: Array<A> = []
      let page: ReadonlyArray<A>
      do {
        const last = found.at(-1)
        page = yield* list(last === undefined ? undefined : keyOf(last), n)
        if (page.length > n) yield* mismatch(`at most ${n} items`, `${page.length} items`)
        found.push(...page)
      } while (page.length === n && found.length <= all.length)
      yield* equal(found, all)
    }
    for (const after of absent) {
      yield* returns(list(after, 3), all.filter((item) => keyOf(item) > after).slice(0, 3))
    }
  })

type Call = Effect.Effect<unknown, unknown>

/** Returns a service whose methods call those of the current one by way of `around`, each time their effect runs. */
export const intercept = <Service extends object>(
  current: () => Service,
  around: (name: string, call: Call, args: ReadonlyArray<unknown>) => Call
): Service =>
  Object.fromEntries(
    Object.entries(current()).map(([name, member]: readonly [string, unknown]) => [
      name,
      typeof member !== "function" ? member : (...args: ReadonlyArray<unknown>) =>
        Effect.suspend(() => {
          const call = () => Reflect.apply(Reflect.get(current(), name) as () => Call, undefined, args)
          return around(name, Effect.suspend(call), args)
        })
    ])
  ) as Service

type Services<Id> = <I extends Id, Service extends object>(tag: Context.Tag<I, Service>) => Service

type Steps = Generator<YieldWrap<Effect.Effect<unknown, unknown>>, void, never>

/**
 * Creates a function that creates checks. `pick` chooses the services under test. The steps of a check receive these
 * services and a {@link Subject}. An error that the steps do not expect is a violation.
 */
export const makeCheck = <Id, Tested>(pick: (services: Services<Id>) => Tested) =>
(
  name: string,
  steps: (tested: Tested, subject: Subject) => Steps,
  { durable = false }: { readonly durable?: boolean } = {}
): StoreCheck<Id> => ({
  name,
  run: (options) =>
    Effect.suspend(() => {
      if (durable && options.durable !== true) return Effect.void
      let after = "opening the store"
      return Effect.gen(function*() {
        const { reopen, services } = yield* open(options)
        const unit = Duration.decode(options.time?.unit ?? "1 minute")
        const units = (n: number) => Duration.times(unit, n)
        const pass = (n: number) => (options.time?.pass ?? TestClock.adjust)(units(n))
        const tested = pick((tag) =>
          intercept(() => Context.unsafeGet(services(), tag), (name, call, args) => {
            after = `${name}(${shorten(args.map(print).join(", "))})`
            return call
          })
        )
        yield* Effect.gen(() => steps(tested, { reopen, units, pass, testClock: options.time === undefined }))
      }).pipe(
        Effect.scoped,
        Effect.mapError((error) =>
          error instanceof Mismatch
            ? new Violation({ after, expected: error.expected, actual: error.actual })
            : new Violation({ after, expected: "success", actual: `the error ${print(error)}` })
        ),
        options.time === undefined ? Effect.provide(TestContext.TestContext) : identity
      )
    })
})

/** Opens the store under test. The end of the scope closes it. */
const open = <Id>({ durable, make }: Options<Id>) =>
  Effect.gen(function*() {
    const layer = yield* make
    const outer = yield* Effect.scope
    const build = Effect.gen(function*() {
      const scope = yield* Scope.fork(outer, ExecutionStrategy.sequential)
      return { scope, services: yield* Layer.buildWithScope(layer, scope) }
    })
    let current = yield* build
    const reopen = Effect.gen(function*() {
      yield* Scope.close(current.scope, Exit.void)
      current = yield* build
    })
    return { services: () => current.services, reopen: durable === true ? reopen : Effect.void }
  })
