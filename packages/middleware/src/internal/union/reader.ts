import { Handler, Operation, RegistryError } from "@effect-oci/core"
import type { Descriptor, Digest, Manifest, Tag } from "@effect-oci/core"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as answer from "../answer.js"
import type { Outcome } from "./askAll.js"
import { everywhere } from "./askAll.js"
import { blobs } from "./blobs.js"
import * as cooldowns from "./cooldown.js"
import type { Attempt } from "./memberErrors.js"
import * as attempts from "./memberErrors.js"
import * as asks from "./memberReads.js"
import type { Options, Target } from "./model.js"
import * as model from "./model.js"

type Rows = Pick<Handler.Table, "ResolveBlob" | "GetBlob" | "ResolveManifest" | "GetManifest">

type Read = Operation.ResolveBlob | Operation.ResolveManifest | Operation.GetManifest

type Answer<A, R = never> = Effect.Effect<A, RegistryError.RegistryError, R>

/** The manifest that a tag resolves to, and the members that resolved it. */
interface Named {
  readonly descriptor: Descriptor.Descriptor
  readonly by: ReadonlyArray<Target>
}

/** Creates the handlers of reads: content by digest from any member, and tags by the option `tags`. */
export const reader = (targets: ReadonlyArray<Target>, options: Options): Rows => {
  const { passOver, read = "order", tags = "first" } = options
  const cooldown = cooldowns.make(options)
  const asking = asks.make(options, cooldown)
  const { inOrder, raced } = asking
  const getBlobFrom = blobs(options, asking, cooldown)
  const pull = model.able(targets, "pull")
  const resolve = model.able(targets, "resolve")
  const movesOn = model.movesOn(passOver)

  const byDigest = <O extends Read>(operation: O): answer.AnswerTo<O> => {
    const members = pull.within(operation.repository)
    const [only] = members
    if (only === undefined) return model.nobody(operation, pull)
    if (members.length === 1) return only.handle(operation)
    const question = { operation, members, ask: (target: Target) => target.checked(operation) }
    return read === "race" ? raced(question, () => Effect.void) : inOrder(question)
  }

  const getBlob: Handler.Row<"GetBlob"> = (operation) => {
    const members = pull.within(operation.repository)
    const [only] = members
    if (only === undefined) return model.nobody(operation, pull)
    if (members.length === 1) return only.handle(operation)
    return getBlobFrom(operation, members)
  }

  /** Resolves a tag: the first member's answer, or the answer of all members, which must be equal. */
  const nameTag = (
    operation: Operation.ResolveManifest,
    tag: Tag.Tag,
    members: ReadonlyArray<Target>
  ): Answer<Named> =>
    tags === "agree"
      ? Handler.matchEffect(everywhere(members, (target) => target.checked(operation)), {
        onFailure: Exit.fail,
        onSuccess: (outcomes) =>
          answer.map(agreement(operation, tag, members, outcomes, movesOn), (descriptor) => ({
            descriptor,
            by: members.filter((_, index) => outcomes[index]!.answer._tag === "Right")
          }))
      })
      : inOrder({
        operation,
        members,
        ask: (target) => answer.map(target.handle(operation), (descriptor) => ({ descriptor, by: [target] }))
      })

  const resolveTag = (operation: Operation.ResolveManifest, tag: Tag.Tag): Answer<Descriptor.Descriptor> => {
    const members = resolve.ofTags(operation.repository, [tag])
    const [only] = members
    if (only === undefined) return model.nobody(operation, resolve)
    if (members.length === 1) return only.handle(operation)
    return answer.map(nameTag(operation, tag, members), ({ descriptor }) => descriptor)
  }

  /**
   * Returns the manifest that resolving the tag names, from any member that serves it. The tag is resolved once, so
   * that no less trusted member can answer with another manifest.
   */
  const getTag = (operation: Operation.GetManifest, tag: Tag.Tag): Answer<Manifest.Manifest> => {
    const { repository } = operation
    const members = resolve.ofTags(repository, [tag])
    const [only] = members
    if (only === undefined) return model.nobody(operation, resolve)
    const servers = pull.within(repository)
    if (members.length === 1 && servers.length === 1 && servers[0] === only) return only.handle(operation)
    const named = nameTag(new Operation.ResolveManifest({ repository, reference: tag }), tag, members)
    const found = Handler.matchEffect(named, {
      onFailure: Exit.fail,
      onSuccess: ({ by, descriptor: { digest } }): Answer<Manifest.Manifest> =>
        Handler.matchEffect(byDigest(new Operation.GetManifest({ repository, reference: digest })), {
          onSuccess: Exit.succeed,
          onFailure: (error) =>
            movesOn(error) ? byName(operation, by.filter(({ can }) => can("pull")), digest, error) : Exit.fail(error)
        })
    })
    return answer.mapError(found, (error) => RegistryError.withFields(error, Operation.errorFields(operation)))
  }

  /**
   * Asks the members that resolved a tag for its manifest by the tag: a member that filters by tags serves no digests.
   * With `tags: "first"`, the first member's answer counts even if the tag has moved since. With `tags: "agree"`,
   * members must return the manifest on which they agreed.
   */
  const byName = (
    operation: Operation.GetManifest,
    members: ReadonlyArray<Target>,
    digest: Digest.Digest,
    error: RegistryError.RegistryError
  ): Answer<Manifest.Manifest> => {
    if (members.length === 0) return Exit.fail(error)
    const found = inOrder({
      operation,
      members,
      ask: (target) =>
        Handler.matchEffect(target.handle(operation), {
          onFailure: Exit.fail,
          onSuccess: (manifest) =>
            tags === "first" || manifest.descriptor.digest === digest ? Exit.succeed(manifest) : Exit.fail(error)
        })
    })
    return answer.mapError(found, (failure) => movesOn(failure) ? error : failure)
  }

  return {
    ResolveBlob: byDigest,
    GetBlob: getBlob,
    ResolveManifest: (operation) => {
      const { reference } = operation
      return Operation.isDigest(reference) ? byDigest(operation) : resolveTag(operation, reference)
    },
    GetManifest: (operation) => {
      const { reference } = operation
      return Operation.isDigest(reference) ? byDigest(operation) : getTag(operation, reference)
    }
  }
}

