/** Temporary directories, and a durable registry in one. */
import type { Registry } from "@effect-oci/core/Registry"
import * as Durable from "@effect-oci/durable/Durable"
import type * as Store from "@effect-oci/store/Store"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

/** Creates a directory that is removed at the end of the scope. */
export const directory: Effect.Effect<string, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "effect-oci-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

/** A registry of files and SQLite in a new directory. */
export const durable = (options?: Store.Options): Layer.Layer<Registry> =>
  Layer.unwrapScoped(
    Effect.map(directory, (path) => Layer.orDie(Durable.layer({ ...options, directory: path })))
  )
