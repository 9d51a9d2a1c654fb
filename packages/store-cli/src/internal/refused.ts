import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { existsSync } from "node:fs"
import { join } from "node:path"

/** The command cannot do what it was told to do. The message says why. */
export class Refused extends Data.TaggedError("Refused")<{ readonly message: string }> {}

/** Fails if a directory has no registry. The stores would create one there. */
export const registryIn = (directory: string): Effect.Effect<void, Refused> =>
  Effect.suspend(() =>
    existsSync(join(directory, "metadata.db"))
      ? Effect.void
      : new Refused({
        message: `cannot open the registry in ${directory}: there is no file ${join(directory, "metadata.db")}; ` +
          "name the directory of a registry"
      })
  )
