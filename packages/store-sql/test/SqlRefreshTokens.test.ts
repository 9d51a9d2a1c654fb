import { RefreshTokens } from "@effect-oci/guard"
import * as Sqlite from "@effect-oci/store-sql/Sqlite"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Redacted, TestClock } from "effect"
import { join } from "node:path"
import { sharing } from "./refreshTokens.js"
import { temporaryFolder } from "./temporary.js"

describe("the refresh tokens in SQLite", () => {
  it.scoped("are hashes that servers share, and end by their number, their age and a revocation", () =>
    Effect.gen(function*() {
      const sqlite = yield* Sqlite.make({ filename: join(yield* temporaryFolder, "metadata.db") })
      yield* sharing([sqlite, sqlite], { lifetime: "1 day", pass: TestClock.adjust("1 day") })
    }))

  it.effect("are unavailable if the table is", () =>
    Effect.gen(function*() {
      const failed = () => Effect.fail("no connection")
      const tokens = RefreshTokens.shared({ add: failed, find: failed, remove: failed })
      for (const use of [tokens.revoke("alice"), tokens.find(Redacted.make("token"))]) {
        expect((yield* Effect.flip(use))._tag).toBe("OciUnavailable")
      }
    }))
})
