import * as Answer from "@effect-oci/core/Answer"
import * as Body from "@effect-oci/core/Body"
import * as Handler from "@effect-oci/core/Handler"
import type { Middleware } from "@effect-oci/core/Middleware"
import * as Operation from "@effect-oci/core/Operation"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FiberId from "effect/FiberId"

type Append = Operation.AppendUpload | Operation.CompleteUpload

const keyOf = ({ id, repository }: Append | Operation.GetUpload): string => `${repository} ${id}`

/**
 * Delays the answer to `GetUpload` while the registry stores what it received of a body that broke off. Otherwise a
 * client that reconnects immediately receives the old offset, and fails to resume there.
 */
export const waitForStored: Middleware = (next) => {
  /** The requests whose body broke off and that still run, by upload session. */
  const broken = new Map<string, Deferred.Deferred<void>>()

  const append = <O extends Append>(operation: O): Answer.Answer<O> => {
    const { body } = operation
    if (body === undefined || body.bytes !== undefined) return next(operation)
    const key = keyOf(operation)
    const ended = Deferred.unsafeMake<void>(FiberId.none)
    const observed = Body.transform(body, (sink) => ({
      fail: (error) => {
        broken.set(key, ended)
        sink.fail(error)
      }
    }))
    const end = Effect.suspend(() => {
      if (broken.get(key) === ended) broken.delete(key)
      return Deferred.succeed(ended, undefined)
    })
    return Answer.ifPending(next(Operation.withBody(operation, observed)), Effect.ensuring(end))
  }

  return Handler.wrap(next, {
    AppendUpload: append,
    CompleteUpload: append,
    GetUpload: (operation) => {
      const ended = broken.get(keyOf(operation))
      return ended === undefined ? next(operation) : Effect.flatMap(Deferred.await(ended), () => next(operation))
    },
    ...Handler.forward("ResolveBlob", "GetBlob", "ResolveManifest", "GetManifest", "PushBlob", "MountBlob"),
    ...Handler.forward("StartUpload", "CancelUpload", "PushManifest", "DeleteBlob", "DeleteManifest", "DeleteTag"),
    ...Handler.forward("ListRepositories", "ListTags", "ListReferrers")
  })
}
