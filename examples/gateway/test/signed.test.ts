/** Serves only signed images, over real sockets, in front of a registry in memory. */
import * as NodeRegistryServer from "@effect-oci/server/NodeRegistryServer"
import { Memory } from "@effect-oci/store"
import { FetchHttpClient } from "@effect/platform"
import { NodeContext } from "@effect/platform-node"
import { describe, expect, it } from "@effect/vitest"
import { Cause, Context, Effect, Exit, Layer } from "effect"
import * as signed from "./signed.js"

const platform = Layer.merge(NodeContext.layer, FetchHttpClient.layer)

describe("the gateway with signers", () => {
  it.scopedLive("serves what is signed by cosign or Notation, and refuses everything else with the reason", () =>
    Effect.gen(function*() {
      const upstream = yield* Layer.build(Layer.provide(NodeRegistryServer.layer({ port: 0 }), Memory.layer()))
      yield* signed.check(Context.get(upstream, NodeRegistryServer.Address).authority)
    }).pipe(Effect.provide(platform)))

  it.scopedLive("does not start with a file that contains no key", () =>
    Effect.gen(function*() {
      const exit = yield* Effect.exit(signed.serve({ UPSTREAM: "http://127.0.0.1:9" }, { SIGNED_BY_KEYS: "secret" }))
      expect(Exit.isFailure(exit) ? Cause.pretty(exit.cause) : "").toContain("cannot read the public key")
    }).pipe(Effect.provide(platform)))
})
