/** PGlite (PostgreSQL in this process) as a database for tests. */
import * as SqlBatch from "@effect-oci/store-sql/SqlBatch"
import * as StoreError from "@effect-oci/store/StoreError"
import { PGlite } from "@electric-sql/pglite"
import * as Effect from "effect/Effect"

/** Starts a PostgreSQL in this process. It ends with the scope. */
export const open = Effect.acquireRelease(
  Effect.promise(() => PGlite.create()),
  (opened) => Effect.promise(() => opened.close())
)

/** Removes all tables. */
export const clear = (database: PGlite) =>
  Effect.promise(() => database.exec("DROP SCHEMA public CASCADE; CREATE SCHEMA public"))

/** Runs batches in PostgreSQL in this process. It has one connection, so that batches run one after another. */
export const make = (database: PGlite): SqlBatch.Service => {
  class Rollback extends Error {
    constructor(readonly rows: ReadonlyArray<SqlBatch.Row>) {
      super()
    }
  }
  const failed = (cause: unknown) => new StoreError.Failed({ cause })
  return {
    dialect: "postgres",
    clock: "process",
    run: (statements) =>
      Effect.tryPromise({
        try: () =>
          database.transaction(async (transaction) => {
            const results: Array<ReadonlyArray<SqlBatch.Row>> = []
            for (const { guard, params, sql } of statements) {
              const { rows } = await transaction.query<SqlBatch.Row>(sql, [...params])
              if (guard && rows.length > 0) throw new Rollback(rows)
              results.push(rows)
            }
            return results
          }),
        catch: (cause) => cause instanceof Rollback ? SqlBatch.refusedBy(cause.rows) : failed(cause)
      }),
    read: ({ params, sql }) =>
      Effect.map(
        Effect.tryPromise({ try: () => database.query<SqlBatch.Row>(sql, [...params]), catch: failed }),
        ({ rows }) => rows
      )
  }
}
