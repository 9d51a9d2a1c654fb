import { Body, Operation } from "@effect-oci/core"
import type { Descriptor, RegistryError } from "@effect-oci/core"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { constTrue } from "effect/Function"
import * as Stream from "effect/Stream"
import { withNote } from "./attempts.js"
import type { Attempts } from "./attempts.js"

type Answer<A> = Effect.Effect<A, RegistryError.RegistryError>

type WithBody = Operation.PushBlob | Operation.AppendUpload | Operation.CompleteUpload

/** An operation, and whether its body can be sent: it can be run again, or was not run yet. */
interface Sendable<O extends WithBody> {
  readonly operation: O
  readonly canBeSent: () => boolean
}

/** An operation whose body is minded, where that can be run only once. */
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

const stop = (error: RegistryError.RegistryError, why: string) => Exit.fail(withNote(error, `not tried again: ${why}`))

const readOnce = "its body was read, and cannot be replayed"

/** What the registry knows of something, asked for as long as that may help; or nothing. */
const ask = <O extends Operation.ResolveBlob | Operation.GetUpload>(
  attempts: Attempts,
  operation: O,
  error: RegistryError.RegistryError
): Answer<Operation.ResultOf<O> | undefined> =>
  Effect.catchAll(
    attempts.next(operation) as Answer<Operation.ResultOf<O> | undefined>,
    (asked) =>
      attempts.isWorthIt(asked)
        ? attempts.recover(Exit.fail(error), () => ask(attempts, operation, error))
        : Exit.succeed(undefined)
  )

/**
 * Puts a blob anew where that broke. It is looked for first, as only the answer may have been lost: so it is not sent
 * twice, and a body that cannot be sent again need not be.
 */
export const pushAgain = (
  attempts: Attempts,
  operation: Operation.PushBlob,
  canBeSent: () => boolean,
  answer: Answer<Descriptor.Descriptor>
): Answer<Descriptor.Descriptor> =>
  attempts.recover(answer, (error) => {
    const { descriptor: { digest, size }, repository } = operation
    return Effect.flatMap(ask(attempts, new Operation.ResolveBlob({ repository, digest }), error), (found) => {
      if (found?.size === size) return Exit.succeed(operation.descriptor)
      return canBeSent()
        ? pushAgain(attempts, operation, canBeSent, attempts.next(operation))
        : stop(error, readOnce)
    })
  })

/** How one kind of operation on an upload goes on. */
interface Going<A> {
  /** Nothing was done yet. */
  readonly anew: () => Answer<A>
  /** The upload has ended, or nobody knows it. */
  readonly onGone: (error: RegistryError.RegistryError) => Answer<A>
  /** What is left of the body is sent where the upload stands. */
  readonly onRest: (upload: Operation.Upload, rest: Body.Body | undefined) => Answer<A>
}

/**
 * Goes on with an upload where the registry stands: what of the body it has is not sent again. An earlier attempt may
 * still be under way and overtake a later one, which is then told that the upload is elsewhere, or has ended.
 */
const resume = <A>(
  attempts: Attempts,
  operation: Operation.AppendUpload | Operation.CompleteUpload,
  canBeSent: () => boolean,
  answer: Answer<A>,
  { anew, onGone, onRest }: Going<A>
): Answer<A> => {
  const { body, offset, repository } = operation
  let { id } = operation

  const send = (answer: Answer<A>, earlier?: RegistryError.RegistryError): Answer<A> =>
    Effect.catchAll(
      answer,
      (error) => attempts.recover(Exit.fail(earlier !== undefined && isOvertaken(error) ? earlier : error), look)
    )

  const look = (error: RegistryError.RegistryError): Answer<A> => {
    if (!attempts.mayBeDone) return canBeSent() ? send(anew()) : stop(error, readOnce)
    return Effect.flatMap(ask(attempts, new Operation.GetUpload({ repository, id }), error), (upload) => {
      if (upload === undefined) return onGone(error)
      id = upload.id
      const size = body?.size ?? 0
      // Unless it was said where the body goes, no more is known than that an upload of nothing has taken nothing of it.
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

/** Adds to an upload what it does not have yet of a chunk. */
export const appendRest = (
  attempts: Attempts,
  operation: Operation.AppendUpload,
  canBeSent: () => boolean,
  answer: Answer<Operation.Upload>
): Answer<Operation.Upload> =>
  resume(attempts, operation, canBeSent, answer, {
    anew: () => attempts.next(operation),
    onGone: Exit.fail,
    onRest: (upload, rest) =>
      rest === undefined
        ? Exit.succeed(upload)
        : attempts.next(
          new Operation.AppendUpload({ ...operation, id: upload.id, offset: upload.offset, body: rest })
        )
  })

/** Ends an upload that has not ended yet. One that has is the blob, or came to nothing. */
export const completeRest = (
  attempts: Attempts,
  operation: Operation.CompleteUpload,
  canBeSent: () => boolean,
  answer: Answer<Descriptor.Descriptor>
): Answer<Descriptor.Descriptor> =>
  resume(attempts, operation, canBeSent, answer, {
    anew: () => attempts.next(operation),
    onGone: (error) =>
      Effect.flatMap(
        ask(attempts, new Operation.ResolveBlob(operation), error),
        (found) => found === undefined ? Exit.fail(error) : Exit.succeed(found)
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
