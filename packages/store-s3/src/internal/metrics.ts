/** Metrics of the calls of S3. The tag `unit` has the unit of a metric. */
import type { HttpClientResponse } from "@effect/platform/HttpClientResponse"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Metric from "effect/Metric"
import * as MetricBoundaries from "effect/MetricBoundaries"

const duration = Metric.tagged(
  Metric.histogram(
    "oci.s3.duration",
    MetricBoundaries.exponential({ start: 0.001, factor: 2, count: 16 }),
    "How long a call took until its headers were received"
  ),
  "unit",
  "s"
)

const retries = Metric.counter("oci.s3.retries", { description: "Calls that were sent again", incremental: true })

/** Measures a call by its name and its status. A call without an answer has the status `none`. */
export const measured = <E, R>(
  call: string,
  request: Effect.Effect<HttpClientResponse, E, R>
): Effect.Effect<HttpClientResponse, E, R> =>
  Effect.flatMap(
    Clock.currentTimeMillis,
    (startedAt) =>
      Effect.onExit(request, (exit) =>
        Effect.flatMap(Clock.currentTimeMillis, (endedAt) => {
          const status = Exit.isSuccess(exit) ? String(exit.value.status) : "none"
          const metric = Metric.tagged(Metric.tagged(duration, "call", call), "status", status)
          return Metric.update(metric, (endedAt - startedAt) / 1000)
        }))
  )

/** Counts a call that is sent again. */
export const retried = (call: string): Effect.Effect<void> => Metric.increment(Metric.tagged(retries, "call", call))
