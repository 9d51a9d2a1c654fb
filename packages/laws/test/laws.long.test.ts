/** Tests random stacks with new seeds for `FUZZ_SECONDS` seconds. Default: 60. */
import { Memory } from "@effect-oci/store"
import { hop } from "@effect-oci/testing/NodeHop"
import { expect, it } from "@effect/vitest"
import { Clock, Effect, Random } from "effect"
import * as Laws from "../src/Laws.js"
import * as Wrappers from "../src/Wrappers.js"

const seconds = Number(process.env["FUZZ_SECONDS"] ?? 60)

it.live.each([
  { name: "memory", backend: () => Memory.layer() },
  { name: "a server and a client", backend: () => hop(Memory.layer()) }
])("stacks over $name behave as their models", ({ backend }) =>
  Effect.gen(function*() {
    const end = (yield* Clock.currentTimeMillis) + seconds * 500
    let operations = 0
    let succeeded = 0
    while ((yield* Clock.currentTimeMillis) < end) {
      const seed = yield* Random.nextIntBetween(0, 2 ** 31)
      const summary = yield* Laws.lawful(Laws.stacks(Wrappers.all), { backend, seed, runs: 25, maxLength: 50 })
      operations += summary.operations
      succeeded += summary.succeeded
    }
    expect(succeeded / operations).toBeGreaterThan(0.8)
  }), seconds * 2000)
