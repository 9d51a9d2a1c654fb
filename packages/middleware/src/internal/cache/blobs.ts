import { Answer, Digest, Operation, RegistryError } from "@effect-oci/core"
import type { BlobContent, Descriptor, Handler, RepositoryName } from "@effect-oci/core"
import { LruMap } from "@effect-oci/core/LruMap"
import { SingleFlight } from "@effect-oci/core/SingleFlight"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { CacheStore } from "./cacheStore.js"
import type { EvictionIndex } from "./evictionIndex.js"
import { Fill } from "./fill.js"
import type { Upstream } from "./upstream.js"

type Name = RepositoryName.RepositoryName
type Location = Pick<Operation.GetBlob, "repository" | "digest">
type MaybeBlob = Effect.Effect<Descriptor.Descriptor | undefined>

/** The maximum number of blobs for which a repository that has them is remembered. */
const maxMountSources = 10_000

interface Options {
  readonly scope: Scope.Scope
  readonly maxFills: number
  readonly bufferBytes: number
  readonly maxWait: number
}

/** The blobs of a cache. */
export class CachedBlobs {
  readonly #fills: SingleFlight<string, Fill, RegistryError.RegistryError>
  #endedFills = 0
  /** A repository that has the blob in the store, by digest. */
  readonly #mountSources = new LruMap<Digest.Digest, Name>(maxMountSources)

  constructor(
    private readonly upstream: Upstream,
    private readonly store: CacheStore,
    private readonly index: EvictionIndex,
    private readonly options: Options
  ) {
    this.#fills = new SingleFlight({ scope: options.scope, max: options.maxFills })
  }

  readonly rows: Pick<Handler.Table, "ResolveBlob" | "GetBlob"> = {
    ResolveBlob: (operation) =>
      this.store.read(operation, {
        found: (descriptor) => {
          this.index.use({ kind: "Blob", repository: operation.repository, descriptor })
          return Answer.succeed(descriptor)
        },
        missing: () => this.upstream.read(operation),
        failed: () => this.upstream.next(operation)
      }),
    GetBlob: (operation) => {
      const endedFills = this.#endedFills
      return this.#getStored(operation, () => this.#getMissing(operation, endedFills))
    }
  }

  /**
   * Cancels fills without an answer, so that later reads do not receive an old answer. Called after a blob may have been
   * pushed.
   */
  pushed(repository: Name): Effect.Effect<void> {
    return this.#fills.cancel((key, isCompleted) => !isCompleted && key.startsWith(`${repository}@`))
  }

  /** Deletes a blob from the store, and cancels a fill of it. */
  drop(repository: Name, digest: Digest.Digest): Effect.Effect<void, RegistryError.RegistryError> {
    return Effect.suspend(() => {
      const location = { repository, digest }
      this.#mountSources.delete(digest)
      return Effect.zipRight(
        this.#fills.cancel((key) => key === keyOf(location)),
        this.index.delete("Blob", location)
      )
    })
  }

  /** Reads a blob from the store, and from the upstream if the store fails. */
  #getStored(
    operation: Operation.GetBlob,
    missing: () => Answer.Answer<Operation.GetBlob>
  ): Answer.Answer<Operation.GetBlob> {
    const { repository } = operation
    return this.store.read<Operation.GetBlob, Scope.Scope>(operation, {
      found: (content: BlobContent.BlobContent) => {
        const stored = { kind: "Blob", repository, descriptor: content.descriptor } as const
        if (content.body.bytes === undefined) return Answer.map(this.index.useScoped(stored), () => content)
        this.index.use(stored)
        return Answer.succeed(content)
      },
      missing,
      failed: () => this.upstream.next(operation)
    })
  }

  /** Returns a blob that the store does not have. */
  #getMissing(operation: Operation.GetBlob, endedFills: number): Answer.Answer<Operation.GetBlob> {
    const { next } = this.upstream
    const loaded = Effect.zipRight(Digest.load(operation.digest), this.upstream.recentNotFound(operation))
    return Effect.flatMap(loaded, (error): Answer.Answer<Operation.GetBlob> => {
      if (error !== undefined) return Answer.fail(error)
      if (operation.range !== undefined || Digest.verifiable(operation.digest) === undefined) return next(operation)
      const fill = this.#fills.run(keyOf(operation), (complete) => this.#fill(operation, endedFills, complete))
      return Effect.flatMap(
        fill,
        (fill): Answer.Answer<Operation.GetBlob> =>
          fill === undefined ? next(operation) : fill.read(operation, {
            store: (rest) => this.#getStored(rest, () => next(rest)),
            upstream: next,
            maxWait: this.options.maxWait
          })
      )
    })
  }

  /** Pulls a blob into the store. Calls `complete` with a fill that its readers can follow. */
  #fill(
    operation: Operation.GetBlob,
    endedFills: number,
    complete: (fill: Fill) => void
  ): Effect.Effect<void, RegistryError.RegistryError> {
    const { digest, repository } = operation
    return Effect.scoped(Effect.gen(this, function*() {
      // Another fill may have stored the blob since the store was asked.
      const stored = endedFills === this.#endedFills ? undefined : yield* this.#resolveStored(operation)
      const descriptor = stored ?? (yield* this.#mount(operation))
      if (descriptor !== undefined) {
        const fill = new Fill(descriptor, this.options.bufferBytes)
        fill.end({ _tag: "Stored" })
        this.#mountSources.set(digest, repository)
        return complete(fill)
      }
      const content = yield* Effect.catchAll(
        this.upstream.next(operation),
        (error) => this.upstream.failed(operation, error)
      )
      if (content.descriptor.digest !== digest || !this.index.fits(content)) return
      const fill = new Fill(content.descriptor, this.options.bufferBytes)
      yield* Effect.addFinalizer(() => Effect.sync(() => fill.end({ _tag: "Abandoned" })))
      complete(fill)
      const isPut = yield* this.index.add(
        { kind: "Blob", repository, descriptor: content.descriptor },
        fill.put(operation, content, this.store)
      )
      if (isPut) this.#mountSources.set(digest, repository)
      this.#endedFills++
    }))
  }

  #resolveStored(operation: Operation.GetBlob): MaybeBlob {
    const missing = () => Answer.fail(new RegistryError.BlobUnknown({}))
    const stored = this.store.read(new Operation.ResolveBlob(operation), { found: Answer.succeed, missing })
    return Effect.orElseSucceed(stored, () => undefined)
  }

  /** Mounts a blob that another repository has in the store, if the upstream has the blob in this repository. */
  #mount({ digest, repository }: Operation.GetBlob): MaybeBlob {
    const from = this.#mountSources.get(digest)
    if (from === undefined || from === repository) return Effect.succeed(undefined)
    return Effect.gen(this, function*() {
      const atUpstream = this.upstream.next(new Operation.ResolveBlob({ repository, digest }))
      const descriptor = yield* Effect.orElseSucceed(atUpstream, () => undefined)
      if (descriptor === undefined) return undefined
      const mounted = yield* this.store.write(new Operation.MountBlob({ repository, digest, from }), isNotMountable)
      if (mounted?._tag === "Mounted") return descriptor
      this.#mountSources.delete(digest)
      if (mounted !== undefined) {
        yield* this.store.write(new Operation.CancelUpload({ repository, id: mounted.upload.id }))
      }
      return undefined
    })
  }
}

const isNotMountable = (error: RegistryError.RegistryError): boolean =>
  error._tag === "OciUnsupported" || RegistryError.isNotFound(error)

const keyOf = ({ digest, repository }: Location): string => `${repository}@${digest}`
