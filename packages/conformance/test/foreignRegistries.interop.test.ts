/**
 * The checks that foreign registries fail, directly and through this project's client and server. A check that passes
 * directly must also pass through the client and server.
 */
import { Client } from "@effect-oci/client"
import * as NodeRegistryServer from "@effect-oci/server/NodeRegistryServer"
import * as NodePeers from "@effect-oci/testing/NodePeers"
import { NodeContext, NodeHttpClient } from "@effect/platform-node"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Layer, Logger } from "effect"
import * as Conformance from "../src/Conformance.js"

const registries = [
  { name: "docker-registry", peer: "docker-registry" as const, start: NodePeers.dockerRegistry, concurrency: 4 },
  // This registry deletes a blob in all repositories, so concurrent checks would disturb each other.
  { name: "crane registry serve", peer: "crane" as const, start: NodePeers.craneRegistry, concurrency: 1 }
]

/** Races that these registries sometimes lose. */
const skip = {
  "manifest-tag-moves": "a race: the tag is missing while its file is written",
  "upload-concurrent-chunks": "a race: both chunks are accepted"
}

/** Runs every check of version 1.1 of the spec against a registry. */
const check = (authority: string, concurrency: number) =>
  Effect.provide(
    Conformance.run({ capabilities: { version: "1.1" }, concurrency, skip }),
    Conformance.layerUrl(`http://${authority}`).pipe(Layer.provide(NodeHttpClient.layerUndici))
  )

/** Serves a registry through the client. */
const through = (authority: string) =>
  NodeRegistryServer.layer({ port: 0 }).pipe(
    Layer.provide(Client.layer({ host: authority, insecure: true })),
    Layer.provide(NodeHttpClient.layerUndici),
    Layer.provide(Logger.remove(Logger.defaultLogger))
  )

const reasonsOf = (report: Conformance.Report) =>
  new Map(
    report.results.flatMap(({ check, outcome }) =>
      outcome._tag === "Failed" ? [[check.id, outcome.reason] as const] : []
    )
  )

for (const { concurrency, name, peer, start } of registries) {
  describe.runIf(NodePeers.have(peer))(`${name}, directly and through the client and server`, () => {
    it.scopedLive("fails no check through the client and server that it passes directly", () =>
      Effect.gen(function*() {
        const direct = reasonsOf(yield* check((yield* start).authority, concurrency))
        const second = yield* start
        const proxied = yield* Effect.flatMap(NodeRegistryServer.Address, ({ authority }) =>
          check(authority, concurrency)).pipe(
            Effect.provide(through(second.authority)),
            Effect.map(reasonsOf)
          )
        const ids = [...new Set([...direct.keys(), ...proxied.keys()])].sort()
        const line = (text: string | undefined) =>
          text?.split("\n", 1)[0]?.replace(/^(\w+) .*?: /, "$1: ").slice(0, 200) ?? "passes"
        process.stdout.write([
          `${name}: ${direct.size} checks fail directly, ${proxied.size} through the client and server`,
          ...ids.flatMap((
            id
          ) => [`  ${id}`, `    directly: ${line(direct.get(id))}`, `    proxied:  ${line(proxied.get(id))}`]),
          ""
        ].join("\n"))
        expect(ids.filter((id) =>
          !direct.has(id)
        )).toEqual([])
      }).pipe(Effect.provide(NodeContext.layer)), 120_000)
  })
}
