import { Handler, Operation, RegistryError } from "@effect-oci/core"
import type { RepositoryName } from "@effect-oci/core"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as answer from "../answer.js"
import { isContent } from "../isDigestOf.js"
import { uploadInstead } from "../uploadInstead.js"
import { everywhere } from "./askAll.js"
import { everyOne } from "./combineWrites.js"
import { fanOut } from "./fanOut.js"
import type { Options, Target } from "./model.js"
import * as model from "./model.js"
import { unionUploads } from "./uploads.js"
import * as uploadSessions from "./uploadSessions.js"

type Rows = Pick<
  Handler.Table,
  | "PushBlob"
  | "MountBlob"
  | "StartUpload"
  | "GetUpload"
  | "AppendUpload"
  | "CompleteUpload"
  | "CancelUpload"
  | "PushManifest"
>

/**
 * Creates the handlers of writes. Writes go to the first member with the capability, which then receives all writes of
 * a repository, or to all such members. `resolveTag` resolves a tag over the members.
 */
export const writer = (
  targets: ReadonlyArray<Target>,
  { push = "first", uploadKey }: Options,
  resolveTag: Handler.Row<"ResolveManifest">
): Rows => {
  const resolvers = model.able(targets, "resolve")
  const able = model.able(targets, "push")
  const membersOf = push === "all"
    ? able.within
    : (repository: RepositoryName.RepositoryName) => able.within(repository).slice(0, 1)
  const uploads = unionUploads(targets, uploadSessions.make(targets.map(({ name }) => name), uploadKey))

  /**
   * Sends the operation to the only member directly, so that its upload ids are used unchanged, or to several members.
   */
  const by = <O extends Exclude<Operation.Operation, Operation.GetBlob | Operation.ListRepositories>>(
    alone: (target: Target, operation: O) => answer.AnswerTo<O>,
    together: (operation: O, members: ReadonlyArray<Target>) => answer.AnswerTo<O>
  ) =>
  (operation: O): answer.AnswerTo<O> => {
    const members = membersOf(operation.repository)
    const [only] = members
    if (only === undefined) return model.nobody(operation, able)
    return members.length === 1 ? alone(only, operation) : together(operation, members)
  }

  /**
   * Fails with `Denied` if a tag points at another manifest at a member. If the only member that resolves the tag is
   * also the only one that receives the push, that member checks this itself.
   */
  const absent = (operation: Operation.PushManifest, pushedTo: ReadonlyArray<Target>) => {
    const { repository, tags } = operation
    const asked = Operation.errorFields(operation)
    return Effect.forEach(
      tags.filter((tag) =>
        resolvers.ofTags(repository, [tag]).some((target) => pushedTo.length > 1 || target !== pushedTo[0])
      ),
      (tag) =>
        Handler.matchEffect(resolveTag(new Operation.ResolveManifest({ repository, reference: tag })), {
          onFailure: (error) =>
            RegistryError.isNotFound(error) ? Exit.void : Exit.fail(RegistryError.withFields(error, asked)),
          onSuccess: ({ digest }) => {
            if (isContent(operation, digest)) return Exit.void
            const reason = `the tag "${tag}" exists and stands for ${digest}`
            return Exit.fail(new RegistryError.Denied({ ...asked, reason }))
          }
        }),
      { discard: true }
    )
  }

  return {
    PushBlob: by(itself, pushBlob),
    MountBlob: by(mount, (operation, members) =>
      Effect.flatMap(
        everywhere(members, (target) => mount(target, operation)),
        (outcomes) => uploads.mounted(operation, members, outcomes)
      )),
    StartUpload: by(itself, uploads.start),
    GetUpload: by(itself, uploads.get),
    AppendUpload: by(itself, uploads.append),
    CompleteUpload: by(itself, uploads.complete),
    CancelUpload: by(itself, uploads.cancel),
    PushManifest: (operation) => {
      const { repository, tags } = operation
      const all = membersOf(repository)
      if (all.length === 0) return model.nobody(operation, able)
      const members = all.filter(({ select }) => tags.every((tag) => model.contains(select, repository, tag)))
      const [only] = members
      if (only === undefined) {
        const reason = `no member takes the tags ${tags.join(", ")} of this repository`
        return Exit.fail(new RegistryError.Denied({ ...Operation.errorFields(operation), reason }))
      }
      const pushed = () => members.length === 1 ? only.handle(operation) : pushManifest(operation, members)
      return operation.ifAbsent === true
        ? Effect.zipRight(absent(operation, members), Effect.suspend(pushed))
        : pushed()
    }
  }
}

const itself = <O extends Operation.Operation>({ handle }: Target, operation: O): answer.AnswerTo<O> =>
  handle(operation)

/** Pushes a blob to several members. The body is read once, unless it can be replayed. */
const pushBlob = (operation: Operation.PushBlob, members: ReadonlyArray<Target>) =>
  Effect.flatMap(fanOut(operation.body, members.map(() => 0)), ({ bodies, leave }) =>
    Effect.flatMap(
      everywhere(members, ({ handle }, index) =>
        Effect.ensuring(
          handle(new Operation.PushBlob({ ...operation, body: bodies[index]! })),
          Effect.sync(() => leave(index))
        )),
      (outcomes) => Exit.map(everyOne(operation, outcomes), ([descriptor]) => descriptor)
    ))

/** Mounts a blob at a member. If the member may not be asked about the source, starts an upload session instead. */
const mount = (
  { handle, select }: Target,
  operation: Operation.MountBlob
): answer.AnswerTo<Operation.MountBlob> => {
  const { from } = operation
  const within = from === undefined ? select === undefined : model.touches(select, from)
  return within ? handle(operation) : uploadInstead(handle, operation)
}

/**
 * Combines the results of the members: the tags that all members have set, and the subject if all members return the
 * same one.
 */
const pushManifest = (operation: Operation.PushManifest, members: ReadonlyArray<Target>) =>
  Handler.matchEffect(everywhere(members, ({ handle }) => handle(operation)), {
    onFailure: Exit.fail,
    onSuccess: (outcomes) =>
      Exit.map(everyOne(operation, outcomes), ([first, ...others]): Operation.PushedManifest => {
        const { subject, ...pushed } = first
        const tags = pushed.tags.filter((tag) => others.every((other) => other.tags.includes(tag)))
        return subject !== undefined && others.every((other) => other.subject === subject)
          ? { ...pushed, subject, tags }
          : { ...pushed, tags }
      })
  })
