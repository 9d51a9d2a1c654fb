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
import type { Claim, Event, History } from "./tagRegister.js"

/** The claims of an answer about tags. If a claim is not settled, it is unknown whether the operation was performed. */
interface Told {
  readonly claims: ReadonlyArray<readonly [tag: Tag, claim: Claim]>
  readonly settled: boolean
}

/** Some answers concern tags that they do not name, so this is evaluated at the end, for all tags known by then. */
type Tell = (tags: ReadonlyArray<Tag>) => Told

interface Answer {
  readonly repository: RepositoryName
  readonly named: ReadonlyArray<Tag>
  readonly tell: Tell
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

const settled = (tags: ReadonlyArray<Tag>, claim: Claim): Told => ({
  claims: tags.map((tag) => [tag, claim]),
  settled: true
})

/** If an error does not prove that nothing was done, the operation may have been performed. */
const unsettled = (tags: ReadonlyArray<Tag>, claim: Claim): Told => ({ ...settled(tags, claim), settled: false })

const pushed = (operation: Operation.PushManifest, exit: Ended<Operation.PushedManifest>): Told => {
  const { ifAbsent = false, tags } = operation
  const digest = operation.digest ?? Digest.fromBytes(operation.bytes)
  const claim: Claim = { _tag: ifAbsent ? "PushedIfAbsent" : "Pushed", digest }
  if (Exit.isSuccess(exit)) return settled(exit.value.tags, claim)
  // The error does not say which of several tags exists already.
  return ifAbsent && tags.length === 1 && errorOf(exit)?._tag === "Denied"
    ? settled(tags, { _tag: "Taken", digest })
    : unsettled(tags, claim)
}

const resolved = (tag: Tag, exit: Ended<Digest.Digest>): Told => {
  if (Exit.isSuccess(exit)) return settled([tag], { _tag: "Found", digest: exit.value })
  return settled(isMissing(exit) ? [tag] : [], { _tag: "Missing" })
}

const deleted = (tags: ReadonlyArray<Tag>, exit: Ended<unknown>, done: Claim, missing: Claim): Told => {
  if (Exit.isSuccess(exit)) return settled(tags, done)
  return isMissing(exit) ? settled(tags, missing) : unsettled(tags, done)
}

/** A list does not show one moment. Each tag existed, or did not, at some moment during the listing. */
const listed = ({ last, limit }: Operation.ListTags, items: ReadonlyArray<Tag>, known: ReadonlyArray<Tag>): Told => {
  const end = limit !== undefined && items.length >= limit ? items.at(-1) ?? "" : undefined
  const spokenOf = known.filter((tag) => (last === undefined || tag > last) && (end === undefined || tag <= end))
  return { claims: spokenOf.map((tag) => [tag, { _tag: items.includes(tag) ? "Listed" : "Missing" }]), settled: true }
}

/** Records the answers about tags, between the clients and a registry. */
export const make = (): { readonly middleware: Middleware; readonly history: () => History } => {
  let clock = 0
  const answers: Array<Answer> = []

  const write = (
    operation: { readonly repository: RepositoryName },
    invoked: number,
    tell: Tell,
    named: Answer["named"]
  ) => {
    answers.push({ repository: operation.repository, named, tell, invoked, responded: clock++ })
  }

  const timed = <A>(
    operation: { readonly repository: RepositoryName },
    named: ReadonlyArray<Tag>,
    ask: () => Effect.Effect<A, RegistryError.RegistryError>,
    tell: (exit: Ended<A>, tags: ReadonlyArray<Tag>) => Told
  ): Effect.Effect<A, RegistryError.RegistryError> =>
    Effect.suspend(() => {
      const invoked = clock++
      return Effect.onExit(Effect.suspend(ask), (exit) =>
        Effect.sync(() => write(operation, invoked, (tags) => tell(exit, tags), named)))
    })

  const middleware: Middleware = (next) =>
    override(next, {
      ResolveManifest: (operation) => {
        const { reference } = operation
        return Operation.isDigest(reference)
          ? next(operation)
          : timed(operation, [reference], () => next(operation), (exit) =>
            resolved(
              reference,
              Exit.map(exit, ({ digest }) => digest)
            ))
      },
      GetManifest: (operation) => {
        const { reference } = operation
        return Operation.isDigest(reference)
          ? next(operation)
          : timed(operation, [reference], () => next(operation), (exit) =>
            resolved(
              reference,
              Exit.map(exit, ({ descriptor }) => descriptor.digest)
            ))
      },
      PushManifest: (operation) =>
        timed(operation, operation.tags, () => next(operation), (exit) => pushed(operation, exit)),
      DeleteTag: (operation) =>
        timed(operation, [operation.tag], () =>
          next(operation), (exit) =>
          deleted([operation.tag], exit, { _tag: "Deleted" }, { _tag: "Missing" })),
      DeleteManifest: (operation) => {
        const { digest } = operation
        return timed(operation, [], () =>
          next(operation), (exit, tags) =>
          deleted(tags, exit, { _tag: "ManifestDeleted", digest }, { _tag: "ManifestMissing", digest }))
      },
      ListTags: (operation) =>
        Effect.suspend(() => {
          const invoked = clock++
          return Effect.map(next(operation), (list) =>
            Stream.suspend(() => {
              const items: Array<Tag> = []
              return list.pipe(
                Stream.mapChunks((chunk) => {
                  items.push(...chunk)
                  return chunk
                }),
                Stream.onEnd(Effect.sync(() =>
                  write(operation, invoked, (tags) =>
                    listed(operation, items, tags), items)
                ))
              )
            }))
        })
    })

  const history = (): History => {
    const tags = new Map<RepositoryName, Set<Tag>>()
    for (const { named, repository } of answers) {
      tags.set(repository, new Set([...tags.get(repository) ?? [], ...named]))
    }
    return answers.flatMap(({ invoked, repository, responded, tell }) => {
      const { claims, settled } = tell([...tags.get(repository) ?? []])
      return claims.map(([tag, claim]): Event => ({
        repository,
        tag,
        claim,
        invoked,
        responded: settled ? responded : Infinity
      }))
    })
  }

  return { middleware, history }
}
