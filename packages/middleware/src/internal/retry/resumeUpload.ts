import { Answer, Body, Operation } from "@effect-oci/core"
import type { Descriptor, RegistryError } from "@effect-oci/core"
import * as Effect from "effect/Effect"
import { constTrue } from "effect/Function"
import { withNote } from "./attempts.js"
import type { Attempts } from "./attempts.js"

type Result<A> = Effect.Effect<A, RegistryError.RegistryError>

/** An operation, and whether its body can be sent: it can be replayed, or has not been read yet. */
interface Sendable<O> {
  readonly operation: O
  readonly canBeSent: () => boolean
}

/** Observes whether the body of an operation is read, if the body can be read only once. */
export const sendable = <O extends Operation.BodyOperation>(operation: O): Sendable<O> => {
  const { body } = operation
  if (body === undefined || body.replayable) return { operation, canBeSent: constTrue }
  let isRead = false
  const once = Body.transform(body, () => {
    isRead = true
    return {}
  })
  return { operation: Operation.withBody(operation, once), canBeSent: () => !isRead }
}

const stop = (error: RegistryError.RegistryError, why: string) => Answer.fail(withNote(error, `not retried: ${why}`))

const notReplayable = "the body was read and cannot be replayed"

/**
 * Asks the registry for the state of a blob or an upload, and retries. Returns `undefined` if the registry does not
 * know it.
 */
const ask = <O extends Operation.ResolveBlob | Operation.GetUpload>(
  attempts: Attempts,
  operation: O,
  error: RegistryError.RegistryError
): Result<Operation.ResultOf<O> | undefined> =>
  Effect.catchAll(
    attempts.next(operation) as Result<Operation.ResultOf<O> | undefined>,
    (failure) =>
      attempts.isWorthIt(failure)
        ? attempts.recover(Answer.fail(error), () => ask(attempts, operation, error))
        : Answer.succeed(undefined)
  )

/**
 * Pushes a blob again after a failure. First checks whether the registry already has the blob, because only the
 * response may have been lost. So the blob is not sent twice, and a body that cannot be replayed may not be needed.
 */
export const pushAgain = (
  attempts: Attempts,
  operation: Operation.PushBlob,
  answer: Result<Descriptor.Descriptor>,
  canBeSent: () => boolean
): Result<Descriptor.Descriptor> =>
  attempts.recover(answer, (error) => {
    const { descriptor: { digest, size }, repository } = operation
    return Effect.flatMap(ask(attempts, new Operation.ResolveBlob({ repository, digest }), error), (found) => {
      if (found?.size === size) return Answer.succeed(operation.descriptor)
      return canBeSent()
        ? pushAgain(attempts, operation, attempts.next(operation), canBeSent)
        : stop(error, notReplayable)
    })
  })

/** How to resume one kind of operation on an upload. */
interface Resume<A> {
  /** Called if the upload session has ended or is not known. */
  readonly onGone: (error: RegistryError.RegistryError) => Result<A>
  /** Sends the rest of the body from the offset of the upload. */
  readonly onRest: (upload: Operation.Upload, rest: Body.Body | undefined) => Result<A>
}

/**
 * Resumes an upload at the offset that the registry reports. Bytes that the registry already has are not sent again. An
 * earlier attempt may still be running and overtake a later one. The later one then fails because the offset has
 * changed or the upload has ended.
 */
const resume = <A>(
  attempts: Attempts,
  operation: Operation.AppendUpload | Operation.CompleteUpload,
  answer: Result<A>,
  canBeSent: () => boolean,
  { onGone, onRest }: Resume<A>
): Result<A> => {
  const { body, offset, repository } = operation
  let { id } = operation
  const repeat = () => attempts.next(operation) as Result<A>

  const send = (answer: Result<A>, earlier?: RegistryError.RegistryError): Result<A> =>
    Effect.catchAll(
      answer,
      (error) =>
        attempts.recover(Answer.fail(earlier !== undefined && isOvertaken(error) ? earlier : error), resumeAfter)
    )

  const resumeAfter = (error: RegistryError.RegistryError): Result<A> => {
    if (!attempts.mayBeDone) return canBeSent() ? send(repeat()) : stop(error, notReplayable)
    return Effect.flatMap(ask(attempts, new Operation.GetUpload({ repository, id }), error), (upload) => {
      if (upload === undefined) return onGone(error)
      id = upload.id
      const size = body?.size ?? 0
      // Without `offset`, the start of the body in the upload is unknown. Only an upload of 0 bytes is certain to
      // contain nothing of it.
      const received = upload.offset - (offset ?? 0)
      if (body === undefined || (offset !== undefined && received === body.size)) {
        return send(onRest(upload, undefined), error)
      }
      if (received === 0) return canBeSent() ? send(onRest(upload, body), error) : stop(error, notReplayable)
      if (offset === undefined) {
        return stop(error, "the operation has no offset, so it is unknown which bytes of the body the upload has")
      }
      if (received < 0 || received > size) {
        return stop(error, `the upload has ${upload.offset} bytes, which is not within the body`)
      }
      return body.replayable
        ? send(onRest(upload, Body.slice(body, { offset: received, length: size - received })), error)
        : stop(error, notReplayable)
    })
  }

  return send(answer)
}

const isOvertaken = (error: RegistryError.RegistryError): boolean =>
  error._tag === "OciRangeInvalid" || error._tag === "OciBlobUploadUnknown"

/** Appends the part of a chunk that the upload does not have yet. */
export const appendRest = (
  attempts: Attempts,
  operation: Operation.AppendUpload,
  answer: Result<Operation.Upload>,
  canBeSent: () => boolean
): Result<Operation.Upload> =>
  resume(attempts, operation, answer, canBeSent, {
    onGone: Answer.fail,
    onRest: (upload, rest) =>
      rest === undefined
        ? Answer.succeed(upload)
        : attempts.next(
          new Operation.AppendUpload({ ...operation, id: upload.id, offset: upload.offset, body: rest })
        )
  })

/**
 * Completes an upload session that has not ended yet. If it has ended, returns the blob, or fails if there is no blob.
 */
export const completeRest = (
  attempts: Attempts,
  operation: Operation.CompleteUpload,
  answer: Result<Descriptor.Descriptor>,
  canBeSent: () => boolean
): Result<Descriptor.Descriptor> =>
  resume(attempts, operation, answer, canBeSent, {
    onGone: (error) =>
      Effect.flatMap(
        ask(attempts, new Operation.ResolveBlob(operation), error),
        (found) => found === undefined ? Answer.fail(error) : Answer.succeed(found)
      ),
    onRest: ({ id, offset }, body) =>
      attempts.next(
        new Operation.CompleteUpload({
          ...operation,
          id,
          offset: operation.offset === undefined ? undefined : offset,
          body
        })
      )
  })
