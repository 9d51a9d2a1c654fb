/**
 * Exports Effect's metrics, such as those of the wrapper `Metrics`, in the [text format of
 * Prometheus](https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format). It needs no SDK.
 *
 * @since 0.1.0
 */
import * as Body from "@effect-oci/core/Body"
import type * as HttpServer from "@effect/platform/HttpServer"
import { serve } from "@effect/platform/HttpServer"
import { HttpServerRequest } from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import type * as MetricLabel from "effect/MetricLabel"
import type * as MetricPair from "effect/MetricPair"
import * as MetricState from "effect/MetricState"
import * as Option from "effect/Option"
import type { Answer } from "./RegistryServer.js"

type Labels = ReadonlyArray<readonly [name: string, value: string]>

const units: { readonly [unit: string]: string } = { s: "_seconds", By: "_bytes" }

const unitOf = (tags: ReadonlyArray<MetricLabel.MetricLabel>) => tags.find(({ key }) => key === "unit")?.value ?? ""

const escape = (text: string) => text.replace(/["\\\n]/g, (char) => char === "\n" ? "\\n" : `\\${char}`)

const identifier = (name: string) => name.replace(/[^A-Za-z0-9_]/g, "_")

const write = (labels: Labels) =>
  labels.length === 0 ? "" : `{${labels.map(([name, value]) => `${identifier(name)}="${escape(value)}"`).join(",")}}`

/** Returns the type of a metric, and its lines without the name. */
const lines = (state: MetricState.MetricState<unknown>, labels: Labels) => {
  const totals = ({ count, sum }: { readonly count: number; readonly sum: number }) => [
    `_sum${write(labels)} ${sum}`,
    `_count${write(labels)} ${count}`
  ]
  if (MetricState.isCounterState(state)) return { type: "counter", lines: [`_total${write(labels)} ${state.count}`] }
  if (MetricState.isGaugeState(state)) return { type: "gauge", lines: [`${write(labels)} ${state.value}`] }
  if (MetricState.isHistogramState(state)) {
    const le = (end: number) => Number.isFinite(end) && end < Number.MAX_VALUE ? String(end) : "+Inf"
    const buckets = state.buckets.map(([end, count]) => `_bucket${write([...labels, ["le", le(end)]])} ${count}`)
    return { type: "histogram", lines: [...buckets, ...totals(state)] }
  }
  if (MetricState.isSummaryState(state)) {
    const quantiles = state.quantiles.map(([quantile, value]) =>
      `${write([...labels, ["quantile", String(quantile)]])} ${Option.getOrElse(value, () => NaN)}`
    )
    return { type: "summary", lines: [...quantiles, ...totals(state)] }
  }
  if (MetricState.isFrequencyState(state)) {
    const counts = Array.from(state.occurrences, ([key, count]) => `_total${write([...labels, ["key", key]])} ${count}`)
    return { type: "counter", lines: counts }
  }
  return undefined
}

/**
 * Returns all metrics of the program as text. The name of a metric ends with its unit, which the label `unit` contains.
 *
 * @since 0.1.0
 * @category getters
 */
export const text: Effect.Effect<string> = Effect.map(Metric.snapshot, (pairs) => {
  const families = new Map<string, { readonly type: string; readonly lines: Array<string> }>()
  for (const { metricKey, metricState } of pairs as ReadonlyArray<MetricPair.MetricPair.Untyped>) {
    const { name, tags } = metricKey
    const family = identifier(name) + (units[unitOf(tags)] ?? "")
    const labels = tags.filter(({ key }) => key !== "unit").map(({ key, value }) => [key, value] as const)
    const found = lines(metricState, labels)
    if (found === undefined) continue
    const known = families.get(family) ?? { type: found.type, lines: [] }
    families.set(family, known)
    for (const line of found.lines) known.lines.push(family + line)
  }
  return Array.from(families, ([name, { lines, type }]) => `# TYPE ${name} ${type}\n${lines.join("\n")}\n`).join("")
})

const contentType = "text/plain; version=0.0.4; charset=utf-8"

/**
 * Answers a request with the metrics. Mount it beside a registry. The guard of the registry does not protect it.
 *
 * @since 0.1.0
 * @category answers
 * @example
 * ```ts
 * import { Prometheus } from "@effect-oci/server"
 * import * as NodeRegistryServer from "@effect-oci/server/NodeRegistryServer"
 *
 * const server = NodeRegistryServer.layer({ port: 5000, mounts: { "/metrics": Prometheus.answer } })
 * ```
 */
export const answer: Answer = () =>
  Effect.map(text, (text) => {
    const bytes = new TextEncoder().encode(text)
    const headers = {
      "content-type": contentType,
      "content-length": String(bytes.byteLength),
      "cache-control": "no-store"
    }
    return { status: 200, headers, body: Body.bytes(bytes) }
  })

/**
 * A layer that serves the metrics at `/metrics`, on any HTTP server of `@effect/platform`: for a program that serves no
 * registry, or for a port of its own.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Prometheus } from "@effect-oci/server"
 * import { NodeHttpServer } from "@effect/platform-node"
 * import { Layer } from "effect"
 * import { createServer } from "node:http"
 *
 * const metrics = Prometheus.layer.pipe(Layer.provide(NodeHttpServer.layer(createServer, { port: 9090 })))
 * ```
 */
export const layer: Layer.Layer<never, never, HttpServer.HttpServer> = serve(
  Effect.flatMap(HttpServerRequest, ({ url }) =>
    /^\/metrics(\?|$)/.test(url)
      ? Effect.map(text, (text) =>
        HttpServerResponse.text(text, { contentType, headers: { "cache-control": "no-store" } }))
      : HttpServerResponse.empty({ status: 404 }))
)
