/** Lists the tags of a union of registries. */
import { Handler, Operation, Registry, RepositoryName, Tag } from "@effect-oci/core"
import { Union } from "@effect-oci/middleware"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { serve } from "../internal/program.js"

const repository = RepositoryName.make("team/app")

/** The number of tags in a page. */
const pageSize = 1000

/** Returns every `step`-th of `count` tags, starting with `first`, in pages that are made when they are read. */
const tags = (first: number, step: number, count: number): Stream.Stream<Tag.Tag> =>
  Stream.paginateChunk(first, (from) => {
    const page: Array<Tag.Tag> = []
    let at = from
    for (; at < count && page.length < pageSize; at += step) page.push(Tag.make(`t${String(at).padStart(9, "0")}`))
    return [Chunk.unsafeFromArray(page), at < count ? Option.some(at) : Option.none()]
  })

const member = (index: number, members: number, count: number): Registry["Type"] =>
  Registry.fromHandler(Handler.override((operation) => Effect.dieMessage(`not asked: ${operation._tag}`), {
    ListTags: () => Effect.succeed(tags(index, members, count))
  }))

const questions = {
  /** Lists `count` tags of `members` registries. Returns the duration, in seconds. */
  list: async ({ count, members }: { readonly count: number; readonly members: number }): Promise<number> => {
    const registries = Array.from({ length: members }, (_, index) => ({
      name: `${index}`,
      registry: member(index, members, count)
    }))
    const handle = Union.middleware(registries.slice(1))(registries[0]!.registry.handle)
    const start = performance.now()
    const listed = Effect.flatMap(handle(new Operation.ListTags({ repository })), Stream.runCount)
    const found = await Effect.runPromise(listed)
    if (found !== count) throw new Error(`${found} tags of ${count}`)
    return (performance.now() - start) / 1000
  }
}

export type Questions = typeof questions

serve(questions)
