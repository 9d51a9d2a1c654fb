/**
 * Attacks a server with one client, while another client works from another address. The other client keeps its rate, and
 * the memory of the server stays within limits. Each client runs in its own process, so that the memory of this process is
 * the memory of the server. On a busy machine the test may need a second try.
 */
import * as Fixtures from "@effect-oci/conformance/Fixtures"
import { Body, Descriptor, MediaType, Registry } from "@effect-oci/core"
import { Memory } from "@effect-oci/store"
import { describe, expect, it } from "@effect/vitest"
import { Context, Effect, Layer, Schedule } from "effect"
import { fork } from "node:child_process"
import * as NodeRegistryServer from "../src/NodeRegistryServer.js"
import { fill, image, imageDigest, repository } from "./fixtures.js"
import { keeping } from "./servers.js"

const MiB = 1024 * 1024

/** The maximum memory that an attack may cost the server, in addition to its memory without an attack, in bytes. */
const mostMemory = 150 * MiB

const largeBlob = new Uint8Array(48 * MiB).fill(7)
const largeBlobDigest = Descriptor.fromBytes(largeBlob).digest

const pause = (millis: number) => Effect.promise(() => new Promise((resolve) => setTimeout(resolve, millis)))

/** Starts a program of this directory. Stops it when the scope closes. */
const program = (name: string, ...args: ReadonlyArray<string>) =>
  Effect.acquireRelease(
    Effect.sync(() => fork(new URL(`./attacks/${name}.mjs`, import.meta.url), args)),
    (child) =>
      Effect.async<void>((resume) => {
        if (child.exitCode !== null || child.signalCode !== null) return resume(Effect.void)
        child.once("exit", () => resume(Effect.void))
        child.kill("SIGKILL")
      })
  )

/** A registry with a list of referrers of 4.5 MB, and a large blob. */
const filled = (registry: Registry.Service) =>
  Effect.gen(function*() {
    yield* fill(registry)
    yield* registry.pushBlob(repository, Descriptor.fromBytes(largeBlob), Body.bytes(largeBlob))
    for (let n = 0; n < 75; n++) {
      const subject = Descriptor.fromBytes(image, MediaType.image)
      const annotations = { n: String(n), large: "x".repeat(60_000) }
      const referrer = Fixtures.document(MediaType.index, { manifests: [], subject, annotations })
      yield* registry.pushManifest(repository, referrer)
    }
  })

const server = Effect.gen(function*() {
  const registry = yield* Layer.build(Memory.layer({ maxBytes: 128 * MiB }))
  yield* filled(Context.get(registry, Registry))
  const context = yield* Layer.build(
    NodeRegistryServer.layer({ port: 0, shutdownTimeout: "50 millis", idleTimeout: "1 second" }).pipe(
      Layer.provide(Layer.succeedContext(registry)),
      Layer.provide(keeping([]))
    )
  )
  return Context.get(context, NodeRegistryServer.Address)
})

/** Starts the well-behaved client. Counts how often each operation succeeded, and collects the reasons of failures. */
const goodClient = (port: number) =>
  Effect.map(program("client", String(port), "127.0.0.2"), (child) => {
    let counts = new Map<string, number>()
    let failures = new Set<string>()
    child.on("message", ({ failure, name }: { readonly name: string; readonly failure?: string }) => {
      if (failure === undefined) counts.set(name, (counts.get(name) ?? 0) + 1)
      else failures.add(failure)
    })
    const during = (millis: number) =>
      Effect.gen(function*() {
        counts = new Map()
        failures = new Set()
        yield* pause(millis)
        return { counts, failures: [...failures] }
      })
    return { during }
  })

/** Measures the maximum memory of this process from now on. */
const watchMemory = Effect.gen(function*() {
  let most = process.memoryUsage.rss()
  const look = Effect.sync(() => {
    most = Math.max(most, process.memoryUsage.rss())
  })
  yield* Effect.forkScoped(Effect.repeat(look, Schedule.spaced("20 millis")))
  return () => most
})

const attacks: ReadonlyArray<readonly [name: string, attack: string, subject?: string]> = [
  ["asks for large lists and reads no answer (T59)", "unreadLists", imageDigest],
  ["opens upload sessions without end (T42, T61)", "emptyUploads"],
  ["opens upload sessions and sends a byte of each (T42, T61)", "begunUploads"],
  ["sends sixty manifests of 4 MiB but for the last byte (T61)", "unfinishedManifests"],
  ["sends manifests of 4 MiB without end (T42)", "manyManifests"],
  ["opens three thousand connections (T41, T61)", "halfHeads"],
  ["sends four hundred blobs a byte at a time (T41)", "slowBodies", imageDigest],
  ["requests large blobs and reads none (T46)", "unreadBlobs", largeBlobDigest]
]

/** How long the rate is measured, without an attack and during an attack, in milliseconds. */
const usual = 500
const attacked = 1000

describe("a server whose client", () => {
  for (const [name, attack, subject] of attacks) {
    it.scoped(`${name} keeps serving other clients, and keeps its memory within limits`, () =>
      Effect.gen(function*() {
        const { port } = yield* server
        const client = yield* goodClient(port)
        yield* client.during(500)
        const before = yield* client.during(usual)
        const idle = process.memoryUsage.rss()
        const most = yield* watchMemory
        yield* program("attacker", attack, String(port), subject ?? "")
        yield* client.during(300)
        const { counts, failures } = yield* client.during(attacked)
        expect(failures).toEqual([])
        expect([...before.counts.keys()].sort()).toEqual(["manifest", "pull", "push", "upload"])
        const shares = [...before.counts].map(([name, count]) => (counts.get(name) ?? 0) / attacked * usual / count)
        expect(Math.min(...shares)).toBeGreaterThanOrEqual(0.5)
        expect((most() - idle) / MiB).toBeLessThan(mostMemory / MiB)
      }), { retry: 3 })
  }
})
