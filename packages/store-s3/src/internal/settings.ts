import type * as Duration from "effect/Duration"
import type * as Schedule from "effect/Schedule"

/** The options of a store, with all defaults filled in. */
export interface Settings {
  /** The URL of the bucket, which ends with a slash. */
  readonly bucketUrl: URL
  readonly bucket: string
  readonly region: string
  /** What the names of all objects begin with: empty, or a path that ends with a slash. */
  readonly prefix: string
  readonly timeout: Duration.Duration
  readonly retry: Schedule.Schedule<unknown>
  /** How many parts of one upload are sent at the same time. */
  readonly concurrency: number
  /** The size of all parts but the last, in bytes. */
  readonly partSize: number
  /** How many bytes all uploads together hold. */
  readonly memory: number
}
