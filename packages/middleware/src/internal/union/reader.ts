import { Operation } from "@effect-oci/core"
import type { Answer, Handler } from "@effect-oci/core"
import * as Effect from "effect/Effect"
import { getBlob } from "./blobs.js"
import * as cooldown from "./cooldown.js"
import { MemberReads } from "./memberReads.js"
import { capableMembers, dispatch } from "./model.js"
import type { Settings, UnionMember } from "./model.js"
import { TagReads } from "./tags.js"

type Rows = Pick<Handler.Table, "ResolveBlob" | "GetBlob" | "ResolveManifest" | "GetManifest">

/** Creates the handlers of reads: content by digest from any member, and tags by the option `tags`. */
export const reader = (unionMembers: ReadonlyArray<UnionMember>, settings: Settings): Rows => {
  const pullers = capableMembers(unionMembers, "pull")
  const resolvers = capableMembers(unionMembers, "resolve")
  const reads = new MemberReads(settings, cooldown.make(settings))

  const byDigest = <O extends Operation.ResolveBlob | Operation.ResolveManifest | Operation.GetManifest>(
    operation: O
  ): Answer.Answer<O> =>
    dispatch(operation, pullers, pullers.ofRepository(operation.repository), (_, members): Answer.Answer<O> => {
      const read = { operation, members, ask: (member: UnionMember) => member.verifying(operation) }
      return settings.read === "race" ? reads.raced(read, () => Effect.void) : reads.inOrder(read)
    })
  const tags = new TagReads(settings, reads, pullers, resolvers, byDigest)

  return {
    ResolveBlob: byDigest,
    GetBlob: (operation) =>
      dispatch(
        operation,
        pullers,
        pullers.ofRepository(operation.repository),
        (_, members) => getBlob(reads, settings.read, operation, members)
      ),
    ResolveManifest: (operation) => {
      const { reference } = operation
      return Operation.isDigest(reference) ? byDigest(operation) : tags.resolve(operation, reference)
    },
    GetManifest: (operation) => {
      const { reference } = operation
      return Operation.isDigest(reference) ? byDigest(operation) : tags.get(operation, reference)
    }
  }
}
