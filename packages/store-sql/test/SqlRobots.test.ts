import * as Sqlite from "@effect-oci/store-sql/Sqlite"
import { expect, it } from "@effect/vitest"
import { Effect, TestClock } from "effect"
import { join } from "node:path"
import { SqlBatch, SqlRobots } from "../src/index.js"
import { sharing } from "./robots.js"
import { temporaryFolder } from "./temporary.js"

it.scoped("robots in SQLite are shared, and end by their lifetime, a new secret and their removal", () =>
  Effect.gen(function*() {
    const sqlite = yield* Sqlite.make({ filename: join(yield* temporaryFolder, "metadata.db") })
    yield* sharing([sqlite, sqlite], { lifetime: "1 day", pass: TestClock.adjust("1 day") })
  }))

it.scoped("robots in SQLite are listed in pages", () =>
  Effect.gen(function*() {
    const sqlite = yield* Sqlite.make({ filename: join(yield* temporaryFolder, "metadata.db") })
    const table = yield* Effect.provideService(SqlRobots.make, SqlBatch.SqlBatch, sqlite)
    const robot = { description: "", permissions: "", hash: "", lifetime: undefined }
    for (const name of ["c", "a", "b"]) yield* table.add({ ...robot, name })
    const names = (after: string | undefined) =>
      Effect.map(table.list(after, 2), (found) => found.map(({ name }) => name))
    expect([yield* names(undefined), yield* names("b")]).toEqual([["a", "b"], ["c"]])
  }))
