/**
 * A wrapper that serves only content of a minimum age.
 *
 * Use it against attacks by new versions: others find a malicious image in the days before this registry serves it.
 *
 * @since 0.1.0
 */
import { Answer, Digest, Handler, Manifest, Operation, ReferenceSet, Registry, RegistryError } from "@effect-oci/core"
import type { Descriptor, Middleware, RepositoryName, Tag } from "@effect-oci/core"
import * as KeyedMutex from "@effect-oci/core/KeyedMutex"
import type * as PlatformError from "@effect/platform/Error"
import type * as KeyValueStore from "@effect/platform/KeyValueStore"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as records from "./internal/records.js"

/**
 * Options for {@link middleware}.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** How long ago this registry must have seen a manifest for the first time. */
  readonly age: Duration.DurationInput
  /**
   * The references that are served whatever their age. A manifest that was served by such a tag is also served by its
   * digest. Default: none.
   */
  readonly except?: ReferenceSet.ReferenceSet | undefined
  /**
   * Keeps what was seen, and when, over a restart, and shares it among nodes. If the store fails, reads fail with
   * `Unavailable`. Default: the newest 100,000 manifests and tags in memory.
   */
  readonly history?: KeyValueStore.KeyValueStore | undefined
}

/**
 * Creates a middleware that serves a manifest only if this registry saw it for the first time at least `age` ago: when a
 * caller read it, or pushed it, through this wrapper. {@link observe} reads all tags of a repository for that purpose.
 *
 * - A tag resolves to the newest manifest of that age among those that it was seen to point at. A manifest that the next
 *   registry no longer has is passed over. A tag that the next registry no longer has is not found.
 * - A manifest by its digest is served if it has the age. A manifest in an index is as old as the index.
 * - If no manifest of a tag has the age, or that of a digest does not, the read fails with `Denied`. The reason says when
 *   it will be served.
 * - Blobs, lists, writes and deletes are forwarded. A client reads the blobs that a manifest names. So new content is not
 *   used, but it is not secret.
 *
 * **Order.** Put the wrapper around a cache, `upstream.pipe(Cache.wrap({ store }), Matured.wrap({ age: "7 days" }))`, so
 * that the cache keeps older manifests that the upstream deletes.
 *
 * Law: with an age of 0, the wrapper changes no results.
 *
 * @since 0.1.0
 * @category middleware
 */
export const middleware = (
  { age, except = ReferenceSet.none, history }: Options
): Effect.Effect<Middleware.Middleware> =>
  Effect.sync(() => {
    const seen = new History(Duration.toMillis(age), history)
    return (next) => {
      const read = <A>(
        operation: Read,
        at: (reference: Operation.TagOrDigest) => Effect.Effect<A, Error>,
        of: SeenIn<A>
      ) => reading({ operation, at, of, except, history: seen })
      return Handler.wrap(next, {
        ...Handler.forward("ResolveBlob", "GetBlob"),
        ResolveManifest: (operation) =>
          read(
            operation,
            (reference) => next(new Operation.ResolveManifest({ ...operation, reference })),
            ({ digest }) => ({ digest, children: [] })
          ),
        GetManifest: (operation) =>
          read(
            operation,
            (reference) => next(new Operation.GetManifest({ ...operation, reference })),
            ({ bytes, descriptor }) => seenIn(descriptor, bytes)
          ),
        ...Handler.forward("PushBlob", "MountBlob"),
        ...Handler.forward("StartUpload", "GetUpload", "AppendUpload", "CompleteUpload", "CancelUpload"),
        PushManifest: (operation) =>
          Answer.tap(next(operation), (pushed) =>
            Effect.catchAll(seen.pushed(operation, seenIn(pushed, operation.bytes)), logFailure)),
        ...Handler.forward("DeleteBlob", "DeleteManifest", "DeleteTag"),
        ...Handler.forward("ListRepositories", "ListTags", "ListReferrers")
      })
    }
  })

type Name = RepositoryName.RepositoryName
type Read = Operation.ResolveManifest | Operation.GetManifest
type Error = RegistryError.RegistryError
type SeenIn<A> = (result: A) => Seen

/** A manifest that was seen, and the manifests in it if its bytes were. */
interface Seen {
  readonly digest: Digest.Digest
  readonly children: ReadonlyArray<Digest.Digest>
}

const seenIn = ({ digest, mediaType }: Descriptor.Descriptor, bytes: Uint8Array): Seen => {
  const document = Either.getOrUndefined(Manifest.parse({ mediaType, bytes }))
  return { digest, children: document?._tag === "Index" ? document.manifests.map((child) => child.digest) : [] }
}

