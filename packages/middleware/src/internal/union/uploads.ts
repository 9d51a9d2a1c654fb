import { Operation, RegistryError } from "@effect-oci/core"
import type { Body } from "@effect-oci/core"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import type * as answer from "../answer.js"
import type { Outcome } from "./askAll.js"
import { everywhere } from "./askAll.js"
import { everyOne } from "./combineWrites.js"
import { fanOut } from "./fanOut.js"
import * as attempts from "./memberErrors.js"
import type { Target } from "./model.js"
import type { Session, UploadSessions } from "./uploadSessions.js"

type Answer<A> = Effect.Effect<A, RegistryError.RegistryError>

type Open = Extract<Session, { readonly _tag: "Open" }>

/** An upload session at a member, and the outcome of the last operation on it, if there was one. */
interface Step<A> {
  readonly session: Session
  readonly outcome: Outcome<A> | undefined
}

/** How long cancelling an abandoned upload session may take. */
const patience = "5 seconds"

/** An upload to several members: it has an upload session at each member, and its id contains all of these sessions. */
export interface UnionUploads {
  readonly start: (
    operation: Operation.StartUpload,
    members: ReadonlyArray<Target>
  ) => answer.AnswerTo<Operation.StartUpload>
  /** Starts an upload to the members that have not mounted the blob. */
  readonly mounted: (
    operation: Operation.MountBlob,
    members: ReadonlyArray<Target>,
    outcomes: ReadonlyArray<Outcome<Operation.Mounted | Operation.UploadStarted>>
  ) => answer.AnswerTo<Operation.MountBlob>
  readonly get: (operation: Operation.GetUpload) => answer.AnswerTo<Operation.GetUpload>
  readonly append: (operation: Operation.AppendUpload) => answer.AnswerTo<Operation.AppendUpload>
  readonly complete: (operation: Operation.CompleteUpload) => answer.AnswerTo<Operation.CompleteUpload>
  readonly cancel: (operation: Operation.CancelUpload) => answer.AnswerTo<Operation.CancelUpload>
}

/**
 * Creates the operations on such uploads. If a member fails and others do not, its session is cancelled, the others
 * continue, and the completion of the upload reports the failure. If all members fail, all sessions are kept, so the
 * client may retry.
 */
