/**
 * Measures the cost of serving a small manifest: the processor time of the server, and the requests per second.
 *
 * Three servers take turns to answer the same GET with the same bytes over 32 keep-alive connections: our server over a
 * registry in memory, `node:http` with the same headers but no registry, and `docker-registry` over files. Each server
 * runs in its own process. The target is about processor time: the client uses as much processor time as the server, so
 * on a machine with few processors it cannot keep the server busy. Requests per second are for information.
 */
import { Client } from "@effect-oci/client"
import { Body, Descriptor, MediaType, Registry, RepositoryName, Tag } from "@effect-oci/core"
import * as NodePeers from "@effect-oci/testing/NodePeers"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { load } from "./internal/load.js"
import type { Target } from "./internal/load.js"
import { interleave, row } from "./internal/measure.js"
import type { Row } from "./internal/measure.js"
import { leftOut, processorTime } from "./internal/peers.js"
import * as Program from "./internal/program.js"
import type * as Raw from "./programs/raw.js"
import type * as RegistryProgram from "./programs/registry.js"

const connections = 32
const seconds = 0.6

const repository = RepositoryName.make("team/app")
const tag = Tag.make("v1")
const path = `/v2/${repository}/manifests/${tag}`

const json = (value: unknown) => new TextEncoder().encode(JSON.stringify(value))

const layer = json({ layer: 1 })
const config = json({ architecture: "amd64", os: "linux" })

const manifest = json({
  schemaVersion: 2,
  mediaType: MediaType.image,
  config: Descriptor.fromBytes(config, MediaType.imageConfig),
  layers: [Descriptor.fromBytes(layer, MediaType.layerGzip)],
  annotations: {
    "org.opencontainers.image.created": "2025-01-01T00:00:00Z",
    "org.opencontainers.image.source": "https://example.com/team/app",
    "org.opencontainers.image.revision": "0123456789abcdef0123456789abcdef01234567"
  }
})

/** Pushes the manifest to a registry, and returns the request to send to the registry. */
const target = (authority: string): Effect.Effect<Target, unknown> =>
  Effect.gen(function*() {
    const registry = yield* Registry
    for (const bytes of [layer, config]) {
      yield* registry.pushBlob(repository, Descriptor.fromBytes(bytes), Body.bytes(bytes))
    }
    yield* registry.pushManifest(repository, { mediaType: MediaType.image, bytes: manifest, tags: [tag] })
    return { authority, path, accept: MediaType.image, body: manifest }
  }).pipe(
    Effect.provide(Layer.provide(Client.layer({ host: authority, insecure: true }), NodeHttpClient.layerUndici))
  )

/** Returns the headers that a server sends, except those that `node:http` adds by itself. */
const headersOf = ({ accept, authority, path }: Target) =>
  Effect.promise(async () => {
    const response = await fetch(`http://${authority}${path}`, { headers: { accept } })
    await response.arrayBuffer()
    const automatic = new Set(["date", "connection", "keep-alive"])
    return Object.fromEntries(Array.from(response.headers).filter(([name]) => !automatic.has(name)))
  })

interface Contender {
  readonly name: string
  readonly target: Target
  /** The processor time of the server since its start, in microseconds. */
  readonly cpu: Effect.Effect<number, unknown>
}

const contenders = Effect.gen(function*() {
  const server = yield* Program.start<RegistryProgram.Questions>("registry")
  const ours = yield* target(yield* server.ask("authority"))
  const raw = yield* Program.start<Raw.Questions>("raw")
  const authority = yield* raw.ask("answer", { headers: yield* headersOf(ours), body: manifest })
  const all: Array<Contender> = [
    { name: "ours", target: ours, cpu: Effect.map(server.usage, ({ cpu }) => cpu) },
    { name: "node:http", target: { ...ours, authority }, cpu: Effect.map(raw.usage, ({ cpu }) => cpu) }
  ]
  if (yield* leftOut("docker-registry")) return all
  const peer = yield* NodePeers.dockerRegistry
  all.push({ name: "docker-registry", target: yield* target(peer.authority), cpu: processorTime(peer.pid) })
  return all
})

/** Measures the processor time of the server per request, in microseconds, and the requests per second. */
const sample = ({ cpu, target }: Contender) =>
  Effect.gen(function*() {
    const before = yield* cpu
    const done = yield* load(target, { connections, seconds })
    return { cpu: ((yield* cpu) - before) / done.requests, rate: done.requests / done.seconds }
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
  const at = (name: string) => rounds.map((round) => round.get(name) ?? Number.NaN)
  const raw = at("node:http")
  return [
    ...all.map(({ name }) => row({ name: `${name}: processor time a request`, unit: "µs", better: "lower" }, at(name))),
    row(
      { name: "ours: requests for each of node:http, by processor time", unit: "", better: "higher", target: 0.6 },
      at("ours").map((cpu, round) => (raw[round] ?? Number.NaN) / cpu)
    ),
    ...all.map(({ name }) =>
      row({ name: `${name}: requests`, unit: "1/s", better: "higher" }, (rates.get(name) ?? []).slice(warmUp))
    )
  ]
})).pipe(Effect.provide(NodeContext.layer))
