/** The recipe of `docs/opentelemetry.md`, with a collector in this process. */
import { Registry } from "@effect-oci/core"
import { Memory } from "@effect-oci/store"
import { repository, tag } from "@effect-oci/testing/Samples"
import * as Otlp from "@effect/opentelemetry/Otlp"
import { HttpClient, HttpClientResponse } from "@effect/platform"
import { expect, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { Logging, Metrics, Tracing } from "../src/index.js"

it.live("spans, metrics and logs reach a collector", () =>
  Effect.gen(function*() {
    const received = new Map<string, string>()
    const collector = HttpClient.make((request, url) =>
      Effect.sync(() => {
        const { body } = request
        received.set(url.pathname, body._tag === "Uint8Array" ? new TextDecoder().decode(body.body) : body._tag)
        return HttpClientResponse.fromWeb(request, new Response("{}"))
      })
    )
    const telemetry = Otlp.layerJson({ baseUrl: "http://collector.test", resource: { serviceName: "test" } }).pipe(
      Layer.provide(Layer.succeed(HttpClient.HttpClient, collector))
    )
    const registry = Memory.layer().pipe(
      Logging.wrap(),
      Metrics.wrap({ attributes: { from: "opentelemetry" } }),
      Tracing.wrap({ kind: "server" })
    )
    yield* Effect.flatMap(Registry, (registry) => Effect.ignore(registry.getManifest(repository, tag))).pipe(
      Effect.provide(Layer.provideMerge(registry, telemetry))
    )
    expect(received.get("/v1/traces")).toContain("\"name\":\"oci.GetManifest\"")
    expect(received.get("/v1/traces")).toContain("OciNameUnknown")
    expect(received.get("/v1/metrics")).toContain("\"name\":\"oci.operation.duration\"")
    expect(received.get("/v1/metrics")).toContain("opentelemetry")
    expect(received.get("/v1/logs")).toContain("GetManifest")
  }))
