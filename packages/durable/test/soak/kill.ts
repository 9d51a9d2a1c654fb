/** Kills a server at random moments under load, and starts it again. */
import { Ledger } from "@effect-oci/testing/Ledger"
import { startLoad, verify } from "@effect-oci/testing/Load"
import { assert } from "@effect/vitest"
import { Clock, Effect, Random } from "effect"
import { tmpdir } from "node:os"
import { folderIn } from "../programs.js"
import { buildInspector, swept } from "./inspect.js"
import { buildServer, startServer } from "./server.js"

const grace = 2000
const uploadTimeToLive = 4000

/** Waits for a condition for 10 seconds at most. */
const waitFor = (condition: () => boolean) =>
  Effect.sleep(5).pipe(Effect.repeat({ until: () => condition() }), Effect.timeout(10_000), Effect.ignore)

/** Runs rounds until `more` is false. Returns how many there were, and how many requests were acknowledged. */
export const killUnderLoad = (clients: number, more: (rounds: number) => boolean) =>
  Effect.gen(function*() {
    const program = yield* buildServer()
    const inspector = yield* buildInspector
    const directory = yield* folderIn(tmpdir())
    const options = { directory, grace, uploadTimeToLive, collectEvery: 1000 }
    const ledger = new Ledger()
    const result = { rounds: 0, acknowledged: 0, unanswered: 0, killedAtStart: 0 }

    const round = Effect.gen(function*() {
      const server = yield* (yield* startServer(program, options)).serving
      assert.deepEqual(yield* Effect.promise(() => verify(server.url, ledger)), [])
      const before = ledger.acknowledged
      const load = startLoad(server.url, ledger, { clients, grace })
      const target = before + (yield* Random.nextRange(0, 30))
      yield* waitFor(() => ledger.acknowledged >= target)
      assert.strictEqual(yield* server.kill, "")
      const { disconnects, problems } = yield* Effect.promise(load.stop)
      assert.deepEqual(problems, [])
      result.rounds++
      result.unanswered += disconnects.length
      result.acknowledged += ledger.acknowledged - before
    }).pipe(Effect.scoped)

    const killAtStart = Effect.gen(function*() {
      const { kill } = yield* startServer(program, options)
      yield* Effect.sleep(yield* Random.nextRange(0, 800))
      yield* kill
      result.killedAtStart++
    }).pipe(Effect.scoped)

    while (more(result.rounds)) {
      yield* round
      if ((yield* Random.next) < 0.1) yield* killAtStart
      if (result.rounds % 25 === 0) assert.deepEqual(yield* inspector.scrub(directory), [])
    }
    const idle = (yield* Clock.currentTimeMillis) + 2 * uploadTimeToLive
    const server = yield* (yield* startServer(program, options)).serving
    assert.deepEqual(yield* Effect.promise(() => verify(server.url, ledger)), [])
    yield* server.kill
    yield* Effect.sleep(Math.max(0, idle - (yield* Clock.currentTimeMillis)))
    assert.deepEqual(yield* inspector.sweep(directory, grace), swept)
    return result
  }).pipe(Effect.scoped)
