import { RefreshTokens } from "@effect-oci/guard"
import { SqlBatch, SqlRefreshTokens } from "@effect-oci/store-sql"
import { expect } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import type { Duration } from "effect"

const account = (name: string, version = "1") => ({ identity: { name, claims: {} }, version })

/** Tests that two servers share refresh tokens. `pass` lets the time of the database pass. */
export const sharing = (
  batches: readonly [SqlBatch.Service, SqlBatch.Service],
  { lifetime, pass }: {
    readonly lifetime: Duration.DurationInput
    readonly pass: Effect.Effect<unknown>
  }
) =>
  Effect.gen(function*() {
    const server = (batch: SqlBatch.Service) =>
      Effect.map(
        Effect.provideService(SqlRefreshTokens.make, SqlBatch.SqlBatch, batch),
        (table) => RefreshTokens.shared(table, { lifetime, capacityPerUser: 2 })
      )
    const [a, b] = yield* Effect.all([server(batches[0]), server(batches[1])], { concurrency: 2 })
    const first = yield* a.issue(account("alice"))
    expect(yield* b.find(first)).toEqual({ username: "alice", version: "1" })
    expect(yield* b.find(Redacted.make("another token"))).toBeUndefined()
    expect(yield* b.find(Redacted.make("x".repeat(1000)))).toBeUndefined()

    const other = yield* b.issue(account("bob"))
    yield* b.issue(account("alice", "2"))
    yield* a.issue(account("alice", "2"))
    expect(yield* a.find(first)).toBeUndefined()
    expect(yield* a.find(other)).toEqual({ username: "bob", version: "1" })

    const [rows] = yield* batches[0].run([{ sql: "SELECT * FROM refresh_token", params: [], guard: false }])
    expect(rows).toHaveLength(3)
    expect(JSON.stringify(rows)).not.toContain(Redacted.value(other))

    yield* b.revoke("bob")
    expect(yield* a.find(other)).toBeUndefined()
    const last = yield* a.issue(account("bob"))
    yield* pass
    expect(yield* b.find(last)).toBeUndefined()
    const kept = yield* b.issue(account("carol"))
    expect(yield* a.find(kept)).toEqual({ username: "carol", version: "1" })
    const [left] = yield* batches[0].run([{ sql: "SELECT username FROM refresh_token", params: [], guard: false }])
    expect(left).toEqual([{ username: "carol" }])
  })
