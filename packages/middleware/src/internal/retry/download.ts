import { BlobContent, Body, Operation, RegistryError } from "@effect-oci/core"
import type { ByteRange } from "@effect-oci/core"
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Runtime from "effect/Runtime"
import * as Scope from "effect/Scope"
import type { AnswerTo } from "../answer.js"
import type { Attempts } from "./attempts.js"
import { stitch } from "./stitch.js"
import type { Rest } from "./stitch.js"

/** Content, and the scope that it is open for: one that broke is closed before the next is asked for. */
interface Opened {
  readonly content: BlobContent.BlobContent
  readonly scope: Scope.CloseableScope
}

type Answer<A> = Effect.Effect<A, RegistryError.RegistryError>

/**
 * The content of a blob, which goes on by range where it breaks. What was stitched so was checked by nobody: the edge
 * checks it as a whole.
 */
export const download = (
  attempts: Attempts,
  operation: Operation.GetBlob,
  answer: AnswerTo<Operation.GetBlob>
): AnswerTo<Operation.GetBlob> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(Effect.zip(Effect.runtime(), Scope.make()), ([runtime, all]) => {
      let closed = false
      const open = (answer: AnswerTo<Operation.GetBlob>): Answer<Opened> =>
        Effect.uninterruptibleMask((restore) =>
          Effect.flatMap(
            Scope.fork(all, ExecutionStrategy.sequential),
            (scope) =>
              restore(Scope.extend(answer, scope)).pipe(
                Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause))),
                Effect.map((content) => ({ content, scope }))
              )
          )
        )

      const begin = ({ content, scope }: Opened) => (): Rest => {
        const span = spanOf(content)
        let current = scope
        return (error, sent) => {
          // A content that was closed has not broken.
          if (closed || sent >= span.length) return Exit.fail(error)
          const missing = { offset: span.offset + sent, length: span.length - sent }
          const rest = new Operation.GetBlob({ ...operation, range: missing })
          return Scope.close(current, Exit.void).pipe(
            Effect.zipRight(attempts.again(error)),
            Effect.zipRight(attempts.persist(() => open(attempts.next(rest)))),
            Effect.flatMap((opened) => {
              current = opened.scope
              return part(operation, content, opened.content, missing)
            })
          )
        }
      }

      const close = (exit: Exit.Exit<unknown, unknown>) =>
        Effect.suspend(() => {
          closed = true
          return Scope.close(all, exit)
        })

      return Effect.addFinalizer(close).pipe(
        Effect.zipRight(restore(attempts.repeat(open(answer), () => open(attempts.next(operation))))),
        Effect.map((opened) => {
          const { content } = opened
          return content.body.bytes === undefined
            ? new BlobContent.BlobContent({
              ...content,
              body: stitch(content.body, {
                length: spanOf(content).length,
                begin: begin(opened),
                asked: Operation.errorFields(operation),
                fork: (effect) => Runtime.runFork(runtime)(Effect.interruptible(effect), { scope: all })
              }),
              verified: false
            })
            : content
        })
      )
    })
  )

const spanOf = ({ descriptor, range }: BlobContent.BlobContent): ByteRange.Span =>
  range ?? { offset: 0, length: descriptor.size }

/** The part that is missing, of an answer that should be no more than that, or is the whole blob. */
const part = (
  operation: Operation.GetBlob,
  content: BlobContent.BlobContent,
  { body, descriptor, range }: BlobContent.BlobContent,
  missing: ByteRange.Span
): Answer<Body.Body> => {
  const invalid = (reason: string) =>
    Exit.fail(new RegistryError.ResponseInvalid({ ...Operation.errorFields(operation), reason }))
  const { digest, size } = content.descriptor
  if (descriptor.digest !== digest || descriptor.size !== size) {
    return invalid(
      `the blob has changed while it was read: it was ${digest}, ${size} bytes; it is ${descriptor.digest}, ${descriptor.size} bytes`
    )
  }
  if (range === undefined) return Exit.succeed(Body.slice(body, missing))
  if (range.offset === missing.offset && range.length === missing.length) return Exit.succeed(body)
  return invalid(
    `the registry sent ${range.length} bytes from ${range.offset} on where ${missing.length} from ${missing.offset} on were asked for`
  )
}
