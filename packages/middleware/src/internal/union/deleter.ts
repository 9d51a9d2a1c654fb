import { RegistryError } from "@effect-oci/core"
import type { Handler, Operation } from "@effect-oci/core"
import * as Effect from "effect/Effect"
import { askAllReversed } from "./askAll.js"
import { combineWrites, firstOf } from "./combineWrites.js"
import { capableMembers, dispatch } from "./model.js"
import type { Settings, UnionMember } from "./model.js"
import { follow } from "./ordered.js"

type Rows = Pick<Handler.Table, "DeleteBlob" | "DeleteManifest" | "DeleteTag">

type Delete = Operation.OperationOf<keyof Rows>

/**
 * Creates the handlers of deletes. A delete goes to all members with the capability, because otherwise reads would
 * still find the content at another member. Members are asked one after another, the most trusted member last, so that
 * reads do not briefly find content of another member that the most trusted one hides.
 */
export const deleter = (unionMembers: ReadonlyArray<UnionMember>, { push }: Settings): Rows => {
  const deleters = capableMembers(unionMembers, "delete")
  const byDigest = (operation: Operation.DeleteBlob | Operation.DeleteManifest) =>
    dispatch<Delete>(operation, deleters, deleters.ofRepository(operation.repository), deleteFromAll)
  return {
    DeleteBlob: byDigest,
    DeleteManifest: byDigest,
    DeleteTag: (operation) =>
      dispatch<Operation.DeleteTag>(
        operation,
        deleters,
        deleters.ofTags(operation.repository, [operation.tag]),
        (operation, members) =>
          push === "ordered"
            ? Effect.zipLeft(deleteFromAll(operation, members), follow(members, operation, operation.tag))
            : deleteFromAll(operation, members)
      )
  }
}

const deleteFromAll = (operation: Delete, members: ReadonlyArray<UnionMember>) =>
  Effect.flatMap(
    askAllReversed(members, ({ handle }) => handle(operation)),
    (outcomes) => combineWrites(operation, outcomes, firstOf, RegistryError.isNotFound)
  )
