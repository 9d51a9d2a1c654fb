/** What docker-registry tells, recorded and told again without it. */
import { Client } from "@effect-oci/client"
import { Record, Recording, Replay } from "@effect-oci/middleware"
import { NodeContext, NodeHttpClient } from "@effect/platform-node"
import * as FileSystem from "@effect/platform/FileSystem"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import * as fc from "fast-check"
import * as History from "../src/History.js"
import * as NodePeers from "../src/NodePeers.js"

const peer = Layer.unwrapScoped(
  Effect.map(NodePeers.dockerRegistry, ({ authority }) => Client.layer({ host: authority, insecure: true }))
)

describe.runIf(NodePeers.have("docker-registry"))("docker-registry", () => {
  it.scopedLive("is told again from its recording: results, errors, messages and quirks", () =>
    Effect.gen(function*() {
      const files = yield* FileSystem.FileSystem
      const path = `${yield* files.makeTempDirectoryScoped()}/docker-registry.jsonl`
      const history = fc.sample(History.history(200), { numRuns: 1, seed: 20_261_121 })[0]!
      const told = yield* Effect.provide(
        History.run(history),
        peer.pipe(Record.wrap({ to: Recording.toFile(path) }))
      )
      const again = yield* Effect.provide(History.run(history), Replay.layer(Recording.fromFile(path)))
      expect(again).toEqual(told)
      expect(new Set(told.map(({ error }) => error)).size).toBeGreaterThan(5)
      expect(told.filter(({ error }) => error === undefined).length).toBeGreaterThan(40)
      // Its uploads have a state in their URLs, which is signed.
      expect(yield* files.readFileString(path)).not.toContain("_state")
    }).pipe(Effect.provide(Layer.mergeAll(NodeContext.layer, NodeHttpClient.layerUndici))), 60_000)
})
