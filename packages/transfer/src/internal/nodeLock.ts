import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { open, readFile, rm, stat } from "node:fs/promises"
import { hostname } from "node:os"
import { FileError, tried } from "./nodeFiles.js"
import { hasEnded } from "./nodeOwner.js"

/** How long another is waited for. */
const patience = 10_000

/** How old a lock without an owner must be: its process was killed before it could write the name. */
const unnamed = 5000

/** Whether the process that took a lock has ended, which only shows on the same machine. */
const isStale = async (path: string): Promise<boolean> => {
  const text = (await readFile(path, "utf8")).trim()
  if (text === "") return Date.now() - (await stat(path)).mtimeMs > unnamed
  const [host, pid] = text.split(" ")
  return hasEnded(host, pid)
}

const take = (path: string) =>
  tried(path, async () => {
    const handle = await open(path, "wx", 0o644)
    try {
      await handle.writeFile(`${hostname()} ${process.pid}\n`)
    } finally {
      await handle.close()
    }
  })

/**
 * Takes away the lock of a process that has ended. One does so at a time: of two, one could take away the lock that a
 * third has taken after the other.
 */
const clear = (path: string) =>
  tried(path, async () => {
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
    const until = (yield* Clock.currentTimeMillis) + patience
    while (true) {
      const taken = yield* Effect.either(take(path))
      if (taken._tag === "Right") return
      if (taken.left.cause.code !== "EEXIST") return yield* Effect.fail(taken.left)
      if ((yield* Clock.currentTimeMillis) > until) {
        return yield* Effect.fail(
          new FileError(
            path,
            Object.assign(new Error("locked"), {
              code: "another process holds this lock: remove it if there is no such process"
            })
          )
        )
      }
      yield* Effect.ignore(clear(path))
      yield* Effect.interruptible(Effect.sleep("20 millis"))
    }
  })

/**
 * Runs an effect while no other process, and no other fiber, holds the lock of the same path: a file that says who does.
 * The lock of a process that has ended is none.
 */
export const within = (path: string) => <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | FileError, R> =>
  Effect.acquireUseRelease(
    acquire(path),
    () => effect,
    () => Effect.ignore(tried(path, () => rm(path, { force: true })))
  )
