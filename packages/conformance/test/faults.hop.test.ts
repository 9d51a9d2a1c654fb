import { Client } from "@effect-oci/client"
import { Registry } from "@effect-oci/core"
import * as Faulty from "@effect-oci/laws/Faulty"
import { Retry } from "@effect-oci/middleware"
import * as NodeRegistryServer from "@effect-oci/server/NodeRegistryServer"
import { hop } from "@effect-oci/testing/NodeHop"
import { NodeHttpClient } from "@effect/platform-node"
import { describe, expect, it } from "@effect/vitest"
import { Context, Effect, Layer, Logger } from "effect"
import { make as makeCutter } from "./cutter.js"
import * as interrupted from "./interrupted.js"

const retry = Retry.middleware({ delay: 0, jitter: false })

const over = (handle: Registry["Type"]["handle"]) => Layer.succeed(Registry, Registry.fromHandler(handle))

const silent = Logger.remove(Logger.defaultLogger)

/** A server and a client that does not retry. */
const overSocket = (registry: Layer.Layer<Registry>, client?: object) =>
  Effect.map(
    Layer.build(
      hop(registry, { client: { retry: { retries: 0 }, ...client } }).pipe(
        Layer.provide(silent)
      )
    ),
    (context) => Context.get(context, Registry)
  )

const positions = [
  {
    position: "behind the server",
    registryOf: ({ faulty, registry }: interrupted.Bench) => overSocket(over(faulty(registry.handle)))
  },
  {
    position: "before the client",
    registryOf: ({ faulty, registry }: interrupted.Bench) =>
      Effect.map(overSocket(over(registry.handle)), ({ handle }) => Registry.fromHandler(faulty(handle)))
  }
]

const cut = (after: number): Faulty.Fault => ({ _tag: "Cut", after })

interface Sweep {
  readonly name: string
  readonly planAt: (k: number) => Faulty.Plan
  readonly step?: number
}

const sweeps: ReadonlyArray<Sweep> = [
  { name: "every operation fails", planAt: (k) => Faulty.operation(k, { _tag: "Fail" }) },
  { name: "every answer is lost", planAt: (k) => Faulty.operation(k, { _tag: "Lose" }) },
  { name: "every body and list breaks at its beginning", planAt: (k) => Faulty.operation(k, cut(0)) },
  { name: "every body and list breaks at its end", planAt: (k) => Faulty.operation(k, cut(1000)) },
  { name: "the connection breaks at every third byte", planAt: Faulty.byte, step: 3 }
]

describe.each(positions)(
  "Retry over a socket, with faults $position, pushes and pulls an image if",
  ({ registryOf }) => {
    it.each(sweeps)("$name", ({ planAt, step = 1 }) =>
      Effect.gen(function*() {
        const bench = yield* interrupted.bench
        const { handle } = yield* registryOf(bench)
        const registry = Registry.fromHandler(retry(handle))
        const found = yield* interrupted.sweep(bench, registry, planAt, { succeeds: true, leavesUploads: true, step })
        expect(found).toBeGreaterThan(6)
      }).pipe(Effect.scoped, Effect.runPromise), 60_000)
  }
)

describe("an image is pushed and pulled over a socket if", () => {
  it("every operation stalls and the client has a timeout", () =>
    Effect.gen(function*() {
      const bench = yield* interrupted.bench
      const { handle } = yield* overSocket(over(bench.faulty(bench.registry.handle)), {
        idle: "100 millis",
        commitTimeout: "100 millis"
      })
      const planAt = (k: number) => Faulty.operation(k, { _tag: "Stall" })
      const registry = Registry.fromHandler(retry(handle))
      const found = yield* interrupted.sweep(bench, registry, planAt, { succeeds: true, leavesUploads: true })
      expect(found).toBeGreaterThan(6)
    }).pipe(Effect.scoped, Effect.runPromise), 60_000)

  it("the client and Retry both retry, with one budget", () =>
    Effect.gen(function*() {
      const bench = yield* interrupted.bench
      const { handle } = yield* overSocket(over(bench.faulty(bench.registry.handle)), {
        retry: { retries: 3, delay: 1 }
      })
      const registry = Registry.fromHandler(Retry.middleware({ delay: 0, retries: 5 })(handle))
      const planAt = (k: number) => Faulty.operation(k, { _tag: "Fail", failure: Faulty.unavailable() }, { times: 5 })
      yield* interrupted.sweep(bench, registry, planAt, { succeeds: true, leavesUploads: true })
      bench.set(Faulty.operation(1, { _tag: "Fail", failure: Faulty.unavailable() }, { times: Infinity }))
      yield* Effect.flip(interrupted.pull(registry, interrupted.newImage()))
      expect(bench.fired()).toHaveLength(6)
    }).pipe(Effect.scoped, Effect.runPromise), 60_000)

  it(
    "the connection breaks at every 389th byte, headers included",
    () =>
      Effect.gen(function*() {
        const bench = yield* interrupted.bench
        const server = yield* Layer.build(
          NodeRegistryServer.layer({ port: 0 }).pipe(Layer.provide(over(bench.registry.handle)), Layer.provide(silent))
        )
        const cutter = yield* makeCutter(Context.get(server, NodeRegistryServer.Address).port)
        const client = yield* Layer.build(
          Client.layer({ host: `127.0.0.1:${cutter.port}`, insecure: true, retry: { retries: 0 } }).pipe(
            Layer.provide(NodeHttpClient.layerUndici)
          )
        )
        const registry = Registry.fromHandler(retry(Context.get(client, Registry).handle))
        const cutAt = (k: number): Faulty.Plan => {
          cutter.arm(k)
          return { begin: Faulty.none.begin }
        }
        const cutting: interrupted.Bench = {
          ...bench,
          set: (plan) => {
            if (plan === Faulty.none) cutter.disarm()
          },
          fired: () => cutter.hasCut() ? [{ operation: "PushBlob", fault: cut(0) }] : []
        }
        const found = yield* interrupted.sweep(cutting, registry, cutAt, {
          succeeds: true,
          leavesUploads: true,
          step: 389
        })
        expect(found).toBeGreaterThan(12)
      }).pipe(Effect.scoped, Effect.runPromise),
    60_000
  )
})
