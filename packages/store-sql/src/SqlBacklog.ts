/**
 * What the collector of a metadata store in SQL has still to do, as metrics: content to review, bytes to delete, and open
 * upload sessions. All nodes that share a database report the same numbers.
 *
 * @since 0.1.0
 */
import type * as StoreError from "@effect-oci/store/StoreError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Schedule from "effect/Schedule"
import { millis } from "./internal/database.js"
import { open } from "./internal/open.js"
import type { SchemaTooNew } from "./internal/schemaVersion.js"
import type { SqlBatch } from "./SqlBatch.js"

/**
 * What the collector has still to do. Each number counts at most 100,000 rows.
 *
 * @since 0.1.0
 * @category models
 */
export interface Backlog {
  /** How many manifests and blobs are due for a review. */
  readonly reviews: number
  /** For how long the oldest of them has been due. */
  readonly oldestReview: Duration.Duration
  /** How many keys have bytes to delete: of deleted blobs, and of upload sessions that have ended. */
  readonly garbage: number
  /** The size of these bytes. Bytes that an older version of the library released count as 0. */
  readonly garbageBytes: number
  /** For how long the oldest of them have been garbage. */
  readonly oldestGarbage: Duration.Duration
  /** How many upload sessions are open. */
  readonly uploads: number
}

/**
 * Options for {@link layer}.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** The option `grace` of the registry: content is due for a review after it. Default: 24 hours. */
  readonly grace?: Duration.DurationInput | undefined
  /** The time between two measurements. Default: 1 minute. */
  readonly every?: Duration.DurationInput | undefined
}

/** More rows are not counted, so that a measurement takes milliseconds. */
const most = 100_000

/**
 * Creates a function that looks into the database of a metadata store, with the `grace` of its registry.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: Effect.Effect<
  (grace: Duration.DurationInput) => Effect.Effect<Backlog, StoreError.Failed>,
  SchemaTooNew | StoreError.Failed,
  SqlBatch
> = Effect.map(open, (db) => {
  const counts = db.statement(`SELECT reviews, :now - :grace - oldest_review AS oldest_review, garbage, bytes,
      :now - oldest_garbage AS oldest_garbage, uploads
    FROM (SELECT COUNT(*) AS reviews, MIN(released_at) AS oldest_review FROM (
      SELECT released_at FROM review WHERE released_at <= :now - :grace ORDER BY released_at LIMIT ${most}) AS r) AS r,
    (SELECT COUNT(*) AS garbage, SUM(size) AS bytes, MIN(COALESCE(released_at, due_at)) AS oldest_garbage FROM (
      SELECT size, released_at, due_at FROM garbage LIMIT ${most}) AS g) AS g,
    (SELECT COUNT(*) AS uploads FROM (SELECT 1 FROM upload LIMIT ${most}) AS u) AS u`)
  const age = (value: unknown) => Duration.millis(Math.max(0, Number(value ?? 0)))
  return (grace) =>
    Effect.map(db.read(counts, { grace: millis(grace) }), ([row]) => ({
      reviews: Number(row!["reviews"]),
      oldestReview: age(row!["oldest_review"]),
      garbage: Number(row!["garbage"]),
      garbageBytes: Number(row!["bytes"] ?? 0),
      oldestGarbage: age(row!["oldest_garbage"]),
      uploads: Number(row!["uploads"])
    }))
})

const gauge = (name: string, description: string, unit?: string) => {
  const metric = Metric.gauge(name, { description })
  return unit === undefined ? metric : Metric.tagged(metric, "unit", unit)
}

const reviews = gauge("oci.collector.due", "Manifests and blobs that are due for a review")
const oldestReview = gauge("oci.collector.due.age", "For how long the oldest of them has been due", "s")
const garbage = gauge("oci.garbage", "Keys with bytes to delete")
const garbageBytes = gauge("oci.garbage.size", "The size of these bytes", "By")
const oldestGarbage = gauge("oci.garbage.age", "For how long the oldest of them have been garbage", "s")
const uploads = gauge("oci.uploads.open", "Open upload sessions")

const set = (backlog: Backlog): Effect.Effect<void> =>
  Effect.all([
    Metric.set(reviews, backlog.reviews),
    Metric.set(oldestReview, Duration.toSeconds(backlog.oldestReview)),
    Metric.set(garbage, backlog.garbage),
    Metric.set(garbageBytes, backlog.garbageBytes),
    Metric.set(oldestGarbage, Duration.toSeconds(backlog.oldestGarbage)),
    Metric.set(uploads, backlog.uploads)
  ], { discard: true })

/**
 * Creates a layer that measures the backlog of the collector at its start, and then again and again. The numbers are
 * gauges: `oci.collector.due`, `oci.collector.due.age`, `oci.garbage`, `oci.garbage.size`, `oci.garbage.age` and
 * `oci.uploads.open`. Their tag `unit` has their unit.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { SqlBacklog } from "@effect-oci/store-sql"
 *
 * const metrics = SqlBacklog.layer({ grace: "24 hours", every: "1 minute" })
 * ```
 */
export const layer = (options: Options = {}): Layer.Layer<never, SchemaTooNew | StoreError.Failed, SqlBatch> =>
  Layer.scopedDiscard(Effect.flatMap(make, (backlog) => {
    const { every = "1 minute", grace = "24 hours" } = options
    const measure = Effect.catchAll(
      Effect.flatMap(backlog(grace), set),
      (error) => Effect.logDebug("The backlog of the collector could not be measured.", error)
    )
    return Effect.forkScoped(Effect.interruptible(Effect.repeat(measure, Schedule.spaced(every))))
  }))
