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
  /** How many bytes all uploads together hold. */
  readonly memory: number
}

/**
 * The size of all parts but the last. 5 MiB is the least that S3 accepts, and an object has at most 10,000 parts, so a
 * blob has at most 78 GiB. Some services (R2) require that all parts but the last have the same size.
 */
export const partSize = 8 * 1024 * 1024
