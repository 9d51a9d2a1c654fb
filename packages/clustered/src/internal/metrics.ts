/** Metrics of the calls of S3. The tag `unit` has the unit of a metric. */
import * as HttpClient from "@effect/platform/HttpClient"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Metric from "effect/Metric"
import * as MetricBoundaries from "effect/MetricBoundaries"

/** How long a call of S3 took until its headers were received, in seconds. */
const duration = Metric.tagged(
  Metric.histogram("oci.s3.duration", MetricBoundaries.exponential({ start: 0.001, factor: 2, count: 16 })),
  "unit",
  "s"
)

/** Measures each call by its method and its status. A call without an answer has the status `none`. */
export const measureS3 = (client: HttpClient.HttpClient): HttpClient.HttpClient =>
  HttpClient.transform(
    client,
    (call, { method }) =>
      Effect.flatMap(Clock.currentTimeMillis, (startedAt) =>
        Effect.onExit(call, (exit) =>
          Effect.flatMap(Clock.currentTimeMillis, (endedAt) => {
            const status = Exit.isSuccess(exit) ? String(exit.value.status) : "none"
            const metric = Metric.tagged(Metric.tagged(duration, "method", method), "status", status)
            return Metric.update(metric, (endedAt - startedAt) / 1000)
          })))
  )
