import { BlobContent, Body, Handler, Operation, RegistryError } from "@effect-oci/core"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as answer from "../answer.js"
import { isolated } from "../resume/ownScope.js"
import { matching, resume } from "../resume/resume.js"
import type { Next, Opened } from "../resume/resume.js"
import type { Cooldown } from "./cooldown.js"
import type { Attempt } from "./memberErrors.js"
import * as attempts from "./memberErrors.js"
import type { Asking } from "./memberReads.js"
import type { Options, Target } from "./model.js"
import { isWrongContent } from "./model.js"

type Answer<A, R = never> = Effect.Effect<A, RegistryError.RegistryError, R>

/** Content, and the member that serves it. */
interface From extends Opened {
  readonly target: Target
}

/**
 * Gets a blob from several members. Content up to 64 KiB is read and verified before it is returned, so that wrong
 * content makes the next member answer. Larger content is verified as it flows, and its last byte is withheld if the
 * content is wrong. If content breaks off, the next member continues it from the first missing byte. By default it
 * continues by range, and all of the content is verified as one. If the first member has verified its content itself,
 * the next member sends the whole blob, which is verified as one, and the bytes that were already sent are skipped.
 */
export const blobs = (
  { read = "order" }: Options,
  { inOrder, raced, shouldTryNext }: Asking,
  cooldown: Cooldown
) => {
  /** Returns a function that opens the rest of broken content at the next member, and adds that member to `sources`. */
  const continuing = (
    operation: Operation.GetBlob,
    members: ReadonlyArray<Target>,
    first: From,
    sources: Array<Target>,
    note: (target: Target, error: RegistryError.RegistryError) => void
  ): Next => {
    const failed: Array<Attempt> = []
    const left = new Set(members)
    sources.splice(0, sources.length, first.target)
    left.delete(first.target)
    const { content } = first
    const isTrusted = content.verified && content.range === undefined
    return (error, missing) => {
      const source = sources.at(-1)!
      note(source, error)
      failed.push({ name: source.name, error })
      // The bytes that were sent are wrong.
      if (isWrongContent(error, operation)) return Exit.fail(error)
      if (!shouldTryNext(operation, { ...source, authoritative: false }, error)) {
        return Exit.fail(attempts.asOne(operation, failed, error))
      }
      const rest = isTrusted ? operation : new Operation.GetBlob({ ...operation, range: missing })
      return inOrder({
        operation,
        members: [...left],
        failed,
        ask: (target) => {
          left.delete(target)
          return open(target, isTrusted ? target.checked(rest) : target.handle(rest)).pipe(
            Effect.tap((opened) => orClose(opened, matching(operation, content, missing, opened.content))),
            Effect.tap(() => Effect.sync(() => sources.push(target)))
          )
        }
      })
    }
  }

  /** Returns the content of a member, which other members continue if it breaks. It is verified as a whole. */
  const whole = (
    operation: Operation.GetBlob,
    members: ReadonlyArray<Target>,
    first: From
  ): Answer<BlobContent.BlobContent, Scope.Scope> => {
    const { content } = first
    if (content.body.bytes !== undefined) return Exit.succeed(content)
    return Effect.flatMap(Effect.clock, (clock) => {
      const sources = [first.target]
      const note = (target: Target, error: RegistryError.RegistryError) => cooldown.note(target, error, clock)
      const resumed = resume(operation, first, () => continuing(operation, members, first, sources, note))
      return Effect.map(
        resumed,
        (content) =>
          answer.mapContentError(BlobContent.verify(content, Operation.errorFields(operation)), (error) => {
            if (!isWrongContent(error, operation)) return error
            for (const target of sources) note(target, error)
            const names = sources.map(({ name }) => name).join(", then ")
            return RegistryError.withFields(error, { reason: `wrong content from ${names}: ${error.reason ?? ""}` })
          })
      )
    })
  }

  return (
    operation: Operation.GetBlob,
    members: ReadonlyArray<Target>
  ): Answer<BlobContent.BlobContent, Scope.Scope> => {
    const question = {
      operation,
      members,
      ask: (target: Target) => sound(operation, open(target, target.handle(operation)))
    }
    const found = read === "race"
      ? raced(question, ({ scope }) => scope === undefined ? Effect.void : Scope.close(scope, Exit.void))
      : inOrder(question)
    return Handler.matchEffect(found, {
      onFailure: Exit.fail,
      onSuccess: (first) => whole(operation, members, first)
    })
  }
}

/** Opens content in its own scope, so that it can be closed before another member is asked. */
const open = (target: Target, found: Answer<BlobContent.BlobContent, Scope.Scope>): Answer<From, Scope.Scope> =>
  Handler.exitOf(found) === undefined
    ? Effect.map(isolated(found), ({ scope, value }) => ({ target, content: value, scope }))
    : answer.map(found, (content) => ({ target, content, scope: undefined }))

/** Closes content if an effect on it fails, because another member is asked then. */
const orClose = <A>({ scope }: From, effect: Answer<A>): Answer<A> =>
  Effect.onError(effect, (cause) => scope === undefined ? Effect.void : Scope.close(scope, Exit.failCause(cause)))

/** Content of up to this size, in bytes, is verified before it is returned. */
const smallest = 64 * 1024

/** Fails if content does not have the requested digest, as far as that can be checked before the content flows. */
const sound = (operation: Operation.GetBlob, found: Answer<From, Scope.Scope>): Answer<From, Scope.Scope> =>
  Handler.matchEffect(found, {
    onFailure: Exit.fail,
    onSuccess: (opened): Answer<From> => {
      const { content } = opened
      const { body, descriptor, range, verified } = content
      const asked = Operation.errorFields(operation)
      if (descriptor.digest !== operation.digest) {
        const reason = `the registry answered with ${descriptor.digest}`
        return Exit.fail(new RegistryError.DigestInvalid({ ...asked, reason }))
      }
      if (range !== undefined || descriptor.size > smallest) return Exit.succeed(opened)
      if (body.bytes !== undefined && verified) return Exit.succeed(opened)
      const bytes = Body.toBytes(BlobContent.verify(content, asked).body, {
        limit: smallest,
        onLimit: () =>
          new RegistryError.SizeInvalid({ ...asked, reason: `the content is larger than ${descriptor.size} bytes` })
      })
      return Effect.map(orClose(opened, bytes), (bytes) => ({
        ...opened,
        content: new BlobContent.BlobContent({ descriptor, body: Body.bytes(bytes), verified: true })
      }))
    }
  })
