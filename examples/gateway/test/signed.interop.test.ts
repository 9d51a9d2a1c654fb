/** Serves only signed images in front of docker-registry 2.8, which has no referrers API: its referrers are under tags. */
import * as NodePeers from "@effect-oci/testing/NodePeers"
import { NodeContext, NodeHttpClient } from "@effect/platform-node"
import { describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import * as signed from "./signed.js"

describe.runIf(NodePeers.have("docker-registry"))("the gateway with signers", () => {
  it.scopedLive(
    "serves what is signed, in front of docker-registry",
    () =>
      Effect.flatMap(NodePeers.dockerRegistry, ({ authority }) => signed.check(authority)).pipe(
        Effect.provide(Layer.merge(NodeContext.layer, NodeHttpClient.layerUndici))
      ),
    60_000
  )
})
