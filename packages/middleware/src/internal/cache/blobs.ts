import { Digest, Operation, RegistryError } from "@effect-oci/core"
import type { BlobContent, Descriptor, Handler, RepositoryName } from "@effect-oci/core"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type { AnswerTo } from "../answer.js"
import type { Keeper } from "./cacheStore.js"
import type { Books } from "./evictionIndex.js"
import { Fill } from "./fill.js"
import { Remembered } from "./lruMap.js"
import { Flights } from "./singleFlight.js"
import type { Upstream } from "./upstream.js"

type Name = RepositoryName.RepositoryName

/** The maximum number of blobs for which a repository that has them is remembered. */
const maxHolders = 10_000

interface Options {
  readonly scope: Scope.Scope
  readonly maxFills: number
  readonly window: number
  readonly maxWait: number
}

export const make = (upstream: Upstream, keeper: Keeper, books: Books | undefined, options: Options) => {
  const { next } = upstream
  const fills = new Flights<Fill>(options.scope, options.maxFills)
  /** A repository that has the blob in the store, by digest. */
  const holders = new Remembered<Name>(maxHolders)
  let landed = 0

  const found = (
    { repository }: Operation.GetBlob,
    content: BlobContent.BlobContent
  ): Effect.Effect<BlobContent.BlobContent, never, Scope.Scope> => {
    if (books === undefined) return Exit.succeed(content)
    if (content.body.bytes === undefined) return Effect.as(books.reading(repository, content.descriptor), content)
    books.used("Blob", repository, content.descriptor)
    return Exit.succeed(content)
  }

  /** Reads from the store, and from the upstream if the store no longer has the blob. */
  const stored = (operation: Operation.GetBlob): AnswerTo<Operation.GetBlob> =>
    keeper.read(operation, {
      found: (content) => found(operation, content),
      missing: () => next(operation),
      failed: () => next(operation)
    })

  const reading = { store: stored, base: next, maxWait: options.maxWait }

  /** Mounts a blob that another repository has in the store, if the upstream has the blob in this repository. */
  const mount = ({ digest, repository }: Operation.GetBlob): Effect.Effect<Option.Option<Descriptor.Descriptor>> => {
    const from = holders.get(digest)
    if (from === undefined || from === repository) return Effect.succeedNone
    return Effect.gen(function*() {
      const has = yield* Effect.option(next(new Operation.ResolveBlob({ repository, digest })))
      if (Option.isNone(has)) return has
      const mounted = yield* keeper.write(new Operation.MountBlob({ repository, digest, from }), isUnsupported)
      if (mounted?._tag === "Mounted") return has
      holders.delete(digest)
      if (mounted !== undefined) yield* keeper.write(new Operation.CancelUpload({ repository, id: mounted.upload.id }))
      return Option.none()
    })
  }

  /** Returns the blob if the store has it by now, because a fill has just ended. */
  const there = (operation: Operation.GetBlob): Effect.Effect<Option.Option<Descriptor.Descriptor>> => {
    const not = () => Exit.fail(new RegistryError.BlobUnknown({}))
    return Effect.option(
      keeper.read(new Operation.ResolveBlob(operation), { found: Exit.succeed, missing: not, failed: not })
    )
  }

  const fill = (operation: Operation.GetBlob, seen: number, give: (fill: Fill) => void) => {
    const { digest, repository } = operation
    return Effect.scoped(Effect.gen(function*() {
      const already = seen === landed ? Option.none() : yield* there(operation)
      const stored = Option.isSome(already) ? already : yield* mount(operation)
      if (Option.isSome(stored)) {
        const fill = new Fill(stored.value, options.window)
        fill.end({ _tag: "Stored" })
        holders.set(repository, digest, repository)
        return give(fill)
      }
      const content = yield* Effect.catchAll(next(operation), (error) => upstream.failed(operation, error))
      const { descriptor } = content
      if (descriptor.digest !== digest || books?.fits(descriptor) === false) return
      const fill = new Fill(descriptor, options.window)
      yield* Effect.addFinalizer(() => Effect.sync(() => fill.end({ _tag: "Lost" })))
      give(fill)
      const put = fill.put(operation, content, keeper)
      const isPut = yield* books === undefined ? put : books.putting("Blob", repository, descriptor, put)
      if (isPut) holders.set(repository, digest, repository)
      landed++
    }))
  }

  const miss = (operation: Operation.GetBlob, seen: number): AnswerTo<Operation.GetBlob> =>
    Effect.flatMap(upstream.absence(operation), (error): AnswerTo<Operation.GetBlob> => {
      if (error !== undefined) return Exit.fail(error)
      const { digest, range, repository } = operation
      if (range !== undefined || Digest.verifiable(digest) === undefined) return next(operation)
      return Effect.flatMap(
        fills.join(placeOf(operation), repository, (give) => fill(operation, seen, give)),
        (fill): AnswerTo<Operation.GetBlob> => fill === undefined ? next(operation) : fill.read(operation, reading)
      )
    })

  const rows: Pick<Handler.Table, "ResolveBlob" | "GetBlob"> = {
    ResolveBlob: (operation) =>
      keeper.read(operation, {
        found: (descriptor) => {
          books?.used("Blob", operation.repository, descriptor)
          return Exit.succeed(descriptor)
        },
        missing: () => upstream.ask(operation),
        failed: () => next(operation)
      }),
    GetBlob: (operation) => {
      const seen = landed
      return keeper.read(operation, {
        found: (content) => found(operation, content),
        missing: () => miss(operation, seen),
        failed: () => next(operation)
      })
    }
  }

  return {
    rows,

    /**
     * Called after a blob may have been pushed. Cancels fills that have no answer yet, so that later reads do not
     * receive an old answer.
     */
    pushed: (repository: Name): Effect.Effect<void> => fills.cut(repository, (_, isAnswered) => !isAnswered),

    /** Deletes a blob from the store, and cancels a fill of it. */
    drop: (repository: Name, digest: Digest.Digest): Effect.Effect<void, RegistryError.RegistryError> =>
      Effect.suspend(() => {
        holders.delete(digest)
        books?.gone("Blob", repository, digest)
        const place = placeOf({ repository, digest })
        return Effect.zipRight(
          fills.cut(repository, (key) => key === place),
          keeper.delete(new Operation.DeleteBlob({ repository, digest }))
        )
      })
  }
}

const isUnsupported = (error: RegistryError.RegistryError): boolean =>
  error._tag === "Unsupported" || RegistryError.isNotFound(error)

const placeOf = ({ digest, repository }: Pick<Operation.GetBlob, "repository" | "digest">): string =>
  `${repository}@${digest}`

export type Blobs = ReturnType<typeof make>
