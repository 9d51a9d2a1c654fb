import { Effect } from "effect"
import { existsSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

const within = (parent: string) =>
  Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(parent, "transfer-"))),
    (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
  )

/** A folder that is gone after the test. */
export const folder = within(tmpdir())

/** One in memory, where there is such a thing, for who writes thousands of files that have to be durable. */
export const memory = within(existsSync("/dev/shm") ? "/dev/shm" : tmpdir())
