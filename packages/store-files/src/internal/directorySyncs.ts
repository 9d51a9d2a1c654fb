import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FiberId from "effect/FiberId"
import * as files from "../NodeDurableFile.js"

/** Only the user of the process reads what is stored. */
const mode = 0o700

type Result = Deferred.Deferred<void, files.FileError>

/**
 * Syncs directories. Callers that arrive while a directory is being synced share the next sync of it: one sync makes all
 * renames before it durable, so the number of syncs does not grow with the number of concurrent commits.
 */
export class DirectorySyncs {
  private readonly running = new Map<string, Result>()
  private readonly next = new Map<string, Result>()

  /** If not `enabled`, nothing is synced. */
  constructor(private readonly enabled: boolean) {}

  /** Creates a directory and its parents, durably. */
  create(path: string): files.FileEffect<void> {
    return this.enabled ? files.createDirectory(path, mode) : Effect.asVoid(files.createDirectoryUnsynced(path, mode))
  }

  /** Makes all changes of a directory durable that were made before this call. */
  sync(path: string): files.FileEffect<void> {
    if (!this.enabled) return Effect.void
    return Effect.uninterruptible(Effect.suspend(() => {
      const next = this.next.get(path)
      if (next !== undefined) return Deferred.await(next)
      const own: Result = Deferred.unsafeMake(FiberId.none)
      const running = this.running.get(path)
      if (running === undefined) return this.run(path, own)
      this.next.set(path, own)
      return Effect.zipRight(Effect.exit(Deferred.await(running)), this.run(path, own))
    }))
  }

  private run(path: string, own: Result): files.FileEffect<void> {
    return Effect.suspend(() => {
      this.next.delete(path)
      this.running.set(path, own)
      return Effect.flatMap(Effect.exit(files.syncDirectory(path)), (exit) => {
        this.running.delete(path)
        Deferred.unsafeDone(own, exit)
        return exit
      })
    })
  }
}
