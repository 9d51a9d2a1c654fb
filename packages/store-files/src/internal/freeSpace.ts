import * as StoreError from "@effect-oci/store/StoreError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as files from "../NodeDurableFile.js"
import type { NodeFileSystem } from "../NodeFileSystem.js"

/**
 * Creates a check that fails with `Full` if fewer than `minFree` bytes of the disk are free. The check asks the system at
 * most once a second, so concurrent pushes can go below the limit by what they write in that time.
 */
export const make = (
  directory: string,
  minFree: number
): Effect.Effect<Effect.Effect<void, StoreError.Full | StoreError.Failed, NodeFileSystem>> => {
  if (minFree <= 0) return Effect.succeed(Effect.void)
  const free = files.attempt("measure", directory, (system) => system.freeBytes(directory))
  return Effect.map(Effect.cachedWithTTL(free, Duration.seconds(1)), (cached) =>
    Effect.flatMap(
      Effect.mapError(cached, (cause) => new StoreError.Failed({ cause })),
      (bytes) => bytes < minFree ? Effect.fail(new StoreError.Full()) : Effect.void
    ))
}
