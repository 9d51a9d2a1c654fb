import * as Operation from "@effect-oci/core/Operation"
import * as RegistryError from "@effect-oci/core/RegistryError"
import type { RepositoryName } from "@effect-oci/core/RepositoryName"
import type { Tag } from "@effect-oci/core/Tag"
import type { ItemOf, ListOperation } from "@effect-oci/protocol/Page"
import { decodePage } from "@effect-oci/protocol/PageDecoder"
import * as Request from "@effect-oci/protocol/Request"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { released } from "./httpExchange.js"
import type { HttpExchange, Result } from "./httpExchange.js"
import * as links from "./links.js"

/**
 * Options for pages: how many items the client requests at a time, how many pages a list may have, and how many items
 * the client remembers.
 */
export interface PageOptions {
  readonly pageSize: number
  readonly maxPages: number
  /** How many items of a list the client remembers, so that it returns each item once. */
  readonly maxSorted: number
}

/**
 * Why the client requests a page: a `Link` leads to it, it follows an item, or it is the list without `n` and `last`.
 */
type Reason = "link" | "last" | "unpaged"

/** A page to request. */
export interface PageRequest {
  readonly target: string
  readonly reason: Reason
}

/** The items of a page that no earlier page contained, and the page that follows. */
export interface Page<A> {
  readonly items: ReadonlyArray<A>
  readonly next: PageRequest | undefined
  /** Whether the registry sent more items than the client requested, so that the page is the whole list. */
  readonly isWholeList: boolean
}

/** Reads the pages of one list, one after another. The list ends at a page without new items. */
export interface Pages<A> {
  readonly first: PageRequest
  readonly fetch: (request: PageRequest) => Result<Page<A>>
}

/** Returns the key of an item of a list: the item itself, or the digest of a descriptor. */
export const keyOf = (item: unknown): string => typeof item === "string" ? item : (item as { digest: string }).digest

/**
 * Starts to read the pages of a list. The operation's `limit` is the size of a page. `onPage` runs for each page that
 * the registry answers.
 *
 * - If a page has a `Link`, the client follows it. The link must stay within the same list at the same registry, and
 *   must not lead back to an earlier page.
 * - If the registry does not use links, the client requests the page after the last item of each full page.
 * - If that page has no new items, the registry ignores `last`. The client then requests the list without `n` and
 *   `last`.
 *
 * [Spec](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#listing-tags).
 */
export const open = <O extends ListOperation>(
  http: HttpExchange,
  { maxPages, maxSorted }: PageOptions,
  operation: O,
  onPage: () => void
): Pages<ItemOf<O>> => {
  const fields = http.fields(operation)
  const request = Request.encode(operation)
  const [path = ""] = request.target.split("?")
  const size = operation._tag === "ListReferrers" ? undefined : operation.limit
  const requested = new Set<string>()
  const known = new Set<string>()
  let hasLinks = false
  const breach = (reason: string) =>
    Either.left(
      new RegistryError.ResponseInvalid({ ...fields, reason: `the registry's answer breaks the protocol: ${reason}` })
    )

  /**
   * Changes the error of a list of referrers if the registry redirected to another host: then the registry itself did
   * not fail.
   */
  const fromElsewhere = (error: RegistryError.RegistryError, url: string): RegistryError.RegistryError => {
    const { origin } = new URL(url)
    return origin === http.origin || operation._tag !== "ListReferrers" ?
      error :
      new RegistryError.ResponseInvalid({
        ...fields,
        reason: `the registry redirected to ${origin}, which did not answer with a list of referrers: ${
          RegistryError.reason(error)
        }`
      })
  }

  const isNew = (item: unknown): boolean => {
    const key = keyOf(item)
    if (known.has(key)) return false
    if (known.size < maxSorted) known.add(key)
    return true
  }

  const following = (
    reason: Reason,
    page: { readonly all: ReadonlyArray<unknown>; readonly fresh: number; readonly next: string | undefined },
    url: string
  ): Either.Either<PageRequest | undefined, RegistryError.RegistryError> => {
    const { all, fresh, next } = page
    if (next !== undefined) {
      hasLinks = true
      // A page may be empty if the registry filters it. A page that repeats earlier items would lead to a loop.
      const target = links.resolve(next, { base: url, origin: http.origin, path })
      if (Either.isLeft(target)) return breach(target.left)
      if (requested.has(target.right)) return breach("the Link to the next page leads back to an earlier page")
      return Either.right(fresh === 0 && all.length > 0 ? undefined : { target: target.right, reason: "link" })
    }
    const last = all[all.length - 1]
    if (last === undefined || hasLinks || reason === "unpaged") return Either.right(undefined)
    if (fresh === 0) return Either.right(reason === "last" ? { target: path, reason: "unpaged" } : undefined)
    return Either.right(all.length === size ? { target: targetAfter(operation, last), reason: "last" } : undefined)
  }

  const fetch = ({ reason, target }: PageRequest): Result<Page<ItemOf<O>>> =>
    Effect.gen(function*() {
      if (requested.size >= maxPages) return yield* breach(`the list has more than ${maxPages} pages (option maxPages)`)
      requested.add(target)
      const answer = yield* http.send(operation, fields, { ...request, target })
      const { filtered, items: all, next } = yield* Effect.mapError(
        released(answer, decodePage(operation, answer, fields, http.limits)),
        (error) => fromElsewhere(error, answer.url)
      )
      onPage()
      const fresh = all.filter(isNew)
      const items = filtered ? fresh : fresh.filter((item) => isWanted(operation, item))
      const isWholeList = next === undefined && size !== undefined && all.length > size
      return { items, next: yield* following(reason, { all, fresh: fresh.length, next }, answer.url), isWholeList }
    })

  return { first: { target: request.target, reason: "last" }, fetch }
}

/** Returns the target of the page after an item. */
const targetAfter = (operation: ListOperation, after: unknown): string => {
  switch (operation._tag) {
    case "ListRepositories":
      return Request.encode(new Operation.ListRepositories({ ...operation, last: after as RepositoryName })).target
    case "ListTags":
      return Request.encode(new Operation.ListTags({ ...operation, last: after as Tag })).target
    case "ListReferrers":
      return Request.encode(operation).target
  }
}

/**
 * A registry that does not filter by artifact type returns all referrers.
 * [Spec](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#listing-referrers).
 */
const isWanted = (operation: ListOperation, item: unknown): boolean =>
  operation._tag !== "ListReferrers" || operation.artifactType === undefined ||
  (item as { readonly artifactType?: string }).artifactType === operation.artifactType
