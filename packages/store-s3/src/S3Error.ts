/**
 * The errors of calls of S3. They are the causes of `StoreError.Failed`.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"

/**
 * A call of S3 failed. The message says what was attempted, where, what the service answered, and what to do. The error
 * contains no credentials and no signatures.
 *
 * @since 0.1.0
 * @category errors
 */
export class S3Error extends Data.TaggedError("OciS3Error")<{
  /** The call, for example `PutObject`. */
  readonly call: string
  /** The status of the answer, or `undefined` if there was no answer. */
  readonly status: number | undefined
  /** The code of S3, for example `AccessDenied`, or `undefined` if the answer has none. */
  readonly code: string | undefined
  /** Whether the same call may succeed later. */
  readonly isTransient: boolean
  readonly message: string
  readonly cause?: unknown
}> {}
