/** Records the responses of docker-registry, and replays them without it. */
import { Client } from "@effect-oci/client"
import { Record, Recording, Replay } from "@effect-oci/recording"
import * as History from "@effect-oci/testing/History"
import * as NodePeers from "@effect-oci/testing/NodePeers"
import { NodeContext, NodeHttpClient } from "@effect/platform-node"
import * as FileSystem from "@effect/platform/FileSystem"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import * as fc from "fast-check"

const peer = Layer.unwrapScoped(
  Effect.map(NodePeers.dockerRegistry, ({ authority }) => Client.layer({ host: authority, insecure: true }))
)

describe.runIf(NodePeers.have("docker-registry"))("docker-registry", () => {
  it.scopedLive(
    "is replayed from its recording with the same results, errors and messages",
    () =>
      Effect.gen(function*() {
        const files = yield* FileSystem.FileSystem
        const path = `${yield* files.makeTempDirectoryScoped()}/docker-registry.jsonl`
        const history = fc.sample(History.history(200), { numRuns: 1, seed: 20_261_121 })[0]!
        const recorded = yield* Effect.provide(
          History.run(history),
          peer.pipe(Record.wrap({ to: Recording.toFile(path) }))
        )
        const replayed = yield* Effect.provide(History.run(history), Replay.layer(Recording.fromFile(path)))
        expect(replayed).toEqual(recorded)
        expect(new Set(recorded.map(({ error }) => error)).size).toBeGreaterThan(5)
        expect(recorded.filter(({ error }) => error === undefined).length).toBeGreaterThan(40)
        // The upload URLs of docker-registry contain a signed state.
        expect(yield* files.readFileString(path)).not.toContain("_state")
      }).pipe(Effect.provide(Layer.mergeAll(NodeContext.layer, NodeHttpClient.layerUndici))),
    60_000
  )
})