/** Reads a manifest, and returns it if it may be served, or else an older one of its tag. */
const reading = <A>({ at, except, history, of, operation }: {
  readonly operation: Read
  readonly at: (reference: Operation.TagOrDigest) => Effect.Effect<A, Error>
  readonly of: SeenIn<A>
  readonly except: ReferenceSet.ReferenceSet
  readonly history: History
}): Effect.Effect<A, Error> => {
  const { reference, repository } = operation
  const tag = Operation.isDigest(reference) ? undefined : reference
  const isException = ReferenceSet.contains(except, { repository, tag })
  const look = Effect.gen(function*() {
    const result = yield* at(reference)
    const seen = of(result)
    const first = yield* history.see(repository, seen, isException)
    const versions = tag === undefined ? [] : yield* history.point(repository, tag, { ...first, digest: seen.digest })
    if (isException || (tag === undefined && first.isException) || (yield* history.isMature(first))) return result
    for (const version of versions.toReversed()) {
      if (!(yield* history.isMature(version))) continue
      const older = yield* Effect.either(at(version.digest))
      if (Either.isRight(older)) {
        yield* history.see(repository, of(older.right), false)
        return older.right
      }
      if (!RegistryError.isNotFound(older.left)) return yield* Effect.fail(older.left)
    }
    return yield* Effect.fail(tooNew(operation, seen.digest, first.firstSeen, history.age))
  })
  return Effect.mapError(look, (error) =>
    RegistryError.isRegistryError(error)
      ? RegistryError.withFields(error, Operation.errorFields(operation))
      : new RegistryError.Unavailable({
        ...Operation.errorFields(operation),
        reason: "cannot read or write when this registry first saw the manifest; try again",
        cause: error
      }))
}

const tooNew = (operation: Read, digest: Digest.Digest, firstSeen: number, age: number) => {
  const at = (millis: number) => new Date(millis).toISOString()
  const served = age === Infinity ? "never serves it" : `serves it from ${at(firstSeen + age)} on`
  return new RegistryError.Denied({
    ...Operation.errorFields(operation),
    reason: `${digest} is too new: this registry first saw it at ${at(firstSeen)}, and ${served}`
  })
}

const Sighting = Schema.Struct({
  /** When the manifest was seen for the first time, in milliseconds since 1970. */
  firstSeen: Schema.Finite,
  /** Whether a reference that is an exception served the manifest. */
  isException: Schema.Boolean
})

type Sighting = typeof Sighting.Type

const Version = Schema.Struct({ digest: Digest.schema, firstSeen: Schema.Finite })

type Version = typeof Version.Type

/** How many manifests of a tag that have the age are kept, in case the newest of them are deleted. */
const maxMature = 10

/** What was seen, and when. */
class History {
  readonly #sightings: records.Records<Sighting>
  /** The manifests that each tag pointed at, the newest last. */
  readonly #versions: records.Records<ReadonlyArray<Version>>
  readonly #locked = KeyedMutex.make()

  constructor(readonly age: number, store: KeyValueStore.KeyValueStore | undefined) {
    this.#sightings = records.make("sighting", Sighting, store)
    this.#versions = records.make("versions", Schema.Array(Version), store)
  }

  isMature({ firstSeen }: { readonly firstSeen: number }): Effect.Effect<boolean> {
    return Effect.map(Clock.currentTimeMillis, (now) => firstSeen + this.age <= now)
  }