/** Combines the answers of all members about a tag. A member without the tag is no conflict. */
const agreement = (
  operation: Operation.ResolveManifest,
  tag: Tag.Tag,
  targets: ReadonlyArray<Target>,
  outcomes: ReadonlyArray<Outcome<Descriptor.Descriptor>>,
  movesOn: (error: RegistryError.RegistryError) => boolean
): Answer<Descriptor.Descriptor> => {
  const failed: Array<Attempt> = []
  const found: Array<Descriptor.Descriptor> = []
  let decisive: RegistryError.RegistryError | undefined
  let final: RegistryError.RegistryError | undefined
  for (const [index, { answer, name }] of outcomes.entries()) {
    if (answer._tag === "Right") {
      found.push(answer.right)
      continue
    }
    const error = answer.left
    const { authoritative } = targets[index]!
    failed.push({ name, error })
    if (authoritative) final ??= error
    if (!(RegistryError.isNotFound(error) || (!authoritative && movesOn(error)))) decisive ??= error
  }
  const [first] = found
  if (first === undefined || decisive !== undefined) {
    return Exit.fail(attempts.asOne(operation, failed, decisive ?? final))
  }
  if (found.every(({ digest }) => digest === first.digest)) return Exit.succeed(first)
  const members = outcomes.map(({ answer, name }) => ({
    name,
    digest: answer._tag === "Right" ? answer.right.digest : undefined
  }))
  const points = members.map(({ digest, name }) => `${name}: ${digest ?? "none"}`).join("; ")
  return Exit.fail(
    new RegistryError.TagConflict({
      ...Operation.errorFields(operation),
      tag,
      members,
      reason: `the members disagree about the tag "${tag}": ${points}`
    })
  )
}
