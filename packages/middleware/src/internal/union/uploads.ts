import { Answer, Operation, RegistryError } from "@effect-oci/core"
import type { Body } from "@effect-oci/core"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { askAll } from "./askAll.js"
import type { Outcome } from "./askAll.js"
import { combineWrites, firstOf } from "./combineWrites.js"
import { fanOut } from "./fanOut.js"
import * as memberErrors from "./memberErrors.js"
import type { UnionMember } from "./model.js"
import type { Session, UploadSessions } from "./uploadSessions.js"

type Result<A> = Effect.Effect<A, RegistryError.RegistryError>

type OpenSession = Extract<Session, { readonly _tag: "Open" }>

/** The outcomes of an operation at the members, and the sessions before it. Only open sessions have an outcome. */
type Steps<A> = ReadonlyArray<{ readonly session: Session; readonly outcome: Outcome<A> | undefined }>

/** The body that a member receives, and its offset. */
interface Portion {
  readonly body: Body.Body
  readonly offset: number | undefined
}

/** How long cancelling an abandoned upload session may take. */
const cancelTimeout = "5 seconds"

/**
 * Uploads to several members. An upload has an upload session at each member, and its id contains all of these
 * sessions. If a member fails and others do not, its session is cancelled, the others continue, and the completion of
 * the upload reports the failure. If all members fail, all sessions are kept, so the client may retry.
 */
export class UnionUploads {
  constructor(private readonly unionMembers: ReadonlyArray<UnionMember>, private readonly ids: UploadSessions) {}

  start(
    operation: Operation.StartUpload,
    members: ReadonlyArray<UnionMember>
  ): Answer.Answer<Operation.StartUpload> {
    return Effect.flatMap(askAll(members, ({ handle }) => handle(operation)), (outcomes): Result<Operation.Upload> => {
      const upload = this.open(operation, members, outcomes)
      return upload === undefined ? combineWrites(operation, outcomes, firstOf) : Answer.succeed(upload)
    })
  }

  /** Starts an upload to the members that have not mounted the blob. */
  mount(
    operation: Operation.MountBlob,
    members: ReadonlyArray<UnionMember>,
    outcomes: ReadonlyArray<Outcome<Operation.Mounted | Operation.UploadStarted>>
  ): Answer.Answer<Operation.MountBlob> {
    const uploads = outcomes.map(({ answer, name }) => ({
      name,
      answer: Either.map(answer, (mounted) => mounted._tag === "Mounted" ? mounted : mounted.upload)
    }))
    const upload = this.open(operation, members, uploads)
    return upload === undefined
      ? combineWrites(operation, outcomes, firstOf)
      : Answer.succeed(new Operation.UploadStarted({ upload }))
  }

  get(operation: Operation.GetUpload): Answer.Answer<Operation.GetUpload> {
    return this.withSessions(
      operation,
      (sessions) => Effect.flatMap(this.forward(operation, sessions), (steps) => this.progress(operation, steps))
    )
  }

  append(operation: Operation.AppendUpload): Answer.Answer<Operation.AppendUpload> {
    return this.withSessions(operation, (sessions) =>
      Effect.flatMap(
        this.send(sessions, operation.offset, operation.body, (session, { handle }, portion) =>
          portion.body.size === 0 && session.offset > smallestOffset(sessions.filter(isOpen))
            ? Answer.succeed(session)
            : handle(new Operation.AppendUpload({ ...operation, id: session.id, ...portion }))),
        (steps) =>
          this.progress(operation, steps)
      ))
  }

  complete(operation: Operation.CompleteUpload): Answer.Answer<Operation.CompleteUpload> {
    return this.withSessions(operation, (sessions) => {
      const completed = operation.body === undefined
        ? this.forward(operation, sessions)
        : this.send(
          sessions,
          operation.offset,
          operation.body,
          ({ id }, { handle }, portion) => handle(new Operation.CompleteUpload({ ...operation, id, ...portion }))
        )
      return Effect.flatMap(completed, (steps) =>
        this.continueWithout(operation, steps, () =>
          combineWrites(
            operation,
            steps.map(({ outcome, session }) => outcome ?? priorOutcome(session, this.memberOf(session).name)),
            (descriptors) => descriptors.find((descriptor) => descriptor !== undefined)!
          )))
    })
  }

  cancel(operation: Operation.CancelUpload): Answer.Answer<Operation.CancelUpload> {
    return this.withSessions(operation, (sessions) =>
      Effect.flatMap(this.forward(operation, sessions), (steps) => {
        const outcomes = steps.flatMap(({ outcome }) => outcome ?? [])
        return combineWrites(operation, outcomes, firstOf, RegistryError.isNotFound)
      }))
  }

  private memberOf({ member }: Session): UnionMember {
    return this.unionMembers[member]!
  }

  /** Returns the upload to the members with an open session, or `undefined` if no session is open. */
  private open(
    operation: Operation.StartUpload | Operation.MountBlob,
    members: ReadonlyArray<UnionMember>,
    outcomes: ReadonlyArray<Outcome<Operation.Upload | Operation.Mounted>>
  ): Operation.Upload | undefined {
    const sessions = outcomes.map(({ answer }, index) => sessionOf(members[index]!.index, answer))
    return sessions.some(isOpen) ? this.upload(operation, sessions, outcomes) : undefined
  }

