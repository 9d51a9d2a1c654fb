import { Client } from "@effect-oci/client"
import { Body, Descriptor, MediaType, Registry, RepositoryName, Tag } from "@effect-oci/core"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Raw from "../programs/raw.js"
import { load } from "./load.js"
import type { Target } from "./load.js"
import { interleave, samplesOf } from "./measure.js"
import * as Program from "./program.js"

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
export const target = (authority: string): Effect.Effect<Target, unknown> =>
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

/** A server to measure. */
export interface Contender {
  readonly name: string
  readonly target: Target
  /** The processor time of the server since its start, in microseconds. */
  readonly cpu: Effect.Effect<number, unknown>
}

/** Starts `node:http`, which sends the same bytes and headers as a server. */
export const rawOf = (ours: Target) =>
  Effect.gen(function*() {
    const raw = yield* Program.start<Raw.Questions>("raw")
    const authority = yield* raw.ask("answer", { headers: yield* headersOf(ours), body: ours.body })
    return { name: "node:http", target: { ...ours, authority }, cpu: Effect.map(raw.usage, ({ cpu }) => cpu) }
  })

/** Measures the processor time of a server per request beside that of `node:http`, in microseconds, by their names. */
export const processorTimes = (ours: Contender) =>
  Effect.gen(function*() {
    const cases = new Map(
      [ours, yield* rawOf(ours.target)].map((contender) => [
        contender.name,
        Effect.map(sample(contender), ({ cpu }) => cpu)
      ])
    )
    return samplesOf(yield* interleave(cases, { warmUp: 3, rounds: 7 }))
  })

/** Measures the processor time of the server per request, in microseconds, and the requests per second. */
export const sample = ({ cpu, target }: Contender) =>
  Effect.gen(function*() {
    const before = yield* cpu
    const done = yield* load(target, { connections, seconds })
    return { cpu: ((yield* cpu) - before) / done.requests, rate: done.requests / done.seconds }
  })
