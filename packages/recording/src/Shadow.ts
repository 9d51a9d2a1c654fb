/**
 * A wrapper that sends the same operations to a second registry and compares the results.
 *
 * Use it before a migration, to learn from real traffic whether another registry or stack answers the same. Clients
 * notice nothing.
 *
 * @since 0.1.0
 */
import { Caller, Operation, printable, redact, Registry, RegistryError } from "@effect-oci/core"
import type { Middleware } from "@effect-oci/core"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import { comparableResponse, differences } from "./internal/comparableResponse.js"
import type { ComparableResponse } from "./internal/comparableResponse.js"
import { observeResponse } from "./internal/observeResponse.js"
import type { ObservedResponse } from "./internal/observeResponse.js"
import { replayRead, replayWrite } from "./internal/shadowReplay.js"

export type { ComparableResponse }

/**
 * A report about the second registry.
 *
 * - `Different`: it answered differently; `fields` names the differences.
 * - `Unanswered`: the results could not be compared: the second registry was unreachable, unavailable or too slow, or
 *   died.
 * - `Dropped`: the number of operations since the last report that were not compared, because too many were waiting.
 *
 * @since 0.1.0
 * @category models
 */
export type Report =
  | {
    readonly _tag: "Different"
    readonly operation: Operation.Operation
    readonly fields: ReadonlyArray<string>
    readonly primary: ComparableResponse
    readonly shadow: ComparableResponse
  }
  | { readonly _tag: "Unanswered"; readonly operation: Operation.Operation; readonly reason: string }
  | { readonly _tag: "Dropped"; readonly count: number }

/**
 * Options for {@link middleware}: the second registry, and how many operations it receives.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options<E = never, R = never> {
  /** The second registry, or a layer of it. */
  readonly registry: Registry["Type"] | Layer.Layer<Registry, E, R>
  /**
   * Whether successful writes and deletes are sent to the second registry too. Default: `false`, only reads and lists.
   */
  readonly writes?: boolean | undefined
  /**
   * Receives the reports. Default: writes them to Effect's log, differences and dropped operations as warnings, outages
   * as debug messages.
   */
  readonly report?: ((report: Report) => Effect.Effect<void>) | undefined
  /** How many operations may wait for the second registry. More operations are not compared. Default: 1000. */
  readonly capacity?: number | undefined
  /** How many operations the second registry receives at the same time. With `writes`, always one. Default: 4. */
  readonly concurrency?: number | undefined
  /** How long one operation at the second registry may take. Default: 1 minute. */
  readonly timeout?: Duration.DurationInput | undefined
}

/** The maximum number of items of a list that are compared. The rest of a longer list is not compared. */
const maxItems = 10_000

/**
 * Creates a middleware that returns the result of the registry, and sends the operation to the second registry in the
 * background, after the first result has ended. What the second registry does affects only the reports. Operations that
 * still wait when the scope closes are not compared.
 *
 * - Descriptors, blobs by the digest of their bytes, manifests, lists, and the tags of errors are compared. Content
 *   that was read in part is compared as far as it was read. Operations that failed at this registry with a transient
 *   error (`RegistryError.isTransient`) are not compared.
 * - With `writes`, successful writes and deletes are repeated at the second registry. The steps of an upload session
 *   are not repeated: the finished blob is read from this registry, unless the second registry has the blob or can
 *   mount it.
 * - The second registry receives the operation a moment later, as the same caller. A tag that moved meanwhile may be
 *   reported.
 *
 * Law: results do not change.
 *
 * @since 0.1.0
 * @category middleware
 */
export const middleware = (
  options: Options & { readonly registry: Registry["Type"] }
): Effect.Effect<Middleware.Middleware, never, Scope.Scope> => {
  const { registry: { handle: shadow }, report = log, timeout = "1 minute", writes = false } = options
  return Effect.map(background(options, report), (offer) => (next) => {
    const replay = (operation: Operation.Operation, primary: ObservedResponse) =>
      Operation.isRead(operation) ? replayRead(shadow, operation, primary) : replayWrite(shadow, operation, next)

    const compareLater = (operation: Operation.Operation, primary: ObservedResponse): Effect.Effect<void> =>
      Effect.map(Caller.Caller, (caller) =>
        offer(Effect.suspend(() => {
          const replayed = replay(operation, primary)
          return replayed === undefined ? Effect.void : Effect.flatMap(
            compare(operation, primary, Effect.provideService(replayed, Caller.Caller, caller), timeout),
            (found) => found === undefined ? Effect.void : report(found)
          )
        })))

    return (operation) =>
      writes || Operation.isRead(operation)
        ? observeResponse(
          next,
          operation,
          { bytes: 0, items: maxItems },
          (primary) => isCompared(operation, primary) ? compareLater(operation, primary) : Effect.void
        )
        : next(operation)
  })
}

/**
 * Starts fibers that run jobs from a queue, and returns a function that adds a job. Jobs that do not fit in the queue are
 * dropped; the number of dropped jobs is reported after the next job.
 */
const background = (
  { capacity = 1000, concurrency = 4, writes = false }: Options,
  report: (report: Report) => Effect.Effect<void>
): Effect.Effect<(job: Effect.Effect<void>) => void, never, Scope.Scope> =>
  Effect.gen(function*() {
    const jobs = yield* Effect.acquireRelease(Queue.dropping<Effect.Effect<void>>(capacity), Queue.shutdown)
    let dropped = 0
    const reportDropped = Effect.suspend(() => {
      const count = dropped
      dropped = 0
      return count === 0 ? Effect.void : report({ _tag: "Dropped", count })
    })
    const run = (job: Effect.Effect<void>) =>
      Effect.catchAllCause(
        Effect.zipRight(job, reportDropped),
        (cause) =>
          Cause.isInterruptedOnly(cause)
            ? Effect.interrupt
            : Effect.logError("Shadow: the report function failed", cause)
      )
    const worker = Effect.forkScoped(Effect.forever(Effect.flatMap(Queue.take(jobs), run)))
    yield* Effect.replicateEffect(worker, writes ? 1 : concurrency)
    return (job) => {
      if (!jobs.unsafeOffer(job)) dropped++
    }
  })

