/**
 * A wrapper that retries operations and resumes transfers.
 *
 * Use it for connections that break and for registries that are unavailable for a moment.
 *
 * @since 0.1.0
 */
import { Handler, Operation, Registry, RegistryError } from "@effect-oci/core"
import type { Middleware } from "@effect-oci/core"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { constTrue, identity } from "effect/Function"
import type * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import * as Random from "effect/Random"
import * as Stream from "effect/Stream"
import type { AnswerTo } from "./internal/answer.js"
import { attempt } from "./internal/retry/attempts.js"
import type { Attempts, Policy } from "./internal/retry/attempts.js"
import { ownTags } from "./internal/retry/confirmTags.js"
import { download } from "./internal/retry/download.js"
import { relist } from "./internal/retry/resumeList.js"
import { appendRest, completeRest, pushAgain, sendable } from "./internal/retry/uploads.js"

/**
 * Options for {@link middleware}: which errors are retried, how often, and after how long.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /**
   * The maximum number of retries of an operation. Retries of inner wrappers and of the client count too. Default: 5.
   */
  readonly retries?: number | undefined
  /** The wait before the first retry. Each wait is twice as long as the last. Default: 200 milliseconds. */
  readonly delay?: Duration.DurationInput | undefined
  /** The longest wait. Default: 10 seconds. */
  readonly maxDelay?: Duration.DurationInput | undefined
  /**
   * Whether each wait is shortened at random, by up to half, so that clients that failed at the same time do not retry
   * at the same time. Default: `true`.
   */
  readonly jitter?: boolean | undefined
  /**
   * The longest wait that the registry may request by `retryAfter`. This wait is added to the delay. Default: 1 minute.
   */
  readonly maxRetryAfter?: Duration.DurationInput | undefined
  /**
   * Selects the errors to retry, among those for which `RegistryError.isTransient` returns `true`. Default: all of
   * them.
   */
  readonly while?: ((error: RegistryError.RegistryError, operation: Operation.Operation) => boolean) | undefined
}

/**
 * Creates a middleware that retries an operation after a transient error (`RegistryError.isTransient`):
 *
 * - The content of a blob resumes by range from the last byte received, if the blob and its size are the same. Resumed
 *   content is not `verified`: the methods of a `Registry`, and a server, verify it as a whole.
 * - A list resumes after the last item received.
 * - A blob is pushed again if its body can be replayed or was not read yet, unless the registry already has the blob.
 *   If the body cannot be replayed, the error says so.
 * - A chunk resumes at the offset that the registry reports. An upload that has been completed is not completed again.
 * - All other operations are repeated if `Operation.traits` says that they may be. If the response to a delete was lost
 *   and the retry finds nothing, the delete has succeeded. If the retry of a push with `ifAbsent` finds its own tags,
 *   the push has succeeded.
 *
 * All attempts of an operation, including those of inner wrappers and transports, share one `RetryBudget`. When the
 * budget is used up, the operation fails with the last error, which contains the number of attempts.
 *
 * Law: over a registry that does not fail, it equals that registry, except for `verified` of content that streams.
 *
 * @throws RangeError if `retries` is not a number of 0 or more
 *
 * @since 0.1.0
 * @category middleware
 */
