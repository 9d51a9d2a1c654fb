import * as Digest from "@effect-oci/core/Digest"
import { override } from "@effect-oci/core/Handler"
import type { Middleware } from "@effect-oci/core/Middleware"
import * as Operation from "@effect-oci/core/Operation"
import * as RegistryError from "@effect-oci/core/RegistryError"
import type { RepositoryName } from "@effect-oci/core/RepositoryName"
import type { Tag } from "@effect-oci/core/Tag"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { Claim, Event, History } from "./register.js"

/** The claims of a response about tags. If they are not settled, it is unknown whether the operation was performed. */
interface Claims {
  readonly claims: ReadonlyArray<readonly [tag: Tag, claim: Claim]>
  readonly settled: boolean
}

/** Some responses concern tags that they do not name, so this is evaluated at the end, for all tags known by then. */
type ClaimsOf = (tags: ReadonlyArray<Tag>) => Claims

interface Entry {
  readonly repository: RepositoryName
  /** The tags that the operation names. */
  readonly named: ReadonlyArray<Tag>
  readonly claimsOf: ClaimsOf
  readonly invoked: number
  readonly responded: number
}

type Ended<A> = Exit.Exit<A, RegistryError.RegistryError>

const errorOf = (exit: Ended<unknown>): RegistryError.RegistryError | undefined =>
  Exit.isSuccess(exit) ? undefined : Option.getOrUndefined(Cause.failureOption(exit.cause))

const isMissing = (exit: Ended<unknown>): boolean => {
  const error = errorOf(exit)
  return error !== undefined && RegistryError.isNotFound(error)
}

const settled = (tags: ReadonlyArray<Tag>, claim: Claim): Claims => ({
  claims: tags.map((tag) => [tag, claim]),
  settled: true
})

/** If an error does not prove that nothing was done, the operation may have been performed. */
const unsettled = (tags: ReadonlyArray<Tag>, claim: Claim): Claims => ({ ...settled(tags, claim), settled: false })

const pushed = (operation: Operation.PushManifest, exit: Ended<Operation.PushedManifest>): Claims => {
  const { ifMatch: from = "nothing", tags } = operation
  const digest = operation.digest ?? Digest.fromBytes(operation.bytes)
  const isConditional = Operation.isConditional(operation)
  const claim: Claim = isConditional ? { _tag: "PushedFrom", digest, from } : { _tag: "Pushed", digest }
  if (Exit.isSuccess(exit)) return settled(exit.value.tags, claim)
  // The error does not say which of several tags does not meet the condition.
  return isConditional && tags.length === 1 && errorOf(exit)?._tag === "OciDenied"
    ? settled(tags, { _tag: "Taken", digest, from })
    : unsettled(tags, claim)
}

const resolved = (tag: Tag, exit: Ended<Digest.Digest>): Claims => {
  if (Exit.isSuccess(exit)) return settled([tag], { _tag: "Found", digest: exit.value })
  return settled(isMissing(exit) ? [tag] : [], { _tag: "Missing" })
}

const deleted = (tags: ReadonlyArray<Tag>, exit: Ended<unknown>, done: Claim, missing: Claim): Claims => {
  if (Exit.isSuccess(exit)) return settled(tags, done)
  return isMissing(exit) ? settled(tags, missing) : unsettled(tags, done)
}

/** A list does not show one moment. Each tag existed, or did not, at some moment during the listing. */
const listed = ({ last, limit }: Operation.ListTags, items: ReadonlyArray<Tag>, known: ReadonlyArray<Tag>): Claims => {
  const end = limit !== undefined && items.length >= limit ? items.at(-1) ?? "" : undefined
  const covered = known.filter((tag) => (last === undefined || tag > last) && (end === undefined || tag <= end))
  return { claims: covered.map((tag) => [tag, { _tag: items.includes(tag) ? "Listed" : "Missing" }]), settled: true }
}

