import { Body } from "@effect-oci/core"
import { HttpServer } from "@effect/platform"
import { NodeHttpServer } from "@effect/platform-node"
import { describe, expect, it } from "@effect/vitest"
import { Context, Effect, Layer, Metric, MetricBoundaries } from "effect"
import { createServer } from "node:http"
import { Prometheus } from "../src/index.js"

const label = (name: string, value: string) => <T, I, O>(metric: Metric.Metric<T, I, O>) =>
  Metric.tagged(metric, name, value)

const linesOf = (text: string, family: string) => text.split("\n").filter((line) => line.includes(family))

describe("Prometheus.text", () => {
  it.effect("contains counters, with the unit and the labels", () =>
    Effect.gen(function*() {
      const sent = Metric.counter("test.sent").pipe(label("unit", "By"), label("to.host", "a\"b\\c\nd"))
      yield* Metric.incrementBy(sent, 3)
      expect(linesOf(yield* Prometheus.text, "test_sent")).toEqual([
        "# TYPE test_sent_bytes counter",
        "test_sent_bytes_total{to_host=\"a\\\"b\\\\c\\nd\"} 3"
      ])
    }))

  it.effect("contains gauges", () =>
    Effect.gen(function*() {
      yield* Metric.set(Metric.gauge("test.open"), 7)
      expect(linesOf(yield* Prometheus.text, "test_open")).toEqual(["# TYPE test_open gauge", "test_open 7"])
    }))

  it.effect("contains histograms, whose buckets count all smaller values", () =>
    Effect.gen(function*() {
      const took = Metric.histogram("test.took", MetricBoundaries.fromIterable([1, 2])).pipe(label("unit", "s"))
      for (const seconds of [0.5, 1.5, 9]) yield* Metric.update(took, seconds)
      expect(linesOf(yield* Prometheus.text, "test_took")).toEqual([
        "# TYPE test_took_seconds histogram",
        "test_took_seconds_bucket{le=\"1\"} 1",
        "test_took_seconds_bucket{le=\"2\"} 2",
        "test_took_seconds_bucket{le=\"+Inf\"} 3",
        "test_took_seconds_sum 11",
        "test_took_seconds_count 3"
      ])
    }))

  it.effect("contains summaries and frequencies", () =>
    Effect.gen(function*() {
      const size = Metric.summary({ name: "test.size", maxAge: "1 minute", maxSize: 10, error: 0, quantiles: [0.5] })
      yield* Metric.update(size, 4)
      yield* Metric.update(Metric.frequency("test.kind"), "index")
      const text = yield* Prometheus.text
      expect(linesOf(text, "test_size")).toEqual([
        "# TYPE test_size summary",
        "test_size{quantile=\"0.5\"} 4",
        "test_size_sum 4",
        "test_size_count 1"
      ])
      expect(linesOf(text, "test_kind")).toEqual(["# TYPE test_kind counter", "test_kind_total{key=\"index\"} 1"])
    }))
})

it.effect("Prometheus.answer responds with the text, which no cache may store", () =>
  Effect.gen(function*() {
    yield* Metric.increment(Metric.counter("test.answered"))
    const { body, headers, status } = yield* Prometheus.answer({
      method: "GET",
      target: "/metrics",
      headers: {},
      body: undefined
    })
    expect({ status, type: headers["content-type"], cache: headers["cache-control"] })
      .toEqual({ status: 200, type: "text/plain; version=0.0.4; charset=utf-8", cache: "no-store" })
    const bytes = yield* Body.toBytes(body!, { limit: 1e6, onLimit: () => new Error("too long") })
    expect(new TextDecoder().decode(bytes)).toContain("\ntest_answered_total 1\n")
    expect(headers["content-length"]).toBe(String(bytes.byteLength))
  }))

it.scopedLive("Prometheus.layer serves /metrics, and no other path", () =>
  Effect.gen(function*() {
    const context = yield* Layer.build(
      Prometheus.layer.pipe(
        Layer.provideMerge(NodeHttpServer.layerServer(createServer, { port: 0, host: "127.0.0.1" }))
      )
    )
    const { address } = Context.get(context, HttpServer.HttpServer)
    const port = address._tag === "TcpAddress" ? address.port : 0
    const get = (path: string) => Effect.promise(() => fetch(`http://127.0.0.1:${port}${path}`))
    yield* Metric.increment(Metric.counter("test.served"))
    const found = yield* get("/metrics?x=1")
    expect(found.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8")
    expect(yield* Effect.promise(() => found.text())).toContain("\ntest_served_total 1\n")
    expect((yield* get("/other")).status).toBe(404)
  }))
