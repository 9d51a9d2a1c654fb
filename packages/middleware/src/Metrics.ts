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
import type * as MetricHook from "effect/MetricHook"
import * as MetricKey from "effect/MetricKey"
import type * as MetricKeyType from "effect/MetricKeyType"
import * as MetricLabel from "effect/MetricLabel"
import { errorType } from "./internal/errorType.js"
import { observe } from "./internal/observe.js"
import type { AnyFiber, Observation } from "./internal/observe.js"

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

const incremental = true
const duration = MetricKey.histogram("oci.operation.duration", seconds, "How long operations took")
const count = MetricKey.counter("oci.operation.count", { description: "How many operations ended", incremental })
const io = MetricKey.counter("oci.operation.io", { description: "Bytes of content, read or pushed", incremental })
const items = MetricKey.counter("oci.operation.items", { description: "Items of lists, read", incremental })
const active = MetricKey.gauge("oci.operation.active", { description: "How many operations are under way" })

type Labels = ReadonlyArray<MetricLabel.MetricLabel>

/**
 * The metric of a key with labels, which is updated faster than it is found. Exporters of Effect's metrics take the unit
 * from a label.
 */
const metric = <Type extends MetricKeyType.MetricKeyType<number, unknown>>(
  key: MetricKey.MetricKey<Type>,
  labels: Labels,
  unit: string
) => Metric.globalMetricRegistry.get(MetricKey.taggedWithLabels(key, [...labels, MetricLabel.make("unit", unit)]))

/** The metrics of operations that ended alike, of which there are those that were needed. */
class Ended {
  private readonly duration: MetricHook.MetricHook.Histogram
  private readonly count: MetricHook.MetricHook.Counter<number>
  private io: MetricHook.MetricHook.Counter<number> | undefined
  private items: MetricHook.MetricHook.Counter<number> | undefined

  constructor(private readonly labels: Labels) {
    this.duration = metric(duration, labels, "s")
    this.count = metric(count, labels, "{operation}")
  }

  update(observation: Observation): void {
    this.duration.update(observation.millis / 1000)
    this.count.update(1)
    if (observation.bytes !== undefined) {
      this.io ??= metric(io, this.labels, "By")
      this.io.update(observation.bytes)
    }
    if (observation.count !== undefined) {
      this.items ??= metric(items, this.labels, "{item}")
      this.items.update(observation.count)
    }
  }
}

class Instruments {
  private readonly attributes: Labels
  private readonly active = new Cache<MetricHook.MetricHook.Gauge<number>>()
  /** By the labels of the fiber, which few programs change. */
  private readonly done = new WeakMap<Labels, Cache<Cache<Ended>>>()

  constructor(private readonly options: Options) {
    this.attributes = labelsOf(options.attributes ?? {})
  }

  ended(observation: Observation, fiber: AnyFiber): void {
    const { operation, outcome } = observation
    const base = fiber.getFiberRef(FiberRef.currentMetricLabels)
    const group = this.groupOf(operation)
    const error = errorType(outcome)
    let done = this.done.get(base)
    if (done === undefined) this.done.set(base, done = new Cache())
    const all = done.get(operation._tag, group, () => new Cache())
    all.get(outcome._tag, error, () => {
      const own = labelsOf({ "oci.outcome": outcome._tag, "error.type": error })
      return new Ended([...base, ...this.asked(operation, group), ...own])
    }).update(observation)
  }

  /** Without the labels of a fiber: what begins in one may end in another. */
  underWay(operation: Operation.Operation, change: 1 | -1): void {
    const group = this.groupOf(operation)
    this.active
      .get(operation._tag, group, () => metric(active, this.asked(operation, group), "{operation}"))
      .modify(change)
  }

  private groupOf(operation: Operation.Operation): string | undefined {
    const { repository } = this.options
    return repository !== undefined && "repository" in operation ? repository(operation.repository) : undefined
  }

  private asked(operation: Operation.Operation, group: string | undefined): Labels {
    return [...this.attributes, ...labelsOf({ "oci.operation": operation._tag, "oci.repository": group })]
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

const labelsOf = (attributes: { readonly [name: string]: string | undefined }): Labels =>
  Object.entries(attributes).flatMap(([name, value]) => value === undefined ? [] : MetricLabel.make(name, value))
