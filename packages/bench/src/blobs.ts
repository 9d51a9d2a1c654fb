/**
 * One large blob, pushed from a file and pulled into a file: by our client and by curl, in turn, first at
 * `docker-registry`, then at our server over a registry in memory. Our client computes the digest of all that it moves.
 * Curl does not, so what it takes with `sha256sum` after it is shown too, but ours is held against curl alone. Every
 * process is one of its own; its memory is the most that was resident, above what was when a small blob had been moved.
 */
import * as NodePeers from "@effect-oci/conformance/NodePeers"
import { Digest } from "@effect-oci/core"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import { randomFillSync } from "node:crypto"
import { join } from "node:path"
import * as curl from "./internal/curl.js"
import { interleave, row } from "./internal/measure.js"
import type { Row } from "./internal/measure.js"
import { leftOut } from "./internal/peers.js"
import * as Program from "./internal/program.js"
import type * as ClientProgram from "./programs/client.js"
import type { Transfer } from "./programs/client.js"
import type * as RegistryProgram from "./programs/registry.js"

const MiB = 1024 * 1024

const repository = "bench/blobs"

/** A blob in a file. */
interface Blob {
  readonly file: string
  readonly digest: string
  readonly size: number
}

interface Content {
  /** What is moved so that a process is warm. */
  readonly small: Blob
  readonly large: Blob
  /** Where blobs are pulled to. */
  readonly out: string
}

const makeBlob = (folder: string, size: number) =>
  Effect.gen(function*() {
    const files = yield* FileSystem.FileSystem
    const bytes = randomFillSync(new Uint8Array(size))
    const file = join(folder, `${size}`)
    yield* files.writeFile(file, bytes)
    return { file, digest: Digest.fromBytes(bytes), size }
  })

const makeContent = Effect.gen(function*() {
  const files = yield* FileSystem.FileSystem
  const folder = yield* files.makeTempDirectoryScoped({ prefix: "bench-" })
  const [small, large] = [yield* makeBlob(folder, 8 * MiB), yield* makeBlob(folder, 256 * MiB)]
  return { small, large, out: join(folder, "out") }
})

/**
 * What our client needs for a transfer of the large blob, in a process of its own. It moves the small one, and then the
 * large one twice, of which the second time counts: the first is spent on compiling, and on memory that the system has
 * to come up with. The most memory of both is what counts.
 */
const transferred = <E>(name: "push" | "pull", small: Transfer, large: Transfer, clear: Effect.Effect<void, E>) =>
  Effect.scoped(Effect.gen(function*() {
    const client = yield* Program.start<ClientProgram.Questions>("client")
    yield* client.ask(name, small)
    const before = yield* client.usage
    yield* clear
    yield* client.ask(name, large)
    const between = yield* client.usage
    yield* clear
    const seconds = yield* client.ask(name, large)
    const after = yield* client.usage
    return {
      seconds,
      cpu: (after.cpu - between.cpu) / 1e6,
      memory: (Math.max(between.peak, after.peak) - before.rss) / MiB
    }
  }))

/** What both clients do at one registry: a list of samples for each figure, in seconds and MiB. */
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
    /** What was pulled is the blob; the seconds that it takes to see that. */
    const hashed = Effect.gen(function*() {
      const start = performance.now()
      const [sum] = (yield* curl.run("sha256sum", out)).split(" ")
      const seconds = (performance.now() - start) / 1000
      return `sha256:${sum}` === large.digest ? seconds : yield* Effect.dieMessage("what was pulled is another blob")
    })
    const cases = {
      push: Effect.gen(function*() {
        const { cpu, memory, seconds } = yield* transferred("push", from(small), from(large), emptied)
        rest.pushCpu.push(cpu)
        rest.pushMemory.push(memory)
        return seconds
      }),
      pushByCurl: Effect.zipRight(emptied, curl.push(from(large))),
      pull: Effect.gen(function*() {
        const { cpu, memory, seconds } = yield* transferred("pull", into(small), into(large), absent)
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
  /** How many times as long as curl our client may take. */
  readonly push?: number
  readonly pull?: number
  /** In MiB. */
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
    figure("push, processor time", "s", pushCpu),
    figure("push, memory", "MiB", pushMemory, targets.memory),
    figure("pull", "s", pull),
    figure("pull by curl", "s", pullByCurl),
    figure("pull by curl, then sha256sum", "s", combine(pullByCurl, hashing, added)),
    figure("pull, times curl's", "", combine(pull, pullByCurl, divided), targets.pull),
    figure("pull, processor time", "s", pullCpu),
    figure("pull, memory", "MiB", pullMemory, targets.memory)
  ]
}

/** The memory of a server that was pushed a blob and gave it back, above that of the blob, in MiB. */
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
    return rowsOf("docker-registry", yield* measure(authority, content), { push: 1.15, pull: 1.5, memory: 48 })
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
