import { Effect } from "effect"
import { existsSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

const within = (parent: string) =>
  Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(parent, "transfer-"))),
    (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
  )

/** Creates a folder that is removed after the test. */
export const folder = within(tmpdir())

/** Creates a folder in memory, if the system supports it: for tests that write thousands of files durably. */
export const memory = within(existsSync("/dev/shm") ? "/dev/shm" : tmpdir())
