import type { Descriptor } from "@effect-oci/core/Descriptor"
import type { Digest } from "@effect-oci/core/Digest"
import type * as Handler from "@effect-oci/core/Handler"
import type { RegistryError } from "@effect-oci/core/RegistryError"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as failure from "./failure.js"
import type { Stores } from "./stores.js"

type Rows = Pick<Handler.Table, "ListRepositories" | "ListTags" | "ListReferrers">

/** The page size for calls of the store. It does not depend on the caller, so a caller cannot reserve memory. */
const pageSize = 1000

interface Listing<A, K> {
  readonly last?: K | undefined
  readonly limit?: number | undefined
  readonly page: (after: K | undefined, n: number) => Effect.Effect<ReadonlyArray<A>, RegistryError>
  readonly key: (item: A) => K
}

/**
 * Returns a list as a stream of its pages. Reads the first page before it returns the stream, so that an error of the
 * list fails the operation. Each page starts after the last item of the page before, so that no item is listed twice,
 * even if the list changes meanwhile.
 */
const list = <A, K>({ key, last, limit = Infinity, page }: Listing<A, K>) =>
  Effect.suspend(() => {
    const turn = (left: number) => Math.max(0, Math.min(left, pageSize))
    const step = (items: ReadonlyArray<A>, left: number) => {
      const final = items.at(-1)
      const next = final !== undefined && items.length === turn(left) && left > items.length
        ? Option.some({ after: key(final), left: left - items.length })
        : Option.none()
      return [Chunk.unsafeFromArray(items), next] as const
    }
    return Effect.map(page(last, turn(limit)), (items) => {
      const [first, next] = step(items, limit)
      return Option.match(next, {
        onNone: () => Stream.fromChunk(first),
        onSome: (start) =>
          Stream.concat(
            Stream.fromChunk(first),
            Stream.paginateChunkEffect(
              start,
              ({ after, left }) => Effect.map(page(after, turn(left)), (more) => step(more, left))
            )
          )
      })
    })
  })

/** Creates the handlers of the operations that list. */
export const make = ({ metadata }: Stores): Rows => ({
  ListRepositories: (operation) =>
    list({
      last: operation.last,
      limit: operation.limit,
      page: (after, n) => Effect.mapError(metadata.listRepositories(after, n), failure.of(operation)),
      key: (name) => name
    }),
  ListTags: (operation) =>
    list({
      last: operation.last,
      limit: operation.limit,
      page: (after, n) => Effect.mapError(metadata.listTags(operation.repository, after, n), failure.of(operation)),
      key: (tag) => tag
    }),
  ListReferrers: (operation) =>
    list<Descriptor, Digest>({
      page: (after, n) =>
        Effect.mapError(
          metadata.listReferrers(operation.repository, operation.digest, operation.artifactType, after, n),
          failure.of(operation)
        ),
      key: (descriptor) => descriptor.digest
    })
})
