/**
 * Counters, histograms and a gauge of operations.
 *
 * @since 0.1.0
 */
import { Registry } from "@effect-oci/core"
import type { Middleware, Operation, RepositoryName } from "@effect-oci/core"
import * as FiberRef from "effect/FiberRef"
import type * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as MetricBoundaries from "effect/MetricBoundaries"
import * as MetricLabel from "effect/MetricLabel"
import { errorType } from "./internal/errorType.js"
import { observe } from "./internal/observe.js"
import type { AnyFiber, Observation } from "./internal/observe.js"
import type { Outcome } from "./internal/outcome.js"

/**
 * How operations are measured.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** Attributes of all that is measured, to tell one registry from another: `{ "server.address": "ghcr.io" }`. */
  readonly attributes?: { readonly [name: string]: string } | undefined
  /**
   * What to write as `oci.repository`: nothing unless said. Every value that it gives makes series that stay as long as
   * the program, and those who ask choose the names, of repositories that are not there too: give the first part of the
   * name, or the name where it is one of a few, and `undefined` for all else.
   */
  readonly repository?: ((repository: RepositoryName.RepositoryName) => string | undefined) | undefined
}

/**
 * Keeps, with Effect's `Metric` and under OpenTelemetry's rules for names and units:
 *
 * - `oci.operation.duration`, a histogram: how long an operation took, to the end of its answer, in seconds;
 * - `oci.operation.count`, a counter: how many have ended;
 * - `oci.operation.io`, a counter: bytes of content that was read, or pushed;
 * - `oci.operation.items`, a counter: items of lists that were read;
 * - `oci.operation.active`, a gauge: how many are under way. Content is until its scope closes, a list while it runs.
 *
 * All have the attribute `oci.operation`, the operation's name. Where it has ended there are `oci.outcome` (`Success`,
 * `Failure`, `Defect`, `Interrupted`, or `Partial` for content or a list that was not read to its end) and, of a failure
 * or a defect, `error.type`, the error's tag or `_OTHER`. The labels of the fiber (`Effect.tagMetrics`) are added but to
 * the gauge. The number of series is bounded, unless an option makes more.
 *
 * @since 0.1.0
 * @category middleware
 */
export const middleware = (options?: Options): Middleware.Middleware => {
  const instruments = new Instruments(options ?? {})
  return observe({
    ended: (observation, fiber) => instruments.ended(observation, fiber),
    underWay: (operation, change) => instruments.underWay(operation, change)
  })
}

/**
 * A layer that measures what is asked of the registry below it.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options?: Options): Layer.Layer<Registry, never, Registry> => Registry.layer(middleware(options))

/**
 * Measures what is asked of the registry of a layer.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import type { Registry } from "@effect-oci/core"
 * import { Metrics } from "@effect-oci/middleware"
 * import type { Layer } from "effect"
 *
 * const measured = (upstream: Layer.Layer<Registry>) =>
 *   upstream.pipe(Metrics.wrap({
 *     attributes: { "server.address": "ghcr.io" },
 *     repository: (name) => name.startsWith("team/") ? "team" : undefined
 *   }))
 * ```
 */
export const wrap = (options?: Options): <E, R>(registry: Layer.Layer<Registry, E, R>) => Layer.Layer<Registry, E, R> =>
  Registry.wrap(middleware(options))

/** Those that OpenTelemetry advises for requests, and as many more for content of gigabytes. */
const seconds = MetricBoundaries.fromIterable([
  0.005,
  0.01,
  0.025,
  0.05,
  0.075,
  0.1,
  0.25,
  0.5,
  0.75,
  1,
  2.5,
  5,
  7.5,
  10,
  30,
  60,
  120,
  300,
  600
])

const duration = Metric.histogram("oci.operation.duration", seconds, "How long operations took")
const count = Metric.counter("oci.operation.count", { description: "How many operations ended", incremental: true })
const io = Metric.counter("oci.operation.io", { description: "Bytes of content, read or pushed", incremental: true })
const items = Metric.counter("oci.operation.items", { description: "Items of lists, read", incremental: true })
const active = Metric.gauge("oci.operation.active", { description: "How many operations are under way" })

type Labels = ReadonlyArray<MetricLabel.MetricLabel>

/** The labels of what belongs together. Effect finds a metric fast by the identity of its labels. */
interface Series {
  readonly duration: Labels
  readonly operations: Labels
  readonly io: Labels
  readonly items: Labels
}

class Instruments {
  private readonly attributes: Labels
  private readonly active = new Cache<Series>()
  /** By the labels of the fiber, which few programs change. */
  private readonly done = new WeakMap<Labels, Cache<Cache<Series>>>()

  constructor(private readonly options: Options) {
    this.attributes = labelsOf(options.attributes ?? {})
  }

  ended({ bytes, count: read, millis, operation, outcome }: Observation, fiber: AnyFiber): void {
    const series = this.series(fiber.getFiberRef(FiberRef.currentMetricLabels), operation, outcome)
    duration.unsafeUpdate(millis / 1000, series.duration)
    count.unsafeUpdate(1, series.operations)
    if (bytes !== undefined) io.unsafeUpdate(bytes, series.io)
    if (read !== undefined) items.unsafeUpdate(read, series.items)
  }

  /** Without the labels of a fiber: what begins in one may end in another. */
  underWay(operation: Operation.Operation, change: 1 | -1): void {
    const group = this.groupOf(operation)
    const { operations } = this.active.get(operation._tag, group, () => this.makeSeries([], operation, group, {}))
    active.unsafeModify(change, operations)
  }

  private series(base: Labels, operation: Operation.Operation, outcome: Outcome): Series {
    const group = this.groupOf(operation)
    const error = errorType(outcome)
    let done = this.done.get(base)
    if (done === undefined) this.done.set(base, done = new Cache())
    return done.get(operation._tag, group, () => new Cache()).get(
      outcome._tag,
      error,
      () => this.makeSeries(base, operation, group, { "oci.outcome": outcome._tag, "error.type": error })
    )
  }

  private groupOf(operation: Operation.Operation): string | undefined {
    const { repository } = this.options
    return repository !== undefined && "repository" in operation ? repository(operation.repository) : undefined
  }

  /** Exporters of Effect's metrics take the unit from a label. */
  private makeSeries(base: Labels, operation: Operation.Operation, group: string | undefined, own: Attributes): Series {
    const asked = labelsOf({ "oci.operation": operation._tag, "oci.repository": group, ...own })
    const inUnit = (unit: string): Labels => [...base, ...this.attributes, ...asked, MetricLabel.make("unit", unit)]
    return { duration: inUnit("s"), operations: inUnit("{operation}"), io: inUnit("By"), items: inUnit("{item}") }
  }
}

/** What is made once for each pair of texts. */
class Cache<A> {
  private readonly known = new Map<string, Map<string | undefined, A>>()

  get(one: string, other: string | undefined, make: () => A): A {
    let others = this.known.get(one)
    if (others === undefined) this.known.set(one, others = new Map())
    let value = others.get(other)
    if (value === undefined) others.set(other, value = make())
    return value
  }
}

type Attributes = { readonly [name: string]: string | undefined }

const labelsOf = (attributes: Attributes): Labels =>
  Object.entries(attributes).flatMap(([name, value]) => value === undefined ? [] : MetricLabel.make(name, value))
