/**
 * Measures the cost of serving a small manifest: the processor time of the server, and the requests per second.
 *
 * Three servers take turns to answer the same GET with the same bytes over 32 keep-alive connections: our server over a
 * registry in memory, `node:http` with the same headers but no registry, and `docker-registry` over files. Each server
 * runs in its own process. The target is about processor time: the client uses as much processor time as the server, so
 * on a machine with few processors it cannot keep the server busy. Requests per second are for information.
 */
import * as NodePeers from "@effect-oci/testing/NodePeers"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as Effect from "effect/Effect"
import { rawOf, sample, target } from "./internal/manifestLoad.js"
import type { Contender } from "./internal/manifestLoad.js"
import { divided, interleave, row, samplesOf } from "./internal/measure.js"
import type { Row } from "./internal/measure.js"
import { leftOut, processorTime } from "./internal/peers.js"
import * as Program from "./internal/program.js"
import type * as RegistryProgram from "./programs/registry.js"

const contenders = Effect.gen(function*() {
  const server = yield* Program.start<RegistryProgram.Questions>("registry")
  const ours = yield* target(yield* server.ask("authority"))
  const all: Array<Contender> = [
    { name: "ours", target: ours, cpu: Effect.map(server.usage, ({ cpu }) => cpu) },
    yield* rawOf(ours)
  ]
  if (yield* leftOut("docker-registry")) return all
  const peer = yield* NodePeers.dockerRegistry
  all.push({ name: "docker-registry", target: yield* target(peer.authority), cpu: processorTime(peer.pid) })
  return all
})

export const run: Effect.Effect<ReadonlyArray<Row>, unknown> = Effect.scoped(Effect.gen(function*() {
  const all = yield* contenders
  const rates = new Map<string, Array<number>>(all.map(({ name }) => [name, []]))
  const cases = new Map(all.map((contender) => [
    contender.name,
    Effect.map(sample(contender), ({ cpu, rate }) => {
      rates.get(contender.name)?.push(rate)
      return cpu
    })
  ]))
  const warmUp = 3
  const rounds = yield* interleave(cases, { warmUp, rounds: 9 })
  const at = samplesOf(rounds)
  return [
    ...all.map(({ name }) => row({ name: `${name}: processor time a request`, unit: "µs", better: "lower" }, at(name))),
    row(
      { name: "ours: requests for each of node:http, by processor time", unit: "", better: "higher", target: 0.6 },
      divided(at("node:http"), at("ours"))
    ),
    ...all.map(({ name }) =>
      row({ name: `${name}: requests`, unit: "1/s", better: "higher" }, (rates.get(name) ?? []).slice(warmUp))
    )
  ]
})).pipe(Effect.provide(NodeContext.layer))
