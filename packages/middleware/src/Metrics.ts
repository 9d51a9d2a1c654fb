/**
 * A wrapper that measures operations with counters, histograms and a gauge.
 *
 * @since 0.1.0
 */
import { Registry } from "@effect-oci/core"
import type { Answer, Middleware, Operation, RepositoryName } from "@effect-oci/core"
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
import type { Observation } from "./internal/observe.js"

/**
 * Options for {@link middleware}.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** Attributes of all metrics, to distinguish registries: `{ "server.address": "ghcr.io" }`. Default: none. */
  readonly attributes?: { readonly [name: string]: string } | undefined
  /**
   * Returns the value of `oci.repository` for a repository, or `undefined` for no value. Every value creates time
   * series that live as long as the program, and clients can send any name, also names of repositories that do not
   * exist. Therefore return one of a few values, such as the first part of the name, and `undefined` for all other
   * names. Default: no value.
   */
  readonly repository?: ((repository: RepositoryName.RepositoryName) => string | undefined) | undefined
}

/**
 * Creates a middleware that updates these metrics, with Effect's `Metric` and OpenTelemetry's conventions for names and
 * units:
 *
 * - `oci.operation.duration`, a histogram: how long an operation took, to the end of its result, in seconds;
 * - `oci.operation.count`, a counter: how many operations have ended;
 * - `oci.operation.io`, a counter: bytes of content that were read or pushed;
 * - `oci.operation.items`, a counter: items of lists that were read;
 * - `oci.operation.active`, a gauge: how many operations are in progress. Content is in progress until its scope
 *   closes, a list while its stream runs.
 *
 * All metrics have the attribute `oci.operation`, the name of the operation. All except the gauge have `oci.outcome`
 * (`Success`, `Failure`, `Defect`, `Interrupted`, or `Partial` for content or a list that was not read to its end).
 * Failures and defects have `error.type`, the tag of the error or `_OTHER`. The labels of the fiber
 * (`Effect.tagMetrics`) are added to all metrics except the gauge. The number of time series is bounded, unless the
 * option `repository` returns an unbounded number of values.
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
 * Creates a layer that requires a registry, and provides that registry with its operations measured. {@link wrap} does
 * the same in a pipe.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options?: Options): Layer.Layer<Registry, never, Registry> =>
  Registry.layerMiddleware(middleware(options))

/**
 * Wraps the registry of a layer so that its operations are measured.
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

/** The boundaries that OpenTelemetry recommends for requests, and larger ones for content of gigabytes. */
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
 * Returns the metric of a key with labels. Looking a metric up is slower than updating it, so callers keep it.
 * Exporters of Effect's metrics read the unit from a label.
 */
const metric = <Type extends MetricKeyType.MetricKeyType<number, unknown>>(
  key: MetricKey.MetricKey<Type>,
  labels: Labels,
  unit: string
) => Metric.globalMetricRegistry.get(MetricKey.taggedWithLabels(key, [...labels, MetricLabel.make("unit", unit)]))

/** The metrics of operations with the same labels. Each metric is created at its first use. */
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
  /** Metrics by the labels of the fiber. Few programs change these labels. */
  private readonly done = new WeakMap<Labels, Cache<Cache<Ended>>>()

  constructor(private readonly options: Options) {
    this.attributes = labelsOf(options.attributes ?? {})
  }

  ended(observation: Observation, fiber: Answer.AnyFiber): void {
    const { operation, outcome } = observation
    const base = fiber.getFiberRef(FiberRef.currentMetricLabels)
    const group = this.groupOf(operation)
    const error = errorType(outcome)
    let done = this.done.get(base)
    if (done === undefined) this.done.set(base, done = new Cache())
    const all = done.get(operation._tag, group, () => new Cache())
    all.get(outcome._tag, error, () => {
      const results = labelsOf({ "oci.outcome": outcome._tag, "error.type": error })
      return new Ended([...base, ...this.operationLabels(operation, group), ...results])
    }).update(observation)
  }

  /** Updates the gauge, without the labels of the fiber: an operation that starts in one fiber may end in another. */
  underWay(operation: Operation.Operation, change: 1 | -1): void {
    const group = this.groupOf(operation)
    this.active
      .get(operation._tag, group, () => metric(active, this.operationLabels(operation, group), "{operation}"))
      .modify(change)
  }

  private groupOf(operation: Operation.Operation): string | undefined {
    const { repository } = this.options
    return repository !== undefined && "repository" in operation ? repository(operation.repository) : undefined
  }

  private operationLabels(operation: Operation.Operation, group: string | undefined): Labels {
    return [...this.attributes, ...labelsOf({ "oci.operation": operation._tag, "oci.repository": group })]
  }
}

/** A map from pairs of texts to values that are created once. */
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
