import * as StoreError from "@effect-oci/store/StoreError"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { Bucket, StoredObject } from "../Bucket.js"

/** An error of R2. The codes: https://developers.cloudflare.com/r2/api/error-codes/ */
export class BucketError {
  readonly _tag = "BucketError"
  readonly code: number | undefined

  constructor(readonly cause: unknown) {
    const code = /\((\d+)\)\s*$/.exec(cause instanceof Error ? cause.message : String(cause))?.[1]
    this.code = code === undefined ? undefined : Number(code)
  }

  /** The multipart upload, or one of its parts, does not exist. */
  get isLost(): boolean {
    return this.code === 10024 || this.code === 10025
  }
}

const temporary = new Set([10001, 10043, 10058])

const again = Schedule.intersect(Schedule.jittered(Schedule.exponential("100 millis")), Schedule.recurs(3))

/** Calls R2. An error that R2 calls temporary is tried again, so a call must have the same effect twice. */
export const attempt = <A>(call: () => Promise<A>): Effect.Effect<A, BucketError> =>
  Effect.tryPromise({ try: call, catch: (cause) => new BucketError(cause) }).pipe(
    Effect.retry({ schedule: again, while: ({ code }) => code !== undefined && temporary.has(code) })
  )

export const failed = ({ cause }: BucketError): StoreError.Failed => new StoreError.Failed({ cause })

/** The most keys of one list or delete. */
const maxKeys = 1000

/** Lists at most `n` objects under a prefix, ordered by key, after the one named `after`. */
export const list = (
  bucket: Bucket,
  { after, n, prefix }: { readonly prefix: string; readonly after?: string | undefined; readonly n: number }
): Effect.Effect<ReadonlyArray<StoredObject>, BucketError> =>
  Effect.gen(function*() {
    const found: Array<StoredObject> = []
    let from: { readonly startAfter?: string; readonly cursor?: string } = after === undefined
      ? {}
      : { startAfter: prefix + after }
    while (found.length < n) {
      const limit = Math.min(maxKeys, n - found.length)
      const page = yield* attempt(() => bucket.list({ prefix, limit, include: ["customMetadata"], ...from }))
      found.push(...page.objects)
      if (!page.truncated || page.cursor === undefined) break
      from = { cursor: page.cursor }
    }
    return found
  })

/** Deletes objects. Those that do not exist are deleted already. */
export const remove = (bucket: Bucket, names: ReadonlyArray<string>): Effect.Effect<void, BucketError> =>
  Effect.gen(function*() {
    for (let at = 0; at < names.length; at += maxKeys) {
      const some = names.slice(at, at + maxKeys)
      yield* attempt(() => bucket.delete(some))
    }
  })
