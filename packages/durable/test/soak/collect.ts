/** Runs the collector each second while clients push images that share layers. */
import { Ledger } from "@effect-oci/testing/Ledger"
import { startLoad, verify } from "@effect-oci/testing/Load"
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { tmpdir } from "node:os"
import { folderIn } from "../programs.js"
import { buildInspector, swept } from "./inspect.js"
import { buildServer, startServer } from "./server.js"

const grace = 2000

/** Returns how many requests were acknowledged. */
export const collectUnderLoad = (clients: number, seconds: number) =>
  Effect.gen(function*() {
    const program = yield* buildServer()
    const inspector = yield* buildInspector
    const directory = yield* folderIn(tmpdir())
    const ledger = new Ledger()
    const options = { directory, grace, uploadTimeToLive: 120_000, collectEvery: 1000 }
    const server = yield* (yield* startServer(program, options)).serving
    const load = startLoad(server.url, ledger, { clients, grace })
    yield* Effect.sleep(seconds * 1000)
    assert.deepEqual(yield* Effect.promise(load.stop), { problems: [], disconnects: [], retries: [] })
    const { acknowledged } = ledger
    assert.deepEqual(yield* Effect.promise(() => verify(server.url, ledger)), [])
    assert.strictEqual(yield* server.kill, "")
    const { uploads: _, ...left } = yield* inspector.sweep(directory, grace)
    const { uploads: __, ...nothing } = swept
    assert.deepEqual(left, nothing)
    return { acknowledged }
  }).pipe(Effect.scoped)
