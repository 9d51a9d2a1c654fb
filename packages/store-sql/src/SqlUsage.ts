/**
 * How much the repositories of a metadata store in SQL contain, by counters that the database keeps.
 *
 * @since 0.1.0
 */
import type * as StoreError from "@effect-oci/store/StoreError"
import * as Usage from "@effect-oci/store/Usage"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { open } from "./internal/open.js"
import type { SchemaTooNew } from "./internal/schemaVersion.js"
import type { SqlBatch } from "./SqlBatch.js"

/**
 * Creates the service for the database of a metadata store.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: Effect.Effect<Usage.Service, SchemaTooNew | StoreError.Failed, SqlBatch> = Effect.map(
  open,
  (db): Usage.Service => {
    const sums = (repositories: string) =>
      db.statement(`SELECT COALESCE(SUM(bytes), 0) AS bytes, COALESCE(SUM(manifests), 0) AS manifests,
        COALESCE(SUM(tags), 0) AS tags FROM counter WHERE repo_id IN (SELECT id FROM repo WHERE ${repositories})`)
    const one = sums("name = :repository")
    const below = sums("name = :prefix OR (name > :first AND name < :last)")
    const amount = (rows: ReturnType<typeof db.read>): Effect.Effect<Usage.Amount, StoreError.Failed> =>
      Effect.map(rows, ([row]) => ({
        bytes: Number(row?.["bytes"]),
        manifests: Number(row?.["manifests"]),
        tags: Number(row?.["tags"])
      }))
    return {
      ofRepository: (repository) => amount(db.read(one, { repository })),
      // "0" comes after "/" in ASCII.
      ofPrefix: (prefix) => amount(db.read(below, { prefix, first: `${prefix}/`, last: `${prefix}0` }))
    }
  }
)

/**
 * Creates a layer with the service for the database of a metadata store.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<Usage.Usage, SchemaTooNew | StoreError.Failed, SqlBatch> = Layer.effect(
  Usage.Usage,
  make
)
