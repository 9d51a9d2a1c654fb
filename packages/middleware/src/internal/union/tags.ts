import { Answer, MediaType, Operation, RegistryError } from "@effect-oci/core"
import type { Descriptor, Handler, Manifest, Tag } from "@effect-oci/core"
import type * as Effect from "effect/Effect"
import { askAll } from "./askAll.js"
import type { Outcome } from "./askAll.js"
import * as memberErrors from "./memberErrors.js"
import type { MemberReads } from "./memberReads.js"
import { dispatch, noMemberError, shouldTryNext } from "./model.js"
import type { CapableMembers, Settings, UnionMember } from "./model.js"

type Result<A> = Effect.Effect<A, RegistryError.RegistryError>

/** The manifest that a tag resolves to, and the members that resolved it. */
interface Resolved {
  readonly descriptor: Descriptor.Descriptor
  readonly by: ReadonlyArray<UnionMember>
}

/** Reads of manifests by tag. */
export class TagReads {
  private readonly triesNext: (error: RegistryError.RegistryError) => boolean

  constructor(
    private readonly settings: Settings,
    private readonly reads: MemberReads,
    private readonly pullers: CapableMembers,
    private readonly resolvers: CapableMembers,
    private readonly getByDigest: Handler.Row<"GetManifest">
  ) {
    this.triesNext = shouldTryNext(settings)
  }

  resolve(operation: Operation.ResolveManifest, tag: Tag.Tag): Result<Descriptor.Descriptor> {
    const members = this.resolvers.ofTags(operation.repository, [tag])
    return dispatch(
      operation,
      this.resolvers,
      members,
      () => Answer.map(this.resolveAt(members, operation, tag), ({ descriptor }) => descriptor)
    )
  }

  /**
   * Returns the manifest that resolving the tag names, from any member that serves it. The tag is resolved once, so
   * that no less trusted member can answer with another manifest.
   */
  get(operation: Operation.GetManifest, tag: Tag.Tag): Result<Manifest.Manifest> {
    const { repository } = operation
    const members = this.resolvers.ofTags(repository, [tag])
    const [only] = members
    if (only === undefined) return noMemberError(operation, this.resolvers)
    const pullers = this.pullers.ofRepository(repository)
    if (members.length === 1 && pullers.length === 1 && pullers[0] === only) return only.handle(operation)
    const resolved = this.resolveAt(members, new Operation.ResolveManifest({ repository, reference: tag }), tag)
    const manifest = Answer.flatMap(resolved, (resolved) => this.getResolved(operation, resolved))
    return Answer.mapError(
      manifest,
      operation,
      (error) => RegistryError.withFields(error, Operation.errorFields(operation))
    )
  }

  /** Resolves a tag: the first member's answer, or the answer of all members, which must be equal. */
  private resolveAt(
    members: ReadonlyArray<UnionMember>,
    operation: Operation.ResolveManifest,
    tag: Tag.Tag
  ): Result<Resolved> {
    if (this.settings.tags !== "agree") {
      return this.reads.inOrder({
        operation,
        members,
        ask: (member) => Answer.map(member.handle(operation), (descriptor) => ({ descriptor, by: [member] }))
      })
    }
    return Answer.flatMap(
      askAll(members, ({ verifying }) => verifying(operation)),
      (outcomes) =>
        Answer.map(agreement(operation, tag, members, outcomes, this.triesNext), (descriptor) => ({
          descriptor,
          by: members.filter((_, index) => outcomes[index]!.answer._tag === "Right")
        }))
    )
  }

  private getResolved(
    operation: Operation.GetManifest,
    { by, descriptor }: Resolved
  ): Result<Manifest.Manifest> {
    const { repository } = operation
    const found = Answer.flatMap(
      this.getByDigest(new Operation.GetManifest({ repository, reference: descriptor.digest })),
      (manifest) =>
        isSame(manifest.descriptor, descriptor)
          ? Answer.succeed(manifest)
          : Answer.fail(otherType(operation, manifest.descriptor, descriptor))
    )
    return Answer.catchAll(found, (error) =>
      this.triesNext(error)
        ? this.getByTag(operation, by.filter(({ can }) => can("pull")), descriptor, error)
        : Answer.fail(error))
  }

  /**
   * Asks the members that resolved a tag for its manifest by the tag: a member that filters by tags serves no digests.
   * With `tags: "first"`, the first member's answer counts even if the tag has moved since. With `tags: "agree"`,
   * members must return the manifest on which they agreed.
   */
  private getByTag(
    operation: Operation.GetManifest,
    members: ReadonlyArray<UnionMember>,
    resolved: Descriptor.Descriptor,
    error: RegistryError.RegistryError
  ): Result<Manifest.Manifest> {
    if (members.length === 0) return Answer.fail(error)
    const manifest = this.reads.inOrder({
      operation,
      members,
      ask: (member) =>
        Answer.flatMap(
          member.handle(operation),
          (manifest) =>
            this.settings.tags !== "agree" || isSame(manifest.descriptor, resolved)
              ? Answer.succeed(manifest)
              : Answer.fail(error)
        )
    })
    return Answer.mapError(manifest, operation, (failure) => this.triesNext(failure) ? error : failure)
  }
}

/** Returns whether a descriptor is the one that a tag resolved to. Some registries send a generic type to HEAD. */
const isSame = (found: Descriptor.Descriptor, resolved: Descriptor.Descriptor): boolean =>
  found.digest === resolved.digest &&
  (found.mediaType === resolved.mediaType || MediaType.isGeneric(resolved.mediaType))

/** The error for a manifest that the members have with several media types. */
const otherType = (
  operation: Operation.GetManifest,
  found: Descriptor.Descriptor,
  resolved: Descriptor.Descriptor
) =>
  new RegistryError.ManifestUnknown({
    ...Operation.errorFields(operation),
    reason:
      `the tag points at ${resolved.digest} of type ${resolved.mediaType}, but the union serves that manifest as ` +
      found.mediaType
  })

/** Combines the answers of all members about a tag. A member without the tag is no conflict. */
const agreement = (
  operation: Operation.ResolveManifest,
  tag: Tag.Tag,
  members: ReadonlyArray<UnionMember>,
  outcomes: ReadonlyArray<Outcome<Descriptor.Descriptor>>,
  triesNext: (error: RegistryError.RegistryError) => boolean
): Result<Descriptor.Descriptor> => {
  const found = outcomes.flatMap(({ answer }) => answer._tag === "Right" ? [answer.right] : [])
  const failed = outcomes.flatMap(({ answer, name }, index) =>
    answer._tag === "Left" ? [{ name, error: answer.left, authoritative: members[index]!.authoritative }] : []
  )
  const decisive = failed.find(({ authoritative, error }) =>
    !(RegistryError.isNotFound(error) || (!authoritative && triesNext(error)))
  )
  const [first] = found
  if (first === undefined || decisive !== undefined) {
    const final = decisive ?? failed.find(({ authoritative }) => authoritative)
    return Answer.fail(memberErrors.combine(operation, failed, final?.error))
  }
  if (found.every(({ digest }) => digest === first.digest)) return Answer.succeed(first)
  const digests = outcomes.map(({ answer, name }) => ({
    name,
    digest: answer._tag === "Right" ? answer.right.digest : undefined
  }))
  const points = digests.map(({ digest, name }) => `${name}: ${digest ?? "none"}`).join("; ")
  return Answer.fail(
    new RegistryError.TagConflict({
      ...Operation.errorFields(operation),
      tag,
      members: digests,
      reason: `the members disagree about the tag "${tag}": ${points}`
    })
  )
}
