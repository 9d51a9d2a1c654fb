import { NodeDirectoryLock } from "@effect-oci/store-files"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { temporary } from "./stores.js"

/** Another process that owns a directory. */
const program = `
  require("node:net").createServer((socket) => socket.end("owner " + process.pid + "\\n"))
    .listen(process.argv[1], () => console.log("ready"))
`

const owner = (directory: string) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const child = spawn(process.execPath, ["-e", program, join(directory, "owner-other")])
      await once(child.stdout, "data")
      return child
    }),
    (child) => Effect.sync(() => child.kill("SIGKILL"))
  )

describe("the lock of a directory", () => {
  it.scoped("fails while another process owns it, names that process, and is free after a kill", () =>
    Effect.gen(function*() {
      const directory = yield* temporary
      const child = yield* owner(directory)
      const error = yield* Effect.flip(NodeDirectoryLock.acquire(directory))
      assert.instanceOf(error, NodeDirectoryLock.LockFailed)
      assert.strictEqual(
        error.message,
        `cannot open ${directory}: process ${child.pid} uses it; stop that process, or use another directory`
      )
      child.kill("SIGKILL")
      yield* Effect.promise(() => once(child, "exit"))
      assert.isTrue(existsSync(join(directory, "owner-other")))
      yield* NodeDirectoryLock.acquire(directory)
      assert.isFalse(existsSync(join(directory, "owner-other")))
    }))

  it.scoped("lets exactly one of several candidates win, also at a long path", () =>
    Effect.gen(function*() {
      const directory = join(yield* temporary, "a".repeat(100))
      mkdirSync(directory)
      for (let round = 0; round < 5; round++) {
        yield* Effect.scoped(Effect.gen(function*() {
          const all = yield* Effect.all(
            Array.from({ length: 6 }, () => Effect.either(NodeDirectoryLock.acquire(directory))),
            { concurrency: "unbounded" }
          )
          assert.strictEqual(all.filter(({ _tag }) => _tag === "Right").length, 1)
        }))
        assert.deepEqual(readdirSync(directory), [])
      }
    }))

  it.scoped("says why a directory cannot be locked", () =>
    Effect.gen(function*() {
      const path = join(yield* temporary, "file")
      writeFileSync(path, "")
      const error = yield* Effect.flip(NodeDirectoryLock.acquire(path))
      assert.include(error.message, `cannot open ${path}: a socket in it cannot be created (`)
    }))
})
