/**
 * The official conformance suite of the distribution spec, against registries in memory, on disk, and behind two hops.
 * Runs only if the program `oci-conformance` is installed.
 */
import * as NodeRegistryServer from "@effect-oci/server/NodeRegistryServer"
import { Memory } from "@effect-oci/store"
import { hop } from "@effect-oci/testing/NodeHop"
import * as NodePeers from "@effect-oci/testing/NodePeers"
import * as NodeTemporary from "@effect-oci/testing/NodeTemporary"
import { NodeContext } from "@effect/platform-node"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Layer, Logger } from "effect"

const compositions = [
  { name: "memory", registry: Memory.layer() },
  { name: "files and SQLite", registry: NodeTemporary.durable() },
  { name: "client, server, client, server, memory", registry: hop(hop(Memory.layer())) }
]

describe.runIf(NodePeers.have("oci-conformance"))("the official suite", () => {
  for (const { name, registry } of compositions) {
    for (const version of ["1.1", "dev"] as const) {
      it.scopedLive(`passes at version ${version} over ${name}`, () =>
        Effect.gen(function*() {
          const { authority } = yield* NodeRegistryServer.Address
          expect(yield* NodePeers.officialSuite({ authority, version })).toContain("OCI Conformance Result: Pass")
        }).pipe(
          Effect.provide(
            NodeRegistryServer.layer({ port: 0 }).pipe(
              Layer.provide(registry),
              Layer.provideMerge(NodeContext.layer),
              Layer.provide(Logger.remove(Logger.defaultLogger))
            )
          )
        ), 60_000)
    }
  }
})
