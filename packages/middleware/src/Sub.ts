/**
 * A wrapper that presents the repositories below a prefix as a registry.
 *
 * Use it to give a tenant, a team or a test its own registry inside a larger one.
 *
 * @since 0.1.0
 */
import { Answer, Handler, Operation, Registry, RegistryError } from "@effect-oci/core"
import type { Middleware, RepositoryName } from "@effect-oci/core"
import type * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { atMost } from "./internal/atMost.js"
import { withoutPrefix } from "./internal/sub/withoutPrefix.js"
import { uploadInstead } from "./internal/uploadInstead.js"

/**
 * Options for {@link middleware}.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** The prefix of all repositories in the next registry, without the slash that follows: `team` for `team/app`. */
  readonly prefix: RepositoryName.RepositoryName
}

/**
 * The maximum length of a name: many clients and registries accept no longer names.
 * [Spec](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests)
 */
const maxNameLength = 255

/**
 * Creates a middleware that presents the repositories below `prefix/` as the root: with the prefix `team`, `app` is
 * `team/app` of the next registry. Repositories outside the prefix cannot be named, mounted or listed, and neither can
 * `team` itself. The middleware translates the names in operations, in sources of mounts, in lists with their `last`
 * and `limit`, and in errors. A name that is longer than 255 characters with its prefix fails with `NameInvalid`. A
 * mount that names no source starts an upload session instead, because the next registry could take the blob from a
 * repository outside the prefix.
 *
 * Law: `Sub(a)` wrapped by `Sub(b)` equals `Sub(a/b)`.
 *
 * A list of repositories reads the list of the next registry from `prefix` on, and stops after the last name below the
 * prefix. So its cost depends on the number of listed repositories, not on the size of the whole registry.
 *
 * @since 0.1.0
 * @category middleware
 */
export const middleware = ({ prefix }: Options): Middleware.Middleware => {
  const root = `${prefix}/`
  // `0` is the character after the slash: this name and all greater names sort after all names below the root.
  const end = `${prefix}0`
  const room = maxNameLength - root.length
  const outward = withoutPrefix(prefix)
  return (next) => {
    const ask = <O extends Operation.Operation>(operation: O): Answer.Answer<O> => {
      let tooLong = false
      const inner = Operation.mapRepositories(operation, (name) => {
        if (name.length > room) tooLong = true
        return root + name as RepositoryName.RepositoryName
      })
      return tooLong ? Answer.fail(nameTooLong(operation)) : Answer.mapError(next(inner), inner, outward)
    }
    return Handler.wrap(ask, {
      ...Handler.forward("ResolveBlob", "GetBlob", "ResolveManifest", "GetManifest", "PushBlob"),
      MountBlob: (operation) => operation.from === undefined ? uploadInstead(ask, operation) : ask(operation),
      ...Handler.forward("StartUpload", "GetUpload", "AppendUpload", "CompleteUpload", "CancelUpload"),
      ...Handler.forward("PushManifest", "DeleteBlob", "DeleteManifest", "DeleteTag"),
      ListRepositories: (operation) => {
        const { last, limit } = operation
        if (last !== undefined && last.length > room) return Answer.fail(nameTooLong(operation))
        // The limit is not forwarded, because names between `prefix` and `prefix/` (such as `prefix-x`) must not count.
        const from = last === undefined ? prefix : root + last as RepositoryName.RepositoryName
        const inner = new Operation.ListRepositories({ last: from })
        return Answer.map(Answer.mapError(next(inner), inner, outward), (names) => {
          const below = names.pipe(
            Stream.takeWhile((name) => name < end),
            Stream.filter((name) => name.startsWith(root)),
            Stream.map((name) => name.slice(root.length) as RepositoryName.RepositoryName)
          )
          return atMost(below, limit)
        })
      },
      ...Handler.forward("ListTags", "ListReferrers")
    })
  }
}

const nameTooLong = (operation: Operation.Operation): RegistryError.NameInvalid =>
  new RegistryError.NameInvalid({
    ...Operation.errorFields(operation),
    reason: "the name of the repository is too long for this part of the registry"
  })

/**
 * Creates a layer that requires a registry, and provides the part of that registry below a prefix. {@link wrap} does
 * the same in a pipe.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: Options): Layer.Layer<Registry, never, Registry> =>
  Registry.layerMiddleware(middleware(options))

/**
 * Wraps the registry of a layer so that only the part below a prefix is visible.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { RepositoryName } from "@effect-oci/core"
 * import type { Registry } from "@effect-oci/core"
 * import { Sub } from "@effect-oci/middleware"
 * import type { Layer } from "effect"
 *
 * // `app` of this registry is `mirror/docker.io/app` of the wrapped registry.
 * const hub = (registry: Layer.Layer<Registry>) =>
 *   registry.pipe(
 *     Sub.wrap({ prefix: RepositoryName.make("mirror") }),
 *     Sub.wrap({ prefix: RepositoryName.make("docker.io") })
 *   )
 * ```
 */
export const wrap = (options: Options): <E, R>(registry: Layer.Layer<Registry, E, R>) => Layer.Layer<Registry, E, R> =>
  Registry.wrap(middleware(options))
