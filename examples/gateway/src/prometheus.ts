/** Exports all metrics of the process in the text format of Prometheus, version 0.0.4. */
import { Body } from "@effect-oci/core"
import type { RegistryServer } from "@effect-oci/server"
import { Effect, Metric, MetricState } from "effect"
import type { MetricPair } from "effect"

const nameOf = (text: string) => text.replace(/[^a-zA-Z0-9_]/g, "_")

const labels = (all: ReadonlyArray<readonly [key: string, value: string]>): string =>
  all.length === 0 ? "" : `{${all.map(([key, value]) => `${nameOf(key)}=${JSON.stringify(value)}`).join(",")}}`

const lines = ({ metricKey, metricState }: MetricPair.MetricPair.Untyped): ReadonlyArray<string> => {
  const name = nameOf(metricKey.name)
  const tags = metricKey.tags.map(({ key, value }) => [key, value] as const)
  if (MetricState.isHistogramState(metricState)) {
    return [
      ...metricState.buckets.map(([boundary, count]) =>
        `${name}_bucket${labels([...tags, ["le", boundary === Infinity ? "+Inf" : String(boundary)]])} ${count}`
      ),
      `${name}_sum${labels(tags)} ${metricState.sum}`,
      `${name}_count${labels(tags)} ${metricState.count}`
    ]
  }
  if (MetricState.isCounterState(metricState)) return [`${name}${labels(tags)} ${metricState.count}`]
  return MetricState.isGaugeState(metricState) ? [`${name}${labels(tags)} ${metricState.value}`] : []
}

/** Answers requests for metrics. It needs no login: the metrics contain counts, and no names. */
export const answer: RegistryServer.Answer = () =>
  Effect.map(Metric.snapshot, (pairs) => ({
    status: 200,
    headers: { "content-type": "text/plain; version=0.0.4" },
    body: Body.bytes(new TextEncoder().encode(`${pairs.flatMap(lines).join("\n")}\n`))
  }))