export const unionUploads = (targets: ReadonlyArray<Target>, { open, seal }: UploadSessions): UnionUploads => {
  const targetOf = ({ member }: Session): Target => targets[member]!

  /**
   * Opens the sessions in the id of an operation, and runs it on them. Fails with `BlobUploadUnknown` for an id that
   * this union has not issued for the repository.
   */
  const within = <A>(
    operation: Operation.UploadOperation,
    go: (sessions: ReadonlyArray<Session>) => Answer<A>
  ): Answer<A> => {
    const sessions = open(operation.repository, operation.id)
    return sessions === undefined
      ? Exit.fail(new RegistryError.BlobUploadUnknown(Operation.errorFields(operation)))
      : go(sessions)
  }

  /** Runs an operation on each open session. */
  const ask = <A>(
    sessions: ReadonlyArray<Session>,
    of: (session: Open, index: number, target: Target) => Answer<A>
  ): Effect.Effect<ReadonlyArray<Step<A>>> => {
    const asked = sessions.filter(isOpen).map((session) => ({ name: targetOf(session).name, session }))
    return Effect.map(
      everywhere(asked, ({ session }, index) => of(session, index, targetOf(session))),
      (outcomes) => {
        let at = 0
        return sessions.map((session) => ({ session, outcome: isOpen(session) ? outcomes[at++] : undefined }))
      }
    )
  }

  /**
   * Runs an operation with a body on each open session, in lock step. Each member receives only the bytes that it does
   * not have yet.
   */
  const send = <A>(
    sessions: ReadonlyArray<Session>,
    offset: number | undefined,
    body: Body.Body,
    of: (session: Open, target: Target, portion: Portion) => Answer<A>
  ): Effect.Effect<ReadonlyArray<Step<A>>> => {
    const asked = sessions.filter(isOpen)
    const least = behind(asked)
    const skips = asked.map((session) => session.offset - least)
    const level = skips.every((skip) => skip === 0)
    return Effect.flatMap(
      fanOut(body, skips),
      ({ bodies, leave }) =>
        ask(sessions, (session, index, target) =>
          Effect.ensuring(
            of(session, target, {
              body: bodies[index]!,
              offset: level ? offset : (offset ?? least) + skips[index]!
            }),
            Effect.sync(() => leave(index))
          ))
    )
  }

  const giveUp = (operation: Operation.UploadOperation, sessions: ReadonlyArray<Open>) =>
    Effect.forEach(
      sessions,
      (session) =>
        targetOf(session).handle(new Operation.CancelUpload({ repository: operation.repository, id: session.id })).pipe(
          Effect.timeoutOption(patience),
          Effect.ignore
        ),
      { concurrency: "unbounded", discard: true }
    )

  /** Continues without the members that failed. Fails if all of them failed. */
  const goOn = <A, B>(
    operation: Operation.UploadOperation,
    steps: ReadonlyArray<Step<A>>,
    next: (steps: ReadonlyArray<Step<A>>) => Answer<B>
  ): Answer<B> => {
    const failed = steps.flatMap(({ outcome, session }) =>
      isOpen(session) && outcome?.answer._tag === "Left"
        ? [{ session, name: outcome.name, error: outcome.answer.left }]
        : []
    )
    return failed.length === steps.filter(({ session }) => isOpen(session)).length
      ? Exit.fail(attempts.asOne(operation, failed))
      : Effect.zipRight(giveUp(operation, failed.map(({ session }) => session)), next(steps))
  }

  const answered = (
    operation: Operation.Operation & { readonly repository: Operation.StartUpload["repository"] },
    sessions: ReadonlyArray<Session>,
    minChunkSize: number | undefined
  ): Operation.Upload => ({
    id: seal(operation.repository, sessions),
    offset: behind(sessions.filter(isOpen)),
    ...(minChunkSize === undefined ? {} : { minChunkSize })
  })

  const stand = (
    operation: Operation.GetUpload | Operation.AppendUpload,
    steps: ReadonlyArray<Step<Operation.Upload>>
  ): Answer<Operation.Upload> =>
    goOn(operation, steps, (all) =>
      Exit.succeed(answered(
        operation,
        all.map(({ outcome, session }) => outcome === undefined ? session : sessionOf(session.member, outcome.answer)),
        largestMinimum(all.flatMap(({ outcome }) => outcome ?? []))
      )))

  /** Returns the upload to the members with an open session, or `undefined` if no session is open. */
  const begun = (
    operation: Operation.StartUpload | Operation.MountBlob,
    members: ReadonlyArray<Target>,
    outcomes: ReadonlyArray<Outcome<Operation.Upload | Operation.Mounted>>
  ): Operation.Upload | undefined => {
    const sessions = outcomes.map(({ answer }, index) => sessionOf(members[index]!.index, answer))
    return sessions.some(isOpen) ? answered(operation, sessions, largestMinimum(outcomes)) : undefined
  }

  return {
    start: (operation, members) =>
      Effect.flatMap(
        everywhere(members, ({ handle }) => handle(operation)),
        (outcomes): Answer<Operation.Upload> => {
          const upload = begun(operation, members, outcomes)
          return upload === undefined
            ? Exit.map(everyOne(operation, outcomes), ([first]) => first)
            : Exit.succeed(upload)
        }
      ),
    mounted: (operation, members, outcomes) => {
      const upload = begun(
        operation,
        members,
        outcomes.map(({ answer, name }) => ({
          name,
          answer: Either.map(answer, (mounted) => mounted._tag === "Mounted" ? mounted : mounted.upload)
        }))
      )
      return upload === undefined
        ? Exit.map(everyOne(operation, outcomes), ([first]) => first)
        : Exit.succeed(new Operation.UploadStarted({ upload }))
    },
    get: (operation) =>
      within(operation, (sessions) =>
        Effect.flatMap(
          ask(sessions, ({ id }, _, { handle }) => handle(Operation.withUploadId(operation, id))),
          (steps) => stand(operation, steps)
        )),
    append: (operation) =>
      within(operation, (sessions) =>
        Effect.flatMap(
          send(sessions, operation.offset, operation.body, (session, { handle }, portion) =>
            portion.body.size === 0 && session.offset > behind(sessions.filter(isOpen))
              ? Exit.succeed(session)
              : handle(new Operation.AppendUpload({ ...operation, id: session.id, ...portion }))),
          (steps) => stand(operation, steps)
        )),
    complete: (operation) =>
      within(operation, (sessions) => {
        const asked = operation.body === undefined
          ? ask(sessions, ({ id }, _, { handle }) => handle(Operation.withUploadId(operation, id)))
          : send(sessions, operation.offset, operation.body, ({ id }, { handle }, portion) =>
            handle(new Operation.CompleteUpload({ ...operation, id, ...portion })))
        return Effect.flatMap(asked, (steps) =>
          goOn(operation, steps, (all) =>
            Exit.map(
              everyOne(
                operation,
                all.map((step) =>
                  completed(step, targetOf(step.session).name)
                )
              ),
              (descriptors) =>
                descriptors.find((descriptor) => descriptor !== undefined)!
            )))
      }),
    cancel: (operation) =>
      within(operation, (sessions) =>
        Effect.flatMap(
          ask(sessions, ({ id }, _, { handle }) => handle(Operation.withUploadId(operation, id))),
          (steps) =>
            Exit.map(
              everyOne(operation, steps.flatMap(({ outcome }) => outcome ?? []), RegistryError.isNotFound),
              ([done]) => done
            )
        ))
  }
}

/** The body that a member receives, and its offset. */
interface Portion {
  readonly body: Body.Body
  readonly offset: number | undefined
}

const isOpen = (session: Session): session is Open => session._tag === "Open"

/** Returns the smallest offset of the sessions. */
const behind = (sessions: ReadonlyArray<Open>): number => Math.min(...sessions.map(({ offset }) => offset))

const sessionOf = (
  member: number,
  answer: Either.Either<Operation.Upload | Operation.Mounted, RegistryError.RegistryError>
): Session => {
  if (answer._tag === "Left") return { _tag: "Failed", member, error: answer.left }
  const { right } = answer
  return "id" in right
    ? { _tag: "Open", member, id: right.id, offset: right.offset }
    : { _tag: "Done", member }
}

/** Returns the minimum size of a chunk that all members accept. */
const largestMinimum = (
  outcomes: ReadonlyArray<Outcome<Operation.Upload | Operation.Mounted>>
): number | undefined => {
  const minimums = outcomes.flatMap(({ answer }) =>
    answer._tag === "Right" && "id" in answer.right ? answer.right.minChunkSize ?? [] : []
  )
  return minimums.length === 0 ? undefined : Math.max(...minimums)
}

/** Returns the outcome of the upload at a member. A member that had mounted the blob has no descriptor to return. */
const completed = <A>({ outcome, session }: Step<A>, name: string): Outcome<A | undefined> =>
  outcome ??
    { name, answer: session._tag === "Failed" ? Either.left(session.error) : Either.right(undefined) }
