/**
 * A registry that goes on where an operation broke.
 *
 * What for: connections that break and registries that are away for a moment, between here and the registry behind.
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
import { download } from "./internal/retry/download.js"
import { ownTags } from "./internal/retry/ownTags.js"
import { relist } from "./internal/retry/relist.js"
import { appendRest, completeRest, pushAgain, sendable } from "./internal/retry/upload.js"

/**
 * What is tried again, how often, and after how long.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** How often an operation is tried again at most: 5 times unless said. What is retried within counts, too. */
  readonly retries?: number | undefined
  /** How long to wait before the first retry: 200 milliseconds unless said. Each wait is twice as long as the last. */
  readonly delay?: Duration.DurationInput | undefined
  /** How long to wait at most: 10 seconds unless said. */
  readonly maxDelay?: Duration.DurationInput | undefined
  /**
   * Whether each wait is cut by up to half of it, at random, so that those who broke together do not come back together:
   * `true` unless said.
   */
  readonly jitter?: boolean | undefined
  /**
   * How long to wait at most where the registry says how long to stay away (`retryAfter`): a minute unless said. The
   * delay is waited besides.
   */
  readonly maxRetryAfter?: Duration.DurationInput | undefined
  /** Which errors are worth another attempt, of those that `RegistryError.isTransient` says: all unless said. */
  readonly while?: ((error: RegistryError.RegistryError, operation: Operation.Operation) => boolean) | undefined
}

/**
 * Where an operation fails with an error that passes (`RegistryError.isTransient`), it is tried again:
 *
 * - The content of a blob goes on by range from where it broke, as long as it is of the same blob and size. What was
 *   stitched so is not `verified`: the methods of a `Registry`, and a server, check it as a whole.
 * - A list goes on after the last item that was seen.
 * - A blob is pushed anew if its body can be replayed, or was not read yet, and is not there already; the error says
 *   where it cannot be.
 * - A chunk goes on where the registry says that the upload stands. An upload that has been completed is not again.
 * - Whatever else may be repeated (`Operation.traits`) is. A delete whose answer was lost, and that then finds nothing, is
 *   done; so is a push with `ifAbsent` that then finds its own tags.
 *
 * All attempts of an operation, and those of other wrappers and transports within, are taken from one `RetryBudget`. When
 * it is used up the last error is passed on, and says how many attempts there were.
 *
 * Law: of a registry that does not fail, it is that registry.
 *
 * @throws RangeError where `retries` is no number of 0 or more
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

    /** Of what is not there any more, nothing is left to be done, if an earlier attempt may have done it. */
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

/** Whether a result is all there is to it: a list has to be read yet. */
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

/** How long the registry asks to be left alone, in milliseconds; of several, the one that asks for most. */
const retryAfter = (error: RegistryError.RegistryError): number =>
  error._tag === "PartialFailure"
    ? Math.max(0, ...error.outcomes.map((outcome) => outcome.error === undefined ? 0 : retryAfter(outcome.error)))
    : error.retryAfter ?? 0

/**
 * A layer that goes on where an operation on the registry below it broke.
 *
 * @throws RangeError where `retries` is no number of 0 or more
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options?: Options): Layer.Layer<Registry, never, Registry> => Registry.layer(middleware(options))

/**
 * Goes on where an operation on the registry of a layer broke.
 *
 * @throws RangeError where `retries` is no number of 0 or more
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
