/** Checks of the disk and of the database. */
import type { Health } from "@effect-oci/daemon"
import { MetadataStore } from "@effect-oci/store"
import { NodeFileSystem } from "@effect-oci/store-files"
import { Data, Effect } from "effect"
import { randomUUID } from "node:crypto"
import { open, rm } from "node:fs/promises"
import { join } from "node:path"

class DiskFailed extends Data.TaggedError("DiskFailed")<{ readonly message: string }> {}

const attempt = <A>(run: () => Promise<A>) =>
  Effect.tryPromise({ try: run, catch: (error) => new DiskFailed({ message: (error as Error).message }) })

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
  Effect.map(
    Effect.zipRight(writeFile(directory), attempt(() => NodeFileSystem.node.freeBytes(directory))),
    (free): Health.Part => ({
      freeBytes: free,
      ...(free < minFree && { problem: `pushes need ${minFree} free bytes: delete content, or use a larger disk` })
    })
  )

export const checks = ({ directory, minFree }: { readonly directory: string; readonly minFree: number }) =>
  Effect.map(MetadataStore.MetadataStore, (metadata): Health.Checks => ({
    disk: checkDisk(directory, minFree),
    database: Effect.as(metadata.listRepositories(undefined, 1), {})
  }))
