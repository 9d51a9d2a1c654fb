import { Memory } from "@effect-oci/store"
import { expect, it } from "@effect/vitest"
import { Clock, Effect, Either, Random } from "effect"
import * as fc from "fast-check"
import * as Linearizability from "../src/Linearizability.js"
import { hop } from "../src/NodeHop.js"

const seconds = Number(process.env["FUZZ_SECONDS"] ?? "60")

it(`races over a socket are linearizable, for ${seconds} s`, () =>
  Effect.gen(function*() {
    const end = (yield* Clock.currentTimeMillis) + seconds * 1000
    const first = yield* Random.nextIntBetween(0, 0x7fffffff)
    process.stdout.write(`races: seeds from ${first}\n`)
    let races = 0
    for (let seed = first; (yield* Clock.currentTimeMillis) < end; seed++) {
      for (const race of fc.sample(Linearizability.race, { numRuns: 20, seed })) {
        const checked = Linearizability.check(yield* Linearizability.run(race))
        races++
        if (Either.isLeft(checked)) {
          expect.fail(`seed ${seed}: ${checked.left.message}\n\nAs a race:\n  ${fc.stringify(race)}`)
        }
      }
    }
    process.stdout.write(`races: ${races}, all linearizable\n`)
  }).pipe(Effect.provide(hop(Memory.layer())), Effect.runPromise), (seconds + 60) * 1000)
