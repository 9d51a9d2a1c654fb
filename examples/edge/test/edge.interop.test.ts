/** Runs the conformance suite and skopeo against the worker in `workerd`. */
import { Conformance } from "@effect-oci/conformance"
import * as images from "@effect-oci/testing/NodeImages"
import * as NodePeers from "@effect-oci/testing/NodePeers"
import { FetchHttpClient, HttpClient, HttpClientRequest } from "@effect/platform"
import { expect, layer } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { Edge, password, running } from "./worker.js"

layer(running, { timeout: 60_000, excludeTestServices: true })("the registry at the edge", (it) => {
  it.effect("passes the conformance suite", () =>
    Effect.gen(function*() {
      const { urls } = yield* Edge
      const client = Layer.map(FetchHttpClient.layer, (context) =>
        Context.make(
          HttpClient.HttpClient,
          HttpClient.mapRequest(
            Context.get(context, HttpClient.HttpClient),
            (request) =>
              HttpClientRequest.setHeader(
                HttpClientRequest.basicAuth(request, "admin", password),
                "connection",
                "close"
              )
          )
        ))
      const report = yield* Effect.provide(
        Conformance.run({ timeoutMillis: 120_000 }),
        Layer.provide(Conformance.layerUrl(urls[0]!), client)
      )
      const failures = report.results.flatMap(({ check, outcome }) =>
        outcome._tag === "Failed" ? [`${check.id}: ${outcome.reason}`] : []
      )
      expect(failures).toEqual([])
      expect(report.passed).toBeGreaterThan(100)
    }), 300_000)
})
