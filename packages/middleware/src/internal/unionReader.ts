import { BlobContent, Body, Handler, Operation, RegistryError } from "@effect-oci/core"
import type { Descriptor, Digest, Manifest, Tag } from "@effect-oci/core"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as answer from "./answer.js"
import type { Attempt } from "./attempts.js"
import * as attempts from "./attempts.js"
import type { Outcome } from "./everywhere.js"
import { everywhere } from "./everywhere.js"
import { isolated } from "./isolated.js"
import { race } from "./race.js"
import type { Options, Target } from "./unionModel.js"
import * as model from "./unionModel.js"

type Rows = Pick<Handler.Table, "ResolveBlob" | "GetBlob" | "ResolveManifest" | "GetManifest">

type Read = Operation.ResolveBlob | Operation.ResolveManifest | Operation.GetManifest

type Answer<A, R = never> = Effect.Effect<A, RegistryError.RegistryError, R>

/** The manifest that a tag stands for, and the members that say so. */
interface Named {
  readonly descriptor: Descriptor.Descriptor
  readonly by: ReadonlyArray<Target>
}

/** What reads: content by its digest from whoever has it, and tags from whoever is believed. */
export const reader = (targets: ReadonlyArray<Target>, { passOver, read = "order", tags = "first" }: Options): Rows => {
  const pull = model.able(targets, "pull")
  const resolve = model.able(targets, "resolve")
  const movesOn = model.movesOn(passOver)

  /** Asks one after another, as long as they have not what is asked for. */
  const inOrder = <A, R>(
    operation: Operation.Operation,
    members: ReadonlyArray<Target>,
    ask: (target: Target) => Answer<A, R>
  ): Answer<A, R> => {
    const from = (index: number, before: ReadonlyArray<Attempt>): Answer<A, R> => {
      const target = members[index]!
      const answer = ask(target)
      const failed = (error: RegistryError.RegistryError): Answer<A, R> => {
        const all = [...before, { name: target.name, error }]
        if (!movesOn(error)) return Exit.fail(attempts.asOne(operation, all, error))
        return index + 1 < members.length ? from(index + 1, all) : Exit.fail(attempts.asOne(operation, all))
      }
      const exit = Handler.exitOf(answer)
      if (exit === undefined) return Effect.catchAll(answer, failed)
      if (exit._tag === "Success") return answer
      return Option.match(Cause.failureOption(exit.cause), { onNone: () => answer, onSome: failed })
    }
    return from(0, [])
  }

  /** Asks all at once: the first success counts, and no failure of one ends it. */
  const raced = <A, R>(
    operation: Operation.Operation,
    members: ReadonlyArray<Target>,
    ask: (target: Target) => Answer<A, R>,
    late: (value: A) => Effect.Effect<void>
  ): Answer<A, R> => {
    const answers: Array<Answer<A, R>> = []
    for (const target of members) {
      const answer = ask(target)
      if (Handler.exitOf(answer)?._tag === "Success") return answer
      answers.push(answer)
    }
    return Effect.mapError(
      race(answers, late),
      (errors) => attempts.asOne(operation, errors.map((error, index) => ({ name: members[index]!.name, error })))
    )
  }

  const byDigest = <O extends Read>(operation: O): answer.AnswerTo<O> => {
    const members = pull.within(operation.repository)
    const [only] = members
    if (only === undefined) return model.nobody(operation, pull)
    if (members.length === 1) return only.handle(operation)
    const ask = (target: Target) => target.checked(operation)
    return read === "race"
      ? raced(operation, members, ask, () => Effect.void)
      : inOrder(operation, members, ask)
  }

  const getBlob: Handler.Row<"GetBlob"> = (operation) => {
    const members = pull.within(operation.repository)
    const [only] = members
    if (only === undefined) return model.nobody(operation, pull)
    if (members.length === 1) return only.handle(operation)
    const ask = (target: Target) => held(target.checked(operation))
    const found = read === "race"
      ? raced(
        operation,
        members,
        (target) => sound(ask(target)),
        ({ scope }) => scope === undefined ? Effect.void : Scope.close(scope, Exit.void)
      )
      : inOrder(operation, members, ask)
    return answer.map(found, ({ value }) => value)
  }

  /** Resolves a tag: the first member's answer, or that of all members, which must be equal. */
  const nameTag = (
    operation: Operation.ResolveManifest,
    tag: Tag.Tag,
    members: ReadonlyArray<Target>
  ): Answer<Named> =>
    tags === "agree"
      ? Handler.matchEffect(everywhere(members, (target) => target.checked(operation)), {
        onFailure: Exit.fail,
        onSuccess: (outcomes) =>
          answer.map(agreement(operation, tag, outcomes, movesOn), (descriptor) => ({
            descriptor,
            by: members.filter((_, index) => outcomes[index]!.answer._tag === "Right")
          }))
      })
      : inOrder(
        operation,
        members,
        (target) => answer.map(target.handle(operation), (descriptor) => ({ descriptor, by: [target] }))
      )

  const resolveTag = (operation: Operation.ResolveManifest, tag: Tag.Tag): Answer<Descriptor.Descriptor> => {
    const members = resolve.ofTags(operation.repository, [tag])
    const [only] = members
    if (only === undefined) return model.nobody(operation, resolve)
    if (members.length === 1) return only.handle(operation)
    return answer.map(nameTag(operation, tag, members), ({ descriptor }) => descriptor)
  }

  /**
   * Returns the manifest that resolving the tag names, from any member that serves it. The tag is resolved once, so that
   * no less trusted member can answer with another manifest.
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
   * The first member's answer counts even if the tag has moved since. Members that agreed must return what they agreed on.
   */
  const byName = (
    operation: Operation.GetManifest,
    members: ReadonlyArray<Target>,
    digest: Digest.Digest,
    error: RegistryError.RegistryError
  ): Answer<Manifest.Manifest> => {
    if (members.length === 0) return Exit.fail(error)
    const found = inOrder(operation, members, (target) =>
      Handler.matchEffect(target.handle(operation), {
        onFailure: Exit.fail,
        onSuccess: (manifest) =>
          tags === "first" || manifest.descriptor.digest === digest ? Exit.succeed(manifest) : Exit.fail(error)
      }))
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

/** What members say of a tag as one answer. That one has no such tag is no contradiction. */
const agreement = (
  operation: Operation.ResolveManifest,
  tag: Tag.Tag,
  outcomes: ReadonlyArray<Outcome<Descriptor.Descriptor>>,
  movesOn: (error: RegistryError.RegistryError) => boolean
): Answer<Descriptor.Descriptor> => {
  const failed: Array<Attempt> = []
  const found: Array<Descriptor.Descriptor> = []
  let decisive: RegistryError.RegistryError | undefined
  for (const { answer, name } of outcomes) {
    if (answer._tag === "Right") found.push(answer.right)
    else {
      failed.push({ name, error: answer.left })
      if (!movesOn(answer.left)) decisive ??= answer.left
    }
  }
  const [first] = found
  if (first === undefined || decisive !== undefined) {
    return Exit.fail(attempts.asOne(operation, failed, decisive))
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

/** The content of a blob, and the scope of its own that it is open in, if it needs one. */
interface Content {
  readonly value: BlobContent.BlobContent
  readonly scope?: Scope.CloseableScope
}

/** What one member answers, apart from what others do: a connection of one that fails does not wait for another's end. */
const held = (found: Answer<BlobContent.BlobContent, Scope.Scope>): Answer<Content, Scope.Scope> =>
  Handler.exitOf(found) === undefined ? isolated(found) : answer.map(found, (value) => ({ value }))

/** In a race a blob of up to so many bytes has to be there as a whole, and right, to win. */
const smallest = 64 * 1024

/**
 * What a member offers, once as much of it is checked as can be: a small blob is read, so that a bad one that comes fast
 * cannot win. A larger one is checked as it flows, as everywhere.
 */
const sound = (found: Answer<Content, Scope.Scope>): Answer<Content, Scope.Scope> =>
  Handler.matchEffect(found, {
    onFailure: Exit.fail,
    onSuccess: (content): Answer<Content> => {
      const { body, descriptor, range } = content.value
      if (range !== undefined || body.bytes !== undefined || descriptor.size > smallest) return Exit.succeed(content)
      return Effect.map(
        Body.toBytes(body, { limit: smallest, onLimit: () => new RegistryError.SizeInvalid({}) }),
        (bytes) => ({
          ...content,
          value: new BlobContent.BlobContent({ descriptor, body: Body.bytes(bytes), verified: true })
        })
      )
    }
  })
