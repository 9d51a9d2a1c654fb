import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { open, readFile, rm } from "node:fs/promises"
import { hostname } from "node:os"
import { FileError, tried } from "./nodeFiles.js"

/** How long another is waited for. */
const patience = 10_000

const isRunning = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM"
  }
}

/** A lock whose owner is no more: one of this machine, whose process has ended. */
const isStale = (text: string): boolean => {
  const [host, pid] = text.trim().split(" ")
  return host === hostname() && /^\d+$/.test(pid ?? "") && !isRunning(Number(pid))
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
    if (!isStale(await readFile(path, "utf8"))) return
    const clearing = `${path}.clearing`
    await (await open(clearing, "wx", 0o644)).close()
    try {
      if (isStale(await readFile(path, "utf8"))) await rm(path)
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
