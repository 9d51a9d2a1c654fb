/**
 * The namespaces of a proxy: one server in front of several registries. A client such as containerd names the registry
 * that it means in the query parameter `ns`. Spec: [Registry
 * Proxying](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#registry-proxying).
 *
 * @since 0.1.0
 */
import * as Reference from "@effect-oci/core/Reference"
import * as RegistryError from "@effect-oci/core/RegistryError"
import type * as RepositoryName from "@effect-oci/core/RepositoryName"
import * as Either from "effect/Either"
import * as query from "./internal/query.js"
import { originForm } from "./Request.js"
import * as Route from "./Route.js"

/**
 * The registries that a server is a proxy for.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /**
   * The prefix of the repositories of each registry, by the host that clients send as `ns`. With
   * `{ "docker.io": RepositoryName.make("docker.io") }`, the repository `library/alpine` of a request with
   * `ns=docker.io` is `docker.io/library/alpine`. Several hosts may have the same prefix.
   */
  readonly prefixes: { readonly [host: string]: RepositoryName.RepositoryName }
  /**
   * The host that a request without `ns` means if its repository is below none of the prefixes. Default: such a request
   * names the repository as it is.
   */
  readonly default?: string | undefined
}

/**
 * The target of a request without the parameter `ns`, and the host that the parameter named.
 *
 * @since 0.1.0
 * @category models
 */
export interface Resolved {
  readonly target: string
  readonly host: string | undefined
}

/**
 * The header of a response that repeats the host of `ns`.
 *
 * @since 0.1.0
 * @category constants
 */
export const header = "oci-namespace"

/**
 * Creates a function that moves the namespace of a request from the parameter `ns` into the name of the repository, and
 * into the source of a mount. So the content, tags, scopes, keys and log lines of two namespaces are of different
 * repositories, and nothing behind it has to know about namespaces. A client may also write the prefix itself, with `ns` or without: that is
 * the same repository.
 *
 * Fails with `NameUnknown` if the host is none of `prefixes`, so a client reaches no other host. Fails with
 * `NameInvalid` if the parameter is not a host, or is repeated, and with `Unsupported` for the list of all repositories
 * of one namespace.
 *
 * @since 0.1.0
 * @category constructors
 * @throws RangeError if a key is not a host, if the default has no prefix, or if a prefix is below another one
 * @example
 * ```ts
 * import { RepositoryName } from "@effect-oci/core"
 * import { ProxyNamespace } from "@effect-oci/protocol"
 *
 * const resolve = ProxyNamespace.make({ prefixes: { "docker.io": RepositoryName.make("docker.io") } })
 *
 * resolve("/v2/library/alpine/manifests/3?ns=docker.io") // the target /v2/docker.io/library/alpine/manifests/3
 * ```
 */
export const make = (options: Options): (target: string) => Either.Either<Resolved, RegistryError.RegistryError> => {
  const { fallback, roots, rootsByHost } = checked(options)

  /** Returns the name of a repository in a request without `ns`. */
  const implied = (name: string): string =>
    fallback === undefined || roots.some((root) => name.startsWith(root)) ? name : fallback + name

  const named = (hosts: ReadonlyArray<string>): Either.Either<string, RegistryError.RegistryError> => {
    if (hosts.length > 1) return invalid("the parameter ns is repeated")
    const host = Reference.parseHost(hosts[0]!)
    if (Either.isLeft(host)) return invalid(`the parameter ns is not a host: ${host.left.reason}`)
    return rootsByHost.has(host.right) ? Either.right(host.right) : Either.left(
      new RegistryError.NameUnknown({ reason: `this server is not a proxy for ${host.right} (parameter ns)` })
    )
  }

  return (target) => {
    const [path, parameters] = query.splitTarget(originForm(target))
    const route = Route.parse(path)
    if (route === undefined || route._tag === "Base") return Either.right({ target, host: undefined })
    const hosts = parameters === undefined
      ? []
      : query.parse(parameters).getAll("ns").filter((host) => host !== "")
    if (hosts.length === 0) {
      return Either.right({
        target: fallback === undefined || route._tag === "Catalog" ? target : rewrite(path, parameters, implied),
        host: undefined
      })
    }
    return Either.flatMap(named(hosts), (host) =>
      route._tag === "Catalog"
        ? Either.left(
          new RegistryError.Unsupported({ reason: "the repositories of one namespace are not listed: leave out ns" })
        )
        : Either.right({ target: rewrite(path, parameters, below(rootsByHost.get(host)!)), host }))
  }
}

/** Returns a function that puts a name below a root. A client may have written the root itself, as in a `Location`. */
const below = (root: string) => (name: string): string => name.startsWith(root) ? name : root + name

/** Changes the name of the repository and the source of a mount, and removes `ns`. */
const rewrite = (path: string, parameters: string | undefined, nameOf: (name: string) => string): string => {
  const moved = `/v2/${nameOf(path.slice("/v2/".length))}`
  if (parameters === undefined) return moved
  const from = query.optional(query.parse(parameters), "from")
  const kept = query.without(parameters, from === undefined ? ["ns"] : ["ns", "from"])
  const added = from === undefined ? [] : [query.format([["from", nameOf(from)]])]
  const all = [...kept, ...added].join("&")
  return all === "" ? moved : `${moved}?${all}`
}

const invalid = (reason: string) => Either.left(new RegistryError.NameInvalid({ reason }))

/** Checks the options, and returns each prefix with its slash. */
const checked = ({ default: byDefault, prefixes }: Options) => {
  const rootsByHost = new Map(
    Object.entries(prefixes).map(([host, prefix]) => [
      Either.getOrThrowWith(Reference.parseHost(host), ({ message }) => new RangeError(message)),
      `${prefix}/`
    ])
  )
  const roots = Array.from(new Set(rootsByHost.values()))
  for (const root of roots) {
    const outer = roots.find((other) => other !== root && root.startsWith(other))
    if (outer !== undefined) throw new RangeError(`the prefix ${root} is below the prefix ${outer}`)
  }
  const fallback = byDefault === undefined
    ? undefined
    : rootsByHost.get(Either.getOrElse(Reference.parseHost(byDefault), () => ""))
  if (byDefault !== undefined && fallback === undefined) throw new RangeError("the default is none of the prefixes")
  return { fallback, roots, rootsByHost }
}
