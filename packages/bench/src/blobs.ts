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

/** Pulls a blob into a file that is not there yet, and looks whether it is that blob. */
const pulled = <E, R>(blob: Blob, out: string, pull: Effect.Effect<number, E, R>) =>
  Effect.gen(function*() {
    const files = yield* FileSystem.FileSystem
    yield* files.remove(out, { force: true })
    const seconds = yield* pull
    const start = performance.now()
    const [sum] = (yield* curl.run("sha256sum", out)).split(" ")
    const hashing = (performance.now() - start) / 1000
    if (`sha256:${sum}` !== blob.digest) return yield* Effect.dieMessage("what was pulled is another blob")
    return { seconds, hashing }
  })

/** What both clients do at one registry. */
const measure = (authority: string, { large, out, small }: Content) =>
  Effect.gen(function*() {
    const from = ({ digest, file }: Blob) => ({ authority, repository, digest, file })
    const into = ({ digest }: Blob) => ({ authority, repository, digest, file: out })
    const pusher = yield* Program.start<ClientProgram.Questions>("client")
    const puller = yield* Program.start<ClientProgram.Questions>("client")
    yield* pusher.ask("push", from(small))
    yield* pulled(small, out, puller.ask("pull", into(small)))
    const before = { push: yield* pusher.usage, pull: yield* puller.usage }

    const hashing: Array<number> = []
    const emptied = <E, R>(push: Effect.Effect<number, E, R>) => Effect.zipRight(curl.remove(from(large)), push)
    const cases = {
      push: emptied(pusher.ask("push", from(large))),
      "push by curl": emptied(curl.push(from(large))),
      pull: Effect.map(pulled(large, out, puller.ask("pull", into(large))), ({ seconds }) => seconds),
      "pull by curl": Effect.map(pulled(large, out, curl.pull(into(large))), (pull) => {
        hashing.push(pull.hashing)
        return pull.seconds
      })
    }
    yield* curl.push(from(large))
    const warmUp = 1
    const rounds = yield* interleave(new Map(Object.entries(cases)), { warmUp, rounds: 5 })
    const after = { push: yield* pusher.usage, pull: yield* puller.usage }

    const of = (which: keyof typeof before) => ({
      /** The most that was resident, in MiB, above what was before. */
      memory: (after[which].peak - before[which].rss) / MiB,
      /** Processor time of a transfer, in seconds. */
      cpu: (after[which].cpu - before[which].cpu) / 1e6 / (warmUp + rounds.length)
    })
    const at = (name: keyof typeof cases) => rounds.map((round) => round.get(name) ?? Number.NaN)
    return {
      push: at("push"),
      pushByCurl: at("push by curl"),
      pull: at("pull"),
      pullByCurl: at("pull by curl"),
      hashing: hashing.slice(warmUp),
      pusher: of("push"),
      puller: of("pull")
    }
  })

interface Targets {
  /** How many times as long as curl our client may take. */
  readonly push?: number
  readonly pull?: number
  /** In MiB. */
  readonly memory: number
}

const rowsOf = (name: string, measured: Effect.Effect.Success<ReturnType<typeof measure>>, targets: Targets) => {
  const { hashing, pull, pullByCurl, puller, push, pushByCurl, pusher } = measured
  const figure = (what: string, unit: string, samples: ReadonlyArray<number>, target?: number): Row =>
    row({ name: `${name}: ${what}`, unit, better: "lower", target }, samples)
  const combine = (a: ReadonlyArray<number>, b: ReadonlyArray<number>, f: (a: number, b: number) => number) =>
    a.map((seconds, round) => f(seconds, b[round] ?? Number.NaN))
  const divided = (a: number, b: number) => a / b
  return [
    figure("push", "s", push),
    figure("push by curl", "s", pushByCurl),
    figure("push, times curl's", "", combine(push, pushByCurl, divided), targets.push),
    figure("pull", "s", pull),
    figure("pull by curl", "s", pullByCurl),
    figure("pull by curl, then sha256sum", "s", combine(pullByCurl, hashing, (a, b) => a + b)),
    figure("pull, times curl's", "", combine(pull, pullByCurl, divided), targets.pull),
    figure("processor time of the client, a push", "s", [pusher.cpu]),
    figure("processor time of the client, a pull", "s", [puller.cpu]),
    figure("memory of the client that pushes", "MiB", [pusher.memory], targets.memory),
    figure("memory of the client that pulls", "MiB", [puller.memory], targets.memory)
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
