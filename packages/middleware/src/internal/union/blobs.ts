import { Answer, BlobContent, Body, Operation, RegistryError } from "@effect-oci/core"
import type { ByteRange } from "@effect-oci/core"
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { ownScope } from "../resume/ownScope.js"
import { checkSameBlob, resume } from "../resume/resume.js"
import type { Next, Opened } from "../resume/resume.js"
import * as memberErrors from "./memberErrors.js"
import type { MemberError } from "./memberErrors.js"
import type { MemberReads } from "./memberReads.js"
import { isWrongContent } from "./model.js"
import type { Settings, UnionMember } from "./model.js"

type Result<A, R = never> = Effect.Effect<A, RegistryError.RegistryError, R>

/** Content, and the member that serves it. */
interface Source extends Opened {
  readonly member: UnionMember
}

/**
 * Gets a blob from several members. Content up to 64 KiB is read and verified before it is returned, so that wrong
 * content makes the next member answer. Larger content is verified as it flows, and its last byte is withheld if the
 * content is wrong. If content breaks off, the next member continues it from the first missing byte. By default it
 * continues by range, and all of the content is verified as one. If the first member has verified its content itself,
 * the next member sends the whole blob, which is verified as one, and the bytes that were already sent are skipped.
 */
export const getBlob = (
  reads: MemberReads,
  read: Settings["read"],
  operation: Operation.GetBlob,
  members: ReadonlyArray<UnionMember>
): Result<BlobContent.BlobContent, Scope.Scope> => {
  const request = {
    operation,
    members,
    ask: (member: UnionMember) => verifiedCandidate(operation, open(member, member.handle(operation)))
  }
  const found = read === "race"
    ? reads.raced(request, ({ scope }) => scope === undefined ? Effect.void : Scope.close(scope, Exit.void))
    : reads.inOrder(request)
  return Answer.flatMap(found, (first) =>
    first.content.body.bytes !== undefined
      ? Answer.succeed(first.content)
      : Effect.flatMap(Effect.clock, (clock) => new Download(reads, operation, members, first, clock).content()))
}

/** The content of a member, which other members continue if it breaks. It is verified as a whole. */
class Download {
  /** The members that sent parts of the content. */
  private sources: Array<UnionMember> = []
  private failed: Array<MemberError> = []
  private untried = new Set<UnionMember>()

  constructor(
    private readonly reads: MemberReads,
    private readonly operation: Operation.GetBlob,
    private readonly members: ReadonlyArray<UnionMember>,
    private readonly first: Source,
    private readonly clock: Clock.Clock
  ) {
    this.begin()
  }

  content(): Effect.Effect<BlobContent.BlobContent, never, Scope.Scope> {
    const continued = resume(this.operation, this.first, () => {
      this.begin()
      return this.next
    })
    return Effect.map(continued, (content) =>
      BlobContent.mapError(
        BlobContent.verify(content, Operation.errorFields(this.operation)),
        (error) => this.blame(error)
      ))
  }

  /** Starts a run of the body. */
  private begin(): void {
    this.sources = [this.first.member]
    this.failed = []
    this.untried = new Set(this.members)
    this.untried.delete(this.first.member)
  }

  /** Opens the rest of broken content at the next member. */
  private readonly next: Next = (error, missing) => {
    const { failed, operation, reads } = this
    const { name } = this.recordFailure(this.sources.at(-1)!, error)
    failed.push({ name, error })
    // The bytes that were sent are wrong.
    if (isWrongContent(error, operation)) return Answer.fail(error)
    if (!reads.canAskNext(operation, { authoritative: false }, error)) {
      return Answer.fail(memberErrors.combine(operation, failed, error))
    }
    return reads.inOrder({
      operation,
      members: [...this.untried],
      failed,
      ask: (member) => this.openRest(member, missing)
    })
  }

  private openRest(member: UnionMember, missing: ByteRange.Span): Result<Source, Scope.Scope> {
    const { first: { content }, operation } = this
    this.untried.delete(member)
    const rest = content.verified && content.range === undefined
      ? member.verifying(operation)
      : member.handle(new Operation.GetBlob({ ...operation, range: missing }))
    return Effect.tap(open(member, rest), (opened) =>
      Effect.map(
        closeOnError(opened, checkSameBlob(operation, content, missing, opened.content)),
        () => this.sources.push(member)
      ))
  }

  /** Adds the members that sent wrong content to the error. */
  private blame(error: RegistryError.RegistryError): RegistryError.RegistryError {
    if (!isWrongContent(error, this.operation)) return error
    for (const member of this.sources) this.recordFailure(member, error)
    const names = this.sources.map(({ name }) => name).join(", then ")
    return RegistryError.withFields(error, { reason: `wrong content from ${names}: ${error.reason ?? ""}` })
  }

  private recordFailure(member: UnionMember, error: RegistryError.RegistryError): UnionMember {
    this.reads.cooldown.recordFailure(member, error, this.clock)
    return member
  }
}

/** Opens content in its own scope, so that it can be closed before another member is asked. */
const open = (
  member: UnionMember,
  content: Result<BlobContent.BlobContent, Scope.Scope>
): Result<Source, Scope.Scope> =>
  Answer.settled(content) === undefined
    ? Effect.map(ownScope(content), ({ scope, value }) => ({ member, content: value, scope }))
    : Answer.map(content, (content) => ({ member, content, scope: undefined }))

/** Closes content if an effect on it fails, because another member is asked then. */
const closeOnError = <A>({ scope }: Source, effect: Result<A>): Result<A> =>
  Effect.onError(effect, (cause) => scope === undefined ? Effect.void : Scope.close(scope, Exit.failCause(cause)))

/** Content of up to this size, in bytes, is verified before it is returned. */
const maxVerifiedBytes = 64 * 1024

/** Fails if content does not have the requested digest, as far as that can be checked before the content flows. */
const verifiedCandidate = (
  operation: Operation.GetBlob,
  candidate: Result<Source, Scope.Scope>
): Result<Source, Scope.Scope> =>
  Answer.flatMap(candidate, (opened): Result<Source> => {
    const { content } = opened
    const { body, descriptor, range, verified } = content
    const fields = Operation.errorFields(operation)
    if (descriptor.digest !== operation.digest) {
      const reason = `the registry answered with ${descriptor.digest}`
      return Answer.fail(new RegistryError.DigestInvalid({ ...fields, reason }))
    }
    if (range !== undefined || descriptor.size > maxVerifiedBytes) return Answer.succeed(opened)
    if (body.bytes !== undefined && verified) return Answer.succeed(opened)
    const bytes = Body.toBytes(BlobContent.verify(content, fields).body, {
      limit: maxVerifiedBytes,
      onLimit: () =>
        new RegistryError.SizeInvalid({ ...fields, reason: `the content is larger than ${descriptor.size} bytes` })
    })
    return Effect.map(closeOnError(opened, bytes), (bytes) => ({
      ...opened,
      content: new BlobContent.BlobContent({ descriptor, body: Body.bytes(bytes), verified: true })
    }))
  })
