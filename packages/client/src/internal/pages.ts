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
    const first: Turn = { target: request.target, left: limit, after: undefined }
    return Stream.paginateChunkEffect(first, ({ after, left, target }) =>
      Effect.gen(function*() {
        seen.add(target)
        const answer = yield* exchange.send({ ...request, target }, fields)
        const page = yield* exchange.decodePage(operation, answer, fields)
        onPage?.()
        const wanted = page.filtered ? page.items : page.items.filter((item) => isWanted(operation, item))
        if (after !== undefined && page.items.some((item) => item === after)) return end
        const taken = Chunk.unsafeFromArray(wanted.slice(0, left))
        const rest = left - taken.length
        if (rest <= 0) return [taken, Option.none<Turn>()] as const
        if (page.next === undefined) {
          const unsaid = onwards(operation, page.items, size)
          return [taken, Option.map(unsaid, (turn): Turn => ({ ...turn, left: rest }))] as const
        }
        const query = queryOf(page.next, answer.url, exchange.origin, path)
        if (query === undefined) return yield* breach("its list goes on at another place")
        const next = `${path}${query}`
        if (seen.has(next)) return yield* breach("its list comes back to a page that was there before")
        if (seen.size >= maxPages) return yield* breach(`its list has more than ${maxPages} pages`)
        return [taken, Option.some<Turn>({ target: next, left: rest, after: undefined })] as const
      }))
  })
}

/** A page to ask for: where, how many items are still wanted, and the item it comes after, where no `Link` led there. */
interface Turn {
  readonly target: string
  readonly left: number
  readonly after: unknown
}

const end = [Chunk.empty<never>(), Option.none<Turn>()] as const

/**
 * Where a list may go on whose page is full and has no `Link`: after its last item, by `last`. A registry that does not
 * know that parameter sends the same page again, which then has this item in it. Spec: "Listing Tags".
 */
const onwards = (
  operation: ListOperation,
  items: ReadonlyArray<unknown>,
  size: number
): Option.Option<Omit<Turn, "left">> => {
  const after = items[items.length - 1]
  if (operation._tag === "ListReferrers" || items.length !== size || after === undefined) return Option.none()
  const next = operation._tag === "ListTags"
    ? new Operation.ListTags({ ...operation, last: after as Tag, limit: size })
    : new Operation.ListRepositories({ last: after as RepositoryName, limit: size })
  return Option.some({ target: Request.encode(next).target, after })
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
 * The query of a link to the same list, `undefined` for a link to anything else. A proxy before the registry may have
 * added to the path, so its end counts, and the path that was asked for stays.
 */
const queryOf = (link: string, base: string, origin: string, path: string): string | undefined => {
  if (!URL.canParse(link, base)) return undefined
  const url = new URL(link, base)
  return url.origin === origin && unescaped(url.pathname).endsWith(path) ? url.search : undefined
}
