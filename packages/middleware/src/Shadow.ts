/**
 * A registry beside which a second one is asked the same.
 *
 * What for: to see, before a migration, whether another registry or stack tells what this one tells, on the operations of
 * every day and without anyone noticing.
 *
 * @since 0.1.0
 */
import { Caller, Operation, printable, Registry, RegistryError } from "@effect-oci/core"
import type { Middleware } from "@effect-oci/core"
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import type * as answer from "./internal/answer.js"
import * as members from "./internal/members.js"
import { redact } from "./internal/redact.js"
import { readAgain, writeAgain } from "./internal/shadowing.js"
import * as tellings from "./internal/told.js"
import type { Told } from "./internal/told.js"
import type { Answer } from "./internal/witness.js"
import { witness } from "./internal/witness.js"

export type { Told }

/**
 * What there is to say of the second registry.
 *
 * - `Different`: it told something else; `fields` names what.
 * - `Unanswered`: it could not be compared: it cannot be reached or is not available, took too long, or died.
 * - `Dropped`: since the last report so many operations were not compared, because too many were waiting.
 *
 * @since 0.1.0
 * @category models
 */
export type Report =
  | {
    readonly _tag: "Different"
    readonly operation: Operation.Operation
    readonly fields: ReadonlyArray<string>
    readonly primary: Told
    readonly shadow: Told
  }
  | { readonly _tag: "Unanswered"; readonly operation: Operation.Operation; readonly reason: string }
  | { readonly _tag: "Dropped"; readonly count: number }

/**
 * Who is asked beside the registry, and how much.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options<Source extends members.Source = members.Source> {
  /** The second registry, or a layer of it. */
  readonly registry: Source
  /** Whether writes and deletes that succeeded are made at the second registry too: only reads and lists unless said. */
  readonly writes?: boolean | undefined
  /** Who is told: Effect's log unless said, where what differs is a warning. */
  readonly report?: ((report: Report) => Effect.Effect<void>) | undefined
  /** How many operations may wait for the second registry: 1000 unless said. Those beyond are not compared. */
  readonly capacity?: number | undefined
  /** How many it is asked at once: 4 unless said; with `writes` one after another, in any case. */
  readonly concurrency?: number | undefined
  /** How long it may take for each: 1 minute unless said. */
  readonly timeout?: Duration.DurationInput | undefined
}

/** Of longer lists the rest is not compared. */
const maxItems = 10_000

/**
 * The registry's answer is the answer, and the second one is asked when it has ended, in the background. What that one
 * does, or fails to do, nobody notices but whom it is reported to. Operations that wait when the scope closes are not
 * compared.
 *
 * - Descriptors, the bytes of blobs by their digest, manifests, lists and the tags of errors are compared. What was read
 *   in part is compared as far as it was read. What this registry could not answer (`RegistryError.isTransient`) is not.
 * - With `writes`, a write or delete that succeeded is done there too. Uploads are not followed step by step: the blob
 *   that they become is read from this registry, unless the other one has it, or can mount it.
 * - The second registry is asked a moment later, as the same caller: a tag that has moved meanwhile may be reported.
 *
 * Law: results are unchanged.
 *
 * @since 0.1.0
 * @category middleware
 */
export const middleware = (
  options: Options<Registry["Type"]>
): Effect.Effect<Middleware.Middleware, never, Scope.Scope> => {
  const { capacity = 1000, registry: { handle: shadow }, report = log, writes = false } = options
  const timeout = Duration.decode(options.timeout ?? "1 minute")
  return Effect.gen(function*() {
    const jobs = yield* Effect.acquireRelease(Queue.dropping<Effect.Effect<void>>(capacity), Queue.shutdown)
    let dropped = 0
    const reportDropped = Effect.suspend(() => {
      const count = dropped
      dropped = 0
      return count === 0 ? Effect.void : report({ _tag: "Dropped", count })
    })
    const work = Effect.forever(
      Effect.flatMap(
        Queue.take(jobs),
        (job) =>
          Effect.catchAllCause(
            Effect.zipRight(job, reportDropped),
            (cause) =>
              Cause.isInterruptedOnly(cause) ? Effect.interrupt : Effect.logError("Shadow: its report failed", cause)
          )
      )
    )
    const workers = writes ? 1 : options.concurrency ?? 4
    yield* Effect.forEach(Array.from({ length: workers }), () => Effect.forkScoped(work), { discard: true })

    return (next) => {
      const ask = (operation: Operation.Operation, first: Answer) =>
        Operation.isRead(operation) ? readAgain(shadow, operation, first) : writeAgain(shadow, operation, next)

      const compare = (operation: Operation.Operation, first: Answer, caller: Caller.Identity): Effect.Effect<void> => {
        const asking = ask(operation, first)
        if (asking === undefined) return Effect.void
        const unanswered = (reason: string) => report({ _tag: "Unanswered", operation, reason })
        return asking.pipe(
          Effect.catchAll((error) => Effect.succeed<Answer>({ _tag: "Failure", error })),
          Effect.scoped,
          Effect.provideService(Caller.Caller, caller),
          Effect.timeoutFail({ duration: timeout, onTimeout: () => `no answer in ${Duration.format(timeout)}` }),
          Effect.matchCauseEffect({
            onFailure: (cause) =>
              Cause.isInterruptedOnly(cause)
                ? Effect.interrupt
                : unanswered(Option.getOrElse(Cause.failureOption(cause), () => Cause.pretty(cause))),
            onSuccess: (second) => {
              const failure = failureOf(second)
              if (failure !== undefined && RegistryError.isTransient(failure)) return unanswered(failure.message)
              const [one, other] = [tellings.told(operation, first), tellings.told(operation, second)]
              const fields = tellings.differences(one, other)
              return fields.length === 0
                ? Effect.void
                : report({ _tag: "Different", operation, fields, primary: one, shadow: other })
            }
          })
        )
      }

      const note = (operation: Operation.Operation) => (first: Answer): Effect.Effect<void> => {
        if (!isCompared(operation, first)) return Effect.void
        return Effect.map(Caller.Caller, (caller) => {
          if (!jobs.unsafeOffer(Effect.suspend(() => compare(operation, first, caller)))) dropped++
        })
      }

      return <O extends Operation.Operation>(operation: O): answer.AnswerTo<O> =>
        writes || Operation.isRead(operation)
          ? witness(next, operation, { bytes: 0, items: maxItems }, note(operation))
          : next(operation)
    }
  })
}