/** Runs an operation at the second registry, and returns a report if its response differs or cannot be compared. */
const compare = (
  operation: Operation.Operation,
  primary: ObservedResponse,
  replayed: Effect.Effect<ObservedResponse, RegistryError.RegistryError, Scope.Scope>,
  timeout: Duration.DurationInput
): Effect.Effect<Report | undefined> => {
  const unanswered = (reason: string): Report => ({ _tag: "Unanswered", operation, reason })
  return replayed.pipe(
    Effect.catchAll((error) => Effect.succeed<ObservedResponse>({ _tag: "Failure", error })),
    Effect.scoped,
    Effect.map((shadow) => {
      const failure = failureOf(shadow)
      if (failure !== undefined && RegistryError.isTransient(failure)) return unanswered(failure.message)
      const [one, other] = [comparableResponse(operation, primary), comparableResponse(operation, shadow)]
      const fields = differences(one, other)
      return fields.length === 0
        ? undefined
        : { _tag: "Different" as const, operation, fields, primary: one, shadow: other }
    }),
    Effect.timeoutTo({
      duration: timeout,
      onSuccess: (report) => report,
      onTimeout: () => unanswered(`no response in ${Duration.format(timeout)}`)
    }),
    Effect.catchAllCause((cause) =>
      Cause.isInterruptedOnly(cause) ? Effect.interrupt : Effect.succeed(unanswered(Cause.pretty(cause)))
    )
  )
}

/** Returns the error of a response that failed at once or while it was read. */
const failureOf = (response: ObservedResponse): RegistryError.RegistryError | undefined => {
  switch (response._tag) {
    case "Failure":
      return response.error
    case "Value":
      return undefined
    default: {
      const ended = response._tag === "List" ? response.ended : response.content().ended
      return typeof ended === "object" ? ended.error : undefined
    }
  }
}

const isCompared = (operation: Operation.Operation, primary: ObservedResponse): boolean => {
  // Content in memory cannot have failed. Its digest is computed later, when it is compared.
  const isInMemory = primary._tag === "Blob" && primary.blob.body.bytes !== undefined
  const failure = isInMemory ? undefined : failureOf(primary)
  if (failure !== undefined) return Operation.isRead(operation) && !RegistryError.isTransient(failure)
  // A part of the referrers proves nothing, because their order differs between registries.
  if (operation._tag === "ListReferrers") return primary._tag === "List" && primary.ended === undefined
  return operation._tag !== "MountBlob" || (primary._tag === "Value" && isMounted(primary.value))
}

const isMounted = (value: unknown): boolean => (value as Operation.Results["MountBlob"])._tag === "Mounted"

const log = (report: Report): Effect.Effect<void> => {
  switch (report._tag) {
    case "Dropped":
      return Effect.logWarning(`Shadow: ${report.count} operations were not compared`)
    case "Unanswered":
      return Effect.annotateLogs(
        Effect.logDebug(`Shadow: ${report.operation._tag} could not be compared`),
        { ...annotations(report.operation), reason: redact(report.reason) }
      )
    case "Different":
      return Effect.annotateLogs(
        Effect.logWarning(`Shadow: ${report.operation._tag} differs in ${report.fields.join(", ")}`),
        {
          ...annotations(report.operation),
          ...Object.fromEntries(report.fields.flatMap((field) => [
            [`primary.${field}`, text(report.primary[field])],
            [`shadow.${field}`, text(report.shadow[field])]
          ]))
        }
      )
  }
}

const annotations = (operation: Operation.Operation) => {
  const { reference, repository } = Operation.errorFields(operation)
  return { ...(repository === undefined ? {} : { repository }), ...(reference === undefined ? {} : { reference }) }
}

const text = (value: unknown): string =>
  printable(typeof value === "string" ? value : JSON.stringify(value) ?? "nothing", 400)

/**
 * Creates a layer that requires a registry, and provides that registry with its operations sent to a second registry
 * too, where the results are compared. {@link wrap} does the same in a pipe.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = <E = never, R = never>(
  { registry, ...options }: Options<E, R>
): Layer.Layer<Registry, E, Registry | R> =>
  "handle" in registry
    ? Registry.layerMiddleware(middleware({ ...options, registry }))
    : Layer.flatMap(
      registry,
      (context) => Registry.layerMiddleware(middleware({ ...options, registry: Context.get(context, Registry) }))
    )

/**
 * Wraps the registry of a layer: its operations are sent to a second registry too, and the results are compared.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import type { Registry } from "@effect-oci/core"
 * import { Shadow } from "@effect-oci/recording"
 * import { Console, Effect } from "effect"
 * import type { Layer } from "effect"
 *
 * // Clients receive the results of the old registry. The results of the new registry are compared with them.
 * const migrating = (old: Layer.Layer<Registry>, next: Layer.Layer<Registry>) =>
 *   old.pipe(Shadow.wrap({
 *     registry: next,
 *     report: (report) => report._tag === "Different" ? Console.log(report.operation._tag, report.fields) : Effect.void
 *   }))
 * ```
 */
export const wrap =
  <E1 = never, R1 = never>(options: Options<E1, R1>) =>
  <E, R>(registry: Layer.Layer<Registry, E, R>): Layer.Layer<Registry, E | E1, R | R1> =>
    Layer.provide(layer(options), registry) as Layer.Layer<Registry, E | E1, R | R1>
