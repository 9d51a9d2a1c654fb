import { Answer, Operation, RegistryError } from "@effect-oci/core"
import type { Digest, RepositoryName, Tag } from "@effect-oci/core"
import * as Effect from "effect/Effect"
import { askAll } from "./askAll.js"
import type { Outcome } from "./askAll.js"
import type { UnionMember } from "./model.js"

/**
 * Moves of tags in the order of the first member, which several processes can make at once. The first member decides
 * about a condition. Afterwards, each process makes the tags of the other members equal to those of the first member. It
 * ends only when it has seen them equal after its last write, so that the last process leaves them equal.
 */

type Members = ReadonlyArray<UnionMember>
type Result<A> = Effect.Effect<A, RegistryError.RegistryError>

/** How often the tags of a member are corrected before the write fails. */
const maxCorrections = 20

const digestAt = ({ handle }: UnionMember, repository: RepositoryName.RepositoryName, tag: Tag.Tag) =>
  Answer.matchEffect(handle(new Operation.ResolveManifest({ repository, reference: tag })), {
    onSuccess: ({ digest }): Result<Digest.Digest | undefined> => Answer.succeed(digest),
    onFailure: (error) => RegistryError.isNotFound(error) ? Answer.succeed(undefined) : Answer.fail(error)
  })

/** Moves the tag of a member from `found` to the manifest that the tag has at the first member. */
const correct = (
  first: UnionMember,
  { handle }: UnionMember,
  { found, repository, tag, wanted }: {
    readonly repository: RepositoryName.RepositoryName
    readonly tag: Tag.Tag
    readonly found: Digest.Digest | undefined
    readonly wanted: Digest.Digest | undefined
  }
): Result<unknown> => {
  if (wanted === undefined) return Effect.map(handle(new Operation.DeleteTag({ repository, tag })), () => undefined)
  const condition = found === undefined ? { ifAbsent: true } : { ifMatch: found }
  return Effect.flatMap(
    first.handle(new Operation.GetManifest({ repository, reference: wanted })),
    ({ bytes, descriptor: { mediaType } }) =>
      handle(new Operation.PushManifest({ repository, mediaType, bytes, digest: wanted, tags: [tag], ...condition }))
  )
}

/** Makes a tag of the other members equal to that of the first member. Members that cannot resolve tags are left out. */
export const follow = (
  [first, ...others]: Members,
  operation: Operation.PushManifest | Operation.DeleteTag,
  tag: Tag.Tag
): Result<void> =>
  Effect.gen(function*() {
    const { repository } = operation
    const compared = others.filter((member) => member.can("resolve"))
    if (first === undefined || compared.length === 0) return
    for (let corrections = 0; corrections < maxCorrections; corrections++) {
      const wanted = yield* digestAt(first, repository, tag)
      let isEqual = true
      for (const member of compared) {
        const found = yield* digestAt(member, repository, tag)
        if (found === wanted) continue
        isEqual = false
        // If the member has changed in the meantime, the tags are compared again.
        yield* Effect.catchIf(
          correct(first, member, { repository, tag, found, wanted }),
          (error) => error._tag === "OciDenied" || RegistryError.isNotFound(error),
          () => Effect.void
        )
      }
      if (isEqual) return
    }
    const reason = `other clients move the tag "${tag}" again and again, so that the members of the union differ`
    return yield* new RegistryError.Unavailable({ ...Operation.errorFields(operation), reason })
  })

/** Pushes a manifest to the first member, and then to the others. If the first member fails, the others get nothing. */
export const push = (
  operation: Operation.PushManifest,
  [first, ...others]: Members
): Result<ReadonlyArray<Outcome<Operation.PushedManifest>>> =>
  Effect.gen(function*() {
    if (first === undefined) return []
    const decided = yield* askAll([first], ({ handle }) => handle(operation))
    if (decided.some(({ answer }) => answer._tag === "Left")) return decided
    const plain = new Operation.PushManifest({ ...operation, ifAbsent: undefined, ifMatch: undefined })
    const outcomes = yield* askAll(others, ({ handle }) => handle(plain))
    const succeeded = others.filter((_, index) => outcomes[index]?.answer._tag === "Right")
    yield* Effect.forEach(operation.tags, (tag) => follow([first, ...succeeded], operation, tag), { discard: true })
    return [...decided, ...outcomes]
  })
