import { Answer, Operation, RegistryError } from "@effect-oci/core"
import type { Descriptor, Digest, Handler, Manifest, RepositoryName } from "@effect-oci/core"
import { LruMap } from "@effect-oci/core/LruMap"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import * as tagOnly from "../tagOnly.js"
import type { CacheStore } from "./cacheStore.js"
import type { EvictionIndex } from "./evictionIndex.js"
import type { CachedTags } from "./tags.js"
import type { Upstream } from "./upstream.js"

type Name = RepositoryName.RepositoryName
type Read = Operation.ResolveManifest | Operation.GetManifest
type Result<O extends Read> = Effect.Effect<Operation.ResultOf<O>, RegistryError.RegistryError>

type CachedTag = NonNullable<ReturnType<CachedTags["get"]>>

interface Options {
  readonly tagTimeToLive: number
  readonly staleIfError: number
  readonly maxManifestBytes: number
  readonly tagOnly: boolean
}

/** The manifests and tags of a cache. */
export class CachedManifests {
  /**
   * Manifests that are kept in memory. By digest: those that the store refused, mostly because it does not have their
   * blobs. By tag: those that the upstream served by a tag and may refuse by their digest.
   */
  readonly #inMemory: LruMap<string, Manifest.Manifest>

  constructor(
    private readonly upstream: Upstream,
    private readonly store: CacheStore,
    private readonly index: EvictionIndex,
    private readonly tags: CachedTags,
    private readonly options: Options
  ) {
    this.#inMemory = new LruMap(options.maxManifestBytes, ({ bytes }) => bytes.byteLength)
  }

