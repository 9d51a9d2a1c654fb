import { Answer, Operation, RegistryError } from "@effect-oci/core"
import type { Handler } from "@effect-oci/core"
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import { attempt } from "./attempts.js"
import type { Attempts, Policy } from "./attempts.js"
import { confirmTags } from "./confirmTags.js"
import { resumeDownload } from "./resumeDownload.js"
import { resumeList } from "./resumeList.js"
import { appendRest, completeRest, pushAgain, sendable } from "./resumeUpload.js"

type Retry<O extends Operation.Operation> = (
  attempts: Attempts,
  operation: O,
  answer: Answer.Answer<O>
) => Answer.Answer<O>

/** Creates the handlers of all operations. Each sends its operation, and retries or resumes it after an error. */
export const rows = (policy: Policy, next: Handler.Handler): Handler.Table => {
  const retryBy = <O extends Operation.Operation>(retry: Retry<O>) => (operation: O): Answer.Answer<O> =>
    attempt(policy, next, operation, retry)

  const resumeBody = <O extends Operation.BodyOperation>(
    resume: (
      attempts: Attempts,
      operation: O,
      answer: Answer.Answer<O>,
      canBeSent: () => boolean
    ) => Answer.Answer<O>
  ) =>
  (request: O): Answer.Answer<O> => {
    const { canBeSent, operation } = sendable(request)
    return attempt(
      policy,
      next,
      operation,
      (attempts, operation, answer) => resume(attempts, operation, answer, canBeSent)
    )
  }

  return {
    ResolveBlob: retryBy(repeat),
    GetBlob: retryBy(resumeDownload),
    ResolveManifest: retryBy(repeat),
    GetManifest: retryBy(repeat),
    PushBlob: resumeBody(pushAgain),
    MountBlob: retryBy(repeat),
    StartUpload: retryBy(repeat),
    GetUpload: retryBy(repeat),
    AppendUpload: resumeBody(appendRest),
    CompleteUpload: resumeBody(completeRest),
    CancelUpload: retryBy(repeatRemoval),
    PushManifest: retryBy(repeatPush),
    DeleteBlob: retryBy(repeatRemoval),
    DeleteManifest: retryBy(repeatRemoval),
    DeleteTag: retryBy(repeatRemoval),
    ListRepositories: retryBy(resumeList<Operation.ListRepositories>({
      keyOf: identity,
      after: (_, last, limit) => new Operation.ListRepositories({ last, limit })
    })),
    ListTags: retryBy(resumeList<Operation.ListTags>({
      keyOf: identity,
      after: (operation, last, limit) => new Operation.ListTags({ ...operation, last, limit })
    })),
    ListReferrers: retryBy(resumeList<Operation.ListReferrers>({ keyOf: ({ digest }) => digest }))
  }
}

const repeat = <O extends Operation.Operation>(
  attempts: Attempts,
  operation: O,
  answer: Answer.Answer<O>
): Answer.Answer<O> => attempts.repeat(answer, () => attempts.next(operation))

/** Repeats an operation that removes something. If an earlier attempt may have removed it, not found is success. */
const repeatRemoval: Retry<
  Operation.OperationOf<"CancelUpload" | "DeleteBlob" | "DeleteManifest" | "DeleteTag">
> = (attempts, operation, answer) =>
  attempts.repeat(answer, () =>
    Effect.catchIf(
      attempts.next(operation),
      (error) => attempts.mayBeDone && RegistryError.isNotFound(error),
      () => Answer.succeed(Operation.done)
    ))

/** Repeats a push. If an earlier attempt may have set the tags of a push with a condition, its own tags are success. */
const repeatPush: Retry<Operation.PushManifest> = (attempts, operation, answer) =>
  attempts.repeat(
    answer,
    () =>
      Effect.catchAll(attempts.next(operation), (error) =>
        Operation.isConditional(operation) && error._tag === "OciDenied" && attempts.mayBeDone
          ? confirmTags(attempts, operation, error)
          : Answer.fail(error))
  )
