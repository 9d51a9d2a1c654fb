import * as Either from "effect/Either"

/** Where a page of a list came from. */
export interface From {
  /** The URL of the page, to which its link may be relative. */
  readonly base: string
  /** The registry's origin. */
  readonly origin: string
  /** The path of the list, as the client requests it. */
  readonly path: string
}

/** A path whose colons and slashes are written plainly. */
const unescaped = (path: string): string => path.replace(/%3a/gi, ":").replace(/%2f/gi, "/")

/** Whether one path ends with the other, at a slash. A proxy may have added a prefix to either of them, or taken it away. */
const isSameList = (linked: string, requested: string): boolean => {
  const rest = requested.slice("/v2".length)
  const at = linked.lastIndexOf("/v2/")
  return linked.endsWith(requested) || (at >= 0 && rest.endsWith(linked.slice(at + "/v2".length)))
}

/**
 * Returns the target of the page that a link leads to: the path that the client requested, with the link's query. A
 * proxy before the registry may have changed the scheme, the port or the prefix of the path, so none of these counts.
 * Fails with the reason where the link leads to another host or to another list.
 * Spec: https://github.com/opencontainers/distribution-spec/blob/main/spec.md#listing-tags
 */
export const resolve = (link: string, { base, origin, path }: From): Either.Either<string, string> => {
  if (!URL.canParse(link, base)) return Either.left("its list goes on at another place, which is no URL")
  const url = new URL(link, base)
  if (url.hostname !== new URL(origin).hostname) {
    return Either.left(`its list goes on at another place: ${url.origin}`)
  }
  return isSameList(unescaped(url.pathname), path)
    ? Either.right(`${path}${url.search}`)
    : Either.left(`its list goes on at another place: ${url.pathname}`)
}
