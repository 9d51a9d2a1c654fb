/**
 * Measures a registry in a directory under small requests: images that 16 clients push, reads of a manifest meanwhile,
 * and the processor time of such a read. `docker-registry` over files and `node:http` take turns with it.
 */
import * as NodePeers from "@effect-oci/testing/NodePeers"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as Effect from "effect/Effect"
import { folder } from "./internal/folder.js"
import { processorTimes, target } from "./internal/manifestLoad.js"
import { divided, interleave, row, samplesOf } from "./internal/measure.js"
import type { Row } from "./internal/measure.js"
import { leftOut } from "./internal/peers.js"
import * as Program from "./internal/program.js"
import { pushImages } from "./internal/pushImages.js"
import { slowSync } from "./internal/slowSync.js"
import type * as DurableProgram from "./programs/durable.js"
import type * as Probe from "./programs/probe.js"

const clients = 16
const seconds = 2.5

/** How long each fsync takes in addition in the slow case, in milliseconds. */
const delay = 5

/** Starts our server over a new directory. */
const start = (env: { readonly [name: string]: string }) =>
  Effect.gen(function*() {
    const server = yield* Program.start<DurableProgram.Questions>("durable", { UV_THREADPOOL_SIZE: "16", ...env })
    return { authority: yield* server.ask("listen", yield* folder), usage: server.usage }
  })

/**
 * Measures the images per second at each server, and the 99th percentile of a read meanwhile, in milliseconds. The
 * warm-up is long because Node compiles the code of our server for about ten seconds.
 */
const pushes = (authorities: ReadonlyMap<string, string>) =>
  Effect.gen(function*() {
    const probe = yield* Program.start<Probe.Questions>("probe")
    const warmUp = 4
    const reads = new Map<string, Array<number>>()
    const cases = new Map<string, Effect.Effect<number, unknown>>()
    for (const [name, authority] of authorities) {
      const durations: Array<number> = []
      reads.set(name, durations)
      const read = Effect.map(
        probe.ask("percentile99", { target: yield* target(authority), seconds }),
        (duration) => durations.push(duration)
      )
      const push = pushImages([authority], { clients, seconds })
      cases.set(name, Effect.map(Effect.all([push, read], { concurrency: 2 }), ([rate]) => rate))
    }
    const at = samplesOf(yield* interleave(cases, { warmUp, rounds: 5 }))
    return { rates: at, reads: (name: string) => (reads.get(name) ?? []).slice(warmUp) }
  })

const small = Effect.gen(function*() {
  const authorities = new Map([["ours", (yield* start({})).authority]])
  if (!(yield* leftOut("docker-registry"))) {
    authorities.set("docker-registry", (yield* NodePeers.dockerRegistry).authority)
  }
  const { rates, reads } = yield* pushes(authorities)
  const images = { unit: "images/s", better: "higher" } as const
  const read = { unit: "ms", better: "lower" } as const
  const peer = authorities.has("docker-registry")
  return [
    row({ ...images, name: `registry: ${clients} clients push small images`, target: 250 }, rates("ours")),
    ...(peer ? [row({ ...images, name: "registry: the same at docker-registry" }, rates("docker-registry"))] : []),
    row({ ...read, name: "registry: GET of a manifest meanwhile, p99", target: 5 }, reads("ours")),
    ...(peer ? [row({ ...read, name: "registry: the same at docker-registry" }, reads("docker-registry"))] : [])
  ]
}).pipe(Effect.scoped)

const slow = Effect.gen(function*() {
  const env = yield* slowSync(yield* folder, delay)
  if (env === undefined) {
    process.stderr.write("Left out, because there is no C compiler: pushes with slow fsyncs\n")
    return []
  }
  const { rates, reads } = yield* pushes(new Map([["ours", (yield* start(env)).authority]]))
  const name = `${delay} ms more an fsync`
  return [
    row({ name: `registry: small images, ${name}`, unit: "images/s", better: "higher", target: 100 }, rates("ours")),
    row({ name: `registry: GET meanwhile, p99, ${name}`, unit: "ms", better: "lower", target: 10 }, reads("ours"))
  ]
}).pipe(Effect.scoped)

const reads = Effect.gen(function*() {
  const { authority, usage } = yield* start({})
  const ours = { name: "ours", target: yield* target(authority), cpu: Effect.map(usage, ({ cpu }) => cpu) }
  const at = yield* processorTimes(ours)
  return [
    row({ name: "registry: GET of a manifest, processor time", unit: "µs", better: "lower" }, at("ours")),
    row({ name: "registry: the same by node:http", unit: "µs", better: "lower" }, at("node:http")),
    row(
      { name: "registry: GET, processor time of node:http over ours", unit: "", better: "higher", target: 0.4 },
      divided(at("node:http"), at("ours"))
    )
  ]
}).pipe(Effect.scoped)

export const run: Effect.Effect<ReadonlyArray<Row>, unknown> = Effect.gen(function*() {
  return [...(yield* small), ...(yield* slow), ...(yield* reads)]
}).pipe(Effect.provide(NodeContext.layer))
