import { Operation, RegistryError } from "@effect-oci/core"
import type { Descriptor, Digest, Handler, Manifest, RepositoryName } from "@effect-oci/core"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as tagOnly from "../tagOnly.js"
import type { Keeper } from "./cacheStore.js"
import type { Books } from "./evictionIndex.js"
import { Remembered } from "./lruMap.js"
import type { Upstream } from "./upstream.js"

type Name = RepositoryName.RepositoryName
type Asked = Operation.ResolveManifest | Operation.GetManifest
type Answer<O extends Asked> = Effect.Effect<Operation.ResultOf<O>, RegistryError.RegistryError>

/** The manifest that a tag points at, until when it is valid, and until when it may be served if the upstream fails. */
interface Known {
  readonly descriptor: Descriptor.Descriptor
  readonly until: number
  readonly staleUntil: number
}

interface Options {
  readonly tagTimeToLive: number
  readonly staleIfError: number
  readonly maxRemembered: number
  readonly maxManifestBytes: number
  readonly tagOnly: boolean
}

export const make = (upstream: Upstream, keeper: Keeper, books: Books | undefined, options: Options) => {
  const tags = new Remembered<Known>(options.maxRemembered)
  /**
   * Manifests that are kept in memory. By digest: those that the store refused, mostly because it does not have their
   * blobs. By tag: those that the upstream served by a tag and may refuse by their digest.
   */
  const held = new Remembered<Manifest.Manifest>(options.maxManifestBytes, ({ bytes }) => bytes.byteLength)

  const tagKey = (repository: Name, reference: Operation.TagOrDigest) => `${repository}:${reference}`
  const manifestKey = (repository: Name, digest: Digest.Digest, by: "tag" | "digest") => `${by} ${repository}@${digest}`

  const learn = (
    { reference, repository }: Asked,
    descriptor: Descriptor.Descriptor
  ): Effect.Effect<void> =>
    Effect.map(Clock.currentTimeMillis, (now) => {
      const until = now + options.tagTimeToLive
      tags.set(repository, tagKey(repository, reference), {
        descriptor,
        until,
        staleUntil: until + options.staleIfError
      })
    })

  /** Stores a manifest in the store, or in memory if the store does not accept it. */
  const lay = (repository: Name, manifest: Manifest.Manifest): Effect.Effect<void> => {
    const { bytes, descriptor } = manifest
    const { digest, mediaType } = descriptor
    const push = new Operation.PushManifest({ repository, mediaType, bytes, digest, tags: [] })
    const put = Effect.map(keeper.write(push, isRefusal), (pushed) => pushed !== undefined)
    return Effect.map(
      books === undefined ? put : books.putting("Manifest", repository, descriptor, put),
      (isPut) => {
        if (!isPut) held.set(repository, manifestKey(repository, digest, "digest"), manifest)
      }
    )
  }

  const byDigest = <O extends Asked>(
    operation: O,
    digest: Digest.Digest,
    cases: {
      readonly of: (manifest: Manifest.Manifest) => Operation.ResultOf<O>
      readonly missing: () => Answer<O>
    }
  ): Answer<O> => {
    const { repository } = operation
    const inMemory = () => {
      const manifest = held.get(manifestKey(repository, digest, "digest"))
      return manifest === undefined ? cases.missing() : Exit.succeed(cases.of(manifest))
    }
    return keeper.read(operation, {
      found: (result) => {
        books?.used("Manifest", repository, "descriptor" in result ? result.descriptor : result)
        return Exit.succeed(result)
      },
      missing: inMemory,
      failed: inMemory
    })
  }

  /** Pulls a manifest from the upstream. */
  const pull = (operation: Operation.GetManifest): Effect.Effect<Manifest.Manifest, RegistryError.RegistryError> => {
    const { reference, repository } = operation
    return upstream.ask(operation, (manifest) => {
      if (!Operation.isDigest(reference)) {
        const { descriptor } = manifest
        const keep = options.tagOnly || tagOnly.isMarked(manifest)
          ? Effect.sync(() => held.set(repository, manifestKey(repository, descriptor.digest, "tag"), manifest))
          : lay(repository, manifest)
        return Effect.zipRight(learn(operation, descriptor), keep)
      }
      return manifest.descriptor.digest === reference ? lay(repository, manifest) : Effect.void
    })
  }

  /**
   * Resolves a tag at the upstream. Returns the known manifest if the upstream fails and the manifest may still be
   * served.
   */
  const resolve = (
    operation: Operation.ResolveManifest,
    known: Known | undefined
  ): Effect.Effect<Descriptor.Descriptor, RegistryError.RegistryError> =>
    Effect.catchAll(
      upstream.ask(operation, (descriptor) => learn(operation, descriptor)),
      (error) =>
        Effect.flatMap(Clock.currentTimeMillis, (now) => {
          if (RegistryError.isNotFound(error)) tags.delete(tagKey(operation.repository, operation.reference))
          return known !== undefined && now < known.staleUntil && RegistryError.isTransient(error)
            ? Exit.succeed(known.descriptor)
            : Exit.fail(error)
        })
    )

  const tagOf = <O extends Asked>(
    operation: O,
    then: (known: Known | undefined, isFresh: boolean) => Answer<O>
  ): Answer<O> => {
    const { reference, repository } = operation
    return Effect.flatMap(Clock.currentTimeMillis, (now) => {
      const known = upstream.isChanging(repository) ? undefined : tags.get(tagKey(repository, reference))
      return then(known, known !== undefined && now < known.until)
    })
  }

  /** Returns the manifest of a tag that points at a known digest. */
  const getKnown = (operation: Operation.GetManifest, { digest }: Descriptor.Descriptor) => {
    const { repository } = operation
    const manifest = held.get(manifestKey(repository, digest, "tag"))
    return manifest !== undefined
      ? Exit.succeed(manifest)
      : byDigest(new Operation.GetManifest({ repository, reference: digest }), digest, {
        of: (manifest) => manifest,
        missing: () => pull(operation)
      })
  }

  const revalidate = (operation: Operation.GetManifest, known: Known) =>
    Effect.matchEffect(resolve(new Operation.ResolveManifest(operation), known), {
      onSuccess: (descriptor) => getKnown(operation, descriptor),
      // The response to HEAD may be missing, or contain less than the response to GET.
      onFailure: (error) =>
        RegistryError.isTransient(error)
          ? Exit.fail(RegistryError.withFields(error, Operation.errorFields(operation)))
          : pull(operation)
    })

  const rows: Pick<Handler.Table, "ResolveManifest" | "GetManifest"> = {
    ResolveManifest: (operation) => {
      const { reference } = operation
      if (Operation.isDigest(reference)) {
        return byDigest(operation, reference, {
          of: ({ descriptor }) => descriptor,
          missing: () => upstream.ask(operation)
        })
      }
      return tagOf(
        operation,
        (known, isFresh) => known !== undefined && isFresh ? Exit.succeed(known.descriptor) : resolve(operation, known)
      )
    },
    GetManifest: (operation) => {
      const { reference } = operation
      if (Operation.isDigest(reference)) {
        return byDigest(operation, reference, { of: (manifest) => manifest, missing: () => pull(operation) })
      }
      return tagOf(operation, (known, isFresh) => {
        if (known === undefined) return pull(operation)
        return isFresh ? getKnown(operation, known.descriptor) : revalidate(operation, known)
      })
    }
  }

  return {
    rows,

    /** Forgets all tags of a repository. */
    forget: (repository: Name): void => tags.forget(repository),

    /** Deletes a manifest from the store and from memory. */
    drop: (repository: Name, digest: Digest.Digest): Effect.Effect<void, RegistryError.RegistryError> =>
      Effect.suspend(() => {
        for (const by of ["tag", "digest"] as const) held.delete(manifestKey(repository, digest, by))
        books?.gone("Manifest", repository, digest)
        return keeper.delete(new Operation.DeleteManifest({ repository, digest }))
      })
  }
}

/** Returns whether the store works but does not accept the manifest. */
const isRefusal = (error: RegistryError.RegistryError): boolean => {
  switch (error._tag) {
    case "ManifestBlobUnknown":
    case "ManifestInvalid":
    case "SizeInvalid":
      return true
    default:
      return false
  }
}

export type Manifests = ReturnType<typeof make>
