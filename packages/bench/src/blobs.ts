/**
 * Measures the push of one large blob from a file, and its pull into a file. Our client and curl take turns, first with
 * `docker-registry`, then with our server over a registry in memory. Our client computes the digest of all content, and curl
 * does not. The table also shows curl followed by `sha256sum`, but the target compares our client with curl alone. Each
 * program runs in its own process. Its memory is the maximum resident memory, minus the memory after the transfer of a
 * small blob.
 */
import * as NodePeers from "@effect-oci/testing/NodePeers"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as curl from "./internal/curl.js"
import { interleave, row } from "./internal/measure.js"
import type { Row } from "./internal/measure.js"
import { leftOut } from "./internal/peers.js"
import * as Program from "./internal/program.js"
import { makeContent, ours, transferred } from "./internal/transfers.js"
import type { Blob, Content } from "./internal/transfers.js"
import type * as RegistryProgram from "./programs/registry.js"

const MiB = 1024 * 1024

const repository = "bench/blobs"

/** Measures both clients with one registry. Returns a list of samples for each figure, in seconds and MiB. */
const measure = (authority: string, { large, out, small }: Content) =>
  Effect.gen(function*() {
    const files = yield* FileSystem.FileSystem
    const from = ({ digest, file }: Blob) => ({ authority, repository, digest, file })
    const into = ({ digest }: Blob) => ({ authority, repository, digest, file: out })
    const rest = { pushCpu: [], pushMemory: [], pullCpu: [], pullMemory: [], hashing: [] } as {
      readonly [name in "pushCpu" | "pushMemory" | "pullCpu" | "pullMemory" | "hashing"]: Array<number>
    }

    const emptied = curl.remove(from(large))
    const absent = files.remove(out, { force: true })
    /** Verifies the digest of the pulled file. Returns how long that takes, in seconds. */
    const hashed = Effect.gen(function*() {
      const start = performance.now()
      const [sum] = (yield* curl.run("sha256sum", out)).split(" ")
      const seconds = (performance.now() - start) / 1000
      return `sha256:${sum}` === large.digest ? seconds : yield* Effect.dieMessage("what was pulled is another blob")
    })
    const cases = {
      push: Effect.gen(function*() {
        const { cpu, memory, seconds } = yield* transferred(ours, "push", from(small), from(large), emptied)
        rest.pushCpu.push(cpu)
        rest.pushMemory.push(memory)
        return seconds
      }),
      pushByCurl: Effect.zipRight(emptied, curl.push(from(large))),
      pull: Effect.gen(function*() {
        const { cpu, memory, seconds } = yield* transferred(ours, "pull", into(small), into(large), absent)
        rest.pullCpu.push(cpu)
        rest.pullMemory.push(memory)
        yield* hashed
        return seconds
      }),
      pullByCurl: Effect.gen(function*() {
        yield* absent
        const seconds = yield* curl.pull(into(large))
        rest.hashing.push(yield* hashed)
        return seconds
      })
    }
    yield* curl.push(from(small))
    yield* curl.push(from(large))
    const rounds = yield* interleave(new Map(Object.entries(cases)), { warmUp: 0, rounds: 5 })
    const at = (name: keyof typeof cases) => rounds.map((round) => round.get(name) ?? Number.NaN)
    return { ...rest, push: at("push"), pushByCurl: at("pushByCurl"), pull: at("pull"), pullByCurl: at("pullByCurl") }
  })

interface Targets {
  /** The maximum time of our client, as a multiple of the time of curl. */
  readonly push?: number
  readonly pull?: number
  /** The maximum processor time of a transfer, in seconds. */
  readonly cpu?: number
  /** The maximum memory, in MiB. */
  readonly memory: number
}

const rowsOf = (name: string, measured: Effect.Effect.Success<ReturnType<typeof measure>>, targets: Targets) => {
  const { hashing, pull, pullByCurl, pullCpu, pullMemory, push, pushByCurl, pushCpu, pushMemory } = measured
  const figure = (what: string, unit: string, samples: ReadonlyArray<number>, target?: number): Row =>
    row({ name: `${name}: ${what}`, unit, better: "lower", target }, samples)
  const combine = (a: ReadonlyArray<number>, b: ReadonlyArray<number>, f: (a: number, b: number) => number) =>
    a.map((value, round) => f(value, b[round] ?? Number.NaN))
  const divided = (a: number, b: number) => a / b
  const added = (a: number, b: number) => a + b
  return [
    figure("push", "s", push),
    figure("push by curl", "s", pushByCurl),
    figure("push, times curl's", "", combine(push, pushByCurl, divided), targets.push),
    figure("push, processor time", "s", pushCpu, targets.cpu),
    figure("push, memory", "MiB", pushMemory, targets.memory),
    figure("pull", "s", pull),
    figure("pull by curl", "s", pullByCurl),
    figure("pull by curl, then sha256sum", "s", combine(pullByCurl, hashing, added)),
    figure("pull, times curl's", "", combine(pull, pullByCurl, divided), targets.pull),
    figure("pull, processor time", "s", pullCpu, targets.cpu),
    figure("pull, memory", "MiB", pullMemory, targets.memory)
  ]
}

/** Measures the memory of our server after a push and a pull of a blob, minus the size of the blob, in MiB. */
const serverMemory = ({ large, out, small }: Content) =>
  Effect.scoped(Effect.gen(function*() {
    const server = yield* Program.start<RegistryProgram.Questions>("registry")
    const authority = yield* server.ask("authority")
    const roundTrip = ({ digest, file }: Blob) =>
      Effect.zipRight(
        curl.push({ authority, repository, digest, file }),
        curl.pull({ authority, repository, digest, file: out })
      )
    yield* roundTrip(small)
    const before = yield* server.usage
    yield* roundTrip(large)
    const after = yield* server.usage
    return (after.peak - before.rss - large.size) / MiB
  }))

const atDockerRegistry = (content: Content) =>
  Effect.gen(function*() {
    const { authority } = yield* NodePeers.dockerRegistry
    return rowsOf("docker-registry", yield* measure(authority, content), {
      push: 1.05,
      pull: 1.2,
      cpu: 0.45,
      memory: 48
    })
  })

const atOurs = (content: Content) =>
  Effect.gen(function*() {
    const server = yield* Program.start<RegistryProgram.Questions>("registry")
    return rowsOf("our server", yield* measure(yield* server.ask("authority"), content), { memory: 48 })
  })

export const run: Effect.Effect<ReadonlyArray<Row>, unknown> = Effect.scoped(Effect.gen(function*() {
  if (yield* leftOut("curl")) return []
  const content = yield* makeContent
  const peer = (yield* leftOut("docker-registry")) ? [] : yield* Effect.scoped(atDockerRegistry(content))
  const ours = yield* Effect.scoped(atOurs(content))
  const memory = yield* Effect.replicateEffect(serverMemory(content), 3)
  return [
    ...peer,
    ...ours,
    row({ name: "our server: memory, above that of the blob", unit: "MiB", better: "lower", target: 48 }, memory)
  ]
})).pipe(Effect.provide(NodeContext.layer))