export const middleware = (options?: Options): Middleware.Middleware => {
  const policy = policyOf(options)
  return (next) => {
    const repeated = <O extends Exclude<Operation.Operation, Operation.GetBlob>>(
      operation: O,
      goOn: (attempts: Attempts, answer: AnswerTo<O>) => AnswerTo<O> = (attempts, answer) =>
        attempts.repeat(answer, () => attempts.next(operation))
    ): AnswerTo<O> => attempt(policy, next, operation, goOn, isNoList)

    const plain = <O extends Exclude<Operation.Operation, Operation.GetBlob>>(operation: O) => repeated(operation)

    /**
     * Repeats an operation that removes something. If an earlier attempt may have removed it, a not-found error is
     * success.
     */
    const gone = (operation: Ending): AnswerTo<Ending> =>
      repeated(operation, (attempts, answer) =>
        attempts.repeat(answer, () =>
          Effect.catchIf(
            attempts.next(operation),
            (error) => attempts.mayBeDone && RegistryError.isNotFound(error),
            () => Exit.succeed(Operation.done)
          )))

    return Handler.fromTable({
      ResolveBlob: plain,
      GetBlob: (operation) =>
        attempt(
          policy,
          next,
          operation,
          (attempts, answer) => download(attempts, operation, answer),
          ({ body }) => body.bytes !== undefined
        ),
      ResolveManifest: plain,
      GetManifest: plain,
      PushBlob: (asked) => {
        const { canBeSent, operation } = sendable(asked, (body) => new Operation.PushBlob({ ...asked, body }))
        return repeated(operation, (attempts, answer) => pushAgain(attempts, operation, canBeSent, answer))
      },
      MountBlob: plain,
      StartUpload: plain,
      GetUpload: plain,
      AppendUpload: (asked) => {
        const { canBeSent, operation } = sendable(asked, (body) => new Operation.AppendUpload({ ...asked, body }))
        return repeated(operation, (attempts, answer) => appendRest(attempts, operation, canBeSent, answer))
      },
      CompleteUpload: (asked) => {
        const { canBeSent, operation } = sendable(asked, (body) => new Operation.CompleteUpload({ ...asked, body }))
        return repeated(operation, (attempts, answer) => completeRest(attempts, operation, canBeSent, answer))
      },
      CancelUpload: gone,
      PushManifest: (operation) =>
        repeated(
          operation,
          (attempts, answer) =>
            attempts.repeat(answer, () =>
              Effect.catchAll(attempts.next(operation), (error) =>
                operation.ifAbsent === true && error._tag === "Denied" && attempts.mayBeDone
                  ? ownTags(attempts, operation, error)
                  : Exit.fail(error)))
        ),
      DeleteBlob: gone,
      DeleteManifest: gone,
      DeleteTag: gone,
      ListRepositories: (operation) =>
        repeated(operation, (attempts, answer) =>
          relist(attempts, operation, answer, {
            ask: (attempts, rest) => attempts.next(rest),
            keyOf: identity,
            limit: operation.limit,
            after: (last, seen) => new Operation.ListRepositories({ last, limit: left(operation.limit, seen) })
          })),
      ListTags: (operation) =>
        repeated(operation, (attempts, answer) =>
          relist(attempts, operation, answer, {
            ask: (attempts, rest) => attempts.next(rest),
            keyOf: identity,
            limit: operation.limit,
            after: (last, seen) => new Operation.ListTags({ ...operation, last, limit: left(operation.limit, seen) })
          })),
      ListReferrers: (operation) =>
        repeated(operation, (attempts, answer) =>
          relist(attempts, operation, answer, {
            ask: (attempts, rest) => attempts.next(rest),
            keyOf: ({ digest }) => digest
          }))
    })
  }
}

/** Returns whether a result is complete. A list is not, because its items have to be read. */
const isNoList = (result: unknown): boolean => !Predicate.hasProperty(result, Stream.StreamTypeId)

type Ending = Operation.OperationOf<"CancelUpload" | "DeleteBlob" | "DeleteManifest" | "DeleteTag">

const left = (limit: number | undefined, seen: number) => limit === undefined ? undefined : limit - seen

const policyOf = (options: Options = {}): Policy => {
  const { jitter = true, retries = 5 } = options
  if (!(retries >= 0)) throw new RangeError(`Retry: retries must be a number of 0 or more, not ${retries}`)
  const isWanted = options.while ?? constTrue
  const delay = Duration.toMillis(options.delay ?? "200 millis")
  const maxDelay = Duration.toMillis(options.maxDelay ?? "10 seconds")
  const maxRetryAfter = Duration.toMillis(options.maxRetryAfter ?? "1 minute")
  const wait = (millis: number, error: RegistryError.RegistryError) =>
    Effect.sleep(millis + Math.min(retryAfter(error), maxRetryAfter))
  return {
    retries,
    isWorthIt: (error, operation) => RegistryError.isTransient(error) && isWanted(error, operation),
    wait: (retry, error) => {
      const millis = Math.min(delay * 2 ** (retry - 1), maxDelay)
      return jitter
        ? Effect.flatMap(Random.nextRange(0.5, 1), (share) => wait(millis * share, error))
        : wait(millis, error)
    }
  }
}

/**
 * Returns how long the registry asks the client to wait, in milliseconds; for several registries, the longest of the
 * waits.
 */
const retryAfter = (error: RegistryError.RegistryError): number =>
  error._tag === "PartialFailure"
    ? Math.max(0, ...error.outcomes.map((outcome) => outcome.error === undefined ? 0 : retryAfter(outcome.error)))
    : error.retryAfter ?? 0

/**
 * Creates a layer that retries operations on the registry below it and resumes transfers.
 *
 * @throws RangeError if `retries` is not a number of 0 or more
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options?: Options): Layer.Layer<Registry, never, Registry> => Registry.layer(middleware(options))

/**
 * Wraps the registry of a layer so that operations are retried and transfers resume.
 *
 * @throws RangeError if `retries` is not a number of 0 or more
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import type { Registry } from "@effect-oci/core"
 * import { Retry } from "@effect-oci/middleware"
 * import type { Layer } from "effect"
 *
 * const patient = (upstream: Layer.Layer<Registry>) =>
 *   upstream.pipe(Retry.wrap({ retries: 10, maxDelay: "30 seconds" }))
 * ```
 */
export const wrap = (options?: Options): <E, R>(registry: Layer.Layer<Registry, E, R>) => Layer.Layer<Registry, E, R> =>
  Registry.wrap(middleware(options))
