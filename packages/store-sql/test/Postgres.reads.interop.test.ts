import * as Postgres from "@effect-oci/store-sql/Postgres"
import * as NodePostgres from "@effect-oci/testing/NodePostgres"
import { assert, describe, layer } from "@effect/vitest"
import { Effect, Exit } from "effect"
import { emptyPool, server } from "./postgres.js"

const numbered = (n: number) => ({ sql: "SELECT CAST($1 AS INTEGER) AS n", params: [n], guard: false })

/** A query that the database refuses. */
const refused = { sql: "SELECT CAST($1 AS INTEGER) / 0 AS n", params: [1], guard: false }

/** Counts how often a connection is taken from a pool. */
const counted = (pool: Postgres.Pool) => {
  let count = 0
  const connect = () => {
    count++
    return pool.connect()
  }
  return { pool: { connect }, taken: () => count }
}

describe.skipIf(!NodePostgres.available)("queries at once", () => {
  layer(server, { timeout: 60_000, excludeTestServices: true })((test) => {
    test.scoped("share round trips, and each gets its own rows", () =>
      Effect.gen(function*() {
        const { pool, taken } = counted(yield* emptyPool)
        const { read } = Postgres.make({ pool })
        const numbers = Array.from({ length: 200 }, (_, n) => n)
        const rows = yield* Effect.forEach(numbers, (n) => read(numbered(n)), { concurrency: "unbounded" })
        assert.deepEqual(rows, numbers.map((n) => [{ n: String(n) }]))
        assert.isBelow(taken(), 20)
      }))
    test.scoped("fail one by one: a query that the database refuses fails alone", () =>
      Effect.gen(function*() {
        const { read } = Postgres.make({ pool: yield* emptyPool })
        const queries = Array.from({ length: 40 }, (_, n) => n % 10 === 7 ? refused : numbered(n))
        const exits = yield* Effect.forEach(queries, (query) => Effect.exit(read(query)), { concurrency: "unbounded" })
        const failed = exits.flatMap((exit, n) => Exit.isFailure(exit) ? [n] : [])
        assert.deepEqual(failed, [7, 17, 27, 37])
      }))
    test.scoped("fail together if there is no connection", () =>
      Effect.gen(function*() {
        const { read } = Postgres.make({ pool: { connect: () => Promise.reject(new Error("no route to host")) } })
        const exits = yield* Effect.forEach(Array.from({ length: 40 }, (_, n) => numbered(n)), (query) =>
          Effect.exit(read(query)), { concurrency: "unbounded" })
        assert.isTrue(exits.every(Exit.isFailure))
      }))
  })
})
