import * as Either from "effect/Either"

/** The page that a link comes from. */
export interface From {
  /** The URL of the page. Its link may be relative to it. */
  readonly base: string
  /** The origin of the registry. */
  readonly origin: string
  /** The path of the list, as the client requests it. */
  readonly path: string
}

/** Decodes the escaped colons and slashes of a path. */
const unescaped = (path: string): string => path.replace(/%3a/gi, ":").replace(/%2f/gi, "/")

/**
 * Returns whether one path ends with the other, at a slash. A proxy may have added a prefix to either path, or removed
 * one.
 */
const isSameList = (linked: string, requested: string): boolean => {
  const rest = requested.slice("/v2".length)
  const at = linked.lastIndexOf("/v2/")
  return linked.endsWith(requested) || (at >= 0 && rest.endsWith(linked.slice(at + "/v2".length)))
}

/**
 * Returns the target of the page that a link leads to: the path that the client requested, with the query of the link.
 * A proxy in front of the registry may have changed the scheme, the port or the prefix of the path, so these are
 * ignored. Fails with the reason if the link leads to another host or to another list.
 * [Spec](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#listing-tags).
 */
export const resolve = (link: string, { base, origin, path }: From): Either.Either<string, string> => {
  if (!URL.canParse(link, base)) return Either.left("the Link to the next page is not a URL")
  const url = new URL(link, base)
  if (url.hostname !== new URL(origin).hostname) {
    return Either.left(`the Link to the next page leads to another host: ${url.origin}`)
  }
  return isSameList(unescaped(url.pathname), path)
    ? Either.right(`${path}${url.search}`)
    : Either.left(`the Link to the next page leads to another list: ${url.pathname}`)
}
