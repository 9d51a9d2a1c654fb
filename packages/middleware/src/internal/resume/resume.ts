import { Answer, BlobContent, Body, Operation, RegistryError } from "@effect-oci/core"
import type { ByteRange } from "@effect-oci/core"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Runtime from "effect/Runtime"
import * as Scope from "effect/Scope"

type Result<A, R = never> = Effect.Effect<A, RegistryError.RegistryError, R>

/**
 * The content of a blob, and the scope in which it is open. The scope is closed before another source opens the rest.
 */
export interface Opened {
  readonly content: BlobContent.BlobContent
  readonly scope: Scope.CloseableScope | undefined
}

/** Opens content that contains the missing bytes, in its own scope: only these bytes, or the whole blob. */
export interface Next {
  (error: RegistryError.RegistryError, missing: ByteRange.Span): Result<Opened, Scope.Scope>
}

/**
 * Returns the content of a blob. If the content breaks or ends too early, it continues with the bytes that `next` opens,
 * when the consumer accepts more bytes. `begin` is called once for each run of the body. Ranges cannot be verified, so the caller must verify the content as a whole.
 */
export const resume = (
  operation: Operation.GetBlob,
  { content, scope }: Opened,
  begin: () => Next
): Effect.Effect<BlobContent.BlobContent, never, Scope.Scope> =>
  Effect.flatMap(Effect.zip(Effect.runtime(), Scope.make()), ([runtime, all]) => {
    let closed = false
    const span = spanOf(content)

    const rests = () => {
      const next = begin()
      let current = scope
      return (failure: RegistryError.RegistryError | undefined, sent: number): Result<Body.Body | undefined> => {
        // Content that fails after its last byte is complete.
        const isComplete = failure === undefined
          ? sent >= span.length
          : sent === span.length && RegistryError.isTransient(failure)
        if (isComplete) return Answer.succeed(undefined)
        const error = failure ?? endedEarly(operation, sent, span.length)
        // Content that was closed has not broken.
        if (closed || sent >= span.length) return Answer.fail(error)
        const missing = { offset: span.offset + sent, length: span.length - sent }
        return Effect.zipRight(
          current === undefined ? Effect.void : Scope.close(current, Exit.void),
          Effect.map(Scope.extend(next(error, missing), all), (opened) => {
            current = opened.scope
            return bytesOf(opened.content, missing)
          })
        )
      }
    }

    const close = (exit: Exit.Exit<unknown, unknown>) =>
      Effect.suspend(() => {
        closed = true
        return Scope.close(all, exit)
      })

    return Effect.as(
      Effect.addFinalizer(close),
      new BlobContent.BlobContent({
        ...content,
        body: Body.continueWith(
          content.body,
          rests,
          (effect) => Runtime.runFork(runtime)(Effect.interruptible(effect), { scope: all })
        )
      })
    )
  })

/** Returns the error of content that ended too early. Not every registry reports that. */
const endedEarly = (operation: Operation.GetBlob, sent: number, length: number) =>
  new RegistryError.TransportError({
    ...Operation.errorFields(operation),
    reason: `the content ended after ${sent} of ${length} bytes`
  })

const spanOf = ({ descriptor, range }: BlobContent.BlobContent): ByteRange.Span =>
  range ?? { offset: 0, length: descriptor.size }

/** Returns the missing bytes of content that contains only these bytes, or the whole blob. */
const bytesOf = ({ body, range }: BlobContent.BlobContent, missing: ByteRange.Span): Body.Body =>
  range === undefined ? Body.slice(body, missing) : body

/** Fails with `ResponseInvalid` if content is neither the missing bytes nor the whole of the blob that broke. */
export const checkSameBlob = (
  operation: Operation.GetBlob,
  broken: BlobContent.BlobContent,
  missing: ByteRange.Span,
  { descriptor, range }: BlobContent.BlobContent
): Result<void> => {
  const invalid = (reason: string) =>
    Answer.fail(new RegistryError.ResponseInvalid({ ...Operation.errorFields(operation), reason }))
  const { digest, size } = broken.descriptor
  if (descriptor.digest !== digest || descriptor.size !== size) {
    return invalid(
      `the blob changed during the download: it was ${digest}, ${size} bytes; it is ${descriptor.digest}, ${descriptor.size} bytes`
    )
  }
  if (range === undefined || (range.offset === missing.offset && range.length === missing.length)) return Answer.done
  return invalid(
    `requested ${missing.length} bytes from offset ${missing.offset}, but the registry sent ${range.length} bytes from offset ${range.offset}`
  )
}
