/**
 * A wrapper that places a registry under a prefix.
 *
 * Use it to give each of several registries a part of one namespace: behind a mirror, `library/alpine` of Docker Hub is
 * `docker.io/library/alpine`. It is the inverse of `Sub`.
 *
 * @since 0.1.0
 */
import { Answer, Handler, Operation, Registry, RegistryError } from "@effect-oci/core"
import type { Middleware, RepositoryName } from "@effect-oci/core"
import type * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { rejectAll } from "./internal/rejectAll.js"
import { uploadInstead } from "./internal/uploadInstead.js"

/**
 * Options for {@link middleware}.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** The prefix that the repositories of the next registry get, without the slash that follows: `docker.io`. */
  readonly prefix: RepositoryName.RepositoryName
}

type Within = Exclude<Operation.Operation, Operation.ListRepositories>

/**
 * Creates a middleware that places the next registry under `prefix/`: with the prefix `docker.io`, its repository
 * `library/alpine` is `docker.io/library/alpine`. The middleware translates the names in operations, in sources of
 * mounts, in lists, and in the field `repository` of errors. A repository that is not below the prefix does
 * not exist: reads fail with `NameUnknown` (of a blob: `BlobUnknown`), writes with `Denied`. A mount from such a
 * repository starts an upload session instead.
 *
 * Laws: `Under(a)` wrapped by `Under(b)` equals `Under(b/a)`. `Under(a)` wrapped by `Sub(a)` equals the next registry,
 * except that a mount without a source starts an upload session.
 *
 * @since 0.1.0
 * @category middleware
 */
export const middleware = ({ prefix }: Options): Middleware.Middleware => {
  const root = `${prefix}/`
  // `0` is the character after the slash: this name and all greater names sort after all names below the root.
  const end = `${prefix}0`
  const outside = rejectAll("the repository is not below the prefix of this registry (option prefix of Under)")
  const isBelow = (name: RepositoryName.RepositoryName): boolean => name.startsWith(root)
  const below = (name: RepositoryName.RepositoryName) => name.slice(root.length) as RepositoryName.RepositoryName
  const above = (name: RepositoryName.RepositoryName) => root + name as RepositoryName.RepositoryName
  const outward = (error: RegistryError.RegistryError) =>
    RegistryError.mapText(error, (text, field) => field === "repository" ? root + text : text)
  return (next) => {
    const ask = <O extends Within>(operation: O): Answer.Answer<O> => {
      if (!isBelow(operation.repository)) return outside(operation)
      const inner = Operation.mapRepositories<O>(operation, below)
      return Answer.mapError(next(inner), inner, outward)
    }
    return Handler.wrap(next, {
      ResolveBlob: ask,
      GetBlob: ask,
      ResolveManifest: ask,
      GetManifest: ask,
      PushBlob: ask,
      MountBlob: (operation) =>
        operation.from === undefined || isBelow(operation.from) ? ask(operation) : uploadInstead(ask, operation),
      StartUpload: ask,
      GetUpload: ask,
      AppendUpload: ask,
      CompleteUpload: ask,
      CancelUpload: ask,
      PushManifest: ask,
      DeleteBlob: ask,
      DeleteManifest: ask,
      DeleteTag: ask,
      ListRepositories: (operation) => {
        const { last, limit } = operation
        if (last !== undefined && last >= end) return Answer.succeed(Stream.empty)
        const inner = new Operation.ListRepositories({
          limit,
          last: last !== undefined && isBelow(last) ? below(last) : undefined
        })
        return Answer.map(Answer.mapError(next(inner), inner, outward), (names) => Stream.map(names, above))
      },
      ListTags: ask,
      ListReferrers: ask
    })
  }
}

/**
 * Creates a layer that requires a registry, and provides that registry under a prefix. {@link wrap} does the same in a
 * pipe.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: Options): Layer.Layer<Registry, never, Registry> =>
  Registry.layerMiddleware(middleware(options))

/**
 * Wraps the registry of a layer so that all its repositories are below a prefix.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { ReferenceSet, RepositoryName } from "@effect-oci/core"
 * import type { Registry } from "@effect-oci/core"
 * import { Route, Under } from "@effect-oci/middleware"
 * import type { Layer } from "effect"
 *
 * const member = (host: string, registry: Layer.Layer<Registry>) => ({
 *   name: host,
 *   select: ReferenceSet.prefix(`${host}/`),
 *   registry: registry.pipe(Under.wrap({ prefix: RepositoryName.make(host) }))
 * })
 *
 * // `docker.io/library/alpine` and `quay.io/team/app` of one registry.
 * const face = (hub: Layer.Layer<Registry>, quay: Layer.Layer<Registry>) =>
 *   Route.layer([member("docker.io", hub), member("quay.io", quay)])
 * ```
 */
export const wrap = (options: Options): <E, R>(registry: Layer.Layer<Registry, E, R>) => Layer.Layer<Registry, E, R> =>
  Registry.wrap(middleware(options))
