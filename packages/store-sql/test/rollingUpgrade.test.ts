import * as Sqlite from "@effect-oci/store-sql/Sqlite"
import { it } from "@effect/vitest"
import { Effect } from "effect"
import { join } from "node:path"
import { upgradesUnderLoad } from "./rollingUpgrade.js"
import { temporaryFolder } from "./temporary.js"

it.scopedLive(
  "the schema in SQLite is upgraded under load, and refuses programs that are too old for it",
  () =>
    Effect.flatMap(
      temporaryFolder,
      (folder) => upgradesUnderLoad(Effect.orDie(Sqlite.make({ filename: join(folder, "metadata.db") })))
    ),
  30_000
)
