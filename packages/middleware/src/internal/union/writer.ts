import { Answer, Digest, MediaType, Operation, RegistryError } from "@effect-oci/core"
import type { Handler, RepositoryName } from "@effect-oci/core"
import * as Effect from "effect/Effect"
import { isDigestOf, isTypeOf } from "../pushedManifest.js"
import { uploadInstead } from "../uploadInstead.js"
import { askAll } from "./askAll.js"
import type { Outcome } from "./askAll.js"
import { combineWrites, firstOf } from "./combineWrites.js"
import { fanOut } from "./fanOut.js"
import * as model from "./model.js"
import type { Settings, UnionMember } from "./model.js"
import * as ordered from "./ordered.js"
import { UnionUploads } from "./uploads.js"
import * as uploadSessions from "./uploadSessions.js"

type Members = ReadonlyArray<UnionMember>

/**
 * Creates the handlers of writes. Writes go to the first member with the capability, which then receives all writes of
 * a repository, or to all such members. A write to one member is sent unchanged, so its upload ids are those of the
 * member. `resolveTag` resolves a tag over the members.
 */
export const writer = (
  unionMembers: Members,
  { push, uploadKey }: Settings,
  resolveTag: Handler.Row<"ResolveManifest">
): Handler.WriterTable => {
  const resolvers = model.capableMembers(unionMembers, "resolve")
  const pushers = model.capableMembers(unionMembers, "push")
  const membersOf = (repository: RepositoryName.RepositoryName): Members => {
    const members = pushers.ofRepository(repository)
    return push === "first" ? members.slice(0, 1) : members
  }
  const uploads = new UnionUploads(
    unionMembers,
    uploadSessions.make(unionMembers.map(({ name }) => name), uploadKey)
  )
  const dispatch = <O extends Operation.OperationOf<keyof Handler.WriterTable>>(
    several: (operation: O, members: Members) => Answer.Answer<O>,
    single?: (operation: O, member: UnionMember) => Answer.Answer<O>
  ) =>
  (operation: O): Answer.Answer<O> =>
    model.dispatch(operation, pushers, membersOf(operation.repository), several, single)

  return {
    PushBlob: dispatch(pushBlob),
    MountBlob: dispatch(
      (operation, members) =>
        Effect.flatMap(
          askAll(members, (member) => mountBlob(operation, member)),
          (outcomes) => uploads.mount(operation, members, outcomes)
        ),
      mountBlob
    ),
    StartUpload: dispatch((operation, members) => uploads.start(operation, members)),
    GetUpload: dispatch((operation) => uploads.get(operation)),
    AppendUpload: dispatch((operation) => uploads.append(operation)),
    CompleteUpload: dispatch((operation) => uploads.complete(operation)),
    CancelUpload: dispatch((operation) => uploads.cancel(operation)),
    PushManifest: (operation) => {
      const { repository, tags } = operation
      const ofRepository = membersOf(repository)
      const members = ofRepository.filter((member) => tags.every((tag) => model.selectsTag(member, repository, tag)))
      if (ofRepository.length > 0 && members.length === 0) {
        const reason = `no member of the union is selected for the tags ${tags.join(", ")} (option select)`
        return Answer.fail(new RegistryError.Denied({ ...Operation.errorFields(operation), reason }))
      }
      const pushed = () =>
        model.dispatch(operation, pushers, members, (operation, members) =>
          pushManifest(
            operation,
            push === "ordered" ? ordered.push(operation, members) : askAll(members, ({ handle }) => handle(operation))
          ))
      return Operation.isConditional(operation) && members.length > 0
        ? Effect.zipRight(checkTags(operation, members, resolvers, resolveTag), Effect.suspend(pushed))
        : pushed()
    }
  }
}

/**
 * Fails with `Denied` if a tag does not meet the condition of the push at the members, and with `ManifestInvalid` if it
 * points at the same manifest with another media type. If the only member that resolves the tag is also the only one
 * that receives the push, that member checks this itself.
 */
const checkTags = (
  operation: Operation.PushManifest,
  pushers: Members,
  resolvers: model.CapableMembers,
  resolveTag: Handler.Row<"ResolveManifest">
): Effect.Effect<void, RegistryError.RegistryError> => {
  const { ifMatch, repository, tags } = operation
  const fields = Operation.errorFields(operation)
  const refused = (reason: string) => Answer.fail(new RegistryError.Denied({ ...fields, reason }))
  return Effect.forEach(
    tags.filter((tag) =>
      resolvers.ofTags(repository, [tag]).some((member) => pushers.length > 1 || member !== pushers[0])
    ),
    (tag) =>
      Answer.matchEffect(resolveTag(new Operation.ResolveManifest({ repository, reference: tag })), {
        onFailure: (error): Effect.Effect<void, RegistryError.RegistryError> => {
          if (!RegistryError.isNotFound(error)) return Answer.fail(RegistryError.withFields(error, fields))
          return ifMatch === undefined ? Answer.done : refused(`the tag "${tag}" does not exist`)
        },
        onSuccess: (found) =>
          Answer.flatMap(Digest.load(found.digest), (): Effect.Effect<void, RegistryError.RegistryError> => {
            if (!isDigestOf(operation, found.digest)) {
              return found.digest === ifMatch
                ? Answer.done
                : refused(`the tag "${tag}" already points at ${found.digest}`)
            }
            if (MediaType.isGeneric(found.mediaType) || isTypeOf(operation, found)) return Answer.done
            const reason = `manifest invalid: the tag "${tag}" already points at these bytes as a manifest of type ` +
              `${found.mediaType}; push them with that type`
            return Answer.fail(new RegistryError.ManifestInvalid({ ...fields, reason }))
          })
      }),
    { discard: true }
  )
}

/** Pushes a blob to several members. The body is read once, unless it can be replayed. */
const pushBlob = (operation: Operation.PushBlob, members: Members) =>
  Effect.flatMap(fanOut(operation.body, members.map(() => 0)), ({ bodies, leave }) =>
    Effect.flatMap(
      askAll(members, ({ handle }, index) =>
        Effect.ensuring(
          handle(new Operation.PushBlob({ ...operation, body: bodies[index]! })),
          Effect.sync(() => leave(index))
        )),
      (outcomes) => combineWrites(operation, outcomes, firstOf)
    ))

/** Mounts a blob at a member. If the member may not be asked about the source, starts an upload session instead. */
const mountBlob = (
  operation: Operation.MountBlob,
  member: UnionMember
): Answer.Answer<Operation.MountBlob> => {
  const { from } = operation
  const mayMount = from === undefined ? member.select === undefined : model.selectsRepository(member, from)
  return mayMount ? member.handle(operation) : uploadInstead(member.handle, operation)
}

/**
 * Combines the results of the members: the tags that all members have set, and the subject if all members return the
 * same one.
 */
const pushManifest = (
  operation: Operation.PushManifest,
  outcomes: Effect.Effect<ReadonlyArray<Outcome<Operation.PushedManifest>>, RegistryError.RegistryError>
) =>
  Answer.flatMap(
    outcomes,
    (outcomes) =>
      combineWrites(operation, outcomes, ([first, ...others]): Operation.PushedManifest => {
        const { subject, ...pushed } = first
        const tags = pushed.tags.filter((tag) => others.every((other) => other.tags.includes(tag)))
        return subject !== undefined && others.every((other) => other.subject === subject)
          ? { ...pushed, subject, tags }
          : { ...pushed, tags }
      })
  )
