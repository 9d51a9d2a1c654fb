/**
 * Effect's metrics in the
 * [text format of Prometheus](https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format).
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import type * as MetricLabel from "effect/MetricLabel"
import type * as MetricPair from "effect/MetricPair"
import * as MetricState from "effect/MetricState"

const units: { readonly [unit: string]: string } = { s: "_seconds", By: "_bytes" }

const valueOf = (tags: ReadonlyArray<MetricLabel.MetricLabel>, name: string) =>
  tags.find(({ key }) => key === name)?.value

const escape = (text: string) => text.replace(/["\\\n]/g, (char) => char === "\n" ? "\\n" : `\\${char}`)

const identifier = (name: string) => name.replace(/[^A-Za-z0-9_]/g, "_")

const labels = (tags: ReadonlyArray<readonly [string, string]>) =>
  tags.length === 0 ? "" : `{${tags.map(([name, value]) => `${identifier(name)}="${escape(value)}"`).join(",")}}`

/** The type of a metric and its lines, without the name. */
const lines = (state: MetricState.MetricState<unknown>, tags: ReadonlyArray<readonly [string, string]>) => {
  if (MetricState.isCounterState(state)) return { type: "counter", lines: [`_total${labels(tags)} ${state.count}`] }
  if (MetricState.isGaugeState(state)) return { type: "gauge", lines: [`${labels(tags)} ${state.value}`] }
  if (MetricState.isHistogramState(state)) {
    const buckets = Array.from(
      state.buckets,
      ([end, count]) =>
        `_bucket${
          labels([...tags, ["le", Number.isFinite(end) && end < Number.MAX_VALUE ? String(end) : "+Inf"]])
        } ${count}`
    )
    return {
      type: "histogram",
      lines: [...buckets, `_sum${labels(tags)} ${state.sum}`, `_count${labels(tags)} ${state.count}`]
    }
  }
  return undefined
}

/**
 * Returns the counters, gauges and histograms of the program as text. The name of a metric ends with its unit, which the
 * tag `unit` contains. Leaves out metrics of other kinds.
 *
 * @since 0.1.0
 * @category getters
 */
export const text: Effect.Effect<string> = Effect.map(Metric.snapshot, (pairs) => {
  const families = new Map<string, { readonly type: string; readonly lines: Array<string> }>()
  for (const { metricKey, metricState } of pairs as ReadonlyArray<MetricPair.MetricPair.Untyped>) {
    const { name, tags } = metricKey
    const family = identifier(name) + (units[valueOf(tags, "unit") ?? ""] ?? "")
    const shown = tags.filter(({ key }) => key !== "unit").map(({ key, value }) => [key, value] as const)
    const found = lines(metricState, shown)
    if (found === undefined) continue
    const known = families.get(family) ?? { type: found.type, lines: [] }
    families.set(family, known)
    for (const line of found.lines) known.lines.push(family + line)
  }
  return Array.from(families, ([name, { lines, type }]) => `# TYPE ${name} ${type}\n${lines.join("\n")}\n`).join("")
})
