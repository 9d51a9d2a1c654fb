/** Runs the conformance suite and skopeo against the worker in `workerd`. */
import { Conformance } from "@effect-oci/conformance"
import * as images from "@effect-oci/testing/NodeImages"
import * as NodePeers from "@effect-oci/testing/NodePeers"
import { FetchHttpClient, FileSystem, HttpClient, HttpClientRequest } from "@effect/platform"
import { NodeContext } from "@effect/platform-node"
import { expect, layer } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { join } from "node:path"
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

  it.scoped.runIf(NodePeers.have("skopeo"))("lets skopeo push and pull an image", () =>
    Effect.gen(function*() {
      const { urls } = yield* Edge
      const folder = yield* (yield* FileSystem.FileSystem).makeTempDirectoryScoped()
      const image = images.image([1024, 9 * 1024 * 1024])
      yield* images.writeLayoutTo(join(folder, "image"), image)
      const at = `docker://${new URL(urls[0]!).host}/library/app:v1`
      yield* NodePeers.skopeo(
        "copy",
        "--preserve-digests",
        "--dest-tls-verify=false",
        "--dest-creds",
        `admin:${password}`,
        `oci:${join(folder, "image")}:v1`,
        at
      )
      yield* NodePeers.skopeo("copy", "--src-tls-verify=false", at, `oci:${join(folder, "pulled")}:v1`)
      expect((yield* images.compareLayout(join(folder, "pulled"), image)).missing).toEqual([])
    }).pipe(Effect.provide(NodeContext.layer)), 120_000)
})
