import { attempt, FileError } from "@effect-oci/store-files/NodeDurableFile"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { open, readFile, rm, stat } from "node:fs/promises"
import { hostname } from "node:os"
import { hasEnded } from "./owner.js"

/** How long to wait for the lock, in milliseconds. */
const timeout = 10_000

/** The age, in milliseconds, at which a lock without an owner is stale: its process was killed before it wrote its name. */
const maxUnnamedAge = 5000

/** Returns whether the process that holds a lock has ended. This is known only for processes of this machine. */
const isStale = async (path: string): Promise<boolean> => {
  const text = (await readFile(path, "utf8")).trim()
  if (text === "") return Date.now() - (await stat(path)).mtimeMs > maxUnnamedAge
  const [host, pid] = text.split(" ")
  return hasEnded(host, pid)
}

const take = (path: string) =>
  attempt("create", path, async () => {
    const handle = await open(path, "wx", 0o644)
    try {
      await handle.writeFile(`${hostname()} ${process.pid}\n`)
    } finally {
      await handle.close()
    }
  })

/**
 * Removes the lock of a process that has ended. Only one process does so at a time. Otherwise the second one could remove a
 * lock that a third process has acquired after the first removal.
 */
const clear = (path: string) =>
  attempt("remove", path, async () => {
    if (!await isStale(path)) return
    const clearing = `${path}.clearing`
    await (await open(clearing, "wx", 0o644)).close()
    try {
      if (await isStale(path)) await rm(path)
    } finally {
      await rm(clearing, { force: true })
    }
  })

const acquire = (path: string) =>
  Effect.gen(function*() {
    const until = (yield* Clock.currentTimeMillis) + timeout
    while (true) {
      const taken = yield* Effect.either(take(path))
      if (taken._tag === "Right") return
      if (taken.left.cause?.code !== "EEXIST") return yield* Effect.fail(taken.left)
      if ((yield* Clock.currentTimeMillis) > until) {
        return yield* Effect.fail(
          new FileError(
            "create",
            path,
            undefined,
            "another process holds this lock; if that process has ended, remove the file"
          )
        )
      }
      yield* Effect.ignore(clear(path))
      yield* Effect.interruptible(Effect.sleep("20 millis"))
    }
  })

/**
 * Runs an effect under a lock. No other process, and no other fiber, holds the lock of the same path meanwhile. The lock is
 * a file that names its owner. The lock of a process that has ended is ignored.
 */
export const within = (path: string) => <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | FileError, R> =>
  Effect.acquireUseRelease(
    acquire(path),
    () => effect,
    () => Effect.ignore(attempt("remove", path, () => rm(path, { force: true })))
  )