  /** Notes that a manifest was seen, and the manifests in it, which are as old. */
  see(repository: Name, { children, digest }: Seen, isException: boolean) {
    return Effect.gen(this, function*() {
      const first = yield* this.#note(repository, digest, { firstSeen: yield* Clock.currentTimeMillis, isException })
      yield* Effect.forEach(children, (child) => this.#note(repository, child, first), { discard: true })
      return first
    })
  }

  #note(repository: Name, digest: Digest.Digest, seen: Sighting) {
    const known = this.#sightings.get(repository, digest)
    const merged = (known: Sighting | undefined): Sighting => ({
      firstSeen: Math.min(known?.firstSeen ?? Infinity, seen.firstSeen),
      isException: known?.isException === true || seen.isException
    })
    const isNews = (known: Sighting | undefined) =>
      known?.firstSeen !== merged(known).firstSeen || known.isException !== merged(known).isException
    const note = Effect.flatMap(known, (known) =>
      isNews(known)
        ? Effect.as(this.#sightings.set(merged(known), repository, digest), merged(known))
        : Effect.succeed(merged(known)))
    return Effect.flatMap(
      known,
      (known) => isNews(known) ? this.#locked(`${repository}@${digest}`)(note) : Effect.succeed(merged(known))
    )
  }

  /** Notes that a tag points at a manifest, and returns all manifests that the tag pointed at. */
  point(repository: Name, tag: Tag.Tag, version: Version) {
    const known = Effect.map(this.#versions.get(repository, tag), (versions) => versions ?? [])
    const isNewest = (versions: ReadonlyArray<Version>) => versions.at(-1)?.digest === version.digest
    const note = Effect.gen(this, function*() {
      const versions = yield* known
      if (isNewest(versions)) return versions
      const kept = this.#keep(versions, version, yield* Clock.currentTimeMillis)
      yield* this.#versions.set(kept, repository, tag)
      return kept
    })
    return Effect.flatMap(
      known,
      (versions) => isNewest(versions) ? Effect.succeed(versions) : this.#locked(`${repository}:${tag}`)(note)
    )
  }

  /** Adds a version. Keeps few of the versions of a tag that moves often, so that their number has a limit. */
  #keep(versions: ReadonlyArray<Version>, { digest, firstSeen }: Version, now: number): ReadonlyArray<Version> {
    const others = versions.filter((each) => each.digest !== digest)
    const last = others.at(-2)
    if (last !== undefined && now - last.firstSeen < this.age / 100) others.pop()
    const mature = others.filter((each) => each.firstSeen + this.age <= now)
    const dropped = new Set(mature.slice(0, -maxMature))
    return [...others.filter((each) => !dropped.has(each)), { digest, firstSeen }]
  }

  pushed({ repository, tags }: Operation.PushManifest, seen: Seen) {
    return Effect.flatMap(
      this.see(repository, seen, false),
      ({ firstSeen }) =>
        Effect.forEach(tags, (tag) => this.point(repository, tag, { digest: seen.digest, firstSeen }), {
          discard: true
        })
    )
  }
}

const logFailure = (error: PlatformError.PlatformError) =>
  Effect.annotateLogs(
    Effect.logWarning(
      "cannot write when this registry first saw a pushed manifest; its age counts from its first read"
    ),
    { error: String(error) }
  )

/**
 * Reads the manifest of each tag of a repository once, so that its age counts from then on. Call it on a schedule for
 * the repositories that callers are going to use: otherwise the age of a version counts from the first pull of it.
 *
 * @since 0.1.0
 * @category operations
 * @example
 * ```ts
 * import { RepositoryName } from "@effect-oci/core"
 * import { Matured } from "@effect-oci/middleware"
 * import { Effect, Schedule } from "effect"
 *
 * const watch = Matured.observe(RepositoryName.make("library/node")).pipe(
 *   Effect.catchAll((error) => Effect.logWarning(error.message)),
 *   Effect.repeat(Schedule.spaced("1 hour"))
 * )
 * ```
 */
export const observe = (
  repository: RepositoryName.RepositoryName
): Effect.Effect<void, RegistryError.RegistryError, Registry> =>
  Effect.flatMap(Registry, (registry) =>
    Stream.runForEach(registry.listTags(repository), (tag) =>
      Effect.catchIf(
        registry.getManifest(repository, tag),
        (error) => error._tag === "OciDenied" || RegistryError.isNotFound(error),
        () => Effect.void
      )))

/**
 * Creates a layer that requires a registry, and provides that registry without what is too new. {@link wrap} does the
 * same in a pipe.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: Options): Layer.Layer<Registry, never, Registry> =>
  Registry.layerMiddleware(middleware(options))

/**
 * Wraps the registry of a layer so that it serves only content of a minimum age.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { ReferenceSet } from "@effect-oci/core"
 * import type { Registry } from "@effect-oci/core"
 * import { Matured } from "@effect-oci/middleware"
 * import type { Layer } from "effect"
 *
 * // Our own images are served at once, and those of others after a week.
 * const careful = (registry: Layer.Layer<Registry>) =>
 *   registry.pipe(Matured.wrap({ age: "7 days", except: ReferenceSet.prefix("team/") }))
 * ```
 */
export const wrap = (options: Options): <E, R>(registry: Layer.Layer<Registry, E, R>) => Layer.Layer<Registry, E, R> =>
  Registry.wrap(middleware(options))
