import { BlobContent, Operation } from "@effect-oci/core"
import type { Answer, RegistryError } from "@effect-oci/core"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { ownScope } from "../resume/ownScope.js"
import { checkSameBlob, resume } from "../resume/resume.js"
import type { Next, Opened } from "../resume/resume.js"
import type { Attempts } from "./attempts.js"

/**
 * Returns the content of a blob, which resumes by range if it breaks. Resumed content has not been verified as a whole;
 * the methods of a `Registry`, and a server, verify it.
 */
export const resumeDownload = (
  attempts: Attempts,
  operation: Operation.GetBlob,
  answer: Answer.Answer<Operation.GetBlob>
): Answer.Answer<Operation.GetBlob> =>
  Effect.flatMap(attempts.repeat(open(answer), () => open(attempts.next(operation))), (first) => {
    if (first.content.body.bytes !== undefined) return Effect.succeed(first.content)
    const next: Next = (error, missing) => {
      const rest = new Operation.GetBlob({ ...operation, range: missing })
      return attempts.waitForRetry(error).pipe(
        Effect.zipRight(attempts.persist(() => open(attempts.next(rest)))),
        Effect.tap(({ content }) => checkSameBlob(operation, first.content, missing, content))
      )
    }
    return Effect.map(
      resume(operation, first, () => next),
      (content) => new BlobContent.BlobContent({ ...content, verified: false })
    )
  })

const open = (
  answer: Answer.Answer<Operation.GetBlob>
): Effect.Effect<Opened, RegistryError.RegistryError, Scope.Scope> =>
  Effect.map(ownScope(answer), ({ scope, value }) => ({ content: value, scope }))