  private upload(
    { repository }: Pick<Operation.StartUpload, "repository">,
    sessions: ReadonlyArray<Session>,
    outcomes: ReadonlyArray<Outcome<Operation.Upload | Operation.Mounted>>
  ): Operation.Upload {
    const minChunkSize = largestMinimum(outcomes)
    return {
      id: this.ids.seal(repository, sessions),
      offset: smallestOffset(sessions.filter(isOpen)),
      ...(minChunkSize === undefined ? {} : { minChunkSize })
    }
  }

  /**
   * Opens the sessions in the id of an operation, and runs an effect with them. Fails with `BlobUploadUnknown` for an
   * id that this union has not issued for the repository.
   */
  private withSessions<A>(
    operation: Operation.UploadOperation,
    run: (sessions: ReadonlyArray<Session>) => Result<A>
  ): Result<A> {
    const sessions = this.ids.open(operation.repository, operation.id)
    return sessions === undefined
      ? Answer.fail(new RegistryError.BlobUploadUnknown(Operation.errorFields(operation)))
      : run(sessions)
  }

  /** Runs an effect on each open session. */
  private askOpen<A>(
    sessions: ReadonlyArray<Session>,
    ask: (session: OpenSession, index: number, member: UnionMember) => Result<A>
  ): Effect.Effect<Steps<A>> {
    const open = sessions.filter(isOpen).map((session) => ({ session, name: this.memberOf(session).name }))
    return Effect.map(
      askAll(open, ({ session }, index) => ask(session, index, this.memberOf(session))),
      (outcomes) => {
        let next = 0
        return sessions.map((session) => ({ session, outcome: isOpen(session) ? outcomes[next++] : undefined }))
      }
    )
  }

  /** Sends an operation to each open session unchanged, except for the id. */
  private forward<O extends Operation.GetUpload | Operation.CompleteUpload | Operation.CancelUpload>(
    operation: O,
    sessions: ReadonlyArray<Session>
  ): Effect.Effect<Steps<Operation.ResultOf<O>>> {
    return this.askOpen(
      sessions,
      ({ id }, _, { handle }) => handle(Operation.withUploadId(operation, id)) as Result<Operation.ResultOf<O>>
    )
  }

  /**
   * Runs an operation with a body on each open session, in lock step. Each member receives only the bytes that it does
   * not have yet.
   */
  private send<A>(
    sessions: ReadonlyArray<Session>,
    offset: number | undefined,
    body: Body.Body,
    ask: (session: OpenSession, member: UnionMember, portion: Portion) => Result<A>
  ): Effect.Effect<Steps<A>> {
    const open = sessions.filter(isOpen)
    const start = smallestOffset(open)
    const skips = open.map((session) => session.offset - start)
    const isLevel = skips.every((skip) => skip === 0)
    return Effect.flatMap(
      fanOut(body, skips),
      ({ bodies, leave }) =>
        this.askOpen(sessions, (session, index, member) => {
          const portion = { body: bodies[index]!, offset: isLevel ? offset : (offset ?? start) + skips[index]! }
          return Effect.ensuring(ask(session, member, portion), Effect.sync(() => leave(index)))
        })
    )
  }

  /** Cancels the sessions that failed, and continues without them. Fails if all of them failed. */
  private continueWithout<A, B>(
    operation: Operation.UploadOperation,
    steps: Steps<A>,
    next: () => Result<B>
  ): Result<B> {
    const failed = steps.flatMap(({ outcome, session }) =>
      isOpen(session) && outcome?.answer._tag === "Left"
        ? [{ session, name: outcome.name, error: outcome.answer.left }]
        : []
    )
    if (failed.length === steps.filter(({ session }) => isOpen(session)).length) {
      return Answer.fail(memberErrors.combine(operation, failed))
    }
    const cancel = ({ session }: { readonly session: OpenSession }) =>
      this.memberOf(session)
        .handle(new Operation.CancelUpload({ repository: operation.repository, id: session.id }))
        .pipe(Effect.timeoutOption(cancelTimeout), Effect.ignore)
    return Effect.zipRight(
      Effect.forEach(failed, cancel, { concurrency: "unbounded", discard: true }),
      Effect.suspend(next)
    )
  }

  /** Returns the upload after an operation. */
  private progress(
    operation: Operation.GetUpload | Operation.AppendUpload,
    steps: Steps<Operation.Upload>
  ): Result<Operation.Upload> {
    return this.continueWithout(operation, steps, () =>
      Answer.succeed(this.upload(
        operation,
        steps.map(({ outcome, session }) =>
          outcome === undefined ? session : sessionOf(session.member, outcome.answer)
        ),
        steps.flatMap(({ outcome }) => outcome ?? [])
      )))
  }
}

const isOpen = (session: Session): session is OpenSession => session._tag === "Open"

const smallestOffset = (sessions: ReadonlyArray<OpenSession>): number =>
  Math.min(...sessions.map(({ offset }) => offset))

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

/** Returns the outcome of a session that is not open. A member that mounted the blob has no descriptor to return. */
const priorOutcome = (session: Session, name: string): Outcome<undefined> => ({
  name,
  answer: session._tag === "Failed" ? Either.left(session.error) : Either.right(undefined)
})
