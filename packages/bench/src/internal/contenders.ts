import {
  Answer,
  Handler,
  Manifest,
  MediaType,
  Middleware,
  ReferenceSet,
  Registry,
  RepositoryName
} from "@effect-oci/core"
import { Enforce, Explain } from "@effect-oci/explain"
import type { Explanation } from "@effect-oci/explain"
import {
  AsCaller,
  Authorize,
  Filter,
  Gate,
  Immutable,
  Limit,
  Logging,
  Matured,
  Metrics,
  Quota,
  QuotaLedger,
  ReadOnly,
  Retry,
  Route,
  Sub,
  Tracing,
  Under,
  Union
} from "@effect-oci/middleware"
import { Verify } from "@effect-oci/verify"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Scope from "effect/Scope"

/** A wrapper to measure. */
export interface Wrapper {
  readonly name: string
  readonly make: () => Middleware.Middleware
  /** The target cost of an operation, in nanoseconds. */
  readonly target?: number
  /** The minimum log level of the program. */
  readonly level: LogLevel.LogLevel
  readonly logger: Logger.Logger<unknown, void>
  /** The number of operations in one sample. */
  readonly times: number
  /** Whether this case measures another wrapper of the list with different settings. */
  readonly isVariant: boolean
}

const quiet = { level: LogLevel.Info, logger: Logger.none, isVariant: false }
const pure = { ...quiet, target: 200, times: 20_000 }
const verbose = { ...quiet, target: 2000, times: 5000 }
const costly = { ...quiet, target: 25_000, times: 2000 }

/** The requested repository, by its names outside and inside of `Sub`. */
const team = ReferenceSet.prefix("team/", "a/")

/** Creates a filter with its own name. Otherwise adjacent filters of one registry would be combined into one. */
const filter = () => {
  let count = 0
  return () => Filter.middleware({ select: team, registry: `r${count++}.example` })
}

const elsewhere: ReadonlyArray<Route.Member<Registry["Type"]>> = [
  {
    name: "other",
    select: ReferenceSet.prefix("other/"),
    registry: Registry.fromHandler(() => Effect.dieMessage("the wrong member was asked"))
  }
]

const prefix = RepositoryName.make("a")

const scope = Effect.runSync(Scope.make())

/** Creates a wrapper with state, which lives as long as the program. */
const made = (middleware: Effect.Effect<Middleware.Middleware, never, Scope.Scope>) => () =>
  Effect.runSync(Scope.extend(middleware, scope))

const ledger = QuotaLedger.local(() => Effect.succeed(QuotaLedger.nothing))

const one = { concurrency: 16 }
const rate = { operations: 1e9, per: "1 second" } as const

/** Verifies the first operation, and finds the verdict at all others. The registry answers nothing but descriptors. */
const verify = (): Middleware.Middleware => {
  const policies = [{ name: "signed", select: ReferenceSet.all, require: [] }]
  const wrap = Effect.runSync(Verify.middleware({ policies, unselected: "deny" }))
  const manifest = Either.getOrThrow(
    Manifest.make({ mediaType: MediaType.image, bytes: new TextEncoder().encode("{}") })
  )
  return (next) => wrap(Handler.override(next, { GetManifest: () => Answer.succeed(manifest) }))
}

/** Foresees the operations that are measured. */
const explanation: Explanation.Explanation = {
  version: 1,
  requests: [{
    kind: "operation",
    registry: "bench",
    method: "ResolveManifest",
    path: "team/app:v1",
    scope: "repository:team/app:pull,delete",
    count: 1,
    sent: true
  }],
  credentials: []
}

export const wrappers: ReadonlyArray<Wrapper> = [
  { ...pure, name: "ReadOnly", make: ReadOnly.middleware },
  { ...pure, name: "Immutable", make: made(Immutable.middleware()) },
  { ...pure, name: "Filter", make: filter() },
  {
    ...verbose,
    name: "Filter, of callers",
    make: () => Filter.middleware({ select: () => team }),
    isVariant: true
  },
  { ...costly, name: "Verify, with a remembered verdict", make: verify },
  { ...costly, name: "Authorize", make: () => Authorize.middleware({ allow: () => Effect.succeed(true) }) },
  { ...verbose, name: "Gate", make: made(Gate.middleware({ decide: () => Effect.succeed(true) })) },
  { ...costly, name: "Matured", make: made(Matured.middleware({ age: 0 })) },
  { ...pure, name: "Quota", make: () => Quota.middleware({ ledger, limits: [{ bytes: 1e12 }] }) },
  {
    ...costly,
    name: "AsCaller, with a known decision",
    make: made(AsCaller.middleware({ store: Registry.fromHandler(() => Effect.dieMessage("nothing is read")) })),
    isVariant: true
  },
  { ...pure, name: "Sub", make: () => Sub.middleware({ prefix }) },
  // `Sub` undoes it, so that the names stay the same in a stack.
  {
    ...pure,
    name: "Under, within Sub",
    target: 400,
    make: () => Middleware.compose(Under.middleware({ prefix }), Sub.middleware({ prefix })),
    isVariant: true
  },
  { ...pure, name: "Route", make: () => Route.middleware(elsewhere) },
  { ...costly, name: "Union", make: () => Union.middleware(elsewhere) },
  { ...costly, name: "Retry", make: Retry.middleware },
  { ...costly, name: "Limit", make: made(Limit.middleware(one)) },
  {
    ...costly,
    name: "Limit, of callers, at a rate",
    make: made(Limit.middleware({ ...one, by: "caller", rate })),
    isVariant: true
  },
  {
    ...verbose,
    name: "Logging, below the least level",
    make: Logging.middleware,
    level: LogLevel.Warning,
    isVariant: true
  },
  { ...verbose, name: "Logging, discarded", make: Logging.middleware },
  // The logger costs more than the log line, so there is no target.
  {
    ...quiet,
    name: "Logging, to a logger that does nothing",
    make: Logging.middleware,
    logger: Logger.make(() => {}),
    times: 5000,
    isVariant: true
  },
  { ...costly, name: "Explain", make: made(Explain.middleware({ name: "bench" })), isVariant: true },
  { ...costly, name: "Enforce", make: () => Enforce.middleware({ name: "bench", explanation }), isVariant: true },
  { ...verbose, name: "Metrics", make: Metrics.middleware },
  { ...costly, name: "Tracing", make: Tracing.middleware, times: 500 }
]

/** Wraps a registry `size` times. */
export const stack = (base: Handler.Handler, make: () => Middleware.Middleware, size: number): Handler.Handler =>
  Middleware.compose(...Array.from({ length: size }, make))(base)

/** Wraps a registry with one of each wrapper. */
export const all: Middleware.Middleware = (next) =>
  Middleware.compose(...wrappers.filter(({ isVariant }) => !isVariant).map(({ make }) => make()))(next)
