/**
 * Measures a blob of 256 MiB that a server sends from memory to curl: our server, `crane registry serve`, and `node:http`
 * with `response.end(content)`, in turns. Each server runs in its own process.
 */
import * as NodePeers from "@effect-oci/testing/NodePeers"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as Effect from "effect/Effect"
import { makeBlob } from "./internal/blob.js"
import * as curl from "./internal/curl.js"
import { folder } from "./internal/folder.js"
import { divided, interleave, row, samplesOf } from "./internal/measure.js"
import type { Row } from "./internal/measure.js"
import { leftOut, processorTime } from "./internal/peers.js"
import * as Program from "./internal/program.js"
import type * as RawProgram from "./programs/raw.js"
import type * as RegistryProgram from "./programs/registry.js"

const MiB = 1024 * 1024

const repository = "bench/served"

interface Contender {
  readonly url: string
  /** The processor time of the server since its start, in microseconds. */
  readonly cpu: Effect.Effect<number, unknown>
}

const contenders = (path: string) =>
  Effect.gen(function*() {
    const blob = yield* makeBlob(path, repository, 256)
    const urlAt = (authority: string) => `http://${authority}/v2/${repository}/blobs/${blob.digest}`
    const cpuOf = ({ usage }: Program.Program<Program.Questions>) => Effect.map(usage, ({ cpu }) => cpu)
    const ours = yield* Program.start<RegistryProgram.Questions>("registry")
    const authority = yield* ours.ask("authority")
    yield* curl.push({ ...blob, authority })
    const raw = yield* Program.start<RawProgram.Questions>("raw")
    const all = new Map<string, Contender>([
      ["ours", { url: urlAt(authority), cpu: cpuOf(ours) }],
      ["node:http", { url: `http://${yield* raw.ask("content", blob.file)}/`, cpu: cpuOf(raw) }]
    ])
    if (yield* leftOut("crane")) return all
    const crane = yield* NodePeers.craneRegistry
    yield* curl.push({ ...blob, authority: crane.authority })
    return all.set("crane", { url: urlAt(crane.authority), cpu: processorTime(crane.pid) })
  })

/** Measures one answer, in seconds. Adds the processor time of the server to `cpuTimes`, in seconds. */
const sample = ({ cpu, url }: Contender, cpuTimes: Array<number>) =>
  Effect.gen(function*() {
    const before = yield* cpu
    const seconds = yield* curl.download(url, 256 * MiB)
    cpuTimes.push(((yield* cpu) - before) / 1e6)
    return seconds
  })

export const run: Effect.Effect<ReadonlyArray<Row>, unknown> = Effect.scoped(Effect.gen(function*() {
  if (yield* leftOut("curl")) return []
  const all = yield* contenders(yield* folder)
  const cpuTimes = new Map<string, Array<number>>()
  const cases = new Map([...all].map(([name, contender]) => {
    const times: Array<number> = []
    cpuTimes.set(name, times)
    return [name, sample(contender, times)]
  }))
  const warmUp = 3
  const at = samplesOf(yield* interleave(cases, { warmUp, rounds: 15 }))
  return [
    ...[...all.keys()].flatMap((name) => [
      row({ name: `${name}: 256 MiB sent from memory`, unit: "s", better: "lower" }, at(name)),
      row(
        { name: `${name}: the same, processor time`, unit: "s", better: "lower" },
        (cpuTimes.get(name) ?? []).slice(warmUp)
      )
    ]),
    ...(all.has("crane")
      ? [
        row(
          { name: "ours: sent from memory, times crane's registry", unit: "", better: "lower", target: 1.3 },
          divided(at("ours"), at("crane"))
        )
      ]
      : [])
  ]
})).pipe(Effect.provide(NodeContext.layer))