  readonly rows: Pick<Handler.Table, "ResolveManifest" | "GetManifest"> = {
    ResolveManifest: (operation) => {
      const { reference } = operation
      return Operation.isDigest(reference)
        ? this.#byDigest(operation, reference, ({ descriptor }) => descriptor, () => this.upstream.read(operation))
        : this.#byTag(
          operation,
          (cached, isFresh) =>
            cached !== undefined && isFresh ? Answer.succeed(cached.descriptor) : this.#resolve(operation, cached)
        )
    },
    GetManifest: (operation) => {
      const { reference } = operation
      return Operation.isDigest(reference)
        ? this.#byDigest(operation, reference, identity, () => this.#pull(operation))
        : this.#byTag(operation, (cached, isFresh) => {
          if (cached === undefined) return this.#pull(operation)
          return isFresh ? this.#getTagged(operation, cached.descriptor) : this.#revalidate(operation, cached)
        })
    }
  }

  /** Deletes a manifest from the store and from memory. */
  drop(repository: Name, digest: Digest.Digest): Effect.Effect<void, RegistryError.RegistryError> {
    return Effect.suspend(() => {
      this.#inMemory.delete(memoryKey("tag", repository, digest))
      this.#inMemory.delete(memoryKey("digest", repository, digest))
      return this.index.delete("Manifest", { repository, digest })
    })
  }

  #byDigest<O extends Read>(
    operation: O,
    digest: Digest.Digest,
    resultOf: (manifest: Manifest.Manifest) => Operation.ResultOf<O>,
    onMissing: () => Result<O>
  ): Result<O> {
    const { repository } = operation
    return this.store.read(operation, {
      found: (result) => {
        this.index.use({ kind: "Manifest", repository, descriptor: descriptorOf(result) })
        return Answer.succeed(result)
      },
      missing: () => {
        const manifest = this.#inMemory.get(memoryKey("digest", repository, digest))
        return manifest === undefined ? onMissing() : Answer.succeed(resultOf(manifest))
      }
    })
  }

  #byTag<O extends Read>(
    operation: O,
    answer: (cached: CachedTag | undefined, isFresh: boolean) => Result<O>
  ): Result<O> {
    return Effect.flatMap(Clock.currentTimeMillis, (now) => {
      const { reference, repository } = operation
      const cached = this.upstream.isChanging(repository) ? undefined : this.tags.get(repository, reference)
      return answer(cached, cached !== undefined && this.#isFresh(cached, now))
    })
  }

  /** Pulls a manifest from the upstream. */
  #pull(operation: Operation.GetManifest): Result<Operation.GetManifest> {
    const { reference, repository } = operation
    return this.upstream.read(operation, (manifest) => {
      const { descriptor } = manifest
      if (Operation.isDigest(reference)) {
        return descriptor.digest === reference ? this.#put(repository, manifest) : Effect.void
      }
      const keep = this.options.tagOnly || tagOnly.isMarked(manifest)
        ? Effect.sync(() => this.#inMemory.set(memoryKey("tag", repository, descriptor.digest), manifest))
        : this.#put(repository, manifest)
      return Effect.zipRight(this.#rememberTag(operation, descriptor), keep)
    })
  }

  /**
   * Resolves a tag at the upstream. Returns the cached manifest if the upstream fails and the manifest may still be
   * served.
   */
  #resolve(operation: Operation.ResolveManifest, cached: CachedTag | undefined): Result<Operation.ResolveManifest> {
    return Effect.catchAll(
      this.upstream.read(operation, (descriptor) => this.#rememberTag(operation, descriptor)),
      (error) =>
        Effect.flatMap(Clock.currentTimeMillis, (now) => {
          const { reference, repository } = operation
          if (RegistryError.isNotFound(error) && !Operation.isDigest(reference)) this.tags.forget(repository, reference)
          const staleUntil = (cached?.validUntil ?? 0) + this.options.staleIfError
          return cached !== undefined && now < staleUntil && RegistryError.isTransient(error)
            ? Answer.succeed(cached.descriptor)
            : Answer.fail(error)
        })
    )
  }

  /** Returns the manifest of a tag that points at a known digest. */
  #getTagged(operation: Operation.GetManifest, { digest }: Descriptor.Descriptor): Result<Operation.GetManifest> {
    const { repository } = operation
    const manifest = this.#inMemory.get(memoryKey("tag", repository, digest))
    if (manifest !== undefined) return Answer.succeed(manifest)
    const byDigest = new Operation.GetManifest({ repository, reference: digest })
    return this.#byDigest(byDigest, digest, identity, () => this.#pull(operation))
  }

  #revalidate(operation: Operation.GetManifest, cached: CachedTag): Result<Operation.GetManifest> {
    return Effect.matchEffect(this.#resolve(new Operation.ResolveManifest(operation), cached), {
      onSuccess: (descriptor) => this.#getTagged(operation, descriptor),
      // The response to HEAD may be missing, or contain less than the response to GET.
      onFailure: (error) =>
        RegistryError.isTransient(error)
          ? Answer.fail(RegistryError.withFields(error, Operation.errorFields(operation)))
          : this.#pull(operation)
    })
  }

  /** A tag of an earlier process may be valid for longer than this one permits. */
  #isFresh({ validUntil }: CachedTag, now: number): boolean {
    return now < validUntil && validUntil <= now + this.options.tagTimeToLive
  }

  #rememberTag({ reference, repository }: Read, descriptor: Descriptor.Descriptor): Effect.Effect<void> {
    return Effect.map(Clock.currentTimeMillis, (now) => {
      if (Operation.isDigest(reference)) return
      this.tags.set({ repository, tag: reference, descriptor, validUntil: now + this.options.tagTimeToLive })
    })
  }

  /** Stores a manifest in the store, or in memory if the store does not accept it. */
  #put(repository: Name, manifest: Manifest.Manifest): Effect.Effect<void> {
    const { bytes, descriptor } = manifest
    const { digest, mediaType } = descriptor
    const push = new Operation.PushManifest({ repository, mediaType, bytes, digest, tags: [] })
    const put = Effect.map(this.store.write(push, isRefusal), (pushed) => pushed !== undefined)
    return Effect.map(this.index.add({ kind: "Manifest", repository, descriptor }, put), (isPut) => {
      if (!isPut) this.#inMemory.set(memoryKey("digest", repository, digest), manifest)
    })
  }
}

const descriptorOf = (result: Manifest.Manifest | Descriptor.Descriptor): Descriptor.Descriptor =>
  "descriptor" in result ? result.descriptor : result

const memoryKey = (servedBy: "tag" | "digest", repository: Name, digest: Digest.Digest): string =>
  `${servedBy} ${repository}@${digest}`

/** Returns whether the store works but does not accept the manifest. */
const isRefusal = ({ _tag }: RegistryError.RegistryError): boolean =>
  _tag === "OciManifestBlobUnknown" || _tag === "OciManifestInvalid" || _tag === "OciSizeInvalid"
