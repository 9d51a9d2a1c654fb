import { Answer, Body, Operation } from "@effect-oci/core"
import type { Descriptor, RegistryError } from "@effect-oci/core"
import * as Effect from "effect/Effect"
import { constTrue } from "effect/Function"
import * as Stream from "effect/Stream"
import { withNote } from "./attempts.js"
import type { Attempts } from "./attempts.js"

type Result<A> = Effect.Effect<A, RegistryError.RegistryError>

type WithBody = Operation.PushBlob | Operation.AppendUpload | Operation.CompleteUpload

/** An operation, and whether its body can be sent: it can be replayed, or has not been read yet. */
interface Sendable<O extends WithBody> {
  readonly operation: O
  readonly canBeSent: () => boolean
}

/** Observes whether the body of an operation is read, if the body can be read only once. */
export const sendable = <O extends WithBody>(operation: O, withBody: (body: Body.Body) => O): Sendable<O> => {
  const { body } = operation
  if (body === undefined || body.replayable) return { operation, canBeSent: constTrue }
  let taken = false
  const { size, source, stream } = body
  const once = source === undefined
    ? Body.stream(
      Stream.suspend(() => {
        taken = true
        return stream
      }),
      { size }
    )
    : Body.fromSource((sink) => {
      taken = true
      return source(sink)
    }, { size })
  return { operation: withBody(once), canBeSent: () => !taken }
}

const stop = (error: RegistryError.RegistryError, why: string) =>
  Answer.fail(withNote(error, `not tried again: ${why}`))

const readOnce = "its body was read, and cannot be replayed"

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
    (asked) =>
      attempts.isWorthIt(asked)
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
  canBeSent: () => boolean,
  answer: Result<Descriptor.Descriptor>
): Result<Descriptor.Descriptor> =>
  attempts.recover(answer, (error) => {
    const { descriptor: { digest, size }, repository } = operation
    return Effect.flatMap(ask(attempts, new Operation.ResolveBlob({ repository, digest }), error), (found) => {
      if (found?.size === size) return Answer.succeed(operation.descriptor)
      return canBeSent()
        ? pushAgain(attempts, operation, canBeSent, attempts.next(operation))
        : stop(error, readOnce)
    })
  })

/** How to resume one kind of operation on an upload. */
interface Going<A> {
  /** Repeats the operation, if no earlier attempt may have been executed. */
  readonly anew: () => Result<A>
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
  canBeSent: () => boolean,
  answer: Result<A>,
  { anew, onGone, onRest }: Going<A>
): Result<A> => {
  const { body, offset, repository } = operation
  let { id } = operation

  const send = (answer: Result<A>, earlier?: RegistryError.RegistryError): Result<A> =>
    Effect.catchAll(
      answer,
      (error) => attempts.recover(Answer.fail(earlier !== undefined && isOvertaken(error) ? earlier : error), look)
    )

  const look = (error: RegistryError.RegistryError): Result<A> => {
    if (!attempts.mayBeDone) return canBeSent() ? send(anew()) : stop(error, readOnce)
    return Effect.flatMap(ask(attempts, new Operation.GetUpload({ repository, id }), error), (upload) => {
      if (upload === undefined) return onGone(error)
      id = upload.id
      const size = body?.size ?? 0
      // Without `offset`, the start of the body in the upload is unknown. Only an upload of 0 bytes is certain to
      // contain nothing of it.
      const taken = upload.offset - (offset ?? 0)
      if (body === undefined || (offset !== undefined && taken === body.size)) {
        return send(onRest(upload, undefined), error)
      }
      if (taken === 0) return canBeSent() ? send(onRest(upload, body), error) : stop(error, readOnce)
      if (offset === undefined) return stop(error, "it was not said where the body goes in the upload")
      if (taken < 0 || taken > size) {
        return stop(error, `the upload stands at ${upload.offset}, where the body does not go on`)
      }
      return body.replayable
        ? send(onRest(upload, Body.slice(body, { offset: taken, length: size - taken })), error)
        : stop(error, readOnce)
    })
  }

  return send(answer)
}

const isOvertaken = (error: RegistryError.RegistryError): boolean =>
  error._tag === "RangeInvalid" || error._tag === "BlobUploadUnknown"

/** Appends the part of a chunk that the upload does not have yet. */
export const appendRest = (
  attempts: Attempts,
  operation: Operation.AppendUpload,
  canBeSent: () => boolean,
  answer: Result<Operation.Upload>
): Result<Operation.Upload> =>
  resume(attempts, operation, canBeSent, answer, {
    anew: () => attempts.next(operation),
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
  canBeSent: () => boolean,
  answer: Result<Descriptor.Descriptor>
): Result<Descriptor.Descriptor> =>
  resume(attempts, operation, canBeSent, answer, {
    anew: () => attempts.next(operation),
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
