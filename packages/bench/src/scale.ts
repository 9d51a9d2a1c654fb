/**
 * Measures a registry in a directory with many blobs: the collection of 100,000 dead blobs, and the start with 1,000,000
 * blobs. See `seed` for how the directories are made.
 */
import * as Effect from "effect/Effect"
import { folder } from "./internal/folder.js"
import { row } from "./internal/measure.js"
import type { Row } from "./internal/measure.js"
import * as Program from "./internal/program.js"
import { seed, seeded } from "./internal/seed.js"
import type * as DurableProgram from "./programs/durable.js"

const hour = 3_600_000
const dead = 100_000
const many = 1_000_000

const startServer = Program.start<DurableProgram.Questions>("durable", { UV_THREADPOOL_SIZE: "16" })

const collection = Effect.gen(function*() {
  const path = yield* folder
  yield* seed(path, { count: dead, age: 2 * hour, reviewed: true, files: dead })
  const server = yield* startServer
  yield* server.ask("listen", path)
  const { blobs, keys, seconds, stall } = yield* server.ask("collect")
  if (blobs !== dead || keys !== dead) {
    return yield* Effect.dieMessage(`the collector removed ${blobs} blobs and ${keys} keys`)
  }
  return [
    row({ name: `registry: ${dead} dead blobs collected`, unit: "s", better: "lower", target: 120 }, [seconds]),
    row({ name: "registry: longest stall of the event loop meanwhile", unit: "ms", better: "lower", target: 50 }, [
      stall
    ])
  ]
}).pipe(Effect.scoped)

/** Starts a process over a directory. Returns the seconds until it has answered the first request. */
const firstAnswer = (path: string, status: number) =>
  Effect.gen(function*() {
    const start = performance.now()
    const server = yield* startServer
    const authority = yield* server.ask("listen", path)
    yield* Effect.promise(async () => {
      const answer = await fetch(`http://${authority}${seeded.path}`, { headers: { accept: seeded.accept } })
      await answer.arrayBuffer()
      if (answer.status !== status) throw new Error(`the server answered ${answer.status}`)
    })
    return (performance.now() - start) / 1000
  }).pipe(Effect.scoped)

const starts = Effect.gen(function*() {
  const [full, empty] = [yield* folder, yield* folder]
  yield* seed(full, { count: many, age: 48 * hour, reviewed: false, files: 4096 })
  const samples = { full: [] as Array<number>, empty: [] as Array<number> }
  for (let round = 0; round < 5; round++) {
    samples.full.push(yield* firstAnswer(full, 200))
    samples.empty.push(yield* firstAnswer(empty, 404))
  }
  return [
    row(
      { name: `registry: start with ${many} blobs, first answer`, unit: "s", better: "lower", target: 1 },
      samples.full
    ),
    row({ name: "registry: start with an empty directory, first answer", unit: "s", better: "lower" }, samples.empty)
  ]
}).pipe(Effect.scoped)

export const run: Effect.Effect<ReadonlyArray<Row>, unknown> = Effect.zipWith(
  collection,
  starts,
  (collection, starts) => [...collection, ...starts]
)