/** How an answer failed, at once or on its way. */
const failureOf = (answer: Answer): RegistryError.RegistryError | undefined => {
  switch (answer._tag) {
    case "Failure":
      return answer.error
    case "Value":
      return undefined
    default: {
      const ended = answer._tag === "List" ? answer.ended : answer.content().ended
      return typeof ended === "object" ? ended.error : undefined
    }
  }
}

const isCompared = (operation: Operation.Operation, first: Answer): boolean => {
  // Of content in hand nothing can have failed, and its digest is worked out when its turn comes.
  const inHand = first._tag === "Blob" && first.blob.body.bytes !== undefined
  const failure = inHand ? undefined : failureOf(first)
  if (failure !== undefined) return Operation.isRead(operation) && !RegistryError.isTransient(failure)
  // Some referrers of many, in an order of its own, say nothing.
  if (operation._tag === "ListReferrers") return first._tag === "List" && first.ended === undefined
  return operation._tag !== "MountBlob" || (first._tag === "Value" && isMounted(first.value))
}

const isMounted = (value: unknown): boolean => (value as Operation.Results["MountBlob"])._tag === "Mounted"

const log = (report: Report): Effect.Effect<void> => {
  switch (report._tag) {
    case "Dropped":
      return Effect.logWarning(`Shadow: ${report.count} operations were not compared`)
    case "Unanswered":
      return Effect.annotateLogs(
        Effect.logDebug(`Shadow: ${report.operation._tag} was not answered`),
        { ...asked(report.operation), reason: redact(report.reason) }
      )
    case "Different":
      return Effect.annotateLogs(
        Effect.logWarning(`Shadow: ${report.operation._tag} differs in ${report.fields.join(", ")}`),
        {
          ...asked(report.operation),
          ...Object.fromEntries(report.fields.flatMap((field) => [
            [`primary.${field}`, shown(report.primary[field])],
            [`shadow.${field}`, shown(report.shadow[field])]
          ]))
        }
      )
  }
}

const asked = (operation: Operation.Operation) => {
  const { reference, repository } = Operation.errorFields(operation)
  return { ...(repository === undefined ? {} : { repository }), ...(reference === undefined ? {} : { reference }) }
}

const shown = (value: unknown): string =>
  printable(typeof value === "string" ? value : JSON.stringify(value) ?? "nothing", 400)

/** The second registry, in place of its layer. */
const built = (options: Options): Effect.Effect<Options<Registry["Type"]>, never, members.Members> =>
  Effect.map(members.Members, ([registry]) => ({ ...options, registry: registry! }))

/**
 * A layer that asks a second registry what is asked of the one below it.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = <const O extends Options>(
  options: O
): Layer.Layer<Registry, members.ErrorOf<O>, Registry | members.RequirementsOf<O>> =>
  Layer.provide(
    Registry.layer(Effect.flatMap(built(options), middleware)),
    members.layer([options.registry])
  ) as Layer.Layer<Registry, members.ErrorOf<O>, Registry | members.RequirementsOf<O>>

/**
 * Asks a second registry what is asked of the registry of a layer.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import type { Registry } from "@effect-oci/core"
 * import { Shadow } from "@effect-oci/middleware"
 * import { Console, Effect } from "effect"
 * import type { Layer } from "effect"
 *
 * // Pulls and lists are answered by the old registry, and the new one is compared with it.
 * const migrating = (old: Layer.Layer<Registry>, next: Layer.Layer<Registry>) =>
 *   old.pipe(Shadow.wrap({
 *     registry: next,
 *     report: (report) => report._tag === "Different" ? Console.log(report.operation._tag, report.fields) : Effect.void
 *   }))
 * ```
 */
export const wrap = <const O extends Options>(options: O) =>
<E, R>(
  registry: Layer.Layer<Registry, E, R>
): Layer.Layer<Registry, E | members.ErrorOf<O>, R | members.RequirementsOf<O>> =>
  Layer.provide(layer(options), registry) as Layer.Layer<
    Registry,
    E | members.ErrorOf<O>,
    R | members.RequirementsOf<O>
  >