/** Records the responses about tags, between the clients and a registry. */
class Recorder {
  private clock = 0
  private readonly entries: Array<Entry> = []

  private write(
    { repository }: { readonly repository: RepositoryName },
    entry: Omit<Entry, "repository" | "responded">
  ) {
    this.entries.push({ ...entry, repository, responded: this.clock++ })
  }

  /** Records the claims of an operation when its response arrives. */
  private timed<A>(
    operation: { readonly repository: RepositoryName },
    named: ReadonlyArray<Tag>,
    run: () => Effect.Effect<A, RegistryError.RegistryError>,
    claimsOf: (exit: Ended<A>, tags: ReadonlyArray<Tag>) => Claims
  ): Effect.Effect<A, RegistryError.RegistryError> {
    return Effect.suspend(() => {
      const invoked = this.clock++
      return Effect.onExit(
        Effect.suspend(run),
        (exit) => Effect.sync(() => this.write(operation, { invoked, named, claimsOf: (tags) => claimsOf(exit, tags) }))
      )
    })
  }

  /** Records the digest that a tag resolves to. */
  private timedRead<A>(
    operation: { readonly repository: RepositoryName; readonly reference: Operation.TagOrDigest },
    run: () => Effect.Effect<A, RegistryError.RegistryError>,
    digestOf: (result: A) => Digest.Digest
  ): Effect.Effect<A, RegistryError.RegistryError> {
    const { reference } = operation
    return Operation.isDigest(reference)
      ? run()
      : this.timed(operation, [reference], run, (exit) => resolved(reference, Exit.map(exit, digestOf)))
  }

  readonly middleware: Middleware = (next) =>
    override(next, {
      ResolveManifest: (operation) => this.timedRead(operation, () => next(operation), ({ digest }) => digest),
      GetManifest: (operation) =>
        this.timedRead(operation, () => next(operation), ({ descriptor }) => descriptor.digest),
      PushManifest: (operation) =>
        this.timed(operation, operation.tags, () => next(operation), (exit) => pushed(operation, exit)),
      DeleteTag: (operation) =>
        this.timed(operation, [operation.tag], () =>
          next(operation), (exit) =>
          deleted([operation.tag], exit, { _tag: "Deleted" }, { _tag: "Missing" })),
      DeleteManifest: (operation) => {
        const { digest } = operation
        return this.timed(operation, [], () =>
          next(operation), (exit, tags) =>
          deleted(tags, exit, { _tag: "ManifestDeleted", digest }, { _tag: "ManifestMissing", digest }))
      },
      ListTags: (operation) =>
        Effect.suspend(() => {
          const invoked = this.clock++
          return Effect.map(next(operation), (list) =>
            this.recordList(operation, invoked, list))
        })
    })

  private recordList(
    operation: Operation.ListTags,
    invoked: number,
    list: Stream.Stream<Tag, RegistryError.RegistryError>
  ): Stream.Stream<Tag, RegistryError.RegistryError> {
    return Stream.suspend(() => {
      const items: Array<Tag> = []
      const claimsOf: ClaimsOf = (tags) => listed(operation, items, tags)
      return list.pipe(
        Stream.mapChunks((chunk) => {
          items.push(...chunk)
          return chunk
        }),
        Stream.onEnd(Effect.sync(() => this.write(operation, { invoked, named: items, claimsOf })))
      )
    })
  }

  readonly history = (): History => {
    const tags = new Map<RepositoryName, Set<Tag>>()
    for (const { named, repository } of this.entries) {
      tags.set(repository, new Set([...tags.get(repository) ?? [], ...named]))
    }
    return this.entries.flatMap(({ claimsOf, invoked, repository, responded }) => {
      const { claims, settled } = claimsOf([...tags.get(repository) ?? []])
      return claims.map(([tag, claim]): Event => ({
        repository,
        tag,
        claim,
        invoked,
        responded: settled ? responded : Infinity
      }))
    })
  }
}

export const make = (): Pick<Recorder, "middleware" | "history"> => new Recorder()
