import * as Operation from "@effect-oci/core/Operation"
import * as RegistryError from "@effect-oci/core/RegistryError"
import type { RepositoryName } from "@effect-oci/core/RepositoryName"
import type { Tag } from "@effect-oci/core/Tag"
import type { ItemOf, ListOperation } from "@effect-oci/protocol/Page"
import * as Request from "@effect-oci/protocol/Request"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { Exchange } from "./exchange.js"

/** How many items are asked for at a time, and how many pages a list may have. */
export interface Manner {
  readonly pageSize: number
  readonly maxPages: number
}

/** How a list is read: `onPage` hears of each page as it comes. */
export interface List {
  <O extends ListOperation>(operation: O, onPage?: () => void): Stream.Stream<ItemOf<O>, RegistryError.RegistryError>
}

/** A page to ask for: where, how many items are still wanted, and the item it comes after, where no `Link` led there. */
interface Turn {
  readonly target: string
  readonly left: number
  readonly after?: unknown
}

/**
 * A list as one stream of its pages. They go on where their `Link` says: within the same list at the same registry, and
 * never to a page that was there before. Spec: "Listing Tags", "Listing Referrers".
 */
export const make = (exchange: Exchange, { maxPages, pageSize }: Manner): List => (operation, onPage) => {
  const fields = exchange.fields(operation)
  const limit = limitOf(operation)
  const size = Math.min(limit, pageSize)
  const request = Request.encode(ofSize(operation, size))
  const [path = ""] = request.target.split("?")
  const breach = (reason: string) =>
    new RegistryError.ResponseInvalid({ ...fields, reason: `the registry's answer breaks the protocol: ${reason}` })

  return Stream.suspend(() => {
    const seen = new Set<string>()
    const first: Turn = { target: request.target, left: limit }
    return Stream.paginateChunkEffect(first, ({ after, left, target }) =>
      Effect.gen(function*() {
        seen.add(target)
        const answer = yield* exchange.send(operation, fields, { ...request, target })
        const { filtered, items, next } = yield* exchange.decodePage(operation, answer, fields)
        onPage?.()
        // The page before, once more, from a registry that does not know `last`.
        if (after !== undefined && items.some((item) => item === after)) return ended(Chunk.empty())
        const wanted = filtered ? items : items.filter((item) => isWanted(operation, item))
        const taken = Chunk.unsafeFromArray(wanted.slice(0, left))
        const rest = left - taken.length
        const turn = next === undefined
          ? onwards(operation, items, size)
          : { target: linked(next, answer.url, exchange.origin, path) }
        if (rest <= 0 || turn === undefined) return ended(taken)
        if (turn.target === undefined) return yield* breach("its list goes on at another place")
        if (seen.has(turn.target)) return yield* breach("its list comes back to a page that was there before")
        if (seen.size >= maxPages) return yield* breach(`its list has more than ${maxPages} pages`)
        return [taken, Option.some<Turn>({ ...turn, target: turn.target, left: rest })] as const
      }))
  })
}

const ended = <A>(items: Chunk.Chunk<A>) => [items, Option.none<Turn>()] as const

/**
 * Where a list may go on whose page is full and has no `Link`, which some registries never send: after its last item, by
 * `last`. Spec: "Listing Tags".
 */
const onwards = (
  operation: ListOperation,
  items: ReadonlyArray<unknown>,
  size: number
): Omit<Turn, "left"> | undefined => {
  const after = items[items.length - 1]
  if (operation._tag === "ListReferrers" || items.length !== size || after === undefined) return undefined
  const next = operation._tag === "ListTags"
    ? new Operation.ListTags({ ...operation, last: after as Tag, limit: size })
    : new Operation.ListRepositories({ last: after as RepositoryName, limit: size })
  return { target: Request.encode(next).target, after }
}

const limitOf = (operation: ListOperation): number =>
  (operation._tag === "ListReferrers" ? undefined : operation.limit) ?? Number.POSITIVE_INFINITY

/** The same list, a page of it. There is no asking for the size of one of referrers. */
const ofSize = (operation: ListOperation, limit: number): ListOperation => {
  switch (operation._tag) {
    case "ListRepositories":
      return new Operation.ListRepositories({ ...operation, limit })
    case "ListTags":
      return new Operation.ListTags({ ...operation, limit })
    case "ListReferrers":
      return operation
  }
}

/** A registry that does not filter by artifact type sends all. Spec: "Listing Referrers". */
const isWanted = (operation: ListOperation, item: unknown): boolean =>
  operation._tag !== "ListReferrers" || operation.artifactType === undefined ||
  (item as { readonly artifactType?: string }).artifactType === operation.artifactType

const unescaped = (path: string): string => path.replace(/%3a/gi, ":").replace(/%2f/gi, "/")

/**
 * Where a link leads that is one to the same list, `undefined` for any other. A proxy before the registry may have added
 * to the path, so its end counts, and the path that was asked for stays.
 */
const linked = (link: string, base: string, origin: string, path: string): string | undefined => {
  if (!URL.canParse(link, base)) return undefined
  const url = new URL(link, base)
  return url.origin === origin && unescaped(url.pathname).endsWith(path) ? `${path}${url.search}` : undefined
}
