/**
 * Measures a registry in a directory with large blobs: 256 MiB sent beside `nginx`, 256 MiB received beside
 * `docker-registry` and the least code with `node:http` and `node:fs`, and the memory for 1 GiB.
 */
import * as NodePeers from "@effect-oci/testing/NodePeers"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as Effect from "effect/Effect"
import { join } from "node:path"
import { makeBlob } from "./internal/blob.js"
import * as curl from "./internal/curl.js"
import { folder } from "./internal/folder.js"
import { divided, interleave, row, samplesOf } from "./internal/measure.js"
import type { Row } from "./internal/measure.js"
import { nginx } from "./internal/nginx.js"
import { leftOut } from "./internal/peers.js"
import * as Program from "./internal/program.js"
import type * as DurableProgram from "./programs/durable.js"
import type * as FilesProgram from "./programs/files.js"

const MiB = 1024 * 1024
const repository = "bench/large"

const startServer = (path: string) =>
  Effect.gen(function*() {
    const server = yield* Program.start<DurableProgram.Questions>("durable", { UV_THREADPOOL_SIZE: "16" })
    return { ...server, authority: yield* server.ask("listen", path) }
  })

/** Measures 256 MiB that each server receives, in seconds. */
const received = (path: string) =>
  Effect.gen(function*() {
    const blob = yield* makeBlob(path, repository, 256)
    const { authority } = yield* startServer(join(path, "ours"))
    const files = yield* Program.start<FilesProgram.Questions>("files", { UV_THREADPOOL_SIZE: "16" })
    const raw = `http://${yield* files.ask("listen", path)}/raw/received`
    const pushTo = (authority: string) =>
      Effect.ensuring(curl.push({ ...blob, authority }), Effect.ignore(curl.remove({ ...blob, authority })))
    const cases = new Map([
      ["ours", pushTo(authority)],
      ["node:fs", curl.upload(raw, blob.file)]
    ])
    if (!(yield* leftOut("docker-registry"))) {
      cases.set("docker-registry", pushTo((yield* NodePeers.dockerRegistry).authority))
    }
    return { names: new Set(cases.keys()), at: samplesOf(yield* interleave(cases, { warmUp: 2, rounds: 5 })) }
  })

/** Measures 256 MiB that each server sends, in seconds. */
const sent = (path: string) =>
  Effect.gen(function*() {
    const blob = yield* makeBlob(path, repository, 256)
    const { authority } = yield* startServer(join(path, "ours"))
    yield* curl.push({ ...blob, authority })
    const cases = new Map([[
      "ours",
      curl.download(`http://${authority}/v2/${repository}/blobs/${blob.digest}`, 256 * MiB)
    ]])
    const peer = yield* nginx(yield* folder, path)
    if (peer !== undefined) cases.set("nginx", curl.download(`http://${peer}/256`, 256 * MiB))
    return { names: new Set(cases.keys()), at: samplesOf(yield* interleave(cases, { warmUp: 2, rounds: 7 })) }
  })

/** Measures by how much memory the server grows at most for 1 GiB, after a first blob of 64 MiB, in MiB. */
const growth = (path: string) =>
  Effect.gen(function*() {
    const server = yield* startServer(join(path, "ours"))
    const roundTrip = (mebibytes: number) =>
      Effect.gen(function*() {
        const blob = { ...(yield* makeBlob(path, repository, mebibytes)), authority: server.authority }
        yield* server.usage
        yield* curl.push(blob)
        const out = join(path, "out")
        yield* curl.pull({ ...blob, file: out })
        const sum = yield* curl.run("sha256sum", out)
        if (!blob.digest.endsWith(sum.slice(0, 64))) yield* Effect.dieMessage("what was pulled is another blob")
      })
    yield* roundTrip(64)
    const { rss } = yield* server.usage
    yield* roundTrip(1024)
    return ((yield* server.usage).peak - rss) / MiB
  })

const inFolder = <A, E, R>(measure: (path: string) => Effect.Effect<A, E, R>) =>
  Effect.scoped(Effect.flatMap(folder, measure))

export const run: Effect.Effect<ReadonlyArray<Row>, unknown> = Effect.gen(function*() {
  if (yield* leftOut("curl")) return []
  const receiving = yield* inFolder(received)
  const sending = yield* inFolder(sent)
  const memory = yield* inFolder(growth)
  const time = { unit: "s", better: "lower" } as const
  const ratio = { unit: "", better: "higher", target: 0.9 } as const
  const { at: receivedAt, names: receivers } = receiving
  const { at: sentAt, names: senders } = sending
  return [
    row({ ...time, name: "registry: 256 MiB received, hashed, durable" }, receivedAt("ours")),
    row({ ...time, name: "registry: the same by node:http and node:fs" }, receivedAt("node:fs")),
    ...(receivers.has("docker-registry")
      ? [row({ ...time, name: "registry: the same at docker-registry" }, receivedAt("docker-registry"))]
      : []),
    row(
      { ...ratio, name: "registry: received, time of node:fs over ours" },
      divided(receivedAt("node:fs"), receivedAt("ours"))
    ),
    row({ ...time, name: "registry: 256 MiB sent" }, sentAt("ours")),
    ...(senders.has("nginx")
      ? [
        row({ ...time, name: "registry: the same by nginx" }, sentAt("nginx")),
        row({ ...ratio, name: "registry: sent, time of nginx over ours" }, divided(sentAt("nginx"), sentAt("ours")))
      ]
      : []),
    row(
      { name: "registry: memory growth, 1 GiB pushed and pulled", unit: "MiB", better: "lower", target: 32 },
      [memory]
    )
  ]
}).pipe(Effect.provide(NodeContext.layer))
