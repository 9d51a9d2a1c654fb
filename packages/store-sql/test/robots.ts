import { Robots } from "@effect-oci/guard"
import { SqlBatch, SqlRobots } from "@effect-oci/store-sql"
import { expect } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import type { Duration } from "effect"

/** Tests that two servers share robots. `pass` lets the time of the database pass the lifetime. */
export const sharing = (
  batches: readonly [SqlBatch.Service, SqlBatch.Service],
  { lifetime, pass }: { readonly lifetime: Duration.DurationInput; readonly pass: Effect.Effect<unknown> }
) =>
  Effect.gen(function*() {
    const server = (batch: SqlBatch.Service) =>
      Effect.flatMap(Effect.provideService(SqlRobots.make, SqlBatch.SqlBatch, batch), (table) => Robots.make(table))
    const [a, b] = yield* Effect.all([server(batches[0]), server(batches[1])], { concurrency: 2 })
    const login = (robots: Robots.Robots, { secret, username }: Robots.Issued) =>
      Effect.map(
        Effect.either(robots.users.check({ username, password: secret, address: "192.0.2.1" })),
        (result) => result._tag === "Right" ? result.right.identity.name : result.left._tag
      )
    const permissions = "repository:team/**:pull"
    const ci = yield* a.create({ name: "ci", description: "builds", permissions, lifetime })
    const other = yield* b.create({ name: "other", permissions })
    expect(yield* login(b, ci)).toBe("robot+ci")
    expect(yield* login(a, { ...ci, secret: other.secret })).toBe("OciUnauthorized")
    expect((yield* Effect.flip(b.create({ name: "ci", permissions })))._tag).toBe("OciRobotExists")

    const [rows] = yield* batches[0].run([{ sql: "SELECT * FROM robot", params: [], guard: false }])
    expect(rows).toHaveLength(2)
    expect(JSON.stringify(rows)).not.toContain(Redacted.value(ci.secret))

    const [first, second] = yield* b.list()
    expect(first).toMatchObject({ name: "ci", description: "builds", permissions })
    expect(first!.lastUsedAt).toBeGreaterThanOrEqual(first!.createdAt)
    expect(first!.expiresAt).toBeGreaterThan(first!.createdAt)
    expect(second).toMatchObject({ name: "other", expiresAt: undefined, lastUsedAt: undefined })
    expect((yield* b.list("ci")).map(({ name }) => name)).toEqual(["other"])
    expect(JSON.stringify(yield* a.find("ci"))).not.toContain("sha256")

    yield* pass
    expect([yield* login(a, ci), yield* login(a, other)]).toEqual(["OciUnauthorized", "robot+other"])
    expect(yield* a.users.find("robot+ci")).toBeUndefined()
    const renewed = yield* b.renew("ci")
    expect([yield* login(a, ci), yield* login(a, renewed)]).toEqual(["OciUnauthorized", "robot+ci"])
    expect((yield* a.find("ci")).expiresAt).toBeUndefined()

    yield* b.remove("ci")
    expect(yield* login(a, renewed)).toBe("OciUnauthorized")
    for (const effect of [a.remove("ci"), a.renew("ci"), a.find("ci")]) {
      expect((yield* Effect.flip(effect as Effect.Effect<unknown, { readonly _tag: string }>))._tag).toBe(
        "OciRobotUnknown"
      )
    }
  })
