/**
 * A part of a registry as a registry of its own.
 *
 * What for: a tenant, a team or a test gets what looks like a whole registry, and is a folder of a larger one.
 *
 * @since 0.1.0
 */
import { Handler, Operation, Registry, RegistryError } from "@effect-oci/core"
import type { Middleware, RepositoryName } from "@effect-oci/core"
import * as Exit from "effect/Exit"
import type * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as answer from "./internal/answer.js"
import { atMost } from "./internal/atMost.js"
import { uploadInstead } from "./internal/uploadInstead.js"
import { withoutPrefix } from "./internal/withoutPrefix.js"

/**
 * Which part of the registry is presented.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** What the names of its repositories begin with, without the slash that follows: of `team/app`, `team`. */
  readonly prefix: RepositoryName.RepositoryName
}

/** Spec, "Pulling manifests": many clients and registries take no longer names. */
const maxNameLength = 255

/**
 * Presents what is below `prefix/` as the root: `app` is `team/app` of the registry behind, where the prefix is `team`.
 * Nothing else can be named, mounted or listed, nor `team` itself. Operations, the sources of mounts, lists with their
 * `last` and `limit`, and all that errors tell are renamed. A name that is longer than 255 characters with its prefix
 * is `NameInvalid`. A mount that names no source goes on as an upload, since the registry behind might take the blob from
 * anywhere.
 *
 * Law: `Sub(a)` and then, round it, `Sub(b)` is `Sub(a/b)`.
 *
 * A list of repositories is that of the registry behind from `prefix` on, and is left as soon as it is past what is
 * below it, so that it costs what is listed and not what the whole registry has.
 *
 * @since 0.1.0
 * @category middleware
 */
export const middleware = ({ prefix }: Options): Middleware.Middleware => {
  const root = `${prefix}/`
  // The character after the slash: what begins so, or is greater, comes after all names below the root.
  const end = `${prefix}0`
  const room = maxNameLength - root.length
  const outward = withoutPrefix(prefix)
  return (next) => {
    const ask = <O extends Operation.Operation>(operation: O): answer.AnswerTo<O> => {
      let tooLong = false
      const inner = Operation.mapRepositories(operation, (name) => {
        if (name.length > room) tooLong = true
        return root + name as RepositoryName.RepositoryName
      })
      return tooLong ? Exit.fail(nameTooLong(operation)) : answer.mapError(next(inner), outward)
    }
    const list = <A>(items: Stream.Stream<A, RegistryError.RegistryError>) => Stream.mapError(items, outward)
    return Handler.override(ask, {
      GetBlob: (operation) => answer.map(ask(operation), (content) => answer.mapContentError(content, outward)),
      MountBlob: (operation) => operation.from === undefined ? uploadInstead(ask, operation) : ask(operation),
      ListRepositories: (operation) => {
        const { last, limit } = operation
        if (last !== undefined && last.length > room) return Exit.fail(nameTooLong(operation))
        // The limit is not passed on: what comes between `prefix` and `prefix/` (`prefix-x`) must not count.
        const from = last === undefined ? prefix : root + last as RepositoryName.RepositoryName
        const names = answer.mapError(next(new Operation.ListRepositories({ last: from })), outward)
        return answer.map(names, (all) => {
          const below = all.pipe(
            Stream.takeWhile((name) => name < end),
            Stream.filter((name) => name.startsWith(root)),
            Stream.map((name) => name.slice(root.length) as RepositoryName.RepositoryName)
          )
          return list(atMost(below, limit))
        })
      },
      ListTags: (operation) => answer.map(ask(operation), list),
      ListReferrers: (operation) => answer.map(ask(operation), list)
    })
  }
}

const nameTooLong = (operation: Operation.Operation): RegistryError.NameInvalid =>
  new RegistryError.NameInvalid({
    ...Operation.errorFields(operation),
    reason: "the name of the repository is too long for this part of the registry"
  })

/**
 * A layer that presents a part of the registry below it.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: Options): Layer.Layer<Registry, never, Registry> => Registry.layer(middleware(options))

/**
 * Presents a part of the registry of a layer.
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
 * // What this calls `app` is `mirror/docker.io/app` of the registry behind.
 * const hub = (registry: Layer.Layer<Registry>) =>
 *   registry.pipe(
 *     Sub.wrap({ prefix: RepositoryName.make("mirror") }),
 *     Sub.wrap({ prefix: RepositoryName.make("docker.io") })
 *   )
 * ```
 */
export const wrap = (options: Options): <E, R>(registry: Layer.Layer<Registry, E, R>) => Layer.Layer<Registry, E, R> =>
  Registry.wrap(middleware(options))
