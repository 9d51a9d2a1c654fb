/** A health check that looks at the disk and the database. */
import { MetadataStore } from "@effect-oci/store"
import { Data, Duration, Effect } from "effect"
import { randomUUID } from "node:crypto"
import { open, rm, statfs } from "node:fs/promises"
import { join } from "node:path"

/** The state of one part of the registry. `problem` says what is wrong and what to do. */
interface Part {
  readonly problem?: string
  readonly freeBytes?: number
}

/** The state of the registry. It is healthy if no part has a problem. */
export interface Health {
  readonly disk: Part
  readonly database: Part
}

export const isHealthy = ({ database, disk }: Health): boolean =>
  database.problem === undefined && disk.problem === undefined

class DiskFailed extends Data.TaggedError("DiskFailed")<{ readonly message: string }> {}

const attempt = <A>(run: () => Promise<A>) =>
  Effect.tryPromise({ try: run, catch: (error) => new DiskFailed({ message: (error as Error).message }) })

/** Returns the number of bytes that are free on the disk of a directory. */
export const freeBytes = (directory: string): Effect.Effect<number, DiskFailed> =>
  Effect.map(attempt(() => statfs(directory)), ({ bavail, bsize }) => bavail * bsize)

/** Writes a small file, syncs it to the disk and removes it. */
const writeFile = (directory: string) =>
  attempt(async () => {
    const path = join(directory, `health-${randomUUID()}`)
    const file = await open(path, "wx", 0o600)
    try {
      await file.write("healthy")
      await file.sync()
    } finally {
      await file.close()
      await rm(path)
    }
  })

const checkDisk = (directory: string, minFree: number) =>
  Effect.map(Effect.zipRight(writeFile(directory), freeBytes(directory)), (free): Part => ({
    freeBytes: free,
    ...(free < minFree && { problem: `pushes need ${minFree} free bytes: delete content, or use a larger disk` })
  }))

/** Reports a check that fails, or that takes longer than 5 seconds, as a problem. */
const part = <E extends { readonly message: string }>(check: Effect.Effect<Part, E>): Effect.Effect<Part> =>
  check.pipe(
    Effect.timeout(Duration.seconds(5)),
    Effect.catchAll(({ message }) => Effect.succeed({ problem: message }))
  )

/** Creates an effect that checks the registry, at most once a second however often it runs. */
export const make = (options: { readonly directory: string; readonly minFree: number }) =>
  Effect.gen(function*() {
    const metadata = yield* MetadataStore.MetadataStore
    const check: Effect.Effect<Health> = Effect.all({
      disk: part(checkDisk(options.directory, options.minFree)),
      database: part(Effect.as(metadata.listRepositories(undefined, 1), {}))
    }, { concurrency: 2 })
    return yield* Effect.cachedWithTTL(check, Duration.seconds(1))
  })
